"""Cutting: chunks are within their size, nothing is lost, and each knows where it stands."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.knowledge.chunking import cut
from serai.knowledge.cutting import cut_passages
from serai.knowledge.options import check_chunking
from serai.knowledge.passages import Passage, ReadDocument
from serai.knowledge.reading import chunkers, read_document
from serai.knowledge.reading_frames import CutSpec

TEXT = st.text(alphabet=st.sampled_from("ab. \n#`|é茶ا\u0301😀"), max_size=300)


@pytest.mark.parametrize("chunker", [key for key in chunkers() if key != "TokenChunker"])
@given(text=TEXT, size=st.integers(1, 60), data=st.data())
def test_chunks_are_within_their_size_and_hold_all_words(chunker: str, text: str, size: int, data: st.DataObject):
    overlap = data.draw(st.integers(0, size - 1))
    passages = [Passage(text, {"language": "python"})]
    chunks = [chunk.text for chunk in cut_passages(passages, CutSpec(chunker, size, overlap), most=10_000)]
    assert all(0 < len(chunk) <= size for chunk in chunks)
    left = "".join(text.split())
    for chunk in chunks:  # each begins before what the ones before it had ends
        letters = "".join(chunk.split())
        shared = next(n for n in range(len(letters), -1, -1) if left.startswith(letters[len(letters) - n :]))
        left = left[shared:]
    assert left == ""


async def test_chunks_have_the_metadata_of_their_passage():
    document = ReadDocument([Passage("One.", {"page": 1}), Passage("Two.", {"page": 2})], "RecursiveChunker")
    chunks = await cut(document, chunker=None, chunk_size=100, chunk_overlap=0)
    assert [(chunk.position, chunk.text, chunk.metadata, chunk.tokens) for chunk in chunks] == [
        (1, "One.", {"page": 1}, 1),
        (2, "Two.", {"page": 2}, 1),
    ]


async def test_chunks_of_markdown_know_their_headings_through_all_passages():
    first = "# Guide\n\nIntro.\n\n## Install\n\n```sh\n# no heading\n```\n\n### Linux ##\n\nUse apt."
    document = ReadDocument(
        [Passage(first), Passage("More of it, and still more words.\n\n## Use\n\nCall it.")], "MarkdownChunker"
    )
    chunks = await cut(document, chunker=None, chunk_size=40, chunk_overlap=0)
    assert [(chunk.text.splitlines()[-1], chunk.metadata["heading"]) for chunk in chunks] == [
        ("Intro.", "Guide"),
        ("```", "Guide > Install"),
        ("Use apt.", "Guide > Install > Linux"),
        ("More of it, and still more words.", "Guide > Install > Linux"),
        ("Call it.", "Guide > Use"),
    ]


async def test_lines_that_are_hard_for_patterns_are_cut_at_once():
    for line in ("# " + " " * 40_000 + "x", "#" * 45_000, "```" * 15_000, " " * 45_000 + "`"):
        started = time.perf_counter()
        document = ReadDocument([Passage(line)], "MarkdownChunker")
        assert await cut(document, chunker=None, chunk_size=1500, chunk_overlap=150)
        assert time.perf_counter() - started < 1


async def test_a_row_is_a_chunk_and_only_long_ones_are_cut():
    document = ReadDocument([Passage("a: 1", {"row": 1}), Passage("b: " + "word " * 40, {"row": 2})], "RowChunker")
    chunks = await cut(document, chunker=None, chunk_size=120, chunk_overlap=20)
    assert [chunk.metadata["row"] for chunk in chunks] == [1, 2, 2]
    assert sum(chunk.text.count("word") for chunk in chunks) == 40


async def test_code_is_cut_between_functions():
    code = "import os\n\n\n" + "\n\n".join(f"def step_{n}():\n    x = {n}\n\n    return x\n" for n in range(4))
    document = await read_document(code.encode(), name="steps.py")
    chunks = await cut(document, chunker=None, chunk_size=60, chunk_overlap=0)
    assert [chunk.text.splitlines()[0] for chunk in chunks] == [
        "import os",
        "def step_1():",
        "def step_2():",
        "def step_3():",
    ]
    assert {chunk.metadata["language"] for chunk in chunks} == {"python"}


async def test_tokens_are_counted_by_the_token_chunker():
    document = ReadDocument([Passage("The quick brown fox jumps. " * 100)], "TokenChunker")
    chunks = await cut(document, chunker=None, chunk_size=60, chunk_overlap=0)
    assert len(chunks) == 10


async def test_a_great_deal_is_cut_the_same_in_a_process():
    document = ReadDocument(
        [Passage("# H\n\n" + "Some words. " * 100, {"page": n}) for n in range(150)], "MarkdownChunker"
    )
    many = await cut(document, chunker=None, chunk_size=300, chunk_overlap=50)
    few = await cut(
        ReadDocument(document.passages[:3], "MarkdownChunker"),
        chunker=None,
        chunk_size=300,
        chunk_overlap=50,
    )
    assert many[: len(few)] == few
    assert [chunk.position for chunk in many] == list(range(1, len(many) + 1))


@pytest.mark.parametrize(
    ("chunker", "size", "overlap", "said"),
    [
        ("NoChunker", None, None, "chunker: 'NoChunker' is not known; use one of RecursiveChunker"),
        (None, 0, None, "chunk_size: 0 is out of bounds; it must be 1 to 50,000"),
        (None, 50_001, None, "chunk_size: 50001 is out of bounds"),
        (None, 100, -1, "chunk_overlap: -1 is out of bounds"),
        (None, 100, 100, "chunk_overlap: 100 must be less than chunk_size, which is 100"),
    ],
)
def test_a_way_of_cutting_that_cannot_work_is_refused(
    chunker: str | None, size: int | None, overlap: int | None, said: str
):
    with pytest.raises(ValueError, match=re.escape(said)):
        check_chunking(chunker, size, overlap)


def test_a_way_of_cutting_that_works_is_not_refused():
    check_chunking(None, None, None)
    for chunker in chunkers():
        check_chunking(chunker, 100, 99)

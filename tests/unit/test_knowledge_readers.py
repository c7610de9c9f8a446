"""What each reader makes of documents that are as they should be, and which reader takes what."""

from __future__ import annotations

import random
from datetime import datetime

import pytest

from serai.knowledge.chunking import cut
from serai.knowledge.passages import LONGEST_PASSAGE, Passage, ReadLimits, UnreadableError
from serai.knowledge.reading import Unavailable, chunkers, read_document, readers, readers_for_type, unavailable
from tests.document_files import docx_of, html_of, make_pdf, pptx_of, sections_of, xlsx_of
from tests.knowledge_corpus import QUESTIONS, corpus_documents


async def read(data: bytes, name: str | None = None, **told: str) -> list[Passage]:
    return (await read_document(data, name=name, **told)).passages  # type: ignore[arg-type]


async def only(data: bytes, name: str | None = None, **told: str) -> str:
    (passage,) = await read(data, name, **told)
    return passage.text


async def test_bytes_of_no_text_are_not_taken_for_one():
    noise = random.Random(1).randbytes(3000).replace(b"\0", b"")
    for data in (noise, b"\0\1\2\3caf\xe9 words that stand in a program"):
        with pytest.raises(UnreadableError, match="binary data"):
            await read_document(data, name="a.bin")
    assert await only(b"a\0b " + "é".encode() * 9000, "a.bin") == "a\ufffdb " + "é" * 9000


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_text_is_read_in_the_character_sets_people_have(charset: str):
    assert await only("Zwölf Bücher – für 3 €".encode(charset), "a.txt") == "Zwölf Bücher – für 3 €"


async def test_the_character_set_that_the_type_names_is_used():
    assert await only("東京の天気".encode("shift_jis"), media_type="text/plain; charset=Shift_JIS") == "東京の天気"
    assert await only(b"words", media_type="text/plain; charset=nothing-known") == "words"


async def test_line_ends_are_unified_and_what_cannot_be_stored_is_replaced():
    assert await only(b"one\r\ntwo\rth\0ree and more words", "a.txt") == "one\ntwo\nth\ufffdree and more words"


async def test_long_texts_become_passages_that_end_at_lines():
    line = "A line of about fifty letters, as they often are.\n"
    passages = await read(line.encode() * 2500, "a.log")
    assert [len(passage.text) <= LONGEST_PASSAGE for passage in passages] == [True] * 3
    assert all(passage.text.endswith("are.") for passage in passages)


async def test_html_is_the_main_text_as_markdown():
    page = html_of("Title & more", sections_of("# One\nFirst <b>words</b>.\n\nMore.\n\n# Two\nLast."))
    passages = await read(page, "a.html")
    assert passages == [
        Passage(
            "# Title & more\n\n## One\n\nFirst <b>words</b>.\n\nMore.\n\n## Two\n\nLast.", {"title": "Title & more"}
        )
    ]


async def test_html_tables_lists_links_and_images_are_read():
    page = (
        b"<html><head><title>Not text</title></head><body><header>Menu</header><ul><li>a</li><li>b</li></ul>"
        b"<table><tr><th>k</th><th>v</th></tr><tr><td>x</td><td>1</td></tr></table>"
        b"<p>See <a href='http://a.b'>this</a> <img alt='a cat' src='data:1'> <!-- hidden --></p></body></html>"
    )
    assert await only(page) == "- a\n- b\n\n| k | v |\n| --- | --- |\n| x | 1 |\n\nSee this a cat"


async def test_html_in_the_charset_of_its_meta_element_is_read():
    page = "<html><head><meta charset='iso-8859-8'></head><body><p>שלום</p></body></html>"
    assert await only(page.encode("iso-8859-8"), "a.html") == "שלום"
    assert await only("<p>Äpfel, žluť, 茶</p>".encode(), "a.html") == "Äpfel, žluť, 茶"
    assert await only("<p>Äpfel</p>".encode("utf-16"), "a.html") == "Äpfel"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_rows_of_a_table_name_their_columns(delimiter: str):
    data = "\ufeffName,City,Age\nAda,London,36\n\nAlan,,41\n".replace(",", delimiter)
    assert await read(data.encode(), "a.csv") == [
        Passage("Name: Ada\nCity: London\nAge: 36", {"row": 2}),
        Passage("Name: Alan\nAge: 41", {"row": 4}),
    ]


async def test_rows_without_a_header_are_read_as_they_are():
    assert await read(b"1,2\n3,4\n", "a.csv") == [Passage("1\n2", {"row": 1}), Passage("3\n4", {"row": 2})]
    assert await only(b"Name,City\n", "a.csv") == "Name | City"
    assert await only(b'a,"b\nc"\n', "a.csv") == "a | b\nc"
    assert await only("1,b\u2028c\x0bd\n".encode(), "a.csv") == "1\nb\u2028c\x0bd"


async def test_rows_are_counted_as_a_spreadsheet_does_whatever_lines_their_cells_have():
    assert [passage.metadata["row"] for passage in await read(b'a,b\n"x\ny",1\nz,2\n', "a.csv")] == [2, 3]


async def test_what_separates_cells_may_be_said_as_excel_is_told():
    data = b"sep=:\r\nName:Motto\r\nAda:One, two; three, four\r\n"
    assert await read(data, "a.csv") == [Passage("Name: Ada\nMotto: One, two; three, four", {"row": 2})]
    assert await only(b'sep="\n', "a.csv") == 'sep="'


async def test_numbers_of_json_stay_as_they_are_written():
    many = b"9" * 5000
    assert await only(b'{"a": 1.10, "b": -0, "c": 1e400, "d": NaN, "e": ' + many + b"}", "a.json") == (
        f"a: 1.10\nb: -0\nc: 1e400\nd: NaN\ne: {many.decode()}"
    )


async def test_lines_of_json_are_known_without_their_suffix():
    data = b'{"a": 1}\n\n{"a": [2]}\n'
    assert await read(data, "a.json") == await read(data, media_type="application/x-ndjson")
    assert await read(data, "a.json") == [Passage("a: 1", {"item": 1}), Passage("a: 2", {"item": 3})]
    assert await read(b"[\n[1],\n[2]]", "a.json") == [Passage("1", {"item": 1}), Passage("2", {"item": 2})]


async def test_items_of_json_are_passages():
    data = b'[{"name": "Ada", "born": {"year": 1815, "in": "London"}}, {"tags": ["a", "b"], "none": null}, true]'
    assert await read(data, "a.json") == [
        Passage("name: Ada\nborn.year: 1815\nborn.in: London", {"item": 1}),
        Passage("tags: a\ntags: b", {"item": 2}),
        Passage("true", {"item": 3}),
    ]
    assert await only(b'{"a": [1, {"b": 2}]}', media_type="application/json") == "a: 1\na.b: 2"
    assert await only(b'["x", "y", 3]', "a.json") == "x\ny\n3"
    assert await read(b'{"a": 1}\n\n{"a": 2}\n', "a.jsonl") == [
        Passage("a: 1", {"item": 1}),
        Passage("a: 2", {"item": 3}),
    ]


async def test_pages_of_a_pdf_have_their_numbers():
    data = make_pdf([["First page", "(with brackets)"], [], ["Größe: 5 €"]])
    assert await read(data, "a.pdf") == [
        Passage("First page\n(with brackets)", {"page": 1}),
        Passage("Größe: 5 €", {"page": 3}),
    ]


async def test_word_documents_are_markdown_in_their_order():
    data = docx_of("Guide", sections_of("# Install\nRun it.\n\n# Use\nCall it."), [["Key", "Value"], ["a", "1"]])
    assert await read(data, "a.docx") == [
        Passage(
            "# Guide\n\n# Install\n\nRun it.\n\n# Use\n\nCall it.\n\n| Key | Value |\n| --- | --- |\n| a | 1 |",
            {"title": "Guide"},
        )
    ]


async def test_rows_of_workbooks_name_their_sheet_and_columns():
    data = xlsx_of(
        {
            "Staff": [["Name", "Since", "Share"], ["Ada", datetime(2026, 3, 1), 0.5], ["Alan", None, 2.0]],  # noqa: DTZ001
            "Empty": [],
            "Ünits": [[1, 2]],
        }
    )
    assert await read(data, "a.xlsx") == [
        Passage("Name: Ada\nSince: 2026-03-01\nShare: 0.5", {"sheet": "Staff", "row": 2}),
        Passage("Name: Alan\nShare: 2", {"sheet": "Staff", "row": 3}),
        Passage("1\n2", {"sheet": "Ünits", "row": 1}),
    ]


async def test_slides_have_their_numbers_titles_and_notes():
    data = pptx_of(sections_of("# Hello\nA point\n\nAnother\n\nNotes: Say it slowly.\n\n# Bye\nThe end"))
    assert await read(data, "a.pptx") == [
        Passage("# Hello\n\nA point\nAnother\n\nNotes: Say it slowly.", {"slide": 1, "title": "Hello"}),
        Passage("# Bye\n\nThe end", {"slide": 2, "title": "Bye"}),
    ]


@pytest.mark.parametrize(
    ("name", "media_type", "reader_id", "chunker"),
    [
        (None, None, None, "RecursiveChunker"),
        ("a.md", "text/plain", None, "MarkdownChunker"),
        ("a.csv", "application/vnd.ms-excel", None, "RowChunker"),
        ("page", "text/html; charset=utf-8", None, "MarkdownChunker"),
        ("a.txt", None, "csv", "RowChunker"),
        ("a.txt", None, "pdf", "RecursiveChunker"),
        ("a.txt", None, "unheard of", "RecursiveChunker"),
        ("A.MD", None, None, "MarkdownChunker"),
        ("a.unknown", "application/octet-stream", None, "RecursiveChunker"),
        ("a.py", None, None, "CodeChunker"),
    ],
)
async def test_the_reader_follows_from_name_type_and_wish(
    name: str | None, media_type: str | None, reader_id: str | None, chunker: str
):
    document = await read_document(b"a,b\n1,2", name=name, media_type=media_type, reader_id=reader_id)
    assert document.chunker == chunker


async def test_bytes_without_a_name_are_known_by_what_they_are():
    assert await only(make_pdf([["Words"]])) == "Words"
    assert await only(make_pdf([["Words"]]), "report", media_type="text/plain") == "Words"
    assert await only(b"A PDF begins with %PDF-1.4.") == "A PDF begins with %PDF-1.4."
    assert await only(b"  <!DOCTYPE html><html><body><p>Hi</p></body></html>") == "Hi"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ReadLimits(characters=10), "more than 10 characters"),
        (ReadLimits(passages=1), "more than 1 rows or passages"),
    ],
)
async def test_a_document_beyond_its_limits_is_refused(limits: ReadLimits, said: str):
    with pytest.raises(UnreadableError, match=said):
        await read_document(b"a,b\n1,2222\n3,4444\n", name="a.csv", limits=limits)


def test_the_catalogue_is_what_is_installed():
    assert set(readers()) == {"text", "markdown", "html", "csv", "json", "pdf", "docx", "excel", "pptx"}
    assert all(set(reader.chunkers) <= set(chunkers()) for reader in readers().values())
    assert all(reader.id == key for key, reader in readers().items())
    assert readers_for_type()[".pdf"] == ["pdf"]
    assert readers_for_type()[".tsv"] == ["csv"]
    assert unavailable() == Unavailable({}, {})


async def test_each_question_of_the_corpus_has_a_chunk_that_answers_it():
    answered = set()
    for document in corpus_documents():
        text = await read_document(document.data, name=document.name, media_type=document.media_type)
        chunks = await cut(text, chunker=None, chunk_size=1500, chunk_overlap=150)
        answered |= {
            question
            for question in QUESTIONS
            if any(question.is_answered_by(document.name, chunk.text) for chunk in chunks)
        }
    assert [question for question in QUESTIONS if question not in answered] == []
    assert len(answered) >= 60

"""Searches of knowledge bases on a real PostgreSQL, against what looking at every chunk in Python finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, log
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.knowledge import FoundChunk, SearchType
from serai.errors import ConfigurationError
from serai.knowledge.options import Knowledge
from serai.knowledge.searching import Searcher, SearchUnavailableError
from serai.storage import knowledge_vectors, knowledge_word_search, knowledge_words
from serai.storage.connection import Database
from serai.storage.knowledge_contents import ContentStore
from serai.storage.knowledge_vectors import VectorSearch, prepare
from serai.storage.knowledge_words import Stems, check_language
from tests.knowledge_values import new_content, place, question, take_in
from tests.run_values import open_database

KEYWORD, VECTOR, HYBRID = SearchType.KEYWORD, SearchType.VECTOR, SearchType.HYBRID
WORDS = ("red", "green", "blue", "apple", "pear", "plum")
VALUES: Sequence[Any] = (0, 1, 1.5, True, None, "1", "ä", [1], [1, 2], {"a": 1}, {"a": 1, "b": 2})
Place = tuple[UUID, int]

words = st.sampled_from(WORDS)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)
values = st.sampled_from(VALUES)
terms = st.tuples(st.sampled_from(("", "", "", "-")), st.one_of(words, st.lists(words, min_size=2, max_size=3)))
pairs = st.dictionaries(st.sampled_from(("k", "l")), values, max_size=2)
vectors = st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=4)


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened


@pytest.fixture
def project() -> str:
    return str(uuid4())


@dataclass
class Embedded:
    """Gives every question the same vector."""

    vector: Sequence[float]

    async def embed_query(self, text: str) -> Sequence[float]:
        return self.vector


def searcher(database: Database, vector: Sequence[float] | None = None, **options: Any) -> Searcher:
    return Searcher(database, Knowledge(id="b", **options), None if vector is None else Embedded(vector))


async def find(database: Database, project: str, text: str, *, language: str = "english", **members: Any) -> list[str]:
    found = await searcher(database, language=language).search(question(project, text, **members))
    return [chunk.text for chunk in found]


def is_equal(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal, as JSON sees it: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def fits(metadata: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    return all(key in metadata and is_equal(metadata[key], value) for key, value in filters.items())


def has_phrase(text: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(list(text[at : at + len(phrase)]) == list(phrase) for at in range(len(text)))


def expected_scores(
    chunks: Mapping[Place, str], asked: Sequence[tuple[str, str | Sequence[str]]]
) -> tuple[dict[Place, float], dict[Place, float]]:
    """Return the scores of chunks that have all that is asked for, and of those that have some of it."""
    split = {key: text.split() for key, text in chunks.items()}
    phrases = [(sign, (term,) if isinstance(term, str) else tuple(term)) for sign, term in asked]
    wanted = [term for sign, term in phrases if not sign]
    unwanted = [term for sign, term in phrases if sign]
    single = [(term,) for sign, term in asked if not sign and isinstance(term, str)]
    quoted = [tuple(term) for sign, term in asked if not sign and not isinstance(term, str)]
    weights = {}
    for word in {word for term in wanted for word in term}:
        count = max(sum(word in text for text in split.values()), 1)
        weights[word] = log(1 + (len(split) - count + 0.5) / (count + 0.5))
    both: tuple[dict[Place, float], dict[Place, float]] = ({}, {})
    for key, text in split.items():
        if not wanted or any(has_phrase(text, term) for term in unwanted):
            continue
        told = sum(
            weight * sum(1 / at**2 for at in range(1, text.count(word) + 1)) / 1.64493406685
            for word, weight in weights.items()
        )
        score = told / sum(weights.values()) / 2
        if all(has_phrase(text, term) for term in wanted):
            both[0][key] = 0.5 + score
        elif all(has_phrase(text, term) for term in quoted) and single and any(word in text for word in weights):
            both[1][key] = score
    return both


def check_order(found: Sequence[FoundChunk], expected: Mapping[Place, float], *, limit: int) -> None:
    """Compare what was found with all that should be, of which it is the best."""
    told = {place(chunk): chunk.score for chunk in found}
    assert len(told) == len(found) == min(limit, len(expected))
    assert all(0 <= score <= 1 for score in told.values())
    assert [chunk.score for chunk in found] == sorted(told.values(), reverse=True)
    best = sorted(expected.values(), reverse=True)[:limit]
    assert [chunk.score for chunk in found] == pytest.approx(best, abs=2e-3)
    assert told == pytest.approx({key: expected[key] for key in told}, abs=2e-3)


@given(
    documents=st.lists(st.tuples(texts, pairs), min_size=1, max_size=10),
    asked=st.lists(terms, min_size=1, max_size=4),
    filters=pairs,
    limit=st.integers(1, 12),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_words_find_what_looking_at_every_chunk_finds(database: Database, documents, asked, filters, limit):
    project = str(uuid4())
    said, metadata = zip(*documents, strict=True)
    record = await take_in(database, new_content(project), said, metadata=metadata, language="simple")
    await take_in(database, new_content(project, base_id="other"), said, metadata=metadata, language="simple")
    text = " ".join(sign + (term if isinstance(term, str) else f'"{" ".join(term)}"') for sign, term in asked)
    found = await searcher(database, language="simple").search(question(project, text, filters=filters, limit=limit))
    chunks = {(record.id, at): text for at, text in enumerate(said, 1)}
    strict, loose = expected_scores(chunks, asked)
    kept = [
        {key: score for key, score in one.items() if fits(metadata[key[1] - 1], filters)} for one in (strict, loose)
    ]
    check_order(found, kept[0] if len(kept[0]) >= limit else kept[0] | kept[1], limit=limit)


@pytest.mark.parametrize("exact_chunks", [0, 1000], ids=["by the index", "one by one"])
@given(
    documents=st.lists(st.tuples(vectors, pairs), min_size=1, max_size=12),
    asked=vectors.filter(any),
    filters=pairs,
    limit=st.integers(1, 14),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_vectors_find_what_comparing_every_chunk_finds(
    database: Database, monkeypatch, exact_chunks, documents, asked, filters, limit
):
    assert await prepare(database, 4)
    monkeypatch.setattr(knowledge_vectors, "EXACT_CHUNKS", exact_chunks)
    project = str(uuid4())
    stored, metadata = zip(*documents, strict=True)
    said = ["text"] * len(stored)
    record = await take_in(database, new_content(project), said, metadata=metadata, vectors=stored)
    await take_in(database, new_content(str(uuid4())), said, metadata=metadata, vectors=stored)
    found = await searcher(database, asked, embedder="x:y").search(
        question(project, "anything", VECTOR, filters=filters, limit=limit)
    )
    expected = {
        (record.id, at): max(sum(map(float.__mul__, vector, asked)) / hypot(*vector) / hypot(*asked), 0.0)
        for at, (vector, own) in enumerate(zip(stored, metadata, strict=True), 1)
        if any(vector) and fits(own, filters)
    }
    check_order(found, expected, limit=limit)


@given(
    documents=st.lists(st.tuples(texts, vectors), min_size=1, max_size=12),
    asked=texts,
    vector=vectors.filter(any),
    limit=st.integers(1, 14),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_words_and_vectors_together_lose_nothing_that_both_have(database, documents, asked, vector, limit):
    assert await prepare(database, 4)
    project = str(uuid4())
    said, stored = zip(*documents, strict=True)
    await take_in(database, new_content(project), said, vectors=stored)
    search = searcher(database, vector, embedder="x:y")
    by = {
        kind: await search.search(question(project, asked, kind, limit=50 if kind is not HYBRID else limit))
        for kind in (KEYWORD, VECTOR, HYBRID)
    }
    ranks = [{place(chunk): rank for rank, chunk in enumerate(by[kind], 1)} for kind in (KEYWORD, VECTOR)]
    expected = {key: sum(61 / (60 + rank[key]) / 2 for rank in ranks if key in rank) for key in {*ranks[0], *ranks[1]}}
    found = by[HYBRID]
    assert [chunk.score for chunk in found] == pytest.approx(sorted(expected.values(), reverse=True)[:limit], abs=0.01)
    both = ranks[0].keys() & ranks[1].keys()
    assert {place(chunk) for chunk in found[: len(both)]} <= both


async def test_what_is_removed_is_found_no_more_and_projects_do_not_see_each_other(database, project):
    assert await prepare(database, 2)
    other = str(uuid4())
    record = await take_in(database, new_content(project), ["Cats"], vectors=[[1, 0]])
    await take_in(database, new_content(other), ["Cats"], vectors=[[1, 0]])
    search = searcher(database, [1, 0], embedder="x:y")
    for kind in SearchType:
        assert len(await search.search(question(project, "cats", kind))) == 1
    await ContentStore(database).delete(project, "b", [record.id])
    for kind in SearchType:
        assert await search.search(question(project, "cats", kind)) == []
        assert len(await search.search(question(other, "cats", kind))) == 1


async def test_what_is_excluded_is_not_found_by_its_vector_either(database, project):
    assert await prepare(database, 2)
    await take_in(database, new_content(project), ["Cats and dogs", "Mice"], vectors=[[1, 0], [0, 1]])
    search = searcher(database, [1, 0.1], embedder="x:y")
    for asked, wanted in {
        "cats -dog": ["Mice"],
        "birds": ["Cats and dogs", "Mice"],
        "cats -mouse": ["Cats and dogs", "Mice"],
    }.items():
        assert [chunk.text for chunk in await search.search(question(project, asked, HYBRID))] == wanted


async def test_a_narrow_filter_on_many_vectors_still_finds_as_many_as_are_wanted(database, project, monkeypatch):
    assert await prepare(database, 3)
    record = await take_in(database, new_content(project), ["x"])
    await database.execute(
        "insert into knowledge_chunks select project_id, base_id, id, n, null, 'x', "
        "jsonb_build_object('tag', n % 100), 1, '' from knowledge_contents, generate_series(2, 1500) n where id = $1",
        record.id,
    )
    await database.execute(
        "insert into knowledge_vectors select project_id, base_id, content_id, position, null, 3, "
        "array[sin(position), cos(position), 0.5]::real[]::halfvec from knowledge_chunks where content_id = $1",
        record.id,
    )
    await database.execute("analyze knowledge_vectors")
    asked = question(project, "x", VECTOR, filters={"tag": 7}, limit=10)
    exact = await VectorSearch(database).find(asked, [1, 0, 0])
    monkeypatch.setattr(knowledge_vectors, "EXACT_CHUNKS", 5)
    used = "select idx_scan from pg_stat_user_indexes where indexrelname = 'knowledge_vectors_3'"
    near = await VectorSearch(database).find(asked, [1, 0, 0])
    assert len(near) == 10
    assert all(chunk.metadata["tag"] == 7 for chunk in near)
    assert len({place(chunk) for chunk in near} & {place(chunk) for chunk in exact}) >= 8
    async with asyncio.timeout(5):
        while not await database.fetchval(used):  # noqa: ASYNC110 - counted when the session is idle
            await asyncio.sleep(0.01)


async def test_words_that_are_forgotten_while_others_are_asked_for_are_still_known(database, monkeypatch):
    monkeypatch.setattr(knowledge_words, "_MOST_WORDS", 0)
    stems = Stems(database, "english")
    cats = await stems.of(["cats"])
    answers = await asyncio.gather(*(stems.of(["cats", f"dog{n}s"]) for n in range(8)))
    assert [answer["cats"] for answer in answers] == [cats["cats"]] * 8


async def test_people_find_what_they_type(database, project):
    said = [
        "The quick brown foxes don't sleep in Zürich.",
        "Set SERAI_DATABASE_URL, see serai.testing and version 3.1.10 of my-package.",
        "To be, or not to be: that is the question.",
        "A brown bear is quick.",
        "Call f('it\\'s') & g(a|b) !c :* <-> 100%",
    ]
    await take_in(database, new_content(project), said)
    for asked, wanted in {
        "fox sleeping": [0],
        '"brown fox"': [0],
        "“brown foxes”": [0],
        "brown -fox": [3],
        'quick -"brown fox"': [3],
        "bear OR zürich": [0, 3],
        "ZÜRICH": [0],
        "don't sleep": [0],
        "database url": [1],
        "SERAI_DATABASE_URL": [1],
        "testing": [1],
        "3.1.10": [1],
        "my-package": [1],
        "package": [1],
        "to be or not to be": [2],
        '"that is the question"': [2],
        "what is the question?": [2],
        "it's": [4],
        'f("it': [4],
        "g(a|b) & !c <-> :* \\' 100%": [4],
        "-fox": [],
        "!!! ??? …": [],
        '""': [],
        " ": [],
        "\0\ud800": [],
        "the": [0, 2],
    }.items():
        found = await find(database, project, asked)
        assert sorted(said.index(text) for text in found) == wanted, asked
    assert await find(database, project, "the brown elephant of a quick bear") == [said[3], said[0]]
    for long in ("a " * 5000, "猫喜欢" * 2000, '"' + "b c " * 2000, "-d " * 2000, "e OR " * 2000, "f-" * 5000):
        assert len(await find(database, project, long)) <= len(said)


@pytest.mark.parametrize(
    ("language", "text", "found_by", "not_found_by"),
    [
        ("english", "私は猫がとても好きです。", ["猫", "猫が", "とても好き", "好き 猫"], ["犬", '"好き猫"']),
        ("english", "我们喜欢在iPhone手机上喝绿茶", ["绿茶", "iphone", "手机", "喜欢喝茶"], ["红酒"]),
        ("english", "고양이는 하루 종일 잔다", ["고양이", "종일"], ["강아지"]),
        ("english", "แมวนอนทั้งวัน", ["แมว", "ทั้งวัน"], ["หมา"]),
        ("english", "הַחֲתוּלִים יְשֵׁנִים כל היום", ["החתולים", "ישנים"], ["כלבים"]),
        ("arabic", "\u202bالقِطَطُ تَنَامُ طـوال اليوم\u202c", ["القطط", "تنام", "طوال"], ["كلاب"]),
        ("hindi", "बिल्लियाँ दिन भर सोती हैं", ["बिल्लियाँ", "सोती"], ["कुत्ते"]),
        ("russian", "Кошки спят весь день", ["кошка", "КОШКИ"], ["собака"]),
        ("german", "Die Straßen der Häuser", ["strasse", "haus", "die"], ["weg"]),
        ("simple", "ﬁne Ｃａｆé soft\u00adhyphen", ["fine", "café", "softhyphen"], ["cafe"]),
    ],
)
async def test_text_of_any_script_is_found(database, project, language, text, found_by, not_found_by):
    await take_in(database, new_content(project), [text, "Something else entirely"], language=language)
    for asked in found_by:
        assert await find(database, project, asked, language=language) == [text], asked
    for asked in not_found_by:
        assert await find(database, project, asked, language=language) == [], asked


async def test_rare_words_are_looked_for_first_and_frequent_ones_when_there_are_too_few(database, project, monkeypatch):
    monkeypatch.setattr(knowledge_word_search, "ENOUGH_CANDIDATES", 0)
    said = ["apple pear", "apple plum", "apple", "apple red", "kiwi red"]
    await take_in(database, new_content(project), said)
    assert await find(database, project, "kiwi apple", limit=1) == ["kiwi red"]
    assert sorted(await find(database, project, "kiwi apple", limit=5)) == sorted(said)


async def test_a_chunk_of_any_length_can_be_stored_and_is_found_by_how_it_begins(database, project):
    long = "beginning " + "x" * 5000 + " " + " ".join(f"word{at}" for at in range(60_000)) + " 猫" * 10
    await take_in(database, new_content(project), [long])
    assert len(await find(database, project, "beginning")) == 1
    assert len(await find(database, project, "x" * 5000)) == 1


async def test_a_language_that_postgresql_does_not_have_is_refused(database):
    await check_language(database, "german")
    with pytest.raises(ConfigurationError, match=r"no text search for the language 'klingon'; it has .*english"):
        await check_language(database, "klingon")


async def test_a_search_by_vectors_without_an_embedder_says_what_it_takes(database, project):
    for kind in (VECTOR, HYBRID):
        with pytest.raises(SearchUnavailableError, match=r"no embedder.*search_type 'keyword'"):
            await searcher(database).search(question(project, "x", kind))


@dataclass
class Reversing:
    """Holds the last text for the best, or fails."""

    is_broken: bool = False

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        return None if self.is_broken else [at / len(texts) for at in range(len(texts))]


async def test_a_reranker_has_the_last_word_and_none_when_it_fails(database, project):
    await take_in(database, new_content(project), ["cat cat cat", "cat cat", "cat"])
    asked = question(project, "cat", limit=2)
    plain = await searcher(database).search(asked)
    found = await Searcher(database, Knowledge(id="b"), None, Reversing()).search(asked)
    assert [(chunk.text, chunk.reranking_score) for chunk in found] == [("cat", 2 / 3), ("cat cat", 1 / 3)]
    assert await Searcher(database, Knowledge(id="b"), None, Reversing(is_broken=True)).search(asked) == plain

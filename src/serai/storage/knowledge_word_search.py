"""Finds chunks by their words: those that have all of them, and where these are too few, those that have some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from serai.domain.knowledge import FoundChunk, SearchQuestion
from serai.domain.search_words import read_question
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import Hit, as_found, filter_arguments, filter_sql, found_of
from serai.storage.knowledge_words import Frequencies, Samples, Stems, base_lexeme
from serai.storage.word_queries import WordQuery, write_query

MOST_RANKED_WORDS: Final = 40
ENOUGH_CANDIDATES: Final = 2_000
"""Of chunks that have some of the words so many are looked at; those that have only frequent ones are passed by."""

# The query names the base, so no other index is to be read. The weights are 1 together; a word that is in a chunk once
# has 0.6 of its weight, half of that in a heading or the name, and more with each time.
_RANKED = """
with word as materialized (
    select * from unnest($4::text[]::tsquery[], $5::real[]) as word(query, weight)
)
select content_id, position, {base} + ranked.score / 2 as score
from knowledge_chunks as chunk cross join lateral (
    select sum(weight * ts_rank('{{1, 1, 0.5, 0.5}}', chunk.words, query))::float8 as score from word
) as ranked
where words @@ $3::text::tsquery and case when project_id = $1 then base_id = $2 end{filters}
order by score desc, content_id, position limit $6"""
_ALL_OF, _SOME_OF = 0.5, 0.0

# Which of some chunks a query is true of.
_ALLOWED = """
select content_id, position
from unnest($3::uuid[], $4::integer[]) as hit(content_id, position)
join knowledge_chunks using (content_id, position)
where project_id = $1 and base_id = $2 and words @@ $5::text::tsquery"""


class WordSearch:
    """Searches bases of one language by words.

    Args:
        database: where the chunks are.
        language: of PostgreSQL's text search.
    """

    def __init__(self, database: Database, language: str) -> None:
        self._database = database
        self._stems = Stems(database, language)
        self._samples = Samples(database)

    async def find(self, question: SearchQuestion) -> list[FoundChunk]:
        """Return the best chunks for a question, those with all its words first.

        Scores of chunks with all words are 0.5 to 1, those of others less.
        """
        return [found_of(row) for row in await self._find(question, question.limit, as_found)]

    async def find_hits(self, question: SearchQuestion, most: int) -> list[Hit]:
        """Return the same, up to another number and without what the chunks say."""
        rows = await self._find(question, most, lambda hits: hits)
        return [Hit(*row) for row in rows]

    async def without_excluded(self, question: SearchQuestion, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return those of the hits that have nothing a question excludes."""
        if not hits or not read_question(question.text).unwanted:
            return hits
        query = await self._read(question)
        if query is None or not query.excluded:
            return hits
        columns = [hit.content_id for hit in hits], [hit.position for hit in hits]
        text = " & ".join(query.excluded)
        rows = await self._database.fetch(_ALLOWED, question.project_id, question.base_id, *columns, text)
        allowed = {(row["content_id"], row["position"]) for row in rows}
        return [hit for hit in hits if (hit.content_id, hit.position) in allowed]

    async def _read(self, question: SearchQuestion) -> WordQuery | None:
        asked = read_question(question.text)
        forms = await self._stems.of(word.text for word in asked.words())
        return write_query(asked, forms, base_lexeme(question.project_id, question.base_id))

    async def _find(
        self, question: SearchQuestion, most: int, statement: Callable[[str], str]
    ) -> Sequence[asyncpg.Record]:
        query = await self._read(question)
        if query is None:
            return []
        frequencies = await self._samples.of(question.project_id, question.base_id)
        weights = _weigh(query, frequencies)

        async def run(text: str, base: float) -> Sequence[asyncpg.Record]:
            condition = filter_sql(question.filters, "$7")
            sql = statement(_RANKED.format(base=base, filters=condition and f" and {condition}"))
            given = (question.project_id, question.base_id, text, [*weights], [*weights.values()], most)
            return await self._database.fetch(sql, *given, *filter_arguments(question.filters))

        found = await run(query.all_of, _ALL_OF)
        if len(found) >= min(question.limit, most) or not query.is_loose:
            return found
        words = _telling(query, frequencies)
        others = await run(query.some_of(words), _SOME_OF)
        if len(others) < most and len(words) < len(query.stems):
            others = await run(query.some_of(query.stems), _SOME_OF)
        return _append(found, others)[:most]


def _weigh(query: WordQuery, frequencies: Frequencies) -> dict[str, float]:
    """Return what each word counts, all together 1; of very many only those that count most."""
    weights = {word: frequencies.weight(stem) for word, stem in query.stems.items()}
    words = sorted(weights, key=lambda word: (-weights[word], word))[:MOST_RANKED_WORDS]
    total = sum(weights[word] for word in words)
    return {word: weights[word] / total for word in words}


def _telling(query: WordQuery, frequencies: Frequencies) -> list[str]:
    """Return the rarest words, as many as give enough chunks to choose from."""
    expected = {word: frequencies.expected(stem) for word, stem in query.stems.items()}
    words = sorted(expected, key=lambda word: (expected[word], word))
    total, kept = 0.0, 0
    for word in words:
        total += expected[word]
        if kept and total > ENOUGH_CANDIDATES:
            break
        kept += 1
    return words[:kept]


def _append(first: Sequence[asyncpg.Record], others: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    known = {(row["content_id"], row["position"]) for row in first}
    return [*first, *(row for row in others if (row["content_id"], row["position"]) not in known)]

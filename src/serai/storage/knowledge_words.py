"""Words as PostgreSQL's text search knows them: their stems in a language, and how rare these are in a base."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import log
from typing import Final, NamedTuple

from serai.errors import ConfigurationError
from serai.storage.connection import Database

SAMPLED: Final = 1_000
"""So many chunks of a base tell how rare its words are."""

_MOST_WORDS: Final = 20_000
_MOST_SAMPLES: Final = 64
_TIMES_COST: Final = 200

LANGUAGES: Final = frozenset(
    (
        *("arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german"),
        *("greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian"),
        *("portuguese", "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish"),
    )
)
"""Languages that every supported PostgreSQL has, and the schema once more without stop words."""

_NAMES = "select cfgname as name from pg_ts_config where pg_ts_config_is_visible(oid) order by cfgname"

# What words are in an index, and whether the language takes them for too common to be looked for.
_FORMS = """
select word, tsvector_to_array(to_tsvector($2::text::regconfig, word)) as stems,
       to_tsvector($3::text::regconfig, word) = '' as is_common
from unnest($1::text[]) as word"""

# How many chunks a base has, and in how many of a sample each word is that is in several; all have the base's lexeme.
_SAMPLE = """
with word as materialized (
    select word, ndoc
    from ts_stat(format('select words from knowledge_chunks where project_id = %L and base_id = %L '
                        'order by project_id, base_id, content_id, position limit %s', $1::text, $2::text, $3::integer))
    where ndoc > 1
)
select array_agg(word) as words, array_agg(ndoc) as counts, coalesce(max(ndoc), 0) as sampled,
       (select coalesce(sum(chunks), 0) from knowledge_contents where project_id = $1 and base_id = $2) as chunks
from word"""


class Form(NamedTuple):
    """What a word is in an index.

    Attributes:
        stems: none of what PostgreSQL takes for no word.
    """

    stems: tuple[str, ...]
    is_common: bool


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How often words are in a base.

    Attributes:
        chunks: how many it has.
        sampled: how many of these were looked at.
        counts: in how many of those each word is; not of words that are in one at most.
    """

    chunks: int
    sampled: int
    counts: Mapping[str, int]

    def weight(self, stem: str) -> float:
        """Return how much a word tells: the rarer, the more.

        Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
        """
        count = min(self.counts.get(stem, 1), self.sampled)
        return log(1 + (self.sampled - count + 0.5) / (count + 0.5))

    def expected(self, stem: str) -> float:
        """Return about how many chunks have a word."""
        return self.counts.get(stem, 1) / max(self.sampled, 1) * self.chunks


def index_language(language: str) -> str:
    """Return the text search configuration of documents: where the schema has one, that without stop words."""
    return f"serai_{language}" if language in LANGUAGES else language


def base_lexeme(project_id: str, base_id: str) -> str:
    """Return the lexeme that all chunks of a base have and no text has: it begins with a blank."""
    return " " + blake2b(f"{len(project_id)} {project_id}{base_id}".encode(), digest_size=8).hexdigest()


async def check_language(database: Database, language: str) -> None:
    """Refuse a language that PostgreSQL does not have.

    Raises:
        ConfigurationError: it says which there are.
    """
    names = [row["name"] for row in await database.fetch(_NAMES)]
    if language not in names:
        known = ", ".join(name for name in names if not name.startswith("serai_"))
        raise ConfigurationError(f"PostgreSQL has no text search for the language {language!r}; it has {known}.")


class Stems:
    """The forms of words in one language; those that were asked for are remembered."""

    def __init__(self, database: Database, language: str) -> None:
        self._database = database
        self._languages = (index_language(language), language)
        self._known: dict[str, Form] = {}

    async def of(self, words: Iterable[str]) -> dict[str, Form]:
        """Return the forms of words."""
        wanted = dict.fromkeys(words)
        forms = {word: self._known[word] for word in wanted if word in self._known}
        new = [word for word in wanted if word not in forms]
        if new:
            rows = await self._database.fetch(_FORMS, new, *self._languages)
            found = {row["word"]: Form(tuple(row["stems"]), row["is_common"]) for row in rows}
            if len(self._known) > _MOST_WORDS:
                self._known.clear()
            self._known |= found
            forms |= found
        return forms


class _Sampled(NamedTuple):
    frequencies: Frequencies
    valid_until: float


class Samples:
    """How often words are in bases: found out from a sample, and believed for some time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, str], _Sampled] = {}

    async def of(self, project_id: str, base_id: str) -> Frequencies:
        """Return how often words are in a base.

        Cost: of all searches together no more than half a percent of the time.
        """
        place = (project_id, base_id)
        begun = time.monotonic()
        known = self._known.get(place)
        if known is not None and begun < known.valid_until:
            return known.frequencies
        if known is not None:  # others that search meanwhile do with what is there
            self._known[place] = known._replace(valid_until=begun + 1)
        row = await self._database.fetchrow(_SAMPLE, *place, SAMPLED)
        assert row is not None  # it counts
        counts = dict(zip(row["words"] or (), row["counts"] or (), strict=True))
        frequencies = Frequencies(row["chunks"], row["sampled"], counts)
        if len(self._known) >= _MOST_SAMPLES:
            self._known.clear()
        now = time.monotonic()
        self._known[place] = _Sampled(frequencies, now + _TIMES_COST * (now - begun))
        return frequencies

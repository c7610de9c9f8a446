"""CSV and TSV: a row is a passage."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from serai.knowledge.passages import Passage, Source, UnreadableError
from serai.knowledge.readers.rows import rows_as_passages
from serai.knowledge.readers.text import decode

_DELIMITERS: Final = ",;\t|"
_LONGEST_FIRST: Final = 10_000


def read(source: Source) -> Iterator[Passage]:
    """Yield the rows; what the first line has most of separates the cells."""
    text = decode(source)
    first = text.lstrip()[:_LONGEST_FIRST].partition("\n")[0]
    csv.field_size_limit(source.limits.characters)
    rows = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first.count))
    try:
        yield from rows_as_passages((rows.line_num, row) for row in rows)
    except csv.Error as error:
        raise UnreadableError(
            f"Line {rows.line_num} is not a row of a table: {error}. Correct it or upload it as text."
        ) from error

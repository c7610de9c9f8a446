"""CSV and TSV: a row is a passage."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from serai.knowledge.passages import Passage, Source, UnreadableError
from serai.knowledge.readers.rows import rows_as_passages
from serai.knowledge.readers.text import decode

_DELIMITERS: Final = ",;\t|"
_LONGEST_FIRST: Final = 10_000
_TOLD: Final = re.compile(r'sep=(\t|[^\w\s"])\n', re.IGNORECASE)
"""How Excel is told what separates cells; it shows no such row."""


def read(source: Source) -> Iterator[Passage]:
    """Yield the rows; what the first line has most of separates the cells."""
    text = decode(source)
    if told := _TOLD.match(text):
        delimiter, text = told[1], text[told.end() :]
    else:
        first = text.lstrip()[:_LONGEST_FIRST].partition("\n")[0]
        delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(source.limits.characters)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        yield from rows_as_passages(enumerate(rows, 1))
    except csv.Error as error:
        raise UnreadableError(
            f"Line {rows.line_num} is not a row of a table: {error}. Correct it or upload it as text."
        ) from error

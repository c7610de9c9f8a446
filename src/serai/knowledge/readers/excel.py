"""Excel workbooks: a row of a sheet is a passage of "column: value" lines."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final

import openpyxl

from serai.knowledge.passages import Passage, Source, UnreadableError
from serai.knowledge.readers.packed import check_archive
from serai.knowledge.readers.rows import rows_as_passages

_MOST_ROWS: Final = 1_048_576
"""As many as Excel has; a file that claims more is not one of its."""


def read(source: Source) -> Iterator[Passage]:
    """Yield the rows of each sheet, with its name; formulas as the values they last had."""
    check_archive(source.data, source.limits)
    workbook = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True, keep_links=False)
    try:
        sheets = workbook.worksheets
        if len(sheets) > source.limits.pages:
            raise UnreadableError(
                f"The workbook has {len(sheets):,} sheets, and at most {source.limits.pages:,} are read; "
                "upload it in parts."
            )
        for sheet in sheets:
            sheet.reset_dimensions()  # a file may claim any
            yield from rows_as_passages(_rows(sheet), {"sheet": sheet.title})
    finally:
        workbook.close()


def _rows(sheet: Any) -> Iterator[tuple[int, Sequence[str]]]:
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > _MOST_ROWS:
            raise UnreadableError(f"A sheet claims to have more than {_MOST_ROWS:,} rows; save it anew in Excel.")
        yield number, [_as_text(value) for value in row]


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)

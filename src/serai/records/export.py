"""All records that match, as NDJSON or CSV, read through a cursor: memory does not grow with their number."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import asyncpg
import msgspec

from serai.errors import InvalidFieldError, RetryLaterError
from serai.records.arguments import Arguments
from serai.records.fields import PayloadFields
from serai.records.filters import Filter, compile_filter, parse_filter
from serai.records.orders import parse_order, sort_keys
from serai.records.paths import Path, PathError, parse_path
from serai.records.place import Place
from serai.records.render import format_time, microseconds, render_found
from serai.records.search import COLUMNS
from serai.records.sources import source_of
from serai.storage.connection import Connection, Database, connect

PIECE_BYTES = 256 * 1024
MOST_ROWS = 500
MOST_COLUMNS = 1000
STALL_MS = 60_000
STATEMENT_TIMEOUT_S = 600

EXPORT = "select {columns} from records where {condition} order by {order}"

# The members of all payloads that match.
MEMBERS = """
select distinct member from records cross join lateral jsonb_object_keys(data) as member
where {condition} order by member limit {limit}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """A question for all records that match.

    Attributes:
        place: the collection to look in.
        filter: JSON of the filter; null finds all.
        order_by: None is the newest first.
        format: a JSON object a line, or a table with a line of names.
        fields: the table's columns beside the record's own, as paths; by default all members of the payloads.
    """

    place: Place
    filter: bytes = b"null"
    order_by: str | None = None
    format: Literal["ndjson", "csv"] = "ndjson"
    fields: Sequence[str] | None = None


_OWN = {"id": "id", "created_at": microseconds("created_at"), "updated_at": microseconds("updated_at")}
_string = msgspec.json.Decoder(str)


async def export(database: Database, question: Export, room: asyncio.Semaphore) -> AsyncGenerator[bytes, None]:
    """Return the pieces of an export, all from one moment, when the first rows are there.

    A reader that takes nothing for a minute loses the rest.

    Raises:
        InvalidFieldError: the filter, the order or a field is not valid.
        RetryLaterError: there is no room: each export has a connection of its own.
    """
    pieces = _pieces(database.dsn, question, room)
    first = await anext(pieces, None)

    async def all_pieces() -> AsyncGenerator[bytes, None]:
        try:
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return all_pieces()


async def _pieces(dsn: str, question: Export, room: asyncio.Semaphore) -> AsyncGenerator[bytes, None]:
    terms = parse_filter(question.filter)
    items = parse_order(question.order_by)
    paths = _parse_fields(question.fields)
    if room.locked():
        raise RetryLaterError("Too many exports are under way; try again in a moment.", retry_after_s=5)
    async with room, _one_moment(dsn) as connection:
        if paths is None and question.format == "csv":
            paths = await _find_members(connection, question.place, terms)
        arguments = Arguments()
        source = source_of(question.place, None, arguments)
        statement = EXPORT.format(
            columns=COLUMNS if question.format == "ndjson" else _table_columns(paths or {}, arguments),
            condition=f"{source.scope} and {compile_filter(terms, source.fields, arguments)}",
            order=", ".join(key.clause for key in sort_keys(items, source.fields)),
        )
        heading = [[*_OWN, *(paths or ())]]
        async for rows in _read(connection, statement, arguments):
            if question.format == "ndjson":
                yield b"".join(record + b"\n" for record in render_found(rows, question.place))
            else:
                yield _table([*heading, *map(_line, rows)])
                heading = []
        if heading and question.format == "csv":
            yield _table(heading)


async def _find_members(connection: Connection, place: Place, terms: Filter) -> dict[str, Path]:
    """Return the members of all payloads that match, by name."""
    arguments = Arguments()
    source = source_of(place, None, arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    statement = MEMBERS.format(condition=condition, limit=MOST_COLUMNS + 1)
    found = await connection.fetch(statement, *arguments.values, timeout=STATEMENT_TIMEOUT_S)
    if len(found) > MOST_COLUMNS:
        msg = f"the payloads have more than {MOST_COLUMNS} members: name those to export"
        raise InvalidFieldError.of(("body", "fields"), msg, kind="too_many_columns")
    return {row["member"]: Path((row["member"],)) for row in found}


def _table_columns(paths: Mapping[str, Path], arguments: Arguments) -> str:
    fields = PayloadFields(arguments)
    return ", ".join([*_OWN.values(), *(f"{fields.value(path)}::text" for path in paths.values())])


@asynccontextmanager
async def _one_moment(dsn: str) -> AsyncGenerator[Connection, None]:
    """Lend a connection of its own on which everything is read as of one moment."""
    settings = {"idle_in_transaction_session_timeout": str(STALL_MS)}
    connection = await connect(dsn, application_name="serai-export", settings=settings)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        connection.terminate()


async def _read(
    connection: Connection, statement: str, arguments: Arguments
) -> AsyncGenerator[list[asyncpg.Record], None]:
    """Yield rows, as many at a time as make about one piece by the size of those before."""
    cursor = await connection.cursor(statement, *arguments.values)
    count = 1
    while rows := await cursor.fetch(count, timeout=STATEMENT_TIMEOUT_S):
        yield rows
        size = sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
        count = min(max(1, PIECE_BYTES * len(rows) // max(size, 1)), 4 * count, MOST_ROWS)


def _parse_fields(fields: Sequence[str] | None) -> dict[str, Path] | None:
    if fields is None:
        return None
    if len(fields) > MOST_COLUMNS:
        msg = f"more than {MOST_COLUMNS} columns: name fewer"
        raise InvalidFieldError.of(("body", "fields"), msg, kind="too_many_columns")
    paths = {}
    for index, text in enumerate(fields):
        try:
            paths[text] = parse_path(text)
        except PathError as error:
            raise InvalidFieldError.of(("body", "fields", index), str(error), kind="path_syntax", given=text) from error
    return paths


def _line(row: asyncpg.Record) -> list[str]:
    record_id, created_at, updated_at, *cells = row
    return [record_id, format_time(created_at).decode(), format_time(updated_at).decode(), *map(_cell_text, cells)]


def _cell_text(value: str | None) -> str:
    """Return a value as a cell shows it: strings bare, null and missing as nothing, all else as JSON."""
    if value is None or value == "null":
        return ""
    return _string.decode(value) if value.startswith('"') else value


def _table(lines: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()

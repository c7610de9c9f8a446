"""What the commands of ``serai records`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

import typer
from pydantic import BaseModel

from serai.agent_data import AgentDataClient, AgentDataCollection, AgentDataIndex
from serai.cli.output import json_line
from serai.cli.remote import EXIT_FAILED, EXIT_MISUSED, fail, failures_told
from serai.cli.tables import size_text, table_text
from serai.wire.arguments import ArgumentError

_LONGEST_CELL = 60
_REPORT_EVERY_S = 0.2
_USES = (("equal", "equal"), ("ranged", "range"), ("contains", "contains"), ("group", "group by"))


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and for which project."""

    url: str
    key: str | None
    project: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """What to export; the filter is JSON text."""

    filter: str | None
    order_by: str | None
    format: Literal["ndjson", "csv"]
    fields: Sequence[str] | None


def fetch_collections(server: Server, deployment: str | None) -> list[AgentDataCollection]:
    """Return the collections of a deployment, of all without one."""
    with _connected(server) as client:
        return client.collections(deployment, all_deployments=deployment is None)


def show_collections(found: Sequence[AgentDataCollection], *, fields: bool, as_json: bool) -> None:
    """Print collections as a table, and perhaps their fields as another; or as JSON."""
    if as_json:
        _print_json(found)
        return
    if not found:
        _tell("There are no collections.")
        return
    heading = ("DEPLOYMENT", "COLLECTION", "RECORDS", "SIZE", "INDEXES", "FIELDS")
    rows = [
        (
            one.deployment_name,
            one.collection,
            f"{one.count:,}",
            size_text(one.bytes or 0),
            str(len(one.indexes)),
            _shortened([field.path for field in one.fields]),
        )
        for one in found
    ]
    print(table_text(heading, rows, right=frozenset((2, 3, 4))))
    if fields:
        lines = [
            (one.deployment_name, one.collection, field.path, ", ".join(field.types))
            for one in found
            for field in one.fields
        ]
        print(f"\n{table_text(('DEPLOYMENT', 'COLLECTION', 'FIELD', 'TYPES'), lines)}")


def show_indexes(found: Sequence[AgentDataCollection], *, as_json: bool) -> None:
    """Print the indexes of collections as a table; or as JSON, each with its collection."""
    pairs = [(one, index) for one in found for index in one.indexes]
    if as_json:
        for one, index in pairs:
            where = {"deployment_name": one.deployment_name, "collection": one.collection}
            print(json.dumps(where | index.model_dump(mode="json"), ensure_ascii=False))
        return
    if not pairs:
        _tell("There are no indexes. They come by themselves when questions to a collection are slow.")
        return
    heading = ("NAME", "DEPLOYMENT", "COLLECTION", "KIND", "FOR", "STATE", "SIZE", "USES", "LAST USED (UTC)")
    rows = [
        (
            index.name,
            one.deployment_name,
            one.collection,
            index.kind,
            purpose(index),
            _state(index),
            "" if index.bytes is None else size_text(index.bytes),
            f"{index.uses:,}",
            _minute(index.last_used_at),
        )
        for one, index in pairs
    ]
    print(table_text(heading, rows, right=frozenset((6, 7))))
    for _, index in pairs:
        if index.error:
            print(f"\n{table_text((f'{index.name} failed:',), [(index.error,)])}")


def export_records(server: Server, deployment: str, collection: str, question: Export, output: Path | None) -> None:
    """Write an export; to a file under another name until it is whole."""
    terms = _parse_filter(question.filter)
    if question.fields is not None and question.format != "csv":
        fail(EXIT_MISUSED, "--field is for tables: give --format csv, too.")
    with _connected(server, deployment, collection) as client:
        pieces = client.export(terms, question.order_by, format=question.format, fields=question.fields)
        first = next(pieces, b"")
        with _target(output) as file:
            progress = _Progress(counts=question.format == "ndjson", shown=_may_report(output))
            try:
                for piece in chain((first,), pieces):
                    file.write(piece)
                    progress.add(piece)
                file.flush()
            finally:
                progress.clear()
    if output is not None:
        _tell(f"Wrote {output}: {progress}.")


def delete_records(server: Server, deployment: str, collection: str, filter_text: str, *, ask: bool) -> None:
    """Delete what matches, and print how many that were."""
    terms = _parse_filter(filter_text)
    with _connected(server, deployment, collection) as client:
        if ask:
            count = client.untyped_search(terms, page_size=1, include_total=True).total_size or 0
            which = f"{count:,} records" if terms else f"all {count:,} records"
            if not typer.confirm(f"Delete {which} of {collection} in {deployment}?", err=True):
                fail(EXIT_FAILED, "Nothing was deleted.")
        print(f"Deleted {client.delete(terms):,} records.")


def purpose(index: AgentDataIndex) -> str:
    """Return which questions an index is for."""
    if index.kind == "gin":
        return "eq and includes of any field"
    parts = [f"{word} {', '.join(index.shape[name])}" for name, word in _USES if index.shape.get(name)]
    if order := index.shape.get("order"):
        parts.append(f"order by {', '.join(f'{path} {direction}' for path, direction in order)}")
    return "; ".join(parts)


@contextmanager
def _connected(
    server: Server, deployment: str | None = None, collection: str = "default"
) -> Iterator[AgentDataClient[BaseModel]]:
    """Lend a client; what it raises in the block ends the command."""
    try:
        client = AgentDataClient(
            BaseModel, collection, deployment, token=server.key, base_url=server.url, project_id=server.project
        )
    except ArgumentError as error:
        fail(EXIT_MISUSED, f"--key: {error}.")
    except ValueError as error:
        fail(EXIT_MISUSED, f"--url: {error}")
    with failures_told(server.url), client:
        yield client


def _parse_filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        terms = json.loads(text)
        json.dumps(terms, allow_nan=False)
    except ValueError as error:
        _refuse_filter(str(error))
    if not isinstance(terms, dict):
        _refuse_filter(f"{text[:40]!r} is no object")
    return terms


def _refuse_filter(reason: str) -> NoReturn:
    example = '\'{"age": {"gte": 21}}\''
    fail(EXIT_MISUSED, f"--filter: must be a JSON object such as {example}: {reason}.")


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    """Lend what to write to; a file gets its name when the block is through."""
    if output is None:
        yield sys.stdout.buffer
        return
    is_special = output.exists() and not output.is_file()
    partial = output if is_special else output.with_name(f"{output.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        if not is_special:
            partial.replace(output)
    except OSError as error:
        fail(EXIT_FAILED, f"Cannot write {output}: {error.strerror}.")
    finally:
        if not is_special:
            partial.unlink(missing_ok=True)


def _may_report(output: Path | None) -> bool:
    """Tell whether progress can be shown without standing between the records."""
    return sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())


class _Progress:
    """How much has been written, shown on a terminal's line."""

    def __init__(self, *, counts: bool, shown: bool) -> None:
        self._counts, self._shown = counts, shown
        self._lines = self._bytes = 0
        self._next_report = time.monotonic() + _REPORT_EVERY_S

    def __str__(self) -> str:
        records = f"{self._lines:,} records, " if self._counts else ""
        return f"{records}{size_text(self._bytes)}"

    def add(self, piece: bytes) -> None:
        self._lines += piece.count(b"\n")
        self._bytes += len(piece)
        if self._shown and time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + _REPORT_EVERY_S
            print(f"\r\x1b[K{self}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _shortened(names: Sequence[str]) -> str:
    """Return as many names as a cell takes, and how many there are."""
    text = ", ".join(names)
    if len(text) <= _LONGEST_CELL:
        return text
    kept = text[:_LONGEST_CELL].rpartition(", ")[0] or text[:_LONGEST_CELL]
    return f"{kept}, … ({len(names)} in all)"


def _state(index: AgentDataIndex) -> str:
    return f"{index.state}, declared" if index.declared else index.state


def _minute(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _print_json(items: Sequence[BaseModel]) -> None:
    for item in items:
        print(json_line(item))


def _tell(line: str) -> None:
    print(line, file=sys.stderr)

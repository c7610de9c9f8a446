"""What the commands of ``serai knowledge`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any, NoReturn

import typer

from serai.cli.invocation import own_command
from serai.cli.lists import Columns, Part, print_list
from serai.cli.output import json_line
from serai.cli.remote import EXIT_FAILED, EXIT_MISUSED, EXIT_REFUSED, EXIT_STOPPED, asked, fail
from serai.cli.tables import facts_text, json_text, on_one_line, printable, shortened, size_text, table_text, time_text
from serai.wire.choices import ContentStatus
from serai.wire.failures import ServerStatusError
from serai.wire.knowledge import ConfigResponseSchema, ContentResponseSchema, VectorSearchResult

_LONGEST_CELL = 50
_LONGEST_TEXT = 400
_LONGEST_FACT = 500
_NOT_FOUND = 404
_PLACES = {"page": "page ", "slide": "slide ", "sheet": "sheet ", "row": "row ", "heading": ""}
"""Members of a chunk's metadata that say where it stands in its content, and what to call them."""


def read_pairs(flag: str, texts: Sequence[str] | None) -> dict[str, Any] | None:
    """Return the members that a repeated flag gives as ``key=text`` or ``key:=JSON``; None without any."""
    found: dict[str, Any] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not (key.rstrip(":") and equals):
            fail(EXIT_MISUSED, f"{flag} must be key=text or key:=JSON, not {text!r}.")
        if not key.endswith(":"):
            found[key] = value
            continue
        try:
            found[key[:-1]] = json.loads(value)
        except ValueError as error:
            fail(EXIT_MISUSED, f"{flag} {key[:-1]} is no JSON: {error}. A text is given as {key[:-1]}={value}")
    return found or None


def list_contents(url: str, key: str | None, part: Part, base: str | None, *, as_json: bool) -> None:
    """Print contents."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.list_knowledge_content, client.iter_knowledge_content, knowledge_id=base)
        print_list(found, _CONTENTS, as_json=as_json, meta=meta)


def search(url: str, key: str | None, question: Mapping[str, Any], *, full: bool, as_json: bool) -> None:
    """Print what a search finds."""
    with asked(url, key) as client:
        found = client.search_knowledge(**question).data
    if not found and not as_json:
        print("Nothing is found.", file=sys.stderr)
    for number, result in enumerate(found, 1):
        if as_json:
            print(json_line(result, exclude_none=True))
            continue
        text = printable(result.content.strip()) if full else shortened(result.content, _LONGEST_TEXT)
        above = "\n" if number > 1 else ""
        print(f"{above}{number}. {_title_of(result)}\n{indent(text, '   ')}")


def show_content(url: str, key: str | None, content_id: str, base: str | None, *, waits: bool, as_json: bool) -> None:
    """Print a content, when asked to once it can be found or has failed."""
    with asked(url, key) as client:
        ask = client.wait_for_knowledge_content if waits else client.get_knowledge_content
        try:
            content = ask(content_id, knowledge_id=base)
        except KeyboardInterrupt:
            stop_waiting(content_id)
    print(json_line(content, exclude_none=True) if as_json else _content_text(content))
    if waits and content.status == ContentStatus.FAILED:
        raise typer.Exit(EXIT_FAILED)


def stop_waiting(content_id: str) -> NoReturn:
    """End the command that waited for a content, and say how to see what becomes of it."""
    see = f"{own_command()} knowledge status {content_id}"
    fail(EXIT_STOPPED, f"Stopped waiting; the server goes on. See: {see}")


def remove_contents(url: str, key: str | None, content_ids: Sequence[str], base: str | None) -> None:
    """Remove contents and say which; those that are not there do not keep the others."""
    if not content_ids:
        fail(EXIT_MISUSED, "Name the contents to remove, or give --all.")
    missing = []
    with asked(url, key) as client:
        for content_id in content_ids:
            try:
                client.delete_knowledge_content(content_id, knowledge_id=base)
            except ServerStatusError as error:
                if error.status != _NOT_FOUND or len(content_ids) == 1:
                    raise
                missing.append(content_id)
            else:
                print(printable(f"Removed {content_id}"))
    if missing:
        fail(EXIT_REFUSED, f"Not there: {', '.join(missing)}")


def remove_all(url: str, key: str | None, base: str | None, content_ids: Sequence[str] | None, *, ask: bool) -> None:
    """Remove all contents of a base, after asking."""
    if content_ids:
        fail(EXIT_MISUSED, "Give ids or --all, not both.")
    with asked(url, key) as client:
        count = client.list_knowledge_content(limit=1, knowledge_id=base).meta.total_count
        question = f"Remove all {count:,} contents{f' of {printable(base)}' if base else ''} for good?"
        if ask and not typer.confirm(question, err=True):
            fail(EXIT_FAILED, "Nothing was removed.")
        client.delete_all_knowledge_content(knowledge_id=base)
    print("Removed all contents.")


def show_config(url: str, key: str | None, base: str | None, *, as_json: bool) -> None:
    """Print what a server can do with documents."""
    with asked(url, key) as client:
        config = client.get_knowledge_config(knowledge_id=base)
    print(json_line(config, exclude_none=True) if as_json else _config_text(config))


def _title_of(result: VectorSearchResult) -> str:
    """Return the line above what was found: what it is from, where it stands there, and how well it fits."""
    known = result.meta_data or {}
    where = [f"{called}{shortened(str(known[name]))}" for name, called in _PLACES.items() if known.get(name)]
    score = [] if result.score is None else [f"score {result.score:.2f}"]
    return " · ".join([on_one_line(result.name or result.content_id or "without a name"), *where, *score])


def _content_text(content: ContentResponseSchema) -> str:
    phase = content.phase or ""
    if content.phase and content.total:
        phase = f"{content.phase}, {content.done or 0:,} of {content.total:,}"
    facts = [
        ("content", content.id),
        ("name", content.name or ""),
        ("description", content.description or ""),
        ("base", content.knowledge_id or ""),
        ("type", content.type or ""),
        ("size", _size_of(content)),
        ("url", content.url or ""),
        ("metadata", json_text(content.metadata, _LONGEST_FACT)),
        ("status", str(content.status or "")),
        ("message", shortened(content.status_message or "", _LONGEST_FACT)),
        ("phase", phase),
        ("chunks", f"{content.chunks:,}" if content.chunks else ""),
        ("created", time_text(content.created_at)),
        ("updated", time_text(content.updated_at)),
    ]
    return facts_text(facts)


def _config_text(config: ConfigResponseSchema) -> str:
    bases = config.vector_dbs or ()
    facts = [
        *((f"search of {base.id}", ", ".join(base.search_types or ())) for base in bases),
        ("filters", ", ".join(config.filters or ())),
        ("chunkers", ", ".join(config.chunkers or ())),
    ]
    rows = [
        (reader.id, " ".join(reader.content_types or ()), ", ".join(reader.chunkers or ()))
        for reader in (config.readers or {}).values()
    ]
    text = f"{facts_text(facts)}\n\n{table_text(('READER', 'TYPES', 'CHUNKERS'), rows)}"
    missing = [*(config.unavailable_readers or {}).values(), *(config.unavailable_chunkers or {}).values()]
    if missing:
        lines = [(one.id, " ".join(one.missing_packages), one.reason or "") for one in missing]
        text += f"\n\n{table_text(('NOT THERE', 'PACKAGES', 'REASON'), lines)}"
    return text


def _size_of(content: ContentResponseSchema) -> str:
    size = content.size or ""
    return size_text(int(size)) if size.isdecimal() else size


def _content_row(content: ContentResponseSchema) -> Sequence[str]:
    return (
        content.id,
        shortened(content.name or "", _LONGEST_CELL),
        shortened(content.type or "", _LONGEST_CELL),
        _size_of(content),
        f"{content.chunks:,}" if content.chunks else "",
        str(content.status or ""),
        time_text(content.created_at),
    )


_CONTENTS = Columns(
    ("CONTENT", "NAME", "TYPE", "SIZE", "CHUNKS", "STATUS", "CREATED (UTC)"),
    _content_row,
    "There are no contents.",
    frozenset((3, 4)),
)

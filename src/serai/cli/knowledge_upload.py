"""What ``serai knowledge add`` does: finds the documents that are meant, uploads them, waits for them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from serai.cli.invocation import own_command
from serai.cli.knowledge_work import stop_waiting
from serai.cli.output import json_line
from serai.cli.remote import EXIT_FAILED, EXIT_MISUSED, EXIT_REFUSED, EXIT_STOPPED, asked, fail
from serai.cli.tables import printable, shortened
from serai.client._knowledge_flows import OF_ONE_FILE, documents_in, wait_times
from serai.client.knowledge_operations import name_in
from serai.wire.choices import ContentStatus
from serai.wire.failures import ServerStatusError
from serai.wire.knowledge import ContentResponseSchema
from serai.wire.media import File

if TYPE_CHECKING:
    from serai.client import SyncAgentOSClient

_LONGEST_LABEL = 40
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be added.

    Attributes:
        sources: files, folders and URLs; ``-`` is standard input.
        name: what it is called, if it is one.
        options: further arguments of the client, for each.
    """

    sources: Sequence[str]
    name: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Document:
    """One document: what people see, and the client's arguments that bring it."""

    label: str
    arguments: Mapping[str, Any]


class _Bar:
    """A progress bar on standard error where that is a terminal; nothing elsewhere."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def say(self, text: str) -> None:
        """Show what is being done."""
        self._progress.update(self._task, description=shortened(text, _LONGEST_LABEL))

    def advance(self) -> None:
        """Count one more as done."""
        self._progress.advance(self._task)


def add(url: str, key: str | None, wanted: Wanted, *, waits: bool, as_json: bool) -> None:
    """Upload documents and print their contents; one bad document stops none of the others."""
    exit_code = 0
    with asked(url, key) as client:
        documents = _documents(client, wanted)
        uploaded: list[tuple[str, ContentResponseSchema]] = []
        with _stopped_after(uploaded, len(documents)), _shown(len(documents)) as bar:
            for document in documents:
                bar.say(document.label)
                try:
                    content = client.upload_knowledge_content(**wanted.options, **document.arguments)
                except (OSError, ServerStatusError) as error:
                    exit_code = max(exit_code, _tell_refusal(document.label, error, is_alone=len(documents) == 1))
                else:
                    uploaded.append((document.label, content))
                    if not waits:
                        _tell(document.label, content, as_json=as_json)
                bar.advance()
        if waits:
            exit_code = max(exit_code, _wait(client, uploaded, wanted.options["knowledge_id"], as_json=as_json))
    if exit_code:
        raise typer.Exit(exit_code)


@contextmanager
def _stopped_after(uploaded: Sequence[object], total: int) -> Iterator[None]:
    """Have Ctrl-C in the block end the command, and say how many documents the server has by then."""
    try:
        yield
    except KeyboardInterrupt:
        see = f"; the server goes on with these. See: {own_command()} knowledge list" if uploaded else "."
        fail(EXIT_STOPPED, f"Stopped after {len(uploaded):,} of {total:,} documents{see}")


def _documents(client: SyncAgentOSClient, wanted: Wanted) -> list[_Document]:
    """Return the documents that are meant, before any is sent."""
    found: list[_Document] = []
    suffixes: Mapping[str, Any] | None = None
    for source in wanted.sources:
        if source == "-":
            found.append(_Document("standard input", _read_input(wanted.name)))
        elif source.lower().startswith(("http://", "https://")):
            found.append(_Document(source, {"url": source, "name": wanted.name}))
        elif _is_there(source) and Path(source).is_dir():
            if suffixes is None:
                config = client.get_knowledge_config(knowledge_id=wanted.options["knowledge_id"])
                suffixes = config.readersForType or {}
            found += _documents_of(Path(source), suffixes)
        elif _is_there(source):
            found.append(_Document(source, {"file": source, "name": wanted.name}))
        else:
            fail(
                EXIT_MISUSED,
                f"There is no file {shortened(source)}. Texts come by: echo … | {own_command()} knowledge add -",
            )
    if wanted.name is not None and (len(found) > 1 or suffixes is not None):
        fail(EXIT_MISUSED, "--name is for one document; those of a folder are called by their paths in it.")
    return found


def _is_there(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # too long for a name
        return False


def _documents_of(folder: Path, suffixes: Mapping[str, Any]) -> list[_Document]:
    try:
        every = documents_in(folder)
    except OSError as error:
        fail(EXIT_MISUSED, f"The folder {error.filename} cannot be read: {error.strerror}.")
    taken = [path for path in every if not suffixes or path.suffix.lower() in suffixes]
    if len(taken) < len(every):
        kinds = sorted({path.suffix.lower() or path.name for path in every} - set(suffixes))
        left = f"{len(every) - len(taken):,} of {len(every):,} files of {folder} are left out"
        print(printable(f"{left}: the server reads no {shortened(', '.join(kinds))}"), file=sys.stderr)
    return [_Document(str(path), {"file": path, "name": name_in(folder, path)}) for path in taken]


def _read_input(name: str | None) -> dict[str, Any]:
    """Return standard input as a text; as a file where its name says of what type it is, or where it is no text."""
    data = sys.stdin.buffer.read()
    if not data:
        fail(EXIT_MISUSED, "Standard input is empty.")
    if name is None or not Path(name).suffix:
        try:
            return {"text_content": data.decode(), "name": name}
        except UnicodeDecodeError:
            pass
    return {"file": File(content=data, filename=name or "stdin"), "name": name}


def _wait(
    client: SyncAgentOSClient,
    uploaded: Sequence[tuple[str, ContentResponseSchema]],
    base: str | None,
    *,
    as_json: bool,
) -> int:
    """Print contents as they can be found or have failed; return the exit code."""
    exit_code = 0
    with _shown(len(uploaded)) as bar:
        for label, content in uploaded:
            done = _wait_for(client, label, content, base, bar)
            if done is None:
                print(printable(f"serai: {label} was removed, or replaced by another of its name."), file=sys.stderr)
            else:
                _tell(label, done, as_json=as_json)
            if done is None or done.status == ContentStatus.FAILED:
                exit_code = EXIT_FAILED
            bar.advance()
    return exit_code


def _wait_for(
    client: SyncAgentOSClient, label: str, content: ContentResponseSchema, base: str | None, bar: _Bar
) -> ContentResponseSchema | None:
    """Return a content when it is no more processed; None when it is no more there."""
    pauses = wait_times()
    try:
        while content.status == ContentStatus.PROCESSING:
            content = client.get_knowledge_content(content.id, knowledge_id=base)
            if content.status == ContentStatus.PROCESSING:
                count = f" {content.done or 0:,}/{content.total:,}" if content.total else ""
                bar.say(f"{content.phase or 'processing'}{count} {label}")
                time.sleep(next(pauses))
    except ServerStatusError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    except KeyboardInterrupt:
        stop_waiting(content.id)
    return content


def _tell(label: str, content: ContentResponseSchema, *, as_json: bool) -> None:
    if as_json:
        print(json_line(content, exclude_none=True), flush=True)
        return
    name = content.name or label
    if content.status == ContentStatus.FAILED:
        print(printable(f"{content.id}  {name}  failed: {content.status_message or 'the server says no more'}"))
    elif content.status == ContentStatus.PROCESSING:
        print(printable(f"{content.id}  {name}  is being taken in"))
    else:
        count = content.chunks or 0
        chunks = f", {count:,} chunk{'' if count == 1 else 's'}" if count else ""
        print(printable(f"{content.id}  {name}  can be found{chunks}"))


def _tell_refusal(label: str, error: OSError | ServerStatusError, *, is_alone: bool) -> int:
    """Say why one document was not taken, and return the exit code; raise what would hit the others, too."""
    if isinstance(error, OSError):
        print(printable(f"serai: {label} cannot be read: {error.strerror or error}."), file=sys.stderr)
        return EXIT_FAILED
    if is_alone or error.status not in OF_ONE_FILE:
        raise error
    print(printable(f"serai: {label} is refused: {error}"), file=sys.stderr)
    return EXIT_REFUSED


@contextmanager
def _shown(total: int) -> Iterator[_Bar]:
    """Show a progress bar while the block works."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        yield _Bar(progress, progress.add_task("", total=total))

"""What takes more than one request about knowledge: waiting for a content, and uploading a folder. Sends nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serai.client._calls import Call
from serai.errors import RemoteServerUnavailableError
from serai.wire.choices import ContentStatus
from serai.wire.exchange import Flow, Sleep, Work
from serai.wire.streaming import Emit, StreamFlow

if TYPE_CHECKING:
    from serai.client._core import Core
    from serai.wire.knowledge import ConfigResponseSchema, ContentResponseSchema

OF_ONE_FILE: Final = frozenset({400, 409, 413, 415, 422})
"""Statuses that refuse one file and say nothing about the next."""

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class FolderUpload:
    """What became of one file of a folder.

    Attributes:
        path: the file.
        content: as the server has taken it; None when it was refused or could not be read.
        error: why; an ``OSError`` or a `ServerStatusError`.
    """

    path: Path
    content: ContentResponseSchema | None = None
    error: Exception | None = None


def wait_times() -> Iterator[float]:
    """Yield how long to wait before each further look at something that is under way, in seconds."""
    wait_s = _FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(1.5 * wait_s, _LONGEST_WAIT_S)


def documents_in(folder: str | os.PathLike[str], suffixes: Collection[str] | None = None) -> list[Path]:
    """Return the files of a folder and of those in it, by name; what is hidden is left out.

    Args:
        folder: the folder; links in it are not followed to other folders, nor to files outside it.
        suffixes: those of the files that are wanted, in lower case with their dots; all by default.

    Raises:
        OSError: it is no folder, or cannot be read.
    """
    top = Path(folder).resolve()
    found = []
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in files if not name.startswith(".")]
    wanted = (path for path in found if not suffixes or path.suffix.lower() in suffixes)
    return sorted(path for path in wanted if path.is_file() and _is_within(top, path))


def wait_for(core: Core, call: Call[ContentResponseSchema], timeout_s: float | None) -> Flow[ContentResponseSchema]:
    """Ask for a content until it is no more processed.

    Raises:
        RemoteServerUnavailableError: it still was when the time was over.
    """
    limit_s = core.run_timeout_s if timeout_s is None else timeout_s
    deadline = core.clock() + limit_s
    pauses = wait_times()
    while (content := (yield from core.converse(call))).status == ContentStatus.PROCESSING:
        if core.clock() >= deadline:
            message = f"Content {content.id} is not taken in after {limit_s:g} s; that goes on, ask for it by its id"
            raise RemoteServerUnavailableError(message, core.base_url)
        yield Sleep(next(pauses))
    return content


def upload_folder(
    core: Core,
    folder: Path,
    config: Call[ConfigResponseSchema],
    upload: Callable[[Path], Call[ContentResponseSchema]],
) -> StreamFlow[FolderUpload]:
    """Upload the files of a folder that the server can read, and emit what became of each."""
    from serai.wire.failures import ServerStatusError  # noqa: PLC0415 - loads httpx

    suffixes = (yield from core.converse(config)).readersForType
    for path in (yield Work(lambda: documents_in(folder, suffixes))):
        try:
            content = yield from core.converse(upload(path))
        except (OSError, ServerStatusError) as error:
            if isinstance(error, ServerStatusError) and error.status not in OF_ONE_FILE:
                raise
            yield Emit(FolderUpload(path, error=error))
        else:
            yield Emit(FolderUpload(path, content))


def _is_within(top: Path, path: Path) -> bool:
    """Return whether a file is where it seems to be: a folder of strangers may link to what is nobody's business."""
    return not path.is_symlink() or path.resolve().is_relative_to(top)


def _refuse(error: OSError) -> None:
    raise error

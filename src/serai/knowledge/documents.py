"""The documents that a base is given with its options: taken in when a server starts, those that are new or changed."""

from __future__ import annotations

import asyncio
import mimetypes
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from serai.domain.knowledge import ContentOrigin
from serai.errors import ConfigurationError
from serai.knowledge.bases import KnowledgeBase, Upload
from serai.knowledge.options import Knowledge
from serai.knowledge.reading import readers_for_type


async def take_documents(base: KnowledgeBase, *, project_id: str) -> None:
    """Store the documents of a base to be taken in; what is there as it is stays, what changed is replaced.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    for name, path in await asyncio.to_thread(list_documents, base.options):
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise ConfigurationError(f"The document {path} of Knowledge {base.id!r}: {error}.") from error
        if data:
            await base.upload(
                Upload(
                    project_id=project_id,
                    data=data,
                    name=name,
                    origin=ContentOrigin.FILE,
                    media_type=mimetypes.guess_type(name)[0],
                    replaces=True,
                )
            )


def list_documents(options: Knowledge) -> list[tuple[str, Path]]:
    """Return the files among a base's documents, each with its name: within its folder, if it is in one.

    Hidden files, and those that no reader is for, are left out of folders. Files that would share a name, as those
    of two folders, have their paths instead: one does not replace the other.
    """
    named = list(dict.fromkeys(one for path in options.document_paths for one in _files_of(path)))
    times = Counter(name for name, _ in named)
    return [(name if times[name] == 1 else path.as_posix(), path) for name, path in named]


def _files_of(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    readable = readers_for_type()
    for file in sorted(path.rglob("*")):
        within = file.relative_to(path)
        is_hidden = any(part.startswith(".") for part in within.parts)
        if file.is_file() and file.suffix.lower() in readable and not is_hidden:
            yield within.as_posix(), file

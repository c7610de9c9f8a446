"""The bytes of one run's media while it is at work: fetched once, and stored as soon as a step has made them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from pydantic_ai.messages import (
    BinaryContent,
    FilePart,
    ModelMessage,
    ModelRequestPart,
    ModelResponsePart,
    UserPromptPart,
)

from serai.components.blob_references import StoredBytes, find_media, resolve
from serai.components.media import KINDS_OF_URLS, MediaItem, kind_of
from serai.domain.runs import RunRecord
from serai.storage.blobs import Blob, BlobStore
from serai.storage.connection import retry_while_unavailable

_LARGE: Final = 64 * 1024
_STANDARD: Final = str.maketrans("-_", "+/")


class RunMedia:
    """The media of one run: what it was given, what its session holds, and what its model and tools make.

    Args:
        store: where their bytes lie.
        record: whose they are.

    Attributes:
        blobs: what is at hand, by hash; empty for a run without media.
    """

    def __init__(self, store: BlobStore, record: RunRecord) -> None:
        self.blobs: dict[str, StoredBytes] = {}
        self._store = store
        self._record = record

    async def fetch(self, hashes: Iterable[str]) -> None:
        """Have these blobs at hand; one query for those that are not, none when there are none."""
        wanted = [sha256 for sha256 in dict.fromkeys(hashes) if sha256 not in self.blobs]
        if wanted:
            found = await retry_while_unavailable(lambda: self._store.get_all(self._record.project_id, wanted))
            self.blobs.update({sha256: StoredBytes.of(sha256, data) for sha256, data in found.items()})

    async def keep(self, payload: Any) -> dict[str, Any]:
        """Store the bytes in a step's payload, which then refers to them.

        Returns:
            The step's member ``media`` for `media_of`, if there are any.
        """
        made: list[MediaItem] = []
        news: dict[str, Blob] = {}
        for item in find_media(payload):
            media_type, shown = item.get("media_type"), {"id": str(item.get("identifier"))}
            if (kind := KINDS_OF_URLS.get(item["kind"])) and isinstance(item.get("url"), str):
                made.append(MediaItem(kind=kind, url=item["url"], media_type=media_type, shown=shown))
            elif media_type is not None and isinstance(text := item.get("data"), str):
                data = _read_bytes(text) if len(text) < _LARGE else await asyncio.to_thread(_read_bytes, text)
                if data is None:
                    continue
                del item["data"]
                item["sha256"] = data.sha256
                self.blobs.setdefault(data.sha256, data)
                news[data.sha256] = Blob(media_type, data)
                made.append(
                    MediaItem(
                        kind=kind_of(media_type),
                        sha256=data.sha256,
                        media_type=media_type,
                        size=len(data),
                        shown=shown,
                    )
                )
        if news:
            project_id, user_id = self._record.project_id, self._record.user_id
            await retry_while_unavailable(lambda: self._store.put_all(project_id, news, user_id=user_id))
        return {"media": msgspec.to_builtins(made)} if made else {}

    async def bring_back(self, payload: Any, media: Iterable[MediaItem]) -> None:
        """Put the bytes that a step's payload refers to back into it."""
        if hashes := [item.sha256 for item in media if item.sha256 is not None]:
            await self.fetch(hashes)
            resolve(payload, hashes, self.blobs)

    async def fill(self, messages: Iterable[ModelMessage]) -> None:
        """Fetch the media of messages that were read without their blobs: files of the model, and prompts."""
        empty = [
            (content, content.data.sha256)
            for message in messages
            for part in message.parts
            for content in _contents_of(part)
            if isinstance(content, BinaryContent) and isinstance(content.data, StoredBytes) and not content.data
        ]
        await self.fetch(sha256 for _, sha256 in empty)
        for content, sha256 in empty:
            content.data = self.blobs.get(sha256, content.data)


def media_of(step: Mapping[str, Any]) -> list[MediaItem]:
    """Return the media that a step's model or tool made; empty for most."""
    return msgspec.convert(step["media"], list[MediaItem]) if "media" in step else []


def _contents_of(part: ModelRequestPart | ModelResponsePart) -> Sequence[Any]:
    if isinstance(part, FilePart):
        return [part.content]
    return part.content if isinstance(part, UserPromptPart) else ()


def _read_bytes(text: str) -> StoredBytes | None:
    """Return the bytes of a dumped medium: base64 for addresses, its padding optional, as pydantic reads it."""
    try:
        data = base64.b64decode(text.translate(_STANDARD) + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return StoredBytes.of(hashlib.sha256(data).hexdigest(), data)

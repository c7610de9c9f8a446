"""Media of runs: their bytes lie in blobs, and every document of ours holds references in their place.

A document that has references says so in its first member, ``{"blobs":[…],…``: one without costs nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from pydantic_ai.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    FilePart,
    FileUrl,
    ImageUrl,
    ModelMessage,
    ModelResponse,
    UserContent,
    VideoUrl,
)

from serai.domain.runs import RunRecord
from serai.storage.blobs import Blob, BlobStore
from serai.storage.connection import retry_while_unavailable

MediaKind = Literal["image", "audio", "video", "file"]

NAMES: Final[Mapping[MediaKind, str]] = {"image": "images", "audio": "audio", "video": "videos", "file": "files"}
"""What each kind's list is called in run objects, messages and events."""

PUBLISHED_FILE_TYPES: Final = frozenset(
    {
        *(
            f"text/{name}"
            for name in ("javascript", "x-python", "plain", "html", "css", "markdown", "csv", "xml", "rtf")
        ),
        *(f"application/{name}" for name in ("pdf", "json", "x-javascript", "x-python", "msword", "zip")),
        *(f"application/vnd.ms-{name}" for name in ("powerpoint", "excel", "outlook")),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "message/rfc822",
    }
)
"""The types a file may have for published clients, which raise at any other."""

_LARGE_BYTES: Final = 64 * 1024
_URLS: Final[Mapping[MediaKind, type[FileUrl]]] = {
    "image": ImageUrl,
    "audio": AudioUrl,
    "video": VideoUrl,
    "file": DocumentUrl,
}
_KINDS_OF_URLS: Final[Mapping[str, MediaKind]] = {
    "image-url": "image",
    "audio-url": "audio",
    "video-url": "video",
    "document-url": "file",
}
_BLOBS: Final = b'{"blobs":'


class StoredBytes(bytes):
    """Bytes that lie in a blob and know its hash; empty as long as nobody has fetched them."""

    sha256: str

    @classmethod
    def of(cls, sha256: str, data: bytes = b"") -> StoredBytes:
        """Return the bytes of a blob, or what stands for them."""
        stored = cls(data)
        stored.sha256 = sha256
        return stored


class MediaItem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One medium that a run was given, as it is stored with the run.

    Attributes:
        url, sha256: where it is; one of them.
        media_type: for example ``image/png``; of a URL None when nobody said it.
        size: in bytes, when they are ours.
        shown: the caller's other members: ``id``, ``filename``, ``detail`` …
    """

    kind: MediaKind
    url: str | None = None
    sha256: str | None = None
    media_type: str | None = None
    size: int | None = None
    shown: dict[str, Any] = {}


def prompt_of(message: str, media: Sequence[MediaItem], blobs: Mapping[str, StoredBytes]) -> str | list[UserContent]:
    """Return what the model is asked: the text, and the media behind it."""
    return [message, *(_content_of(item, blobs) for item in media)] if media else message


def shown_items(media: Iterable[MediaItem], *, audio: str = "audio") -> dict[str, Any]:
    """Return media as a run object lists them by kind; bytes are references, which `show_bytes` resolves.

    Args:
        media: what to list.
        audio: the name of the list of audio; it is another one in ``input``.
    """
    lists: dict[str, Any] = {}
    for item in media:
        place = {"url": item.url, "sha256": item.sha256, "size": item.size, **_shown_type(item.kind, item.media_type)}
        name = audio if item.kind == "audio" else NAMES[item.kind]
        known = {name: value for name, value in place.items() if value is not None}
        lists.setdefault(name, []).append({**item.shown, **known})
    return lists


def show_bytes(run: Mapping[str, Any], blobs: Mapping[str, bytes]) -> None:
    """Lay the bytes of a run object's media beside their references, as published clients read them."""
    for holder in (run, run.get("input") or {}):
        for item in (item for name in (*NAMES.values(), "audios") for item in holder.get(name) or ()):
            if (data := blobs.get(item.get("sha256", ""))) is not None:
                item["content"] = content_text(data, item.get("mime_type") or "")


def content_text(data: bytes, media_type: str) -> str:
    """Return bytes as a medium's ``content``: base64, but of a text file the text itself."""
    if media_type.startswith("text/"):
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return base64.b64encode(data).decode("ascii")


def wire_media(contents: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the media among a message's contents by kind, as the wire lists them; bytes not fetched are left out."""
    lists: dict[str, list[dict[str, Any]]] = {}
    for content in contents:
        if isinstance(content, FileUrl):
            kind = _KINDS_OF_URLS[content.kind]  # type: ignore[attr-defined]
            item = {"id": content.identifier, "url": content.url}
        elif isinstance(content, BinaryContent) and (content.data or not isinstance(content.data, StoredBytes)):
            kind = kind_of(content.media_type)
            shown_type = _shown_type(kind, content.media_type)
            text = content_text(content.data, shown_type.get("mime_type", ""))
            item = {"id": content.identifier, "content": text, **shown_type}
        else:
            continue
        lists.setdefault(NAMES[kind], []).append(item)
    return lists


def kind_of(media_type: str) -> MediaKind:
    """Return which kind of medium a media type is."""
    match media_type.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "file"


def blobs_of(document: bytes | None) -> list[str]:
    """Return the hashes of the blobs that a stored document refers to; O(1) for one without."""
    if document is None or not document.startswith(_BLOBS):
        return []
    hashes: list[str] = msgspec.json.decode(document[len(_BLOBS) : document.index(b"]") + 1])
    return hashes


def refer(document: Any) -> list[str]:
    """Put references in the place of all bytes in dumped messages that lie in blobs, and return their hashes."""
    hashes: dict[str, None] = {}
    for item in _walk(document):
        data = item.get("data")
        if isinstance(data, StoredBytes):
            hashes[data.sha256] = None
            del item["data"]
            item["sha256"] = data.sha256
    return list(hashes)


def resolve(document: Any, hashes: Iterable[str], blobs: Mapping[str, StoredBytes]) -> None:
    """Put bytes back in the place of references to these blobs; for those not at hand, what stands for them."""
    stored = {sha256: blobs.get(sha256) or StoredBytes.of(sha256) for sha256 in hashes}
    for item in _walk(document):
        if "data" not in item and item.get("sha256") in stored:
            item["data"] = stored[item.pop("sha256")]


class RunMedia:
    """The media of one run at work: what it was given, and what its model and tools make.

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
        for item in _walk(payload):
            kind = _KINDS_OF_URLS.get(item["kind"])
            shown = {"id": item["identifier"]} if item.get("identifier") else {}
            if kind is not None and isinstance(item.get("url"), str):
                made.append(MediaItem(kind=kind, url=item["url"], media_type=item.get("media_type"), shown=shown))
            elif (data := _bytes_of(item)) is not None:
                sha256, media_type = await hash_bytes(data), item["media_type"]
                del item["data"]
                item["sha256"] = sha256
                news[sha256] = Blob(media_type, data)
                self.blobs.setdefault(sha256, StoredBytes.of(sha256, data))
                made.append(
                    MediaItem(
                        kind=kind_of(media_type), sha256=sha256, media_type=media_type, size=len(data), shown=shown
                    )
                )
        if news:
            record = self._record
            await retry_while_unavailable(
                lambda: self._store.put_all(record.project_id, news, user_id=record.user_id),
            )
        return {"media": msgspec.to_builtins(made)} if made else {}

    async def bring_back(self, payload: Any, media: Iterable[MediaItem]) -> None:
        """Put the bytes that a step's payload refers to back into it."""
        if hashes := [item.sha256 for item in media if item.sha256 is not None]:
            await self.fetch(hashes)
            resolve(payload, hashes, self.blobs)

    async def fill(self, messages: Iterable[ModelMessage]) -> None:
        """Fetch the files that the model made in messages read without their blobs."""
        empty = [
            part.content
            for message in messages
            if isinstance(message, ModelResponse)
            for part in message.parts
            if isinstance(part, FilePart) and isinstance(part.content.data, StoredBytes) and not part.content.data
        ]
        await self.fetch(content.data.sha256 for content in empty if isinstance(content.data, StoredBytes))
        for content in empty:
            assert isinstance(content.data, StoredBytes)
            content.data = self.blobs.get(content.data.sha256, content.data)


def media_of(step: Mapping[str, Any]) -> list[MediaItem]:
    """Return the media that a step's model or tool made; empty for most."""
    return msgspec.convert(step["media"], list[MediaItem]) if "media" in step else []


async def hash_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits; of many in a thread."""
    if len(data) < _LARGE_BYTES:
        return hashlib.sha256(data).hexdigest()
    digest = await asyncio.to_thread(hashlib.sha256, data)
    return digest.hexdigest()


def _shown_type(kind: MediaKind, media_type: str | None) -> dict[str, str]:
    if media_type is None or (kind == "file" and media_type not in PUBLISHED_FILE_TYPES):
        return {}
    return {"mime_type": media_type}


def _content_of(item: MediaItem, blobs: Mapping[str, StoredBytes]) -> UserContent:
    detail = item.shown.get("detail")
    vendor_metadata = {"detail": detail} if isinstance(detail, str) else None
    if item.url is not None:
        make = _URLS[item.kind]
        return make(item.url, media_type=item.media_type, vendor_metadata=vendor_metadata)  # type: ignore[return-value]
    sha256, media_type = item.sha256 or "", item.media_type or "application/octet-stream"
    data = blobs.get(sha256) or StoredBytes.of(sha256)
    content = BinaryContent(data, media_type=media_type, identifier=sha256[:6], vendor_metadata=vendor_metadata)
    return BinaryContent.narrow_type(content)


def _bytes_of(item: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of a dumped `BinaryContent`, which pydantic writes as base64 for addresses."""
    data = item.get("data")
    if item["kind"] != "binary" or not isinstance(data, str) or not isinstance(item.get("media_type"), str):
        return None
    try:
        return base64.urlsafe_b64decode(data)
    except (binascii.Error, ValueError):
        return None


def _walk(document: Any) -> Iterator[dict[str, Any]]:
    """Yield pydantic-ai's media in what it has dumped, in order."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            kind = value.get("kind")
            if isinstance(kind, str) and (kind == "binary" or kind in _KINDS_OF_URLS):
                yield value
            elif "part_kind" in value:  # beside these are the arguments of calls, which are the model's own
                waiting += (value.get("audio"), value.get("content"))
            elif kind == "tool-return":
                waiting += (value.get("content"), value.get("return_value"))
            else:
                waiting.extend(reversed(value.values()))
        elif isinstance(value, (list, tuple)):
            waiting.extend(reversed(value))

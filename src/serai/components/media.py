"""Media of runs between three worlds: what is stored with a run, what the model is shown, and what the wire shows."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from pydantic_ai.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    FileUrl,
    ImageUrl,
    UserContent,
    VideoUrl,
)

from serai.components.blob_references import StoredBytes
from serai.domain.json_text import dump_json, load_json

MediaKind = Literal["image", "audio", "video", "file"]

NAMES: Final[Mapping[MediaKind, str]] = {"image": "images", "audio": "audio", "video": "videos", "file": "files"}
"""What each kind's list is called in run objects, messages and events."""

KINDS_OF_URLS: Final[Mapping[str, MediaKind]] = {
    "image-url": "image",
    "audio-url": "audio",
    "video-url": "video",
    "document-url": "file",
}
"""Which kind of medium an address of pydantic-ai's is."""

PUBLISHED_FILE_TYPES: Final = frozenset(
    {
        *("text/javascript", "text/x-python", "text/plain", "text/html", "text/css", "text/markdown", "text/csv"),
        *("text/xml", "text/rtf", "application/pdf", "application/json"),
        *("application/x-javascript", "application/x-python"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
"""The types a file may have for all published clients, which raise at any other."""

_PARTS: Final = (
    *("member_responses", "step_executor_runs", "step_results", "steps", "step_requirements"),
    *("step_output", "step_response"),
)
"""Members of a run object, an event or a step's result that hold runs and results of steps."""

_URLS: Final[Mapping[MediaKind, type[FileUrl]]] = {
    "image": ImageUrl,
    "audio": AudioUrl,
    "video": VideoUrl,
    "file": DocumentUrl,
}


class MediaItem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One medium that a run was given, or made, as it is stored with the run.

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
    return [message, *(content_of(item, blobs) for item in media)] if media else message


def content_of(item: MediaItem, blobs: Mapping[str, StoredBytes]) -> UserContent:
    """Return a medium as the model is shown it; bytes that are not at hand are empty."""
    detail = item.shown.get("detail")
    vendor_metadata = {"detail": detail} if isinstance(detail, str) else None
    if item.url is not None:
        make = _URLS[item.kind]
        return make(item.url, media_type=item.media_type, vendor_metadata=vendor_metadata)  # type: ignore[return-value]
    sha256, media_type = item.sha256 or "", item.media_type or "application/octet-stream"
    data = blobs.get(sha256) or StoredBytes.of(sha256)
    content = BinaryContent(data, media_type=media_type, identifier=sha256[:6], vendor_metadata=vendor_metadata)
    return BinaryContent.narrow_type(content)


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


def made_members(media: Sequence[MediaItem]) -> dict[str, Any]:
    """Return media as an event lists them, and first the blobs that it refers to."""
    hashes = [item.sha256 for item in media if item.sha256 is not None]
    return {**({"blobs": hashes} if hashes else {}), **shown_items(media)}


def with_bytes(document: bytes, blobs: Mapping[str, bytes]) -> bytes:
    """Return a stored run object or event that refers to blobs as published clients read it.

    Its ``blobs`` name those of the runs and steps inside it, too.
    """
    members = load_json(document)
    show_bytes(members, blobs)
    return dump_json(members)


def show_bytes(run: dict[str, Any], blobs: Mapping[str, bytes]) -> None:
    """Lay the bytes of a run object's media beside their references, in the runs and steps inside it too."""
    run.pop("blobs", None)
    given = run.get("input")
    for holder in (run, given if isinstance(given, dict) else {}):
        for item in (item for name in (*NAMES.values(), "audios") for item in holder.get(name) or ()):
            if (data := blobs.get(item.get("sha256", ""))) is not None:
                item["content"] = content_text(data, item.get("mime_type") or "")
    for name in _PARTS:
        value = run.get(name) or ()
        for part in [value] if isinstance(value, dict) else value:
            show_bytes(part, blobs)


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
            kind = KINDS_OF_URLS[content.kind]  # type: ignore[attr-defined]
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


def _shown_type(kind: MediaKind, media_type: str | None) -> dict[str, str]:
    if media_type is None or (kind == "file" and media_type not in PUBLISHED_FILE_TYPES):
        return {}
    return {"mime_type": media_type}

"""References to blobs in stored documents: no document of ours holds the bytes of media itself.

A document that has references says so in its first member, ``{"blobs":[…],…``: one without costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

FILE_KINDS: Final = frozenset({"binary", "image-url", "audio-url", "video-url", "document-url"})
"""What pydantic-ai calls media in what it dumps."""

FIRST_MEMBER: Final = b'{"blobs":'
"""What a document that refers to blobs begins with."""


class StoredBytes(bytes):
    """Bytes that lie in a blob and know its hash; empty as long as nobody has fetched them."""

    sha256: str

    @classmethod
    def of(cls, sha256: str, data: bytes = b"") -> StoredBytes:
        """Return the bytes of a blob, or what stands for them."""
        stored = cls(data)
        stored.sha256 = sha256
        return stored


def blobs_of(document: bytes | None) -> list[str]:
    """Return the hashes of the blobs that a stored document refers to; O(1) for one without."""
    if document is None or not document.startswith(FIRST_MEMBER):
        return []
    hashes: list[str] = msgspec.json.decode(document[len(FIRST_MEMBER) : document.index(b"]") + 1])
    return hashes


def refer(document: Any) -> list[str]:
    """Put references in the place of all bytes in dumped messages that lie in blobs, and return their hashes."""
    hashes: dict[str, None] = {}
    for item in find_media(document):
        data = item.get("data")
        if isinstance(data, StoredBytes):
            hashes[data.sha256] = None
            del item["data"]
            item["sha256"] = data.sha256
    return list(hashes)


def resolve(document: Any, hashes: Iterable[str], blobs: Mapping[str, StoredBytes]) -> None:
    """Put bytes back in the place of references to these blobs; for those not at hand, what stands for them."""
    stored = {sha256: blobs.get(sha256) or StoredBytes.of(sha256) for sha256 in hashes}
    for item in find_media(document):
        sha256 = item.get("sha256")
        if "data" not in item and isinstance(sha256, str) and sha256 in stored:
            item["data"] = stored[sha256]
            del item["sha256"]


def find_media(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the media in what pydantic-ai has dumped, in order, wherever a tool has put them in its result."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            kind = value.get("kind")
            if isinstance(kind, str) and kind in FILE_KINDS and isinstance(value.get("media_type"), str | None):
                yield value
            elif "part_kind" in value:  # beside these are the arguments of calls, which are the model's own
                waiting += (value.get("audio"), value.get("content"))
            elif kind == "tool-return":
                waiting += (value.get("content"), value.get("return_value"))
            else:
                waiting.extend(reversed(value.values()))
        elif isinstance(value, list | tuple):
            waiting.extend(reversed(value))

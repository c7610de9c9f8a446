"""Images, audio, video and files that go with a run; raw bytes in Python, base64 text on the wire."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, model_validator

from serai.wire.model import OpenModel


def _read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value.encode()  # published clients send a text file's text as it is


Content = Annotated[
    bytes,
    BeforeValidator(_read_bytes),
    PlainSerializer(lambda value: base64.b64encode(value).decode("ascii"), return_type=str, when_used="json"),
]
"""Raw bytes; base64 text in JSON."""


def _read_text(data: Any) -> Any:
    """Take the content of a text file as the text that it is, also where it looks like base64."""
    if not isinstance(data, dict) or not isinstance(data.get("content"), str):
        return data
    is_text = str(data.get("mime_type") or "").startswith("text/")
    return {**data, "content": data["content"].encode()} if is_text else data


class Media(OpenModel):
    """What all media have in common; exactly one of ``url``, ``filepath`` and ``content`` says where the bytes are."""

    id: str | None = None
    url: str | None = None
    filepath: Path | str | None = None
    content: Content | None = None
    mime_type: str | None = None
    format: str | None = None
    metadata: dict[str, Any] | None = None

    _read_text = model_validator(mode="before")(_read_text)

    def to_inline(self) -> dict[str, Any]:
        """Return the JSON object that servers take; the bytes of a text file are the text, as they expect it.

        Text that could be taken for base64 is sent as base64 all the same, which a Serai server tells apart.
        """
        item = self.to_dict()
        if self.content is not None and (self.mime_type or "").startswith("text/"):
            text = self.content.decode("utf-8", "ignore")
            if text.encode() == self.content and _read_bytes(text) == self.content:
                item["content"] = text
        return item


class Image(Media):
    """A picture, given to a run or made by it."""

    detail: str | None = None
    original_prompt: str | None = None
    revised_prompt: str | None = None
    alt_text: str | None = None


class Audio(Media):
    """A sound recording; ``duration`` in seconds, ``sample_rate`` in Hz."""

    sample_rate: int | None = None
    channels: int | None = None
    duration: float | None = None
    transcript: str | None = None


class Video(Media):
    """A film; ``duration`` in seconds, ``width`` and ``height`` in pixels."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration: float | None = None


class File(Media):
    """A document of any kind; ``size`` in bytes."""

    filename: str | None = None
    name: str | None = None
    size: int | None = None
    file_type: str | None = None

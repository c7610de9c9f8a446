"""The media of a run's form: inline, by address, or uploaded; each refused by the name of its field."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from serai.components.media import MediaItem, MediaKind, kind_of
from serai.domain.json_text import without_nulls
from serai.errors import InvalidFieldError, RequestError
from serai.server.form_fields import NULLS, Form, Upload, parse_json_text
from serai.server.media_types import clean_type, is_text, type_of_bytes, type_of_format, type_of_upload
from serai.storage.blobs import Blob

FIELDS: Final[Mapping[str, MediaKind]] = {
    "images": "image",
    "audio": "audio",
    "videos": "video",
    "input_files": "file",
    "files": "file",
}
"""The fields that hold media as JSON text, and of which kind they are."""

METADATA_FIELD: Final = "files_metadata"
MOST_METADATA_BYTES: Final = 8000
MOST_TYPE_LENGTH: Final = 200
LONGEST_WORD: Final = 100
_PLACES: Final = ("url", "filepath", "content")
_SHOWN: Final = (
    *("id", "format", "detail", "original_prompt", "revised_prompt", "alt_text", "sample_rate", "channels"),
    *("duration", "transcript", "width", "height", "fps", "filename", "name", "file_type", "metadata"),
)


@dataclass(slots=True)
class GivenMedia:
    """The media of a request.

    Attributes:
        items: as they are stored with the run, in order.
        blobs: their bytes by hash, not stored yet.
    """

    items: list[MediaItem] = field(default_factory=list)
    blobs: dict[str, Blob] = field(default_factory=dict)

    def add_bytes(self, kind: MediaKind, data: bytes, media_type: str, shown: dict[str, Any]) -> None:
        """Add a medium whose bytes the request brought."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = Blob(media_type, data)
        self.items.append(
            MediaItem(kind=kind, sha256=sha256, media_type=media_type, size=len(data), shown=without_nulls(shown))
        )

    def add_url(self, kind: MediaKind, url: str, media_type: str | None, shown: dict[str, Any]) -> None:
        """Add a medium that is elsewhere; the model's provider reads it."""
        self.items.append(MediaItem(kind=kind, url=url, media_type=media_type, shown=without_nulls(shown)))


def has_media(form: Form) -> bool:
    """Return whether a form brings any."""
    return bool(form.uploads) or METADATA_FIELD in form.fields or not form.fields.keys().isdisjoint(FIELDS)


def read_media(form: Form) -> GivenMedia:
    """Read the media of a form. Megabytes take milliseconds: for a thread.

    Raises:
        InvalidFieldError: a field is no JSON list of media, or one of them has no place, or several.
        RequestError: an upload is of a type that is not taken, or in another field than `files`.
    """
    media = GivenMedia()
    for name, kind in FIELDS.items():
        for index, item in enumerate(_objects(form, name)):
            _add(media, kind, item, (name, index))
    metadata = _read_metadata(form.fields.get(METADATA_FIELD, ""))
    for index, (name, upload) in enumerate(form.uploads):
        if name != "files":
            raise RequestError(f"The upload '{name}' is not served; send files in the field 'files'.")
        _add_upload(media, upload, metadata[index] if index < len(metadata) else None)
    return media


def _objects(form: Form, name: str) -> Iterator[dict[str, Any]]:
    for text in form.repeated.get(name) or [form.fields.get(name, "")]:
        if text.strip().lower() in NULLS:
            continue
        yield from parse_json_text(text, name, "a JSON list of objects", type=list[dict[str, Any]])


def _add(media: GivenMedia, kind: MediaKind, item: dict[str, Any], loc: tuple[str, int]) -> None:
    given = [place for place in _PLACES if item.get(place) is not None]
    if len(given) != 1:
        raise _wrong(loc, "Input should have exactly one of 'url' and 'content'", ", ".join(given) or None)
    place, value = given[0], item[given[0]]
    if place == "filepath":
        message = "A path on the caller's machine cannot be read here; send 'content' or 'url'"
        raise _wrong((*loc, "filepath"), message, value)
    if not isinstance(value, str) or not value:
        raise _wrong((*loc, place), "Input should be a non-empty string", value)
    media_type = _said_type(item, loc)
    shown: dict[str, Any] = {name: item[name] for name in _SHOWN if name in item}
    if place == "content":
        data = _read_content(value, media_type, loc)
        media.add_bytes(kind, data, media_type or type_of_bytes(data, kind), shown)
    elif value[:5].lower() == "data:":
        data, named = _read_data_url(value, loc)
        media.add_bytes(kind, data, media_type or named or type_of_bytes(data, kind), shown)
    else:
        _check_url(value, loc)
        media.add_url(kind, value, media_type, shown)


def _add_upload(media: GivenMedia, upload: Upload, metadata: dict[str, Any] | None) -> None:
    media_type = type_of_upload(upload.media_type, upload.filename)
    if media_type is None:
        said = f"{upload.filename[:100]!r}, {upload.media_type[:100] or 'without a type'}"
        raise RequestError(f"Unsupported file type: {said}")
    if not upload.content:
        raise RequestError(f"Empty file: {upload.filename[:100]!r}")
    extension = upload.filename.rpartition(".")[2].lower() if "." in upload.filename else None
    kind = kind_of(media_type)
    shown = {"format": extension, "metadata": metadata, "filename": upload.filename if kind == "file" else None}
    media.add_bytes(kind, upload.content, media_type, shown)


def _said_type(item: dict[str, Any], loc: tuple[str, int]) -> str | None:
    for name in ("mime_type", "format"):
        value = item.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > MOST_TYPE_LENGTH):
            raise _wrong((*loc, name), "Input should be a short string", value)
    if item.get("mime_type"):
        if not (media_type := clean_type(item["mime_type"])):
            raise _wrong((*loc, "mime_type"), "Input should be a media type, such as image/png", item["mime_type"])
        return media_type
    return type_of_format(item["format"]) if item.get("format") else None


def _read_content(text: str, media_type: str | None, loc: tuple[str, int]) -> bytes:
    """Return the bytes of base64; published clients send a text file's text as it is, which may look like base64.

    A short word that does not decode to text is believed to be text itself.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    is_text_file = (media_type or "").startswith("text/")
    if data is not None and (not is_text_file or len(text) > LONGEST_WORD or is_text(data)):
        return data
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _wrong((*loc, "content"), "Input should be base64, or text in Unicode", None) from error


def _read_data_url(url: str, loc: tuple[str, int]) -> tuple[bytes, str | None]:
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise _wrong((*loc, "url"), "Input should be a data URL: data:<type>;base64,<bytes>", url[:100])
    try:
        raw = unquote_to_bytes(body)
        data = base64.b64decode(raw, validate=True) if head.endswith(";base64") else raw
    except (binascii.Error, ValueError) as error:
        raise _wrong((*loc, "url"), "Input should be a data URL with valid base64", url[:100]) from error
    said = head.removesuffix(";base64").partition(";")[0]
    media_type = clean_type(said) or None
    if said and media_type is None:
        raise _wrong((*loc, "url"), "Input should be a data URL with a media type, such as image/png", url[:100])
    return data, media_type


def _check_url(url: str, loc: tuple[str, int]) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong((*loc, "url"), f"Input should be an address: {error}", url[:100]) from error
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
        raise _wrong((*loc, "url"), "Input should be an http or https address, or a data URL", url[:100])


def _read_metadata(text: str) -> list[dict[str, Any] | None]:
    """Return the metadata of uploads by their position; what is no object says nothing."""
    if text.strip().lower() in NULLS:
        return []
    if len(text.encode("utf-8", "surrogatepass")) > MOST_METADATA_BYTES:
        message = f"Input should have at most {MOST_METADATA_BYTES} bytes"
        raise InvalidFieldError.of(("body", METADATA_FIELD), message, kind="too_long")
    entries = parse_json_text(text, METADATA_FIELD, "a JSON list", type=list[Any])
    return [entry if isinstance(entry, dict) else None for entry in entries]


def _wrong(loc: tuple[str | int, ...], message: str, given: Any) -> InvalidFieldError:
    shown = given[:100] if isinstance(given, str) else None
    return InvalidFieldError.of(("body", *loc), message, kind="media", given=shown)

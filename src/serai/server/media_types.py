"""Which kind of medium something is: by its type, its name, its format, or its first bytes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from serai.components.media import MediaKind, kind_of

_TYPES: Final[Mapping[str, str]] = {
    **{name: f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "avif", "heic", "heif")},
    "jpg": "image/jpeg",
    "tif": "image/tiff",
    **{name: f"audio/{name}" for name in ("wav", "ogg", "aac", "flac")},
    "mp3": "audio/mpeg",
    "mpga": "audio/mpeg",
    "oga": "audio/ogg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mov": "video/quicktime",
    "3gp": "video/3gpp",
    "3gpp": "video/3gpp",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "htm": "text/html",
    "xml": "text/xml",
    "css": "text/css",
    "js": "text/javascript",
    "py": "text/x-python",
    "rtf": "text/rtf",
    "pdf": "application/pdf",
    "json": "application/json",
    "zip": "application/zip",
    "eml": "message/rfc822",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "msg": "application/vnd.ms-outlook",
}
_SYNONYMS: Final[Mapping[str, str]] = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "video/wmv": "video/x-ms-wmv",
    "video/flv": "video/x-flv",
    "application/xml": "text/xml",
    "application/rtf": "text/rtf",
    "application/x-python": "text/x-python",
    "text/x-markdown": "text/markdown",
    "application/x-javascript": "text/javascript",
    "application/javascript": "text/javascript",
    "application/x-zip-compressed": "application/zip",
}
_UPLOADED: Final = frozenset(_TYPES.values())
_UNKNOWN: Final = frozenset({"", "application/octet-stream"})
_BEGINNINGS: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_DEFAULTS: Final[Mapping[MediaKind, str]] = {
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "file": "application/octet-stream",
}


def type_of_upload(media_type: str, filename: str) -> str | None:
    """Return the media type of an upload: what was said, or by its name; None when it is not one that we take."""
    said = clean_type(media_type)
    if said in _UNKNOWN:
        return type_of_format(filename.rpartition(".")[2]) if "." in filename else None
    return said if said in _UPLOADED else None


def type_of_format(name: str) -> str | None:
    """Return the media type of a format or file extension, for example ``mp3``."""
    return _TYPES.get(name.strip().lower().removeprefix("."))


def type_of_bytes(data: bytes, kind: MediaKind) -> str:
    """Return the media type of bytes that nobody named: by how they begin, else the most usual one of their kind."""
    for start, beginning, media_type in _BEGINNINGS:
        if data.startswith(beginning, start) and kind in ("file", kind_of(media_type)):
            return media_type
    if kind == "file" and is_text(data):
        return "text/plain"
    return _DEFAULTS[kind]


def clean_type(media_type: str) -> str:
    """Return a media type in lower case without parameters, under its usual name; empty when it is none."""
    bare = media_type.partition(";")[0].strip().lower()
    return _SYNONYMS.get(bare, bare) if bare.isascii() and bare.isprintable() else ""


def is_text(data: bytes) -> bool:
    """Return whether bytes are text: UTF-8, and no control characters but blanks."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(data) is None

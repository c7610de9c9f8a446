"""Office documents are ZIP archives of XML: what they unpack to is bounded before anything is read of them."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final

from serai.knowledge.passages import ReadLimits, UnreadableError

_MOST_PARTS: Final = 20_000
_DECLARATIONS: Final = tuple(
    mark.encode(charset) for mark in ("<!DOCTYPE", "<!ENTITY") for charset in ("ascii", "utf-16-le", "utf-16-be")
)
_XML: Final = (".xml", ".rels", ".vml")
_HEAD: Final = 4096
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError, RuntimeError)
"""What `zipfile` raises for archives that are cut off, encrypted or contradict themselves."""

DAMAGED: Final = "The document is damaged or cut off; save it anew and upload that."
ENCRYPTED: Final = "The document is encrypted; save it without a password and upload that."


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Return the archive.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _BROKEN as error:
        raise UnreadableError(DAMAGED) from error


def check_archive(data: bytes, limits: ReadLimits) -> None:
    """Refuse an archive that unpacks to too much, or whose XML declares entities.

    The sizes it declares hold: `zipfile` never unpacks a part beyond its own.

    Raises:
        UnreadableError: it does, or it cannot be unpacked.
    """
    with open_archive(data) as archive:
        parts = archive.infolist()
        total = sum(part.file_size for part in parts)
        if total > limits.expanded_mib << 20 or len(parts) > _MOST_PARTS:
            raise UnreadableError(
                f"The document unpacks to {total >> 20:,} MiB in {len(parts):,} parts; at most "
                f"{limits.expanded_mib} MiB in {_MOST_PARTS:,} are read. Remove large pictures or upload it in parts."
            )
        for part in parts:
            _check_part(archive, part)


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    if part.flag_bits & 1:
        raise UnreadableError(ENCRYPTED)
    if not part.filename.lower().endswith(_XML):
        return
    try:
        with archive.open(part) as opened:
            head = opened.read(_HEAD)
    except _BROKEN as error:
        raise UnreadableError(DAMAGED) from error
    if any(mark in head for mark in _DECLARATIONS):
        raise UnreadableError("The document's XML declares entities, which Office never does; it is not read.")

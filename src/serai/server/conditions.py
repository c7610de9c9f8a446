"""Conditional requests: a version as an `ETag`, and what `If-Match` and `If-None-Match` say of it.

Source: RFC 9110, 8.8.3 and 13.1.
"""

from __future__ import annotations

import re

from starlette.requests import Request

_TAG = re.compile(r'(W/)?"([^"]*)"')
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


def entity_tag(version: int) -> bytes:
    """Return a version as an `ETag`."""
    return b'"%d"' % version


def allowed_versions(request: Request) -> frozenset[int] | None:
    """Return the versions that `If-Match` lists, None when any will do; weak tags never match."""
    header = _joined(request, b"if-match")
    if header is None or header.strip() == "*":
        return None
    strong = (text for weak, text in _TAG.findall(header) if not weak)
    return frozenset(int(text) for text in strong if _VERSION.fullmatch(text))


def is_known(request: Request, version: int) -> bool:
    """Tell whether `If-None-Match` says that the caller has this version; weak tags match, too."""
    header = _joined(request, b"if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or str(version) in (text for _, text in _TAG.findall(header))


def _joined(request: Request, name: bytes) -> str | None:
    values = [value for key, value in request.scope["headers"] if key == name]
    return b", ".join(values).decode("latin-1") if values else None

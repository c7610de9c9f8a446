"""A server's base URL as a caller gives it: is it one at all. Loads nothing heavy."""

from __future__ import annotations

from urllib.parse import urlsplit


def checked_base_url(base_url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ValueError: it is no ``http`` or ``https`` URL with a host, or it has a query or a fragment.
    """
    if not _is_base_url(base_url):
        raise ValueError(
            f"{base_url!r} is no base URL: it must be http:// or https:// and a host, such as http://127.0.0.1:7777."
        )
    return base_url.rstrip("/")


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port_number = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = text.isprintable() and not any(character in text for character in " ?#")
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and has_port_number

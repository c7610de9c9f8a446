"""What spans keep of inputs and outputs: texts, cut at a length, with nothing in them that is secret by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from serai.domain.json_text import dump_json

MASK: Final = "***"
SECRET_NAMES: Final = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "credential",
    "credentials",
    "private_key",
    "api_key",
    "access_key",
    "secret_key",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "session_token",
    "bearer_token",
)
"""Headers and fields whose values are masked, in any case, with ``-``, ``_`` or nothing between their words.

So are those that end with one of these after ``-`` or ``_``, for example ``x-api-key`` and ``OPENAI_API_KEY``."""
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}")
_KEYS: Final = re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|xox[abpr]|llx|glpat)[-_][A-Za-z0-9_-]{16,}")
_LONGEST_READ: Final = 4
"""A text is read this many times as far as it is kept, so that a secret at the cut is masked whole."""


class Capture:
    """Makes texts of what runs are given and give.

    Args:
        is_on: whether anything is kept of contents.
        most_characters: of one text.
        secret_names: fields to mask beside the known ones.
    """

    def __init__(self, *, is_on: bool = True, most_characters: int = 4000, secret_names: Iterable[str] = ()) -> None:
        self.is_on = is_on
        self._most = most_characters
        names = [*SECRET_NAMES, *(name.strip().lower() for name in secret_names if name.strip())]
        words = [re.sub(r"[-_ ]", "[-_ ]?", re.escape(name).replace(r"\-", "-")) for name in names]
        self._stems = tuple(dict.fromkeys(re.split(r"[-_ ]", name)[-1] for name in names))
        self._fields = re.compile(
            rf"""(?ix) (?<![a-z0-9]) (?P<name> (?:[a-z0-9]{{1,32}}[-_]){{0,4}} (?:{"|".join(words)}) )
            (?P<between> \\?["']? \s* (?:[:=]|=>) \s* (?:b(?=["']))? )
            (?P<value> \\"(?:(?!\\").)*(?:\\"|$) | "(?:[^"\\]|\\.)*(?:"|$) | '(?:[^'\\]|\\.)*(?:'|$)
                       | \[[^\]]*(?:\]|$) | \{{[^}}]*(?:\}}|$) | (?:bearer|basic)\s+[^\s,;"'}}&]+ | [^\s,;"'}}&\]]+ )"""
        )

    def text(self, value: Any) -> str | None:
        """Return what is kept of a value: a text as it is, anything else as JSON."""
        if not self.is_on or value is None:
            return None
        text = value if isinstance(value, str) else dump_json(value).decode()
        return self.cut(self.mask(text[: self._most * _LONGEST_READ]), whole=len(text))

    def cut(self, text: str, *, whole: int) -> str:
        """Return a text no longer than may be kept; the last line of a longer one says how long it was."""
        return text if len(text) <= self._most else f"{text[: self._most]}… ({whole:,} characters)"

    def mask(self, text: str) -> str:
        """Return a text without what is secret by its name or its form."""
        lowered = text.lower()
        for stem in self._stems:
            if stem in lowered:
                text = self._fields.sub(_mask_value, text)
                break
        if "earer " in text or "asic " in text or "EARER " in text:
            text = _BEARER.sub(rf"\1 {MASK}", text)
        return _KEYS.sub(MASK, text) if "-" in text or "_" in text else text


def _mask_value(found: re.Match[str]) -> str:
    value = found["value"]
    if value in ("null", "true", "false", "None", "True", "False"):
        return found[0]
    quote = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    # The value of JSON stays JSON.
    quote = '"' if not quote and found["between"].lstrip().startswith('"') else quote
    return f"{found['name']}{found['between']}{quote}{MASK}{quote}"

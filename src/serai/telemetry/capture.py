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
_OF_KEYS: Final = (
    "sk-",
    "sk_",
    "pk-",
    "pk_",
    "rk-",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "xox",
    "llx-",
    "glpat-",
)
_MARGIN: Final = 1000
"""Characters that are read beyond those that are kept, so that a secret at the cut is masked whole."""
_LONGEST_NAME: Final = 200
_SIGNS: Final = re.compile("[:=]")
_VALUE: Final = re.compile(
    r"""(?isx) (?P<between> \\*["']? \s* (?:[:=]|=>) \s* (?:b(?=["']))? )
    (?P<value> (?P<slashes>\\+)"(?:(?!(?P=slashes)").)*(?:(?P=slashes)"|\Z)
               | "(?:[^"\\]|\\(?:.|\Z))*(?:"|\Z) | '(?:[^'\\]|\\(?:.|\Z))*(?:'|\Z)
               | \[[^\]]*(?:\]|\Z) | \{[^}]*(?:\}|\Z) | (?:bearer|basic)\s+[^\s,;"'}&]+ | [^\s,;"'}&\]]+ )"""
)


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
        stems = dict.fromkeys(re.split(r"[-_ ]", name)[-1] for name in names)
        self._stems = tuple(stem for stem in stems if stem)
        self._longest_stem = max(map(len, self._stems))
        self._names = re.compile(rf"(?i)(?<![a-z0-9])(?:{'|'.join(words)})\Z")

    def text(self, value: Any) -> str | None:
        """Return what is kept of a value: a text as it is, anything else as JSON."""
        if not self.is_on or value is None:
            return None
        text = value if isinstance(value, str) else dump_json(value).decode()
        return self.cut(self.mask(text[: self._most + _MARGIN]), whole=len(text))

    def cut(self, text: str, *, whole: int) -> str:
        """Return a text no longer than may be kept; the last line of a longer one says how long it was."""
        is_all = whole <= self._most + _MARGIN
        if is_all and len(text) <= self._most:
            return text
        # What was not read may go on with a secret that begins at the end of what was.
        kept = self._most if is_all else min(self._most, max(0, len(text) - _LONGEST_NAME))
        return f"{text[:kept]}… ({whole:,} characters)"

    def mask(self, text: str) -> str:
        """Return a text without what is secret by its name or its form."""
        lowered = text.lower()
        for stem in self._stems:  # most texts have none
            if stem in lowered:
                text = self._mask_fields(text)
                break
        if "earer " in text or "asic " in text or "EARER " in text:
            text = _BEARER.sub(rf"\1 {MASK}", text)
        return _KEYS.sub(MASK, text) if ("-" in text or "_" in text) and _has_key(text) else text

    def _mask_fields(self, text: str) -> str:
        """Mask what fields hold: where a sign stands between a name and a value, what is before it is looked at."""
        pieces: list[str] = []
        done = 0
        for sign in _SIGNS.finditer(text):
            end = _end_of_name(text, sign.start())
            if end <= done or not text[max(0, end - self._longest_stem) : end].lower().endswith(self._stems):
                continue
            value = _VALUE.match(text, end)
            if value is not None and self._names.search(text, max(done, end - _LONGEST_NAME), end) is not None:
                pieces += (text[done:end], _masked(value))
                done = value.end()
        return "".join((*pieces, text[done:])) if pieces else text


def _has_key(text: str) -> bool:
    """Return whether a text has a key that is known by its form; to look for beginnings takes a tenth of the time."""
    for beginning in _OF_KEYS:
        at = text.find(beginning)
        while at >= 0:
            if _KEYS.match(text, at):
                return True
            at = text.find(beginning, at + 1)
    return False


def _end_of_name(text: str, at: int) -> int:
    """Return where the name ends that stands before a sign, in quotes or not."""
    while at and text[at - 1].isspace():
        at -= 1
    if at and text[at - 1] in "\"'":
        at -= 1
    while at and text[at - 1] == "\\":
        at -= 1
    return at


def _masked(found: re.Match[str]) -> str:
    """Return what stands for a value, and what is between it and its name."""
    value, between = found["value"], found["between"]
    if value in ("null", "true", "false", "None", "True", "False"):
        return found[0]
    quote = f'{found["slashes"]}"' if found["slashes"] else value[0] if value[0] in "\"'" else ""
    # The value of JSON stays JSON.
    quote = '"' if not quote and between.lstrip().startswith('"') else quote
    return f"{between}{quote}{MASK}{quote}"

"""Text as it is searched: one case and one form for all scripts, and the pieces by which an index finds it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from serai.domain.stored_text import storable

LONGEST_TITLE: Final = 280
PIECES_END: Final = "\x1f"
"""Stands between pieces where they are one text; no folded text has it."""

_DOTTED: Final = re.compile("i\u0307+")
_PIECE: Final = 3
_SHORT_PIECE: Final = 2


def title_of(message: str) -> str:
    """Return what a conversation is called that begins with a message."""
    text = storable(message[: LONGEST_TITLE + 1])
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def fold(text: str) -> str:
    """Return a text in the form in which two that people hold for the same are the same: NFKC, case folded.

    The dot that folding İ leaves on its i goes, too: İzmir is found as izmir.
    """
    text = text.replace(PIECES_END, " ")
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _DOTTED.sub("i", folded)) if "i\u0307" in folded else folded


def triples_of(folded: str) -> set[str]:
    """Return every three characters that follow each other in a folded text."""
    return set(map("".join, zip(folded, folded[1:], folded[2:], strict=False)))


def pieces_of(folded: str) -> set[str]:
    """Return all that an index knows of a folded text: three characters each, and two where they are not ASCII."""
    pieces = triples_of(folded)
    if not folded.isascii():
        pairs = (folded[start : start + _SHORT_PIECE] for start in range(len(folded) - 1))
        pieces |= {pair for pair in pairs if not pair.isascii()}
    return pieces


def pieces_to_find(folded: str) -> list[str]:
    """Return the pieces that a text must have to hold this one; none of a text too short for the index."""
    if len(folded) >= _PIECE:
        return sorted(triples_of(folded))
    return [folded] if len(folded) == _SHORT_PIECE and not folded.isascii() else []

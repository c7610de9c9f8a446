"""Ids: those that sort by the time they were made (UUIDv7, drawn by this process), and those made of names."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_key() -> UUID:
    """Return a UUIDv7; keys of one process strictly rise, also within a millisecond.

    Source: RFC 9562, 5.7, with the 12 bits of rand_a and the top of rand_b as a counter (6.2, method 2).
    """
    global _last  # noqa: PLW0603 - the last key drawn is what makes the next one greater
    random = int.from_bytes(os.urandom(8))
    fresh = ((time.time_ns() // 1_000_000) << 74) | (random >> 1 & ((1 << 40) - 1))
    with _lock:
        # 74 bits below the milliseconds: a 34-bit counter in front, then 40 random ones.
        value = fresh if fresh >> 40 > _last >> 40 else ((_last >> 40) + 1 << 40) | (fresh & ((1 << 40) - 1))
        _last = value
    milliseconds, rest = value >> 74, value & ((1 << 74) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (rest >> 62) << 64 | 0x2 << 62 | (rest & ((1 << 62) - 1)))


def first_key_at(unix_ms: int) -> UUID:
    """Return the least UUIDv7 of a millisecond, a bound for ranges of keys."""
    return UUID(int=unix_ms << 80 | 0x7 << 76 | 0x2 << 62)


def first_key_of(moment: datetime) -> UUID:
    """Return the least UUIDv7 of a time, to the millisecond."""
    return first_key_at(int(moment.timestamp() * 1000))


def read_key(text: str) -> UUID | None:
    """Return an id that somebody names; None for a text that is none, which names nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


def read_keys(texts: Iterable[str]) -> list[UUID]:
    """Return those of the texts that are ids, each once."""
    return list(dict.fromkeys(key for text in texts if (key := read_key(text))))


def slugify(name: str) -> str:
    """Return a name as an id: lower case letters and digits of any script, joined by hyphens."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")

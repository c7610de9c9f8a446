"""A record as the model knows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from tests.oracle.instants import read_instant
from tests.oracle.paths import read_path

TIMESTAMPS = ("created_at", "updated_at")


@dataclass(frozen=True)
class Record:
    """One record; its times are nanoseconds since 1970."""

    id: str
    data: dict[str, Any]
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Record:
        """Return the record that a server answered."""
        created_at, updated_at = (read_instant(answer[name]) for name in TIMESTAMPS)
        return cls(answer["id"], answer["data"], created_at, updated_at)


def read_field(text: str) -> Callable[[Record], Any]:
    """Return what gets a field's value out of a record: a timestamp by its bare name, else a member of the payload.

    Raises:
        RefusedError: the text is no path.
    """
    if text in TIMESTAMPS:
        return attrgetter(text)
    path = read_path(text)
    return lambda record: path.find(record.data)

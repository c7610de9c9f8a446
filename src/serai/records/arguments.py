"""The parameters of a statement under construction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serai.errors import InvalidFieldError

MOST_ARGUMENTS = 32767  # PostgreSQL's own limit


class Arguments:
    """Collects values for placeholders; the same value of the same type gets the same placeholder.

    Args:
        values: those of ``$1``, ``$2`` … to begin with.
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self.values = list(values)
        self._known: dict[tuple[str, str], str] = {}

    def add(self, value: Any, sql_type: str) -> str:
        """Add a value and return its typed placeholder.

        Raises:
            InvalidFieldError: the request asks for more than a statement can hold.
        """
        key = (sql_type, repr(value))
        if key not in self._known:
            if len(self.values) == MOST_ARGUMENTS:
                msg = f"more than {MOST_ARGUMENTS} names and values: ask for fewer"
                raise InvalidFieldError.of(("body",), msg, kind="too_long")
            self.values.append(value)
            self._known[key] = f"${len(self.values)}::{sql_type}"
        return self._known[key]

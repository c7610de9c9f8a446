"""The parameters of a statement under construction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Arguments:
    """Collects values for placeholders; the same value of the same type gets the same placeholder.

    Args:
        values: those of ``$1``, ``$2`` … to begin with.
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self.values = list(values)
        self._known: dict[tuple[str, str], str] = {}

    def add(self, value: Any, sql_type: str) -> str:
        """Add a value and return its typed placeholder."""
        key = (sql_type, repr(value))
        if key not in self._known:
            self.values.append(value)
            self._known[key] = f"${len(self.values)}::{sql_type}"
        return self._known[key]

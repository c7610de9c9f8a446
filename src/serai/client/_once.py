"""Makes a client's connections at its first call: once for all threads, and never again after its close."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """A value that is made when it is first asked for."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: Value | None = None
        self._is_closed = False

    def get(self) -> Value:
        """Return the value, the same to every caller.

        Raises:
            RuntimeError: `close` was called.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the client is closed")
            if self._value is None:
                self._value = self._make()
            return self._value

    def close(self) -> Value | None:
        """Give the value out for the last time, for the caller to close; None when there is none (any more)."""
        with self._lock:
            self._is_closed = True
            value, self._value = self._value, None
            return value

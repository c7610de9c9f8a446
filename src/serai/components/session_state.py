"""The session state of one run: what its tools change, step by step, and what is left to write at the end."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from serai.components.deps import RunDeps
from serai.domain.json_text import MOST_LEVELS, dump_json, is_too_deep, load_json

_LOOKS: Final = 5


class TrackedState:
    """Watches ``deps.session_state`` for changes, member by member.

    Args:
        deps: what the tools see; its state is filled by `load`.

    Attributes:
        settled: the whole state as `settle` left it, which no tool changes any more.
    """

    def __init__(self, deps: RunDeps) -> None:
        self.settled: dict[str, Any] = {}
        self._deps = deps
        self._stored: dict[str, bytes] = {}
        self._known: dict[str, bytes] = {}

    def load(self, stored: dict[str, Any], *, laid_over: dict[str, Any]) -> None:
        """Begin with the session's state and the request's members over it."""
        self._stored = {name: dump_json(value) for name, value in stored.items()}
        self._deps.session_state.update(stored)
        self._deps.session_state.update(laid_over)
        self._known = self._dump()

    def take_changes(self) -> tuple[dict[str, Any], list[str]]:
        """Return the members changed and removed since the last look; they belong to the step that ends now.

        Raises:
            ValueError: the state is no dictionary that JSON can hold; it is then as at the last look.
        """
        if not self._known and self._deps.session_state == {}:
            return {}, []
        before = self._known
        try:
            now = self._dump()
            changed = {name: load_json(text) for name, text in now.items() if before.get(name) != text}
            if deep := [name for name, value in changed.items() if is_too_deep(value)]:
                raise ValueError(f"{deep[0]!r} is nested more than {MOST_LEVELS} levels")
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            self._deps.session_state = self._load_known()
            raise ValueError(f"session_state must stay a dictionary of JSON values: {error}") from error
        self._known = now
        return changed, [name for name in before if name not in now]

    def apply(self, changed: dict[str, Any], removed: list[str]) -> None:
        """Lay a replayed step's changes over the state; those of a step just done are there already."""
        for name, value in changed.items():
            text = dump_json(value)
            if self._known.get(name) != text:
                self._deps.session_state[name] = value
                self._known[name] = text
        for name in removed:
            self._deps.session_state.pop(name, None)
            self._known.pop(name, None)

    def settle(self) -> None:
        """Take what changed outside tools, in instructions or validators; what cannot be stored is undone."""
        with contextlib.suppress(ValueError):
            self.take_changes()
        self.settled = self._load_known()

    def copy(self) -> dict[str, Any]:
        """Return the state as it is now, for others to change; of one that JSON cannot hold, as at the last look."""
        try:
            return {name: load_json(text) for name, text in self._dump().items()}
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return self._load_known()

    def since_load(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what differs from the stored state: the members to write and those to delete."""
        changed = {name: load_json(text) for name, text in self._known.items() if self._stored.get(name) != text}
        return changed, tuple(name for name in self._stored if name not in self._known)

    def _load_known(self) -> dict[str, Any]:
        return {name: load_json(text) for name, text in self._known.items()}

    def _dump(self) -> dict[str, bytes]:
        """Return the state's members as text; a tool that was given up may still change it in its thread.

        Raises:
            RuntimeError: it does so all the time.
        """
        for _ in range(_LOOKS - 1):
            with contextlib.suppress(RuntimeError):
                return self._dump_once()
        return self._dump_once()

    def _dump_once(self) -> dict[str, bytes]:
        return {str(name): dump_json(value) for name, value in list(self._deps.session_state.items())}

"""The session state of one run: what its tools change, step by step, and what is left to write at the end."""

from __future__ import annotations

import contextlib
from typing import Any

from serai.components.deps import RunDeps
from serai.domain.json_text import dump_json, load_json


class TrackedState:
    """Watches ``deps.session_state`` for changes, member by member.

    Args:
        deps: what the tools see; its state is filled by `load`.
    """

    def __init__(self, deps: RunDeps) -> None:
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
        try:
            now = self._dump()
        except (RecursionError, TypeError, ValueError, AttributeError) as error:
            self._deps.session_state = {name: load_json(text) for name, text in self._known.items()}
            raise ValueError(f"session_state must stay a dictionary of JSON values: {error}") from error
        before, self._known = self._known, now
        changed = {name: load_json(text) for name, text in now.items() if before.get(name) != text}
        return changed, [name for name in before if name not in now]

    def apply(self, changed: dict[str, Any], removed: list[str]) -> None:
        """Lay a replayed step's changes over the state; those of a step just done are there already."""
        if not changed and not removed:
            return
        for name, value in changed.items():
            if self._known.get(name) != dump_json(value):
                self._deps.session_state[name] = value
        for name in removed:
            self._deps.session_state.pop(name, None)
        self._known = self._dump()

    def settle(self) -> None:
        """Take what changed outside tools, in instructions or validators; what cannot be stored is undone."""
        with contextlib.suppress(ValueError):
            self.take_changes()

    def since_load(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what differs from the stored state: the members to write and those to delete."""
        changed = {name: load_json(text) for name, text in self._known.items() if self._stored.get(name) != text}
        return changed, tuple(name for name in self._stored if name not in self._known)

    def _dump(self) -> dict[str, bytes]:
        return {str(name): dump_json(value) for name, value in self._deps.session_state.items()}

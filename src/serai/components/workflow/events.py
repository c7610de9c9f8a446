"""The events of a workflow's run, each said once: not again after a takeover, nor after a pause."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from serai.components.media import MediaItem
from serai.components.workflow.places import Place
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import Event
from serai.engine.active_run import ActiveRun, RestingRun


class WorkflowEvents:
    """Writes one run's events.

    Args:
        run: where they go.
        name: what people call its workflow.
        said: how often each was said of steps that earlier segments left open, by step id; kept up to date here.
    """

    def __init__(self, run: ActiveRun | RestingRun, *, name: str, said: dict[str, dict[str, int]]) -> None:
        self._run = run
        self._said = said
        self._logged = _count(run.logged, before=said)
        self._common = {
            "nested_depth": 0,
            **run.about,
            "workflow_id": run.record.component_id,
            "workflow_name": name,
            "run_id": run.record.id,
            "session_id": run.record.session_id,
        }

    @property
    def depth(self) -> int:
        """How many workflows are around this one."""
        depth: int = self._common["nested_depth"]
        return depth

    def members(self, event: str, /, **members: Any) -> dict[str, Any]:
        """Return an event's members, for the one that ends the run; nulls are left out."""
        given = {key: value for key, value in members.items() if value is not None}
        refers = {"blobs": given.pop("blobs")} if "blobs" in given else {}
        head = {**refers, "created_at": int(time.time()), "event": event}
        return {**head, **self._common, **given, "event_index": self._run.next_seq}

    def emit(
        self,
        event: str,
        place: Place | None = None,
        /,
        *,
        nth: int = 0,
        media: Iterable[MediaItem] = (),
        **members: Any,
    ) -> None:
        """Write an event, if it was not written before.

        Args:
            event: its name.
            place: the step that it tells of; None: the run.
            nth: which of this name it is of that step, not counting those of other iterations and attempts.
            media: what it refers to in its members.
            **members: its own members.
        """
        step_id = "" if place is None else place.id
        name = _identity(event, members)
        said = self._said.setdefault(step_id, {})
        count = said.get(name, 0)
        if count > nth:
            return
        said[name] = count + 1
        if self._logged.get(step_id, {}).get(name, 0) > count:
            return
        blobs = [item.sha256 for item in media if item.sha256 is not None]
        about = {} if place is None else _about(place, with_id=event != "StepOutput")
        self._run.emit(event, dump_json(self.members(event, blobs=blobs or None, **about, **members)))


def last_content(events: Iterable[Event], run_id: str) -> Any:
    """Return what the last step answered that a log tells of, or None."""
    content = None
    for event in events:
        if event.name == "StepCompleted" and (members := load_json(event.data)).get("run_id") == run_id:
            content = members.get("content")
    return content


def _about(place: Place, *, with_id: bool) -> dict[str, Any]:
    """Return a step event's members; the published `StepOutput` has its id inside only."""
    known = {"step_id": place.id if with_id else None, "parent_step_id": place.parent_id}
    return {**known, "step_name": place.name, "step_index": place.index}


def _identity(event: str, members: dict[str, Any]) -> str:
    number = members.get("iteration", members.get("attempt"))
    return event if number is None else f"{event}/{number}"


def _count(events: Iterable[Event], *, before: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return how often each event was said, earlier segments included, by step id."""
    found = {step_id: dict(names) for step_id, names in before.items()}
    for event in events:
        members = load_json(event.data)
        step_id = members.get("step_id") or (members.get("step_output") or {}).get("step_id") or ""
        name = _identity(event.name, members)
        said = found.setdefault(step_id, {})
        said[name] = said.get(name, 0) + 1
    return found

"""Events of a run, as a stream delivers them: what all kinds share, and which class an event's name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from serai.wire.model import OpenModel, WireModel
from serai.wire.tools import ToolExecution

ENDINGS = {
    f"{kind}{end}": end.lower()
    for kind in ("Run", "TeamRun", "Workflow")
    for end in ("Completed", "Error", "Cancelled", "Paused")
}
"""What becomes of a run, by the names of the events that end its stream."""

TERMINAL_EVENTS = frozenset(ENDINGS)
"""Names of the events that end a run's stream, or pause it."""

PAUSE_EVENTS = frozenset({"RunPaused", "TeamRunPaused", "WorkflowPaused"})
"""Names of the events after which a run may go on."""


class BaseEvent(WireModel):
    """What every event has; ``created_at`` in Unix seconds, ``event_index`` the place in the run's log."""

    event: str = ""
    created_at: int | None = None
    run_id: str | None = None
    session_id: str | None = None
    nested_depth: int = 0
    event_index: int | None = None
    content: Any = None


class RunToolCallEvent(BaseEvent):
    """The common base of the events about a tool call, an agent's or a team's."""

    tool: ToolExecution | None = None


class UnknownEvent(BaseEvent, OpenModel):
    """An event this version has no class for, or one that does not fit its class; all members are kept as they came."""

    created_at: Any = None
    run_id: Any = None
    session_id: Any = None
    nested_depth: Any = 0
    event_index: Any = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class CustomEvent(BaseEvent, OpenModel):
    """An event made by the server's owner or by the server itself; all members are kept."""

    event: str = "CustomEvent"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class StepRestartedEvent(CustomEvent):
    """A model's answer starts anew, for the node that streamed it died: drop the text that came since.

    What is void are the events whose ``event_index`` is ``from_index`` or more, and less than this one's own;
    `serai.run.agent.StreamedText` does the arithmetic. A Serai server sends it as a ``CustomEvent``.
    """

    name: str = "step_restarted"
    from_index: int


def parse_event(data: Mapping[str, Any]) -> BaseEvent:
    """Return the event object for one event's JSON.

    Args:
        data: the JSON object; its member ``event`` names the kind.

    Returns:
        An object of the kind's class; ``UnknownEvent`` when there is no class of that name or the data does not fit it.
    """
    name = data.get("event")
    event_class = event_classes().get(name) if isinstance(name, str) else None
    if event_class is CustomEvent and data.get("name") == "step_restarted" and "from_index" in data:
        event_class = StepRestartedEvent
    if event_class is not None:
        try:
            return event_class.model_validate(data)
        except ValidationError:
            pass  # one odd member must not lose the event
    return UnknownEvent.model_validate({**data, "event": str(name or "")})


def is_of_inner_run(event: BaseEvent) -> bool:
    """Say whether an event is of a run inside the one that its stream is about: a team's member's, a step's."""
    return any(getattr(event, name, None) for name in ("nested_depth", "parent_run_id", "workflow_run_id"))


@cache
def event_classes() -> dict[str, type[BaseEvent]]:
    """Return the class of each event name; built at the first call, since it loads all of them."""
    from serai.wire import agent_events, team_events, workflow_events  # noqa: PLC0415 - costs as much as the rest

    classes: dict[str, type[BaseEvent]] = {"CustomEvent": CustomEvent}
    for module in (agent_events, team_events, workflow_events):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseEvent) and value.model_fields["event"].default:
                classes.setdefault(value.model_fields["event"].default, value)
    return classes

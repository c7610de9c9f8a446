"""The events of an agent's or a team's run, as JSON: one object made per run, which knows what all of them share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from serai.components.steps import call_name
from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import EVENT_PREFIXES
from serai.domain.runs import Event
from serai.engine.active_run import ActiveRun, RestingRun

_TOOL_CALL: dict[str, Any] = dict.fromkeys(
    (
        *("tool_call_id", "tool_name", "tool_args", "tool_call_error", "result", "metrics", "child_run_id"),
        *("stop_after_tool_call", "created_at", "requires_confirmation", "confirmed", "confirmation_note"),
        *("requires_user_input", "user_input_schema", "user_feedback_schema", "answered"),
        *("external_execution_required", "external_execution_silent", "approval_type", "approval_id"),
        "parent_tool_call_id",
    )
) | {"stop_after_tool_call": False}
_encode_text = msgspec.json.Encoder().encode


def tool_call(call_id: str, name: str, args: dict[str, Any]) -> dict[str, Any]:
    """Return a tool execution as the wire shows it: all members there, null when unset."""
    return {
        **_TOOL_CALL,
        "tool_call_id": call_id,
        "tool_name": name,
        "tool_args": args,
        "created_at": int(time.time()),
    }


class AgentEvents:
    """Writes one run's events; those of a team have the same names with ``Team`` before them.

    Args:
        run: where they go, and whose child it is.
        name: of its agent or team.
        voice: says the run's text, when its text is another run's; the run's own by default.
    """

    def __init__(self, run: ActiveRun | RestingRun, *, name: str, voice: AgentEvents | None = None) -> None:
        record = run.record
        self.voice = voice
        self._run = run
        self._prefix = name_prefix(record.kind)
        self._common = {
            f"{record.kind}_id": record.component_id,
            f"{record.kind}_name": name,
            "run_id": record.id,
            "session_id": record.session_id,
            "nested_depth": 0,
            **run.about,
        }
        # A token's event is put together from parts: it is written hundreds of times in a run.
        self._delta_name = f"{self._prefix}RunContent"
        self._delta_start = b',"event":"%b",' % self._delta_name.encode() + dump_json(self._common)[1:-1]

    def members(self, event: str, /, **members: Any) -> dict[str, Any]:
        """Return an event's members, for the one that ends the run; nulls are left out."""
        given = {key: value for key, value in members.items() if value is not None}
        refers = {"blobs": given.pop("blobs")} if "blobs" in given else {}
        name = event if event == "CustomEvent" else self._prefix + event
        head = {**refers, "created_at": int(time.time()), "event": name}
        return {**head, **self._common, **given, "event_index": self._run.next_seq}

    def emit(self, event: str, /, **members: Any) -> None:
        """Write an event."""
        written = self.members(event, **members)
        self._run.emit(written["event"], dump_json(written))

    def emit_text(self, text: str, *, reasoning: str = "") -> None:
        """Write a piece of the answer, or of the reasoning."""
        if self.voice is not None:
            self.voice.emit_text(text, reasoning=reasoning)
            return
        try:
            content, thought = _encode_text(text), _encode_text(reasoning)
        except UnicodeEncodeError:  # a lone surrogate
            content, thought = dump_json(text), dump_json(reasoning)
        self._run.emit(
            self._delta_name,
            b'{"created_at":%d%b,"content":%b,"workflow_agent":false,"content_type":"str","reasoning_content":%b,'
            b'"event_index":%d}' % (int(time.time()), self._delta_start, content, thought, self._run.next_seq),
        )

    def emit_restart(self, from_index: int) -> None:
        """Say that the answer which began at this sequence number is void, and comes anew."""
        if self.voice is not None:
            self.voice.emit_restart(from_index)
        else:
            self.emit("CustomEvent", name="step_restarted", from_index=from_index)

    def emit_tool_completed(self, tool: dict[str, Any], *, error: str | None, **media: Any) -> None:
        """Write the end of a tool call with the media that it made, and its failure behind it when it failed."""
        arguments = ", ".join(f"{name}={value}" for name, value in tool["tool_args"].items())
        took_s = tool["metrics"]["duration"]
        content = f"{tool['tool_name']}({arguments}) completed in {took_s:.4f}s. "
        self.emit("ToolCallCompleted", tool=tool, content=content, **media)
        if error is not None:
            self.emit("ToolCallError", tool=tool, error=error)


class LoggedEvents:
    """What a segment that was taken over had said before: nothing of it is said twice.

    Args:
        events: of the segment, its children's left out.
        kind: of the run.
        turns_before: model requests of earlier segments.

    Attributes:
        names: of the events, as an agent's are called.
        has_started: the segment's first event is there.
        open_request: the sequence number of the first event of a model request that was cut off, if there is one.
    """

    def __init__(self, events: Sequence[Event], *, kind: str = "agent", turns_before: int = 0) -> None:
        prefix = name_prefix(kind)
        self.has_started = bool(events)
        self.names = {event.name.removeprefix(prefix) for event in events}
        self.has_content_completed = "RunContentCompleted" in self.names
        self.open_request: int | None = None
        self._started: dict[str, list[int]] = {}
        said: list[tuple[int, bytes]] = []
        turn = turns_before
        self.last_seq = events[-1].seq if events else -1
        for event in events:
            name = event.name.removeprefix(prefix)
            if name == "ModelRequestStarted":
                turn += 1
                self.open_request = event.seq + 1
            elif name == "ModelRequestCompleted":
                self.open_request = None
            elif name == "RunContent":
                said.append((event.seq, event.data))
            elif name == "CustomEvent" and (index := _restart_index(event)) is not None:
                said = [(seq, data) for seq, data in said if seq < index]
            elif name == "ToolCallStarted":
                self._started.setdefault(call_name(turn, load_json(event.data)["tool"]["tool_call_id"]), []).append(
                    event.seq
                )
        self._said = [data for _, data in said]

    @property
    def text(self) -> str:
        """What the model said."""
        pieces = (load_json(data).get("content") for data in self._said)
        return "".join(piece for piece in pieces if isinstance(piece, str))

    def started_at(self, name: str) -> int | None:
        """Return the sequence number of the event that announced a tool call, if one did.

        Args:
            name: its turn and its id, ``1/call_0``; the second of the same id in a turn is ``1.2/call_0``.
        """
        place, _, call_id = name.partition("/")
        turn, _, occurrence = place.partition(".")
        return dict(enumerate(self._started.get(f"{turn}/{call_id}", ()), start=1)).get(int(occurrence or 1))


def name_prefix(kind: str) -> str:
    """Return how the names of the events begin that agents and teams have in common."""
    return EVENT_PREFIXES[kind].removesuffix("Run")


def own_events(events: Sequence[Event], run_id: str) -> list[Event]:
    """Return the events of a root's log that are its own, not its children's."""
    return [event for event in events if load_json(event.data).get("run_id") == run_id]


def _restart_index(event: Event) -> int | None:
    members = load_json(event.data)
    index = members.get("from_index")
    return index if members.get("name") == "step_restarted" and isinstance(index, int) else None

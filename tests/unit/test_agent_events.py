"""The JSON of an agent's events, and what a run taken over still knows of those it had said."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.components.agent_events import AgentEvents, LoggedEvents, tool_call
from serai.domain.runs import Event, RunRecord, Step
from serai.engine.active_run import ActiveRun
from serai.engine.children import Children
from serai.engine.event_log import EventLog
from serai.engine.tracing import Tracer
from serai.storage.blobs import BlobStore
from serai.storage.connection import Database
from serai.storage.run_log import RunLog
from serai.storage.runs import SessionContext
from serai.storage.user_memories import UserMemories
from serai.wire.events import UnknownEvent, parse_event
from tests.run_values import record_of

TOOL_MEMBERS = {
    *("tool_call_id", "tool_name", "tool_args", "tool_call_error", "result", "metrics", "child_run_id"),
    *("stop_after_tool_call", "created_at", "requires_confirmation", "confirmed", "confirmation_note"),
    *("requires_user_input", "user_input_schema", "user_feedback_schema", "answered", "external_execution_required"),
    *("external_execution_silent", "approval_type", "approval_id", "parent_tool_call_id"),
}
RECORD = record_of(id="run \N{ROCKET}", session_id='s "1"')


class Said:
    """A run whose events are kept where they wait to be flushed; no loop turns, so nothing is written."""

    def __init__(self) -> None:
        database = Database("postgresql://")
        log = EventLog(RunLog(database), node_id="n", confirm_s=60, tell=lambda _: None)
        # Somebody is flushing already, as far as this log knows: a touch starts no timer.
        log._flusher = object()  # type: ignore[assignment]
        self._writer = log.open_writer(RECORD, next_seq=0, on_fenced=lambda: None)

        async def no_context(record: RunRecord, history_runs: int) -> SessionContext:
            raise AssertionError("nobody asks")

        async def no_steps(key: UUID, segment: int) -> list[Step]:
            raise AssertionError("nobody asks")

        children = Children(RECORD, self._writer, (), read_steps=no_steps)
        run = ActiveRun(
            RECORD,
            self._writer,
            trace=Tracer().begin(RECORD),
            steps=[],
            logged=[],
            paused=None,
            children=children,
            load_context=no_context,
            blobs=BlobStore(database),
            knowledge=None,
            memories=UserMemories(database),
        )
        self.events = AgentEvents(run, name="Helper \N{ROCKET}")

    @property
    def pending(self) -> list[Event]:
        return self._writer.pending.events

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(event.data) for event in self.pending]


def tool_done(failure: str | None = None) -> dict[str, Any]:
    tool = tool_call("c1", "add", {"a": 1, "b": "x"})
    return tool | {"result": failure or "3", "tool_call_error": failure is not None, "metrics": {"duration": 0.25}}


def test_every_event_says_whose_it_is_and_has_its_place():
    said = Said()
    said.events.emit("RunStarted", model="m", model_provider=None)
    said.events.emit_text("hi")
    said.events.emit("RunContentCompleted")
    assert [event.name for event in said.pending] == ["RunStarted", "RunContent", "RunContentCompleted"]
    assert [(event.seq, data["event_index"]) for event, data in zip(said.pending, said.objects, strict=True)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]
    for data in said.objects:
        assert (data["agent_id"], data["agent_name"]) == ("helper", "Helper \N{ROCKET}")
        assert (data["run_id"], data["session_id"], data["nested_depth"]) == ("run \N{ROCKET}", 's "1"', 0)
        assert abs(data["created_at"] - time.time()) < 5


def test_members_without_a_value_are_left_out():
    said = Said()
    said.events.emit("RunStarted", model="m", model_provider=None)
    assert said.objects[0]["model"] == "m"
    assert "model_provider" not in said.objects[0]


@given(st.text(st.characters()), st.text(st.characters()))
def test_a_piece_of_text_is_json_whatever_it_holds(text: str, reasoning: str):
    said = Said()
    said.events.emit_text(text, reasoning=reasoning)
    (data,) = said.objects
    assert data["event"] == said.pending[0].name == "RunContent"
    assert (data["content"], data["reasoning_content"]) == (_joined(text), _joined(reasoning))
    assert (data["content_type"], data["workflow_agent"]) == ("str", False)
    assert b"\n" not in said.pending[0].data


def test_a_tool_execution_has_all_its_members():
    tool = tool_call("c1", "add", {"a": 1})
    assert set(tool) == TOOL_MEMBERS
    assert (tool["tool_call_id"], tool["tool_name"], tool["tool_args"]) == ("c1", "add", {"a": 1})
    assert tool["stop_after_tool_call"] is False
    assert isinstance(tool["created_at"], int)
    unset = TOOL_MEMBERS - {"tool_call_id", "tool_name", "tool_args", "stop_after_tool_call", "created_at"}
    assert {name for name in unset if tool[name] is not None} == set()


def test_tool_executions_share_nothing():
    first = tool_call("c1", "add", {})
    first["result"] = "3"
    assert tool_call("c2", "add", {})["result"] is None


def test_the_end_of_a_tool_call_tells_how_long_it_took():
    said = Said()
    said.events.emit_tool_completed(tool_done(), error=None)
    (data,) = said.objects
    assert (data["event"], data["content"]) == ("ToolCallCompleted", "add(a=1, b=x) completed in 0.2500s. ")
    assert data["tool"]["result"] == "3"


def test_a_failed_tool_call_is_completed_first_and_then_an_error():
    said = Said()
    said.events.emit_tool_completed(tool_done("kaboom"), error="kaboom")
    completed, error = said.objects
    assert (completed["event"], completed["tool"]["tool_call_error"]) == ("ToolCallCompleted", True)
    assert (error["event"], error["error"], error["tool"]["tool_call_id"]) == ("ToolCallError", "kaboom", "c1")


def test_our_client_knows_every_event_that_is_sent():
    said = Said()
    said.events.emit("RunStarted", model="m")
    said.events.emit_text("hi")
    said.events.emit_tool_completed(tool_done("kaboom"), error="kaboom")
    said.events.emit("CustomEvent", name="step_restarted", from_index=3)
    for data in said.objects:
        event = parse_event(data)
        assert not isinstance(event, UnknownEvent)
        assert event.event == data["event"]


def logged(*names: str, call_id: str = "c1") -> LoggedEvents:
    data = json.dumps({"tool": {"tool_call_id": call_id}}).encode()
    return LoggedEvents([Event(seq=seq, name=name, data=data) for seq, name in enumerate(names)])


def test_a_run_that_said_nothing_yet_starts_from_the_start():
    before = logged()
    assert (before.has_started, before.open_request, before.last_seq) == (False, None, -1)
    assert before.started_at("1/c7") is None


@pytest.mark.parametrize(
    ("names", "open_request"),
    [
        (["RunStarted"], None),
        (["RunStarted", "ModelRequestStarted"], 2),
        (["RunStarted", "ModelRequestStarted", "RunContent", "RunContent"], 2),
        (["RunStarted", "ModelRequestStarted", "RunContent", "ModelRequestCompleted"], None),
        (["RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "ModelRequestStarted", "RunContent"], 4),
        (["RunStarted", "ModelRequestStarted", "RunContent", "CustomEvent", "RunContent"], 2),
    ],
)
def test_a_model_request_that_was_cut_off_is_found(names: list[str], open_request: int | None):
    before = logged(*names)
    assert before.has_started
    assert before.open_request == open_request
    assert before.last_seq == len(names) - 1


def test_announced_tool_calls_are_remembered():
    turn = ("ModelRequestStarted", "ModelRequestCompleted", "ToolCallStarted")
    before = logged("RunStarted", *turn, *turn, "ToolCallStarted", call_id="c7")
    announced = ("1/c7", "2/c7", "2.2/c7")
    assert [name for name in (*announced, "1.2/c7", "3/c7", "1/c8") if before.started_at(name) is not None] == list(
        announced
    )


def test_the_end_of_the_content_is_remembered():
    assert logged("RunStarted", "RunContentCompleted").has_content_completed
    assert not logged("RunStarted", "RunContent").has_content_completed


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

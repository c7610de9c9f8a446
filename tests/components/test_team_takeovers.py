"""Teams whose node is stopped at every model request and tool call in turn: the survivor leaves what no stop would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.models import Model

import serai
from serai import Team
from serai.domain.json_text import dump_json
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran
from tests.node_stops import Stop, check_stops_anywhere, check_tokens_and_rows, run_stopped
from tests.teams import ALL, ask, confirmed, delete_file

CHANGING = (
    "run_id",
    "parent_run_id",
    "session_id",
    "child_run_id",
    "member_run_id",
    "id",
    "created_at",
    "metrics",
    "tool_call_id",
)
Script = Callable[[Asked], Turn | str]


class ModelStop(Stop):
    """Makes models that come to it."""

    def model(self, script: Script) -> Model:
        """Return a model that may be held before the last piece of each of its answers."""

        def answer(asked: Asked) -> Turn:
            turn = script(asked)
            turn = Turn(turn) if isinstance(turn, str) else turn
            pieces = [*turn.text_chunks]
            return Turn(pieces, tools=turn.tools, gate=self.pass_by, gate_after=max(0, len(pieces) - 1))

        return ScriptedModel(answer)

    def agent(self, name: str, script: Script, **options: Any) -> Agent[Any, Any]:
        return Agent(self.model(script), name=name, **options)


def turns(*given: Turn | str) -> Script:
    """Follow these turns in each run, then sum up."""
    return lambda asked: given[asked.step] if asked.step < len(given) else sum_up(asked)


def sum_up(asked: Asked) -> Turn:
    return Turn(["Summary: ", " | ".join(str(result.content) for result in asked.tool_results)])


def found(name: str) -> Script:
    return lambda asked: Turn([f"{name} ", f"found {asked.message}."])


def careful(asked: Asked) -> Turn | str:
    """Ask for a person twice, one call after the other."""
    if asked.step < 2:
        return Turn("Let me see. ", tools=[ToolCall("delete_file", {"path": f"/{asked.step}"}, id="same")])
    return Turn(["Report: ", str(asked.tool_results[-1].content)])


def side_by_side(stop: ModelStop) -> Team:
    async def look_up(ctx: RunContext[serai.RunDeps], word: str) -> str:
        """Look up a word."""
        await stop.pass_by()
        ctx.deps.session_state[word] = [*ctx.deps.session_state.get(word, []), "seen"]
        return f"{word} is a drink"

    noter = stop.agent("noter", turns(Turn("I look. ", tools=[ToolCall("look_up", {"word": "tea"})])), tools=[look_up])
    inner = Team("inner", [stop.agent("deep", found("deep"))], model=stop.model(turns(Turn(tools=[ask("deep", "x")]))))
    both = Turn("Both. ", tools=[ask("noter", "a"), ask("inner", "b"), ask("nobody", "c")])
    return Team("team", [noter, inner], model=stop.model(turns(both, Turn(tools=[ask("noter", "again")]))))


def all_at_once(stop: ModelStop) -> Team:
    members = [stop.agent(name, found(name)) for name in ("left", "right")]
    return Team("team", members, model=stop.model(turns(Turn(tools=[ToolCall(ALL, {"task": "x"})]))), mode="broadcast")


def routed(stop: ModelStop) -> Team:
    async def look_up() -> str:
        """Look it up."""
        await stop.pass_by()
        return "tea"

    looker = stop.agent("looker", turns(Turn(["I ", "look. "], tools=[ToolCall("look_up", {})])), tools=[look_up])
    inner = Team("inner", [looker], model=stop.model(turns(Turn("Inner. ", tools=[ask("looker", "x")]))), mode="route")
    return Team("team", [inner], model=stop.model(turns(Turn("Outer. ", tools=[ask("inner", "x")]))), mode="route")


def routed_past_a_failure(stop: ModelStop) -> Team:
    def fail() -> str:
        """Fail."""
        raise AssertionError

    def look(asked: Asked) -> Turn | str:
        if asked.step == 0:
            return Turn(["I ", "look. "], tools=[ToolCall("fail", {})])
        raise RuntimeError("no tea")

    broken, other = stop.agent("broken", look, tools=[fail]), stop.agent("other", found("other"))
    leads = turns(Turn(tools=[ask("broken", "x")]), Turn("So. ", tools=[ask("other", "x")]))
    return Team("team", [broken, other], model=stop.model(leads), mode="route")


def routed_to_two(stop: ModelStop) -> Team:
    members = [stop.agent(name, found(name)) for name in ("left", "right")]
    both = Turn("Both. ", tools=[ask("left", "x", id="same"), ask("right", "y", id="same")])
    return Team("team", members, model=stop.model(turns(both)), mode="route")


def pausing(stop: ModelStop) -> Team:
    inner = Team(
        "inner",
        [stop.agent("careful", careful, tools=[delete_file])],
        model=stop.model(turns(Turn("I ask. ", tools=[ask("careful", "clean")]))),
    )
    middle = Team("middle", [inner], model=stop.model(turns(Turn(tools=[ask("inner", "clean")]))))
    both = Turn("Both. ", tools=[ask("middle", "clean"), ask("finder", "x"), ToolCall("delete_file", {"path": "/own"})])
    return Team(
        "team", [middle, stop.agent("finder", found("finder"))], model=stop.model(turns(both)), tools=[delete_file]
    )


def pausing_route(stop: ModelStop) -> Team:
    member = stop.agent("careful", careful, tools=[delete_file])
    leads = turns(Turn("I ask. ", tools=[ask("careful", "clean")]))
    return Team("team", [member], model=stop.model(leads), mode="route")


def pausing_broadcast(stop: ModelStop) -> Team:
    members = [stop.agent("careful", careful, tools=[delete_file]), stop.agent("finder", found("finder"))]
    return Team("team", members, model=stop.model(turns(Turn(tools=[ToolCall(ALL, {"task": "x"})]))), mode="broadcast")


MAKERS = [
    side_by_side,
    all_at_once,
    routed,
    routed_past_a_failure,
    routed_to_two,
    pausing,
    pausing_route,
    pausing_broadcast,
]


@pytest.mark.parametrize(
    ("make", "streams"), [*((make, True) for make in MAKERS), (routed, False), (pausing_route, False)]
)
async def test_a_stop_anywhere_changes_nothing(database: Database, make: Callable[[ModelStop], Team], *, streams: bool):
    async def run(at: int | None) -> Ran | None:
        ran = await run_stopped(database, make, ModelStop, at, answers=confirmed, stream=streams)
        if ran is not None:
            await _check(database, ran)
        return ran

    await check_stops_anywhere(run, lasting=_lasting, said=_said, database=database)


async def _check(database: Database, ran: Ran) -> None:
    """Check what holds for every run: its answer is what was said, and its tokens are counted once."""
    for run_id in {event["run_id"] for event in ran.events}:
        own = [event for event in ran.events if event["run_id"] == run_id]
        said = _text_of_last_segment(own)
        is_heard_as_its_team = run_id != ran.record.id and not said
        assert own[-1]["content"] == said or is_heard_as_its_team or own[-1]["event"].endswith("RunError")
    assert ran.output["metrics"]["total_tokens"] == await check_tokens_and_rows(database, ran)


def _text_of_last_segment(own: list[dict[str, Any]]) -> str:
    said: list[tuple[int, str]] = []
    for event in own:
        if event["event"].endswith("RunPaused"):
            said = []
        elif event["event"].endswith("RunContent"):
            said.append((event["event_index"], event["content"]))
        elif event.get("name") == "step_restarted":
            said = [(index, text) for index, text in said if index < event["from_index"]]
    return "".join(text for _, text in said)


def _said(ran: Ran) -> Counter[Hashable]:
    """Return how often who said what, pieces of text and their restarts left out."""
    return Counter(
        (event["event"], str(event.get("agent_id") or event.get("team_id")))
        for event in ran.events
        if not event["event"].endswith(("RunContent", "CustomEvent"))
    )


def _lasting(value: Any) -> Any:
    """Return a run object without what no two runs share."""
    if isinstance(value, dict):
        kept = {name: _lasting(item) for name, item in value.items() if name not in CHANGING}
        if "tools" in kept:  # of calls side by side the first one done comes first
            kept["tools"] = sorted(kept["tools"], key=dump_json)
        if "parent_run_id" in value:  # a member that begins anew sees what others have done meanwhile
            kept.pop("session_state", None)
        return kept
    return [_lasting(item) for item in value] if isinstance(value, list) else value

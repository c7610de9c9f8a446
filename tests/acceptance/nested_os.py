"""The OS of teams and workflows that acceptance tests start and kill; it has the agent of `acceptance_os`, too.

A node holds the tools, functions and models that SERAI_TEST_HOLD names, for ever: whoever kills it knows what it did.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from pydantic_ai import Agent

import serai
from serai import AgentComponent, AgentOS, Loop, Parallel, Step, StepInput, Team, Workflow
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.acceptance.acceptance_os import agent as worker

_LEDGER = Path(os.environ["SERAI_TEST_LEDGER"])
_HELD = os.environ.get("SERAI_TEST_HOLD", "").split(",")


def _note(line: str) -> None:
    with _LEDGER.open("a") as ledger:
        ledger.write(f"{line}\n")


async def _do(what: str) -> None:
    """Write down what is done, and stand still if this node is to."""
    _note(what)
    if what in _HELD:
        await asyncio.Event().wait()


async def record(label: str) -> str:
    """Write a label into the ledger, slowly."""
    await _do(f"tool {label}")
    await asyncio.sleep(0.05)
    return f"recorded {label}"


async def resist(label: str) -> str:
    """Go on whatever happens, until there is a file called released."""
    await _do(f"tool {label}")
    while not (_LEDGER.parent / "released").exists():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue
    await _do(f"tool {label} ended")
    return "done"


@serai.tool(requires_confirmation=True)
async def delete(path: str) -> str:
    """Delete a file."""
    await _do(f"tool delete {path}")
    return f"deleted {path}"


def _turn(name: str, asked: Asked, text: str = "", tools: list[ToolCall] | None = None) -> Turn:
    """Return a turn that begins with a piece of text, after which the node may stand still."""
    said = ["I say: ", *(f"{word} " for word in text.split())] if text else ["I ask. "]
    what = f"model {name} {asked.step}"
    return Turn(said, tools=tools or [], gate=lambda: _do(what), gate_after=1)


def _member(name: str) -> Agent[Any, Any]:
    def answer(asked: Asked) -> Turn:
        message = asked.message
        if message.startswith("{"):  # each of several gets all that is to be done, and does its own part
            message = json.loads(message)[name]
        match message.split():
            case ["tools", *labels] if asked.step < len(labels):
                return _turn(name, asked, tools=[ToolCall("record", {"label": labels[asked.step]})])
            case ["delete", *paths] if asked.step < len(paths):
                return _turn(name, asked, tools=[ToolCall("delete", {"path": paths[asked.step]})])
            case ["resist", label] if asked.step == 0:
                return _turn(name, asked, tools=[ToolCall("resist", {"label": label})])
            case _:
                return _turn(name, asked, " ".join(str(result.content) for result in asked.tool_results) or message)

    return Agent(ScriptedModel(answer), name=name, tools=[record, resist, delete])


def _leader(name: str) -> ScriptedModel:
    def answer(asked: Asked) -> Turn:
        rounds: list[dict[str, Any]] = json.loads(asked.message)["ask"]
        if asked.step == len(rounds):
            return _turn(name, asked, " | ".join(str(result.content) for result in asked.tool_results))
        tasks = {
            member: task if isinstance(task, str) else json.dumps(task) for member, task in rounds[asked.step].items()
        }
        calls = [
            ToolCall("delegate_task_to_member", {"member_id": member, "task": task}, id=f"{asked.step}-{member}")
            for member, task in tasks.items()
        ]
        return _turn(name, asked, tools=calls)

    return ScriptedModel(answer)


async def begin(given: StepInput) -> str:
    """Share out what the two branches do: what the message says, else a label each."""
    tag, *tasks = given.input.split(" / ")
    given.session_state["tag"] = tag
    await _do(f"tool {tag}.begin")
    left, right = tasks or (f"tools {tag}.left", f"tools {tag}.right")
    return json.dumps({"left": left, "right": right})


async def next_round(given: StepInput) -> str:
    """Count the rounds of the run in the session's state."""
    tag = given.session_state["tag"]
    number = given.session_state[f"{tag}.rounds"] = given.session_state.get(f"{tag}.rounds", 0) + 1
    await _do(f"tool {tag}.next{number}")
    return f"tools {tag}.round{number}"


async def plan(given: StepInput) -> str:
    """Plan what the nested workflow's agent does."""
    tag = given.session_state["tag"]
    await _do(f"tool {tag}.plan")
    return f"tools {tag}.nested"


async def brief(given: StepInput) -> str:
    """Write what the team is to do."""
    tag = given.session_state["tag"]
    await _do(f"tool {tag}.brief")
    return json.dumps({"ask": [{"deep": f"tools {tag}.deep", "low": f"tools {tag}.low"}]})


def insist(given: StepInput) -> str:
    """Go on in a thread, which nobody can stop, until there is a file called released."""
    _note(f"tool {given.input}")
    while not (_LEDGER.parent / "released").exists():
        time.sleep(0.02)
    _note(f"tool {given.input} ended")
    return "done"


async def check(given: StepInput) -> str:
    """Do something that a person allowed."""
    await _do(f"tool {given.session_state['tag']}.check")
    return "checked"


async def end(given: StepInput) -> str:
    """End a workflow."""
    tag = given.session_state["tag"]
    await _do(f"tool {tag}.end")
    return f"{tag} is done"


single = AgentComponent(_member("single"), max_concurrency=1)
inner = Team("inner", [_member("deep"), _member("low")], model=_leader("inner"))
crew = Team("crew", [_member("one"), _member("two"), inner, single], model=_leader("crew"))
desk = Team("desk", [_member("one"), _member("two")], model=_leader("desk"), mode="route")
branches = Parallel(Step("left", agent=_member("left")), Step("right", agent=_member("right")), name="both")
nested = Workflow("nested", [Step("plan", run=plan), Step("write", agent=_member("scribe"))])
flow = Workflow(
    "flow",
    [
        Step("begin", run=begin),
        branches,
        Loop(name="rounds", steps=[Step("next", run=next_round), Step("work", agent=_member("digger"))]),
        Step("nested", workflow=nested),
        Step("brief", run=brief),
        Step("team", team=inner),
        Step("end", run=end),
    ],
)
careful = Workflow(
    "careful",
    [
        Step("begin", run=begin),
        Parallel(*branches.nodes, Step("check", run=check, requires_confirmation=True), name="all"),
        Step("end", run=end),
    ],
)
os_ = AgentOS(
    name="Acceptance",
    agents=[worker, single],
    teams=[crew, desk],
    workflows=[
        flow,
        careful,
        Workflow("fork", [Step("begin", run=begin), branches]),
        Workflow("stubborn", [Step("insist", run=insist), Step("begin", run=begin)]),
    ],
)

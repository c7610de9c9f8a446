"""The OS whose workflow acceptance tests kill. What its steps really did is in a ledger file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic_ai import Agent

from serai import AgentOS, Loop, Parallel, Step, StepInput, StepOutput, Workflow
from serai.testing import Asked, ScriptedModel, Turn

_LEDGER = Path(os.environ["SERAI_TEST_LEDGER"])


def _note(line: str) -> None:
    with _LEDGER.open("a") as ledger:
        ledger.write(f"{line}\n")


def _step(name: str, **options: bool) -> Step:
    async def do(given: StepInput) -> str:
        _note(name)
        await asyncio.sleep(0.02)
        given.session_state[name] = given.session_state.get(name, 0) + 1
        return f"{name}({given.get_last_step_content() or given.input})"

    return Step(name, run=do, **options)  # type: ignore[arg-type]


def _answer(asked: Asked) -> Turn:
    _note("model")
    return Turn(f"Echo: {asked.message}", chunk_delay_s=0.01)


async def _is_enough(outputs: list[StepOutput]) -> bool:
    _note("until")
    return False


echo = Agent(ScriptedModel(_answer), name="echo")
line = Workflow(
    "line",
    [
        _step("first"),
        Parallel(_step("left"), Step("ask", agent=echo), name="both"),
        Loop([_step("again")], until=_is_enough, max_iterations=2, name="rounds"),
        _step("guarded", requires_confirmation=True),
        Step("inner", workflow=Workflow("inner", [_step("deep"), echo])),
        _step("last"),
    ],
)
os_ = AgentOS(name="Workflows", workflows=[line])

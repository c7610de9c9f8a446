"""The workflows that the published clients talk to; every answer follows from what is asked. Not a test itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from pydantic_ai import Agent

from serai import Condition, Loop, Parallel, Router, Step, StepInput, StepOutput, Steps, Workflow
from serai.testing import Rule, ScriptedModel, Turn
from tests.compat.serai_parts import PAUSING_TOOLS, pause_first, say_it_back, talk
from tests.compat.serai_teams import asking, research, seer


def note(step: StepInput) -> str:
    return f"noted {step.input}"


def shout(step: StepInput) -> str:
    return str(step.previous_step_content or step.input).upper()


def whisper(step: StepInput) -> str:
    return str(step.previous_step_content or step.input).lower()


def finish(step: StepInput) -> str:
    return f"finished: {step.previous_step_content}"


def join(step: StepInput) -> str:
    return f"{step.get_step_content('left')} + {step.get_step_content('right')}"


def count(step: StepInput) -> str:
    step.session_state["count"] = step.session_state.get("count", 0) + 1
    return f"round {step.session_state['count']}"


def tell(step: StepInput) -> str:
    return f"count is {step.session_state['count']}"


def until_second_round(outputs: list[StepOutput]) -> bool:
    return bool(outputs[-1].content == "round 2")


def is_urgent(step: StepInput) -> bool:
    return "urgent" in step.input


def choose_way(step: StepInput) -> str:
    return "right" if "right" in step.input else "left"


def order(step: StepInput) -> str:
    answer = step.additional_data["user_input"]
    return f"ordered {answer['size']} of {answer.get('colour') or 'any colour'}"


def explode(step: StepInput) -> str:
    raise ValueError("step exploded")


FAILED_FOR: set[str] = set()


def fail_once(step: StepInput) -> str:
    """Fail the first time that it hears a message."""
    if step.input not in FAILED_FOR:
        FAILED_FOR.add(step.input)
        raise ValueError("not yet")
    return f"at last: {step.input}"


def stop_if_told(step: StepInput) -> StepOutput:
    return StepOutput("checked", stop="stop" in step.input)


async def nap(step: StepInput) -> str:
    await asyncio.sleep(3)
    return "slept"


echo = Agent(ScriptedModel(say_it_back), name="echo-agent")
asker = Agent(ScriptedModel(pause_first), name="asker", tools=PAUSING_TOOLS)
broken = Agent(ScriptedModel(rules=[Rule("", [Turn(error=RuntimeError("model exploded"))])]), name="broken")
talker = Agent(ScriptedModel(talk), name="talker")

FIELDS: list[dict[str, Any]] = [
    {"name": "size", "field_type": "int", "description": "How many"},
    {
        "name": "colour",
        "field_type": "str",
        "description": "Which colour",
        "required": False,
        "allowed_values": ["red", "blue"],
    },
]


def ask() -> Step:
    return Step("ask", agent=echo)


def guarded(on_reject: Literal["skip", "cancel"]) -> list[Step | Callable[..., Any]]:
    question = Step(
        "guarded", run=shout, requires_confirmation=True, confirmation_message="Go on?", on_reject=on_reject
    )
    return [note, question, finish]


def ways() -> list[Step]:
    return [Step("left", run=shout), Step("right", run=whisper)]


asking_for_values = Step(
    "order",
    run=order,
    requires_user_input=True,
    user_input_message="What shall it be?",
    user_input_schema=FIELDS,
)
reviewed = Step(
    "draft",
    run=note,
    requires_output_review=True,
    output_review_message="Good?",
    on_reject="retry",
    review_max_retries=2,
)
decided_by_a_person = Condition(
    steps=[shout],
    else_steps=[whisper],
    name="urgency",
    requires_confirmation=True,
    confirmation_message="Hurry?",
)
chosen_by_a_person = Router(choices=ways(), name="way", requires_route_selection=True, user_input_message="Which way?")
review = Workflow("review-workflow", steps=guarded("skip"))
inner = Workflow("inner-workflow", steps=[ask(), shout])
constructs_in_constructs = Steps(
    "outside",
    steps=[
        Parallel(Steps("first", steps=[note, ask()]), Step("second", run=shout), name="both"),
        Loop(steps=[Condition(if_=is_urgent, steps=[note], name="urgency")], max_iterations=2),
    ],
)

WORKFLOWS = [
    Workflow("seq-workflow", steps=[ask(), shout], description="Asks, then shouts."),
    Workflow("team-workflow", steps=[Step("research", team=research), finish]),
    Workflow("steps-workflow", steps=[Steps("prepare", steps=[ask(), shout]), finish]),
    Workflow(
        "parallel-workflow",
        steps=[Parallel(Step("left", agent=echo), Step("right", run=shout), name="both"), join],
    ),
    Workflow(
        "condition-workflow",
        steps=[Condition(if_=is_urgent, steps=[shout], else_steps=[whisper], name="urgency"), finish],
    ),
    Workflow(
        "loop-workflow",
        steps=[Loop(steps=[count], until=until_second_round, max_iterations=3, name="rounds"), finish],
    ),
    Workflow("endless-workflow", steps=[Loop(steps=[count, tell], max_iterations=3, name="rounds"), finish]),
    Workflow("router-workflow", steps=[Router(choices=ways(), select=choose_way, name="way"), finish]),
    Workflow("nested-workflow", steps=[Step("inner", workflow=inner), finish]),
    Workflow("deep-workflow", steps=[constructs_in_constructs, finish]),
    review,
    Workflow("cancel-review-workflow", steps=guarded("cancel")),
    Workflow("else-review-workflow", steps=[decided_by_a_person, finish]),
    Workflow("input-workflow", steps=[note, asking_for_values, finish]),
    Workflow("choice-workflow", steps=[chosen_by_a_person, finish]),
    Workflow("output-review-workflow", steps=[reviewed, finish]),
    Workflow("executor-pause-workflow", steps=[Step("act", agent=asker), finish]),
    Workflow("team-pause-workflow", steps=[Step("act", team=asking), finish]),
    Workflow("nested-pause-workflow", steps=[Step("inner", workflow=review), finish]),
    Workflow(
        "parallel-pause-workflow",
        steps=[Parallel(Step("act", agent=asker), Step("right", run=shout), name="both"), finish],
    ),
    Workflow("error-workflow", steps=[note, Step("fail", run=explode), finish]),
    Workflow("broken-agent-workflow", steps=[Step("broken", agent=broken), finish]),
    Workflow("skip-workflow", steps=[note, Step("fail", run=explode, on_error="skip"), finish]),
    Workflow("error-pause-workflow", steps=[note, Step("fail_once", run=fail_once, on_error="pause"), finish]),
    Workflow("retry-workflow", steps=[Step("fail_once", run=fail_once, max_retries=1), finish]),
    Workflow("stop-workflow", steps=[stop_if_told, finish]),
    Workflow("media-workflow", steps=[Step("look", agent=seer), finish]),
    Workflow("state-workflow", steps=[count, tell]),
    Workflow("slow-workflow", steps=[note, Step("talk", agent=talker), finish]),
    Workflow("nap-workflow", steps=[note, nap, finish]),
]

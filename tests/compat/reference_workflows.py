# mypy: ignore-errors
"""The workflows of serai_workflows.py on agno's own server. Not a test itself."""

import asyncio

from agno.agent import Agent
from agno.workflow import Condition, Loop, Parallel, Router, Step, StepOutput, Steps, Workflow
from agno.workflow.types import HumanReview
from reference_parts import PAUSING_TOOLS, Script, describe_media, explode_at_once, pause_first, say_it_back, talk
from reference_teams import asking_team, research_team


def note(step_input):
    return StepOutput(content=f"noted {step_input.input}")


def shout(step_input):
    return StepOutput(content=str(step_input.previous_step_content or step_input.input).upper())


def whisper(step_input):
    return StepOutput(content=str(step_input.previous_step_content or step_input.input).lower())


def finish(step_input):
    return StepOutput(content=f"finished: {step_input.previous_step_content}")


def join(step_input):
    return StepOutput(content=f"{step_input.get_step_content('left')} + {step_input.get_step_content('right')}")


def count(step_input, run_context):
    state = run_context.session_state
    state["count"] = state.get("count", 0) + 1
    return StepOutput(content=f"round {state['count']}")


def tell(step_input, run_context):
    return StepOutput(content=f"count is {run_context.session_state['count']}")


def until_second_round(outputs):
    return outputs[-1].content == "round 2"


def is_urgent(step_input):
    return "urgent" in step_input.input


def choose_way(step_input):
    return "right" if "right" in step_input.input else "left"


def order(step_input):
    answer = step_input.additional_data["user_input"]
    return StepOutput(content=f"ordered {answer['size']} of {answer.get('colour') or 'any colour'}")


def explode(step_input):
    raise ValueError("step exploded")


FAILED_FOR = set()


def fail_once(step_input):
    """Fail the first time that it hears a message."""
    if step_input.input not in FAILED_FOR:
        FAILED_FOR.add(step_input.input)
        raise ValueError("not yet")
    return StepOutput(content=f"at last: {step_input.input}")


def stop_if_told(step_input):
    return StepOutput(content="checked", stop="stop" in step_input.input)


async def nap(step_input):
    await asyncio.sleep(3)
    return StepOutput(content="slept")


def agent(name, reply, *, chunk_delay_s=0.0, **options):
    model = Script(reply, chunk_delay_s=chunk_delay_s)
    return Agent(id=name, name=name, model=model, telemetry=False, **options)


def ask():
    return Step("ask", agent=agent("echo-agent", say_it_back))


def step(function, name=None, *, review=None, **options):
    shown = {"human_review": HumanReview(**review)} if review else {}
    return Step(name or function.__name__, executor=function, max_retries=0, **shown, **options)


SIZE = {"name": "size", "field_type": "int", "description": "How many", "required": True}
COLOUR = {
    "name": "colour",
    "field_type": "str",
    "description": "Which colour",
    "required": False,
    "allowed_values": ["red", "blue"],
}


def guarded(on_reject):
    review = {"requires_confirmation": True, "confirmation_message": "Go on?", "on_reject": on_reject}
    return [step(note), step(shout, "guarded", review=review), step(finish)]


def branches():
    return [step(shout, "left"), step(whisper, "right")]


def all_workflows(db):
    ask_for_input = {
        "requires_user_input": True,
        "user_input_message": "What shall it be?",
        "user_input_schema": [SIZE, COLOUR],
    }
    review_output = {
        "requires_output_review": True,
        "output_review_message": "Good?",
        "on_reject": "retry",
        "max_retries": 2,
    }
    confirm_branch = {"requires_confirmation": True, "confirmation_message": "Hurry?", "on_reject": "else"}
    broken = agent("broken", explode_at_once)
    talker = agent("talker", talk, chunk_delay_s=0.05)
    pausing = agent("asker", pause_first, tools=PAUSING_TOOLS)
    review = workflow(db, "review-workflow", *guarded("skip"))
    inner = workflow(db, "inner-workflow", ask(), step(shout))
    return [
        workflow(db, "seq-workflow", ask(), step(shout), description="Asks, then shouts."),
        workflow(db, "team-workflow", Step("research", team=research_team(db)), step(finish)),
        workflow(db, "steps-workflow", Steps("prepare", steps=[ask(), step(shout)]), step(finish)),
        workflow(
            db,
            "parallel-workflow",
            Parallel(Step("left", agent=agent("echo-agent", say_it_back)), step(shout, "right"), name="both"),
            step(join),
        ),
        workflow(
            db,
            "condition-workflow",
            Condition(evaluator=is_urgent, steps=[step(shout)], else_steps=[step(whisper)], name="urgency"),
            step(finish),
        ),
        workflow(
            db,
            "loop-workflow",
            Loop([step(count)], end_condition=until_second_round, max_iterations=3, name="rounds"),
            step(finish),
        ),
        workflow(
            db,
            "endless-workflow",
            Loop([step(count), step(tell)], max_iterations=3, name="rounds"),
            step(finish),
        ),
        workflow(db, "router-workflow", Router(branches(), selector=choose_way, name="way"), step(finish)),
        workflow(db, "nested-workflow", Step("inner", workflow=inner), step(finish)),
        workflow(
            db,
            "deep-workflow",
            Steps(
                "outside",
                steps=[
                    Parallel(Steps("first", steps=[step(note), ask()]), step(shout, "second"), name="both"),
                    Loop([Condition(evaluator=is_urgent, steps=[step(note)], name="urgency")], max_iterations=2),
                ],
            ),
            step(finish),
        ),
        review,
        workflow(db, "cancel-review-workflow", *guarded("cancel")),
        workflow(
            db,
            "else-review-workflow",
            Condition(
                evaluator=True,
                steps=[step(shout)],
                else_steps=[step(whisper)],
                name="urgency",
                human_review=HumanReview(**confirm_branch),
            ),
            step(finish),
        ),
        workflow(db, "input-workflow", step(note), step(order, review=ask_for_input), step(finish)),
        workflow(
            db,
            "choice-workflow",
            Router(
                branches(),
                name="way",
                human_review=HumanReview(requires_user_input=True, user_input_message="Which way?"),
            ),
            step(finish),
        ),
        workflow(db, "output-review-workflow", step(note, "draft", review=review_output), step(finish)),
        workflow(db, "executor-pause-workflow", Step("act", agent=pausing), step(finish)),
        workflow(db, "team-pause-workflow", Step("act", team=asking_team(db)), step(finish)),
        workflow(db, "nested-pause-workflow", Step("inner", workflow=review), step(finish)),
        workflow(
            db,
            "parallel-pause-workflow",
            Parallel(Step("act", agent=pausing), step(shout, "right"), name="both"),
            step(finish),
        ),
        workflow(db, "error-workflow", step(note), step(explode, "fail", review={"on_error": "fail"}), step(finish)),
        workflow(
            db,
            "broken-agent-workflow",
            Step("broken", agent=broken, max_retries=0, human_review=HumanReview(on_error="fail")),
            step(finish),
        ),
        workflow(db, "skip-workflow", step(note), step(explode, "fail", review={"on_error": "skip"}), step(finish)),
        workflow(db, "error-pause-workflow", step(note), step(fail_once, review={"on_error": "pause"}), step(finish)),
        workflow(db, "retry-workflow", Step("fail_once", executor=fail_once, max_retries=1), step(finish)),
        workflow(db, "stop-workflow", step(stop_if_told), step(finish)),
        workflow(db, "media-workflow", Step("look", agent=agent("seer", describe_media)), step(finish)),
        workflow(db, "state-workflow", step(count), step(tell)),
        workflow(db, "slow-workflow", step(note), Step("talk", agent=talker), step(finish)),
        workflow(db, "nap-workflow", step(note), step(nap), step(finish)),
    ]


def workflow(db, name, *steps, **options):
    return Workflow(id=name, name=name, db=db, steps=list(steps), telemetry=False, **options)

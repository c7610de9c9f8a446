"""What a workflow may be made of, what is refused by name, and how it is described; no run, no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pydantic
import pytest
from pydantic_ai import Agent

from serai import AgentComponent, Condition, Loop, Parallel, Router, Step, StepInput, Steps, Team, Workflow
from serai.components.workflow.human import input_fields
from serai.errors import ConfigurationError, RequestError
from serai.testing import ScriptedModel


def helper(name: str = "helper") -> Agent[Any, Any]:
    return Agent(ScriptedModel(["hi"]), name=name)


def research() -> Team:
    return Team("research", [helper("writer")], model=ScriptedModel(["hi"]))


def work(given: StepInput) -> str:
    return str(given.input)


def other(given: StepInput) -> str:
    return str(given.input)


async def work_async(given: StepInput) -> str:
    return str(given.input)


class Callable:
    def __call__(self, given: StepInput) -> str:
        return str(given.input)


def nothing() -> str:
    return ""


def yields(given: StepInput) -> Iterator[str]:
    yield "a"


async def yields_async(given: StepInput) -> AsyncIterator[str]:
    yield "a"


def test_functions_agents_teams_and_workflows_become_steps_of_their_name():
    inner = Workflow("Inner flow", [work])
    workflow = Workflow("QA Workflow_2", [work, work_async, Callable(), helper(), research(), inner])
    assert (workflow.kind, workflow.id, workflow.name) == ("workflow", "qa-workflow-2", "QA Workflow_2")
    assert [node.name for node in workflow.nodes] == [
        "work",
        "work_async",
        "Callable",
        "helper",
        "research",
        "Inner flow",
    ]
    kinds = [node.executor_type for node in workflow.nodes if isinstance(node, Step)]
    assert kinds == ["function"] * 3 + ["agent", "team", "workflow"]


def test_an_agent_in_a_step_sees_no_history_unless_it_was_told_to():
    bare, told = Step("a", agent=helper()), Step("b", agent=AgentComponent(helper(), history_runs=2))
    assert isinstance(bare.component, AgentComponent)
    assert isinstance(told.component, AgentComponent)
    assert (bare.component.history_runs, told.component.history_runs) == (0, 2)


def test_published_names_of_functions_are_understood():
    assert Step("a", executor=work).run is work
    assert Condition(evaluator=work, steps=[work]).if_ is work
    assert Loop(steps=[work], end_condition=work).until is work
    assert Router(choices=[work], selector=work).select is work


def test_a_workflow_describes_its_steps():
    inner = Workflow("Inner", [work])
    workflow = Workflow(
        "W",
        [
            Step("ask", agent=helper(), description="Asks."),
            Step("research", team=research()),
            Parallel(work, other, name="both"),
            Condition(if_=True, steps=[work], else_steps=[other], name="cond"),
            Loop(steps=[work], name="loop"),
            Router(choices=[work], select=work, name="way"),
            Steps("group", steps=[work]),
            Step("sub", workflow=inner),
        ],
    )
    one, two = {"name": "work", "type": "Step"}, {"name": "other", "type": "Step"}
    assert workflow.describe_steps(lambda component: {"id": component.id}) == [
        {"name": "ask", "type": "Step", "description": "Asks.", "agent": {"id": "helper"}},
        {"name": "research", "type": "Step", "team": {"id": "research"}},
        {"name": "both", "type": "Parallel", "steps": [one, two]},
        {"name": "cond", "type": "Condition", "steps": [one], "else_steps": [two]},
        {"name": "loop", "type": "Loop", "steps": [one]},
        {"name": "way", "type": "Router", "steps": [one]},
        {"name": "group", "type": "Steps", "steps": [one]},
        {"name": "sub", "type": "Workflow", "workflow_id": "inner", "steps": [one]},
    ]


def test_a_workflow_without_an_input_type_has_no_schema():
    assert Workflow("W", [work]).input_schema is None


def test_a_message_is_checked_against_the_input_type():
    class Order(pydantic.BaseModel):
        size: int

    workflow = Workflow("W", [work], input_type=Order)
    schema = workflow.input_schema
    assert schema is not None
    assert schema["properties"]["size"]["type"] == "integer"
    workflow.check_message('{"size": 3}')
    with pytest.raises(RequestError, match=r"message: it is not what the workflow 'W' takes: size: Field required"):
        workflow.check_message("{}")
    with pytest.raises(RequestError, match=r"takes: message: "):
        workflow.check_message("three")
    for text in ("any text", "5", '{"a": 1}', ""):
        Workflow("W", [work], input_type=str).check_message(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Step("", run=work), r"A Step is called ''; its name must be a text"),
        (lambda: Step(3, run=work), r"A Step is called 3"),  # type: ignore[arg-type]
        (lambda: Step("a"), r"Step 'a' has nothing to do: give it one of agent, team, run and workflow"),
        (lambda: Step("a", run=work, agent=helper()), r"Step 'a' has agent and run: give it one of"),
        (lambda: Step("a", run=work, executor=work), r"Step 'a' has both run and executor, which mean the same"),
        (lambda: Step("a", run="work"), r"Step 'a': run is 'work', which cannot be called"),  # type: ignore[arg-type]
        (lambda: Step("a", run=nothing), r"Step 'a': run is called with one argument"),
        (lambda: Step("a", run=yields), r"Step 'a': run is a generator; return the content"),
        (lambda: Step("a", run=yields_async), r"Step 'a': run is a generator"),
        (lambda: Step("a", agent=research()), r"Step 'a': agent is <.*>, which is no agent"),  # type: ignore[arg-type]
        (lambda: Step("a", team=3), r"Step 'a': team is 3, which is no team"),  # type: ignore[arg-type]
        (lambda: Step("a", agent=Agent(ScriptedModel(["hi"]))), r"Step 'a': An agent has no name"),
        (lambda: Step("a", run=work, max_retries=-1), r"Step 'a' has max_retries=-1; it must be 0 or more"),
        (lambda: Step("a", run=work, retry_delay_s=-1), r"Step 'a' has retry_delay_s=-1"),
        (lambda: Step("a", run=work, timeout_s=0), r"Step 'a' has timeout_s=0; it must be more than 0"),
        (lambda: Step("a", run=work, on_error="stop"), r"Step 'a' has on_error='stop'; it may be 'fail', 'skip'"),  # type: ignore[arg-type]
        (
            lambda: Step("a", run=work, on_reject="else"),
            r"Step 'a' has on_reject='else'; here it may be 'skip', 'cancel'\.",
        ),
        (
            lambda: Step("a", run=work, requires_confirmation=True, on_reject="retry"),
            r"Step 'a' has on_reject='retry'; here it may be 'skip', 'cancel'\.",
        ),
        (
            lambda: Step("a", run=work, confirmation_message="?"),
            r"Step 'a' has a confirmation_message: write requires_",
        ),
        (lambda: Step("a", run=work, user_input_schema=[]), r"Step 'a' has a user_input_schema: write requires_user"),
        (
            lambda: Step("a", run=work, requires_output_review=nothing),  # type: ignore[arg-type]
            r"Step 'a': requires_output_review is called with",
        ),
        (lambda: Steps("g", steps=[]), r"Steps 'g' has no steps"),
        (lambda: Steps("g", steps="work"), r"Steps 'g': its steps are 'work', not a list"),
        (lambda: Steps("g", steps=[work, work]), r"Steps 'g' has two steps called 'work'; give each a name of its own"),
        (lambda: Steps("g", steps=[3]), r"Steps 'g': 3 is no step"),
        (lambda: Steps("g", steps=[StepInput]), r"Steps 'g': <class .*StepInput'> is no step"),
        (lambda: Steps("g", steps=[work], on_reject="retry"), r"Steps 'g' has on_reject='retry'"),
        (lambda: Parallel(name="p"), r"Parallel 'p' has no steps"),
        (lambda: Condition(steps=[work], name="c"), r"Condition 'c' has no if_: give it a function, or requires_"),
        (lambda: Condition(if_=nothing, steps=[work], name="c"), r"Condition 'c': if_ is called with one argument"),
        (lambda: Condition(if_="yes", steps=[work], name="c"), r"Condition 'c': if_ is 'yes', which cannot be called"),  # type: ignore[arg-type]
        (
            lambda: Condition(if_=work, evaluator=work, steps=[work], name="c"),
            r"Condition 'c' has both if_ and evaluator",
        ),
        (
            lambda: Condition(steps=[work], requires_confirmation=True, on_reject="else", name="c"),
            r"Condition 'c' has on_reject='else'; here it may be 'skip', 'cancel'\.",
        ),
        (
            lambda: Loop(steps=[work], max_iterations=0, name="l"),
            r"Loop 'l' has max_iterations=0; it must be 1 or more",
        ),
        (lambda: Loop(steps=[work], until=nothing, name="l"), r"Loop 'l': until is called with one argument"),
        (lambda: Router(choices=[work], name="r"), r"Router 'r' needs one who chooses: select=… or requires_route"),
        (
            lambda: Router(choices=[work], select=work, requires_route_selection=True, name="r"),
            r"Router 'r' needs one who chooses",
        ),
        (lambda: Workflow("", [work]), r"A Workflow is called ''"),
        (lambda: Workflow("!", [work]), r"The name '!' has no letter or digit to make an id of: pass id="),
        (lambda: Workflow("W", []), r"Workflow 'W' has no steps"),
        (
            lambda: Workflow("W", [work], max_concurrency=0),
            r"max_concurrency of workflow 'W' is 0; it must be 1 or more",
        ),
        (lambda: Workflow("W", [work], timeout_s=-1), r"timeout_s of workflow 'W' is -1; it must be more than 0"),
        (lambda: Workflow("W", [work], input_type=object()), r"input_type of workflow 'W' is <object"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make: Any, message: str):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_fields_that_people_fill_in_come_from_a_model_or_from_objects():
    class Order(pydantic.BaseModel):
        size: int = pydantic.Field(description="How many.")
        colour: str = "red"
        tags: list[str] = []

    assert input_fields(Order, "it") == [
        {"name": "size", "field_type": "int", "description": "How many.", "value": None, "required": True},
        {"name": "colour", "field_type": "str", "description": "", "value": "red", "required": False},
        {"name": "tags", "field_type": "list", "description": "", "value": [], "required": False},
    ]
    given = {"name": "size", "field_type": int, "allowed_values": (1, 2)}
    assert input_fields([given], "it") == [
        {
            "name": "size",
            "field_type": "int",
            "description": "",
            "value": None,
            "required": True,
            "allowed_values": [1, 2],
        }
    ]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({}, "it: a field of its user_input_schema has no name"),
        ({"name": "a", "field_type": "date"}, "it: the field 'a' has the field_type 'date'; there are str, int"),
        ({"name": "a", "typ": "int"}, "it: the field 'a' has an option 'typ', which there is not"),
    ],
)
def test_wrong_fields_are_refused_by_name(field: dict[str, Any], message: str):
    with pytest.raises(ConfigurationError, match=message):
        input_fields([field], "it")
    with pytest.raises(ConfigurationError, match="two fields of its user_input_schema have the same name"):
        input_fields([{"name": "a"}, {"name": "a"}], "it")

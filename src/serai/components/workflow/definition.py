"""Steps and the constructs that hold them: plain objects, checked when they are made. They know nothing of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal

from pydantic_ai.agent.abstract import AbstractAgent

from serai.components.agent import AgentComponent
from serai.components.workflow.human import Confirmed, InputSchema, ReviewWhen, input_fields
from serai.components.workflow.validation import as_component, check_function, check_name, one_of
from serai.engine.active_run import Component
from serai.errors import ConfigurationError

OnError = Literal["fail", "skip", "pause"]
StepFunction = Callable[..., Any]
"""Takes a `StepInput`; sync (it runs in a thread) or async."""


@dataclass
class Step(Confirmed):
    """One thing to do: an agent, a team, a function or another workflow.

    Attributes:
        agent, team, run, workflow: what does it; one of them. A function takes a `StepInput`.
        executor: another name of ``run``.
        max_retries: how often it is tried again when it fails; `retry_delay_s` lies between.
        timeout_s: seconds that one attempt may take.
        on_error: what a failure means when no retry is left: the run fails, goes on without, or asks a person.
        requires_user_input: a person fills in `user_input_schema` before; ``additional_data["user_input"]`` has it.
        requires_output_review: a person approves, edits or rejects the output; a predicate says of which outputs.
        review_max_retries: how often ``on_reject="retry"`` does it again.
    """

    name: str
    _: KW_ONLY
    agent: AbstractAgent[Any, Any] | AgentComponent | None = None
    team: Component | None = None
    run: StepFunction | None = None
    workflow: Component | None = None
    executor: StepFunction | None = None
    description: str | None = None
    max_retries: int = 0
    retry_delay_s: float = 0.0
    timeout_s: float | None = None
    on_error: OnError = "fail"
    requires_user_input: bool = False
    user_input_message: str | None = None
    user_input_schema: InputSchema | None = None
    requires_output_review: ReviewWhen = False
    output_review_message: str | None = None
    review_max_retries: int = 3
    component: Component | None = field(init=False, default=None)
    input_fields: list[dict[str, Any]] = field(init=False, default_factory=list)

    type: ClassVar = "Step"

    def __post_init__(self) -> None:
        check_name(self.name, self.type)
        what = f"Step {self.name!r}"
        if self.executor is not None:
            if self.run is not None:
                raise ConfigurationError(f"{what} has both run and executor, which mean the same: leave out executor.")
            self.run = self.executor
        self._take_executor(what)
        self._check_numbers(what)
        if callable(self.requires_output_review):
            check_function(self.requires_output_review, f"{what}: requires_output_review")
        if self.on_error not in ("fail", "skip", "pause"):
            raise ConfigurationError(f"{what} has on_error={self.on_error!r}; it may be 'fail', 'skip' or 'pause'.")
        reviewed = ("retry",) if self.requires_output_review else ()
        self.check_confirmation(what, ("skip", "cancel", *reviewed))
        if self.user_input_schema is not None:
            if not self.requires_user_input:
                raise ConfigurationError(f"{what} has a user_input_schema: write requires_user_input=True as well.")
            self.input_fields = input_fields(self.user_input_schema, what)

    @property
    def executor_type(self) -> str:
        """``agent``, ``team``, ``workflow`` or ``function``."""
        return "function" if self.component is None else self.component.kind

    @property
    def executor_name(self) -> str:
        """What people call the one who does it."""
        if self.component is None:
            return getattr(self.run, "__name__", type(self.run).__name__)
        return str(getattr(self.component, "name", self.component.id))

    def _take_executor(self, what: str) -> None:
        given = {"agent": self.agent, "team": self.team, "run": self.run, "workflow": self.workflow}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            has = " and ".join(named) if named else "nothing to do"
            raise ConfigurationError(f"{what} has {has}: give it one of agent, team, run and workflow.")
        (kind,) = named
        if kind == "run":
            check_function(self.run, f"{what}: run")
            return
        try:
            component = as_component(given[kind])
        except ConfigurationError as error:
            raise ConfigurationError(f"{what}: {error}") from error
        if component is None or component.kind != kind:
            raise ConfigurationError(f"{what}: {kind} is {given[kind]!r}, which is no {kind}.")
        self.component = component

    def _check_numbers(self, what: str) -> None:
        for name in ("max_retries", "retry_delay_s", "review_max_retries"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{what} has {name}={getattr(self, name)!r}; it must be 0 or more.")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise ConfigurationError(f"{what} has timeout_s={self.timeout_s!r}; it must be more than 0.")


@dataclass
class Steps(Confirmed):
    """Steps one after another, under one name."""

    name: str
    steps: Sequence[Any]
    _: KW_ONLY
    description: str | None = None
    nodes: list[Node] = field(init=False)

    type: ClassVar = "Steps"

    def __post_init__(self) -> None:
        check_name(self.name, self.type)
        self.nodes = as_nodes(self.steps, f"Steps {self.name!r}")
        self.check_confirmation(f"Steps {self.name!r}", ("skip", "cancel"))


class Parallel:
    """Steps at the same time, each with what was there before; all are waited for.

    Args:
        *steps: the branches.
        name: what it is called.
        description: one line about it.
    """

    type: ClassVar = "Parallel"

    def __init__(self, *steps: Any, name: str = "Parallel", description: str | None = None) -> None:
        check_name(name, self.type)
        self.name = name
        self.description = description
        self.nodes = as_nodes(steps, f"Parallel {name!r}")


@dataclass
class Condition(Confirmed):
    """Steps that are done when something is the case, and others when it is not.

    Attributes:
        if_: takes a `StepInput`, returns a boolean; or a boolean. Left out with a confirmation: the person decides.
        evaluator: another name of ``if_``.
        on_reject: by default ``else`` when there are `else_steps`, else ``skip``.
    """

    steps: Sequence[Any]
    _: KW_ONLY
    if_: StepFunction | bool | None = None
    evaluator: StepFunction | bool | None = None
    else_steps: Sequence[Any] = ()
    name: str = "Condition"
    description: str | None = None
    on_reject: Any = None
    nodes: list[Node] = field(init=False)
    else_nodes: list[Node] = field(init=False)

    type: ClassVar = "Condition"

    def __post_init__(self) -> None:
        check_name(self.name, self.type)
        what = f"Condition {self.name!r}"
        self.if_ = one_of(what, if_=self.if_, evaluator=self.evaluator)
        if self.if_ is None and not self.requires_confirmation:
            raise ConfigurationError(f"{what} has no if_: give it a function, or requires_confirmation=True.")
        if self.if_ is not None and not isinstance(self.if_, bool):
            check_function(self.if_, f"{what}: if_")
        self.nodes = as_nodes(self.steps, what)
        self.else_nodes = as_nodes(self.else_steps, what) if self.else_steps else []
        if self.on_reject is None:
            self.on_reject = "else" if self.else_nodes else "skip"
        self.check_confirmation(what, ("skip", "cancel", "else") if self.else_nodes else ("skip", "cancel"))


@dataclass
class Loop(Confirmed):
    """Steps that are done again and again.

    Attributes:
        until: takes the outputs of an iteration, a list of `StepOutput`; true ends the loop.
        end_condition: another name of ``until``.
        max_iterations: it ends after so many in any case.
        forward_iteration_output: an iteration begins with what the one before answered, not with what was before the
            loop.
    """

    steps: Sequence[Any]
    _: KW_ONLY
    until: Callable[..., Any] | None = None
    end_condition: Callable[..., Any] | None = None
    max_iterations: int = 3
    forward_iteration_output: bool = False
    name: str = "Loop"
    description: str | None = None
    nodes: list[Node] = field(init=False)

    type: ClassVar = "Loop"

    def __post_init__(self) -> None:
        check_name(self.name, self.type)
        what = f"Loop {self.name!r}"
        self.until = one_of(what, until=self.until, end_condition=self.end_condition)
        if self.until is not None:
            check_function(self.until, f"{what}: until")
        if self.max_iterations < 1:
            raise ConfigurationError(f"{what} has max_iterations={self.max_iterations!r}; it must be 1 or more.")
        self.nodes = as_nodes(self.steps, what)
        self.check_confirmation(what, ("skip", "cancel"))


@dataclass
class Router:
    """Some of several steps, chosen when it comes to them; the chosen ones are done one after another.

    Attributes:
        choices: the steps to choose from, each with a name of its own.
        select: takes a `StepInput`, returns the name of a choice, the choice itself, or a list of them.
        selector: another name of ``select``.
        requires_route_selection: a person chooses; several when `allow_multiple_selections`.
    """

    choices: Sequence[Any]
    _: KW_ONLY
    select: StepFunction | None = None
    selector: StepFunction | None = None
    requires_route_selection: bool = False
    allow_multiple_selections: bool = False
    user_input_message: str | None = None
    name: str = "Router"
    description: str | None = None
    nodes: list[Node] = field(init=False)

    type: ClassVar = "Router"

    def __post_init__(self) -> None:
        check_name(self.name, self.type)
        what = f"Router {self.name!r}"
        self.select = one_of(what, select=self.select, selector=self.selector)
        if (self.select is None) is not self.requires_route_selection:
            raise ConfigurationError(f"{what} needs one who chooses: select=… or requires_route_selection=True.")
        if self.select is not None:
            check_function(self.select, f"{what}: select")
        self.nodes = as_nodes(self.choices, what)


Node = Step | Steps | Parallel | Condition | Loop | Router
_NODES = (Step, Steps, Parallel, Condition, Loop, Router)


def as_nodes(steps: Any, what: str) -> list[Node]:
    """Return steps as they are run: functions, agents, teams and workflows become steps of their name.

    Raises:
        ConfigurationError: one is nothing that can be run, two have the same name, or there are none.
    """
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise ConfigurationError(f"{what}: its steps are {steps!r}, not a list.")
    nodes = [_as_node(step, what) for step in steps]
    if not nodes:
        raise ConfigurationError(f"{what} has no steps.")
    names = [node.name for node in nodes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"{what} has two steps called {twice!r}; give each a name of its own: name=….")
    return nodes


def _as_node(step: Any, what: str) -> Node:
    if isinstance(step, _NODES):
        return step
    if (component := as_component(step)) is not None:
        name = str(getattr(component, "name", component.id))
        return Step(name, **{component.kind: component})  # type: ignore[arg-type]
    if callable(step) and not isinstance(step, type):
        return Step(getattr(step, "__name__", type(step).__name__), run=step)
    raise ConfigurationError(f"{what}: {step!r} is no step; give it a Step, a construct, a function or an agent.")

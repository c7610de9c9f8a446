"""A workflow as a component of the server: checked when it is made, described for clients, run by the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import pydantic

from serai.components.workflow.definition import Condition, Node, Step, as_nodes
from serai.components.workflow.rest import cancel_at_rest
from serai.components.workflow.step_answers import lay_in_steps
from serai.components.workflow.validation import check_name
from serai.components.workflow.workflow_run import HostedWorkflow, WorkflowRun
from serai.domain.json_text import dump_json
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun, Component, RestingRun
from serai.errors import ConfigurationError


class Workflow:
    """Steps that the server does one after another, durably: each finished one is done once.

    Args:
        name: what people call it.
        steps: `Step`, `Steps`, `Parallel`, `Condition`, `Loop` and `Router`; functions, agents, teams and workflows
            become steps of their name.
        description: one line about it.
        id: the id of its routes; default made from its name.
        metadata: free members shown to clients.
        input_type: a type that the message has, as JSON or text: a pydantic model, for example. A message that does not
            fit is refused; `StepInput.input` is the value.
        session_state: members that a session's state has from the start.
        max_concurrency: the most of its runs at a time, on all nodes together; more wait.
        timeout_s: seconds of work that one run may take, from its start or its continuation.

    Raises:
        ConfigurationError: a step or a setting makes no sense; the text names it.
    """

    kind: Literal["workflow"] = "workflow"

    def __init__(  # noqa: PLR0913 - one setting each
        self,
        name: str,
        steps: Sequence[Any],
        *,
        description: str | None = None,
        id: str | None = None,  # noqa: A002 - the published name
        metadata: dict[str, Any] | None = None,
        input_type: Any = None,
        session_state: dict[str, Any] | None = None,
        max_concurrency: int | None = None,
        timeout_s: float | None = None,
    ) -> None:
        check_name(name, "Workflow")
        self.name = name
        self.id = id or re.sub(r"[\W_]+", "-", name.lower()).strip("-")
        if not self.id:
            raise ConfigurationError(f"The name {name!r} has no letter or digit to make an id of: pass id=….")
        if max_concurrency is not None and max_concurrency < 1:
            raise ConfigurationError(
                f"max_concurrency of workflow {name!r} is {max_concurrency}; it must be 1 or more."
            )
        if timeout_s is not None and timeout_s <= 0:
            raise ConfigurationError(f"timeout_s of workflow {name!r} is {timeout_s}; it must be more than 0.")
        try:
            dump_json(session_state or {})
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"session_state of workflow {name!r} cannot be kept as JSON: {error}") from error
        self.description = description
        self.metadata = metadata
        self.max_concurrency = max_concurrency
        self._host = HostedWorkflow(
            name=name,
            nodes=as_nodes(steps, f"Workflow {name!r}"),
            session_state=session_state or {},
            input_type=None if input_type is None else _adapter_of(input_type, name),
            timeout_s=timeout_s,
            description=description,
        )

    @property
    def nodes(self) -> Sequence[Node]:
        """Its steps as they are done."""
        return self._host.nodes

    @property
    def input_schema(self) -> dict[str, Any] | None:
        """A JSON schema of its message; None for any text."""
        return None if self._host.input_type is None else self._host.input_type.json_schema()

    def check_message(self, message: str) -> None:
        """Check that a run may begin with a message.

        Raises:
            RequestError: it does not fit the input type.
        """
        self._host.read_message(message)

    def describe_steps(self, show: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return its steps as clients see them; `show` describes an agent or team inside a step."""
        return [_describe(node, show) for node in self.nodes]

    def begin(self, run: ActiveRun) -> WorkflowRun:
        """Return the execution of a claimed run."""
        return WorkflowRun(run, self._host)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        """Lay a caller's step requirements into the output of a paused run; return that nothing is left to answer.

        Raises:
            RequestError: an answer is wrong or missing.
        """
        lay_in_steps(output, answers, self._find_component)
        return True

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        """Return the outcome of a run that is cancelled while it waits."""
        return cancel_at_rest(run, self.name)

    def _find_component(self, kind: str, component_id: str) -> Component | None:
        components = components_in(self.nodes)
        return next((found for found in components if (found.kind, found.id) == (kind, component_id)), None)


def components_in(nodes: Sequence[Node]) -> Iterator[Component]:
    """Yield the agents, teams and workflows in steps, those of workflows inside them too."""
    for node in nodes:
        if isinstance(node, Step):
            if node.component is not None:
                yield node.component
            if isinstance(node.component, Workflow):
                yield from components_in(node.component.nodes)
            continue
        yield from components_in(node.nodes)
        if isinstance(node, Condition):
            yield from components_in(node.else_nodes)


def _describe(node: Node, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": node.name, "type": node.type}
    if node.description is not None:
        described["description"] = node.description
    if not isinstance(node, Step):
        described["steps"] = [_describe(child, show) for child in node.nodes]
        if isinstance(node, Condition) and node.else_nodes:
            described["else_steps"] = [_describe(child, show) for child in node.else_nodes]
    elif isinstance(node.component, Workflow):
        inner = node.component
        described |= {"type": "Workflow", "workflow_id": inner.id, "steps": inner.describe_steps(show)}
    elif node.component is not None:
        described[node.component.kind] = show(node.component)
    return described


def _adapter_of(input_type: Any, name: str) -> pydantic.TypeAdapter[Any]:
    try:
        adapter = pydantic.TypeAdapter[Any](input_type)
        adapter.json_schema()
    except pydantic.errors.PydanticUserError as error:
        raise ConfigurationError(f"input_type of workflow {name!r} is {input_type!r}: {error}") from error
    return adapter

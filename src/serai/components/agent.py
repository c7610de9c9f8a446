"""A pydantic-ai agent as a component of the server: described for clients, run by the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pydantic_ai
from pydantic_ai import DeferredToolRequests
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_ai.usage import UsageLimits

from serai.components.agent_rest import cancel_at_rest
from serai.components.agent_run import AgentRun
from serai.components.deps import RunDeps
from serai.components.durability import SeraiDurability
from serai.components.hosted_agent import HostedAgent
from serai.components.pauses import take_answers
from serai.components.run_knowledge import knowledge_toolsets
from serai.components.run_memory import memory_toolsets
from serai.components.tool import options_of
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun, RestingRun
from serai.errors import ConfigurationError
from serai.knowledge.options import Knowledge, by_id, knowledge_of
from serai.memory.options import Memory, memory_of

DEFAULT_HISTORY_RUNS = 3
_OR_ELSE = {"memory": ", or say memory=Memory(tool=False)", "knowledge": ""}


class AgentComponent:
    """An agent that the server hosts.

    Args:
        agent: the agent; it needs a model, and a name unless one is given here.
        id: the id of its routes; default made from its name.
        name: what people call it; default the agent's name.
        description: one line about it; default the agent's own.
        deps: makes the agent's dependencies from Serai's; needed when it has a ``deps_type`` of its own.
        history_runs: how many earlier runs of the session it sees.
        max_concurrency: the most of its runs at a time, on all nodes together; more wait.
        usage_limits: bounds of one run: requests, tool calls, tokens, cost.
        timeout_s: seconds of work that one run may take, from its start or its continuation.
        memory: what it remembers of its users; True: as a `Memory` with its defaults says.
        knowledge: the base that it may search, or several; True: one with its defaults.
        metadata: free members shown to clients.

    Raises:
        ConfigurationError: the agent cannot be hosted; the text says what it lacks.
    """

    kind: Literal["agent"] = "agent"

    def __init__(  # noqa: PLR0913 - one setting each
        self,
        agent: pydantic_ai.Agent[Any, Any],
        *,
        id: str | None = None,  # noqa: A002 - the published name
        name: str | None = None,
        description: str | None = None,
        deps: Callable[[RunDeps], Any] | None = None,
        history_runs: int = DEFAULT_HISTORY_RUNS,
        max_concurrency: int | None = None,
        usage_limits: UsageLimits | None = None,
        timeout_s: float | None = None,
        memory: Memory | bool | None = None,
        knowledge: Knowledge | Sequence[Knowledge] | bool | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if not agent.name:
            raise ConfigurationError(
                "An agent has no name, which its journal goes by: write Agent(…, name='my-agent')."
            )
        self.agent = agent
        self.name = name or agent.name
        self.id = id or re.sub(r"[\W_]+", "-", self.name.lower()).strip("-")
        if not self.id:
            raise ConfigurationError(f"The name {self.name!r} has no letter or digit to make an id of: pass id=….")
        self.description = description or agent.description
        self.instructions: str | None = None
        if max_concurrency is not None and max_concurrency < 1:
            raise ConfigurationError(
                f"max_concurrency of agent {self.name!r} is {max_concurrency}; it must be 1 or more."
            )
        self.history_runs = history_runs
        self.max_concurrency = max_concurrency
        self.metadata = metadata
        self._deps = deps
        self._check_deps()
        self.model = self._load_model(agent.model)
        self.model_name: str | None = self.model.model_name
        self.model_provider: str | None = self.model.system
        self.memory = memory_of(memory)
        self.memory_model = self._load_model((self.memory and self.memory.model) or self.model)
        self.knowledge = tuple(by_id(knowledge_of(knowledge)).values())
        more_tools = {
            "memory": memory_toolsets(self.memory),
            "knowledge": knowledge_toolsets(self.knowledge),
        }
        try:
            self._durability = SeraiDurability.bind(
                agent, model=self.model, toolsets=[each for toolsets in more_tools.values() for each in toolsets]
            )
        except UserError as error:
            raise ConfigurationError(f"Agent {agent.name!r} cannot be made durable: {error}") from error
        self.function_tools = self._function_tools(more_tools)
        self.host = HostedAgent(
            agent=agent,
            id=self.id,
            name=self.name,
            model_name=self.model_name,
            model_provider=self.model_provider,
            durability=self._durability,
            deps=deps,
            history_runs=history_runs,
            output_type=self._output_type(),
            tools={name: options_of(tool.tool_def) for name, tool in self.function_tools.items()},
            usage_limits=usage_limits,
            timeout_s=timeout_s,
            memory=self.memory,
            knowledge=self.knowledge,
            knowledge_tools=more_tools["knowledge"],
        )

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The function tools it has from the start: name, description and parameters (a JSON schema)."""
        return [
            {
                "name": tool.tool_def.name,
                "description": tool.tool_def.description or "",
                "parameters": self.host.tools[name].parameters,
            }
            for name, tool in self.function_tools.items()
        ]

    def begin(self, run: ActiveRun) -> AgentRun:
        """Return the execution of a claimed run."""
        return AgentRun(run, self.host)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        """Lay a caller's tool executions into the output of a paused run; return whether nothing is left to answer.

        Raises:
            RequestError: an answer is wrong, incomplete, or missing.
        """
        return take_answers(
            output, answers, lambda wanted: self.function_tools.get(wanted["tool_execution"]["tool_name"])
        )

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        """Return the outcome of a run that is cancelled while it waits."""
        return cancel_at_rest(run, self.host)

    def _output_type(self) -> Any:
        """Return the agent's output type with pauses added; None when validators forbid to change it."""
        if not getattr(self.agent, "_output_validators", None):  # pydantic-ai tells it in no public way
            return [self.agent.output_type, DeferredToolRequests]
        own = self.agent.output_type
        if DeferredToolRequests in (own if isinstance(own, list | tuple) else [own]):
            return None
        options = {name: options_of(tool.tool_def) for name, tool in self.function_tools.items()}
        if waiting := [name for name, known in options.items() if known.pause or not known.is_repeatable]:
            raise ConfigurationError(
                f"Agent {self.name!r} has an output validator, and its tool {waiting[0]!r} may pause the run. Let the "
                "validator see pauses: Agent(…, output_type=[str, DeferredToolRequests])."
            )
        return None

    def _function_tools(self, more: Mapping[str, Sequence[FunctionToolset[Any]]]) -> dict[str, pydantic_ai.Tool[Any]]:
        found: dict[str, pydantic_ai.Tool[Any]] = {}

        def collect(toolset: AbstractToolset[Any]) -> None:
            if isinstance(toolset, FunctionToolset):
                found.update(toolset.tools)

        for toolset in self.agent.toolsets:
            toolset.apply(collect)
        for source, toolsets in more.items():
            for toolset in toolsets:
                if taken := sorted(found.keys() & toolset.tools.keys()):
                    raise ConfigurationError(
                        f"Agent {self.name!r} has a tool {taken[0]!r}, and its {source} brings one of that name: "
                        f"rename the agent's{_OR_ELSE[source]}."
                    )
                found.update(toolset.tools)
        return found

    def _load_model(self, model: Model | str | None) -> Model:
        if model is None:
            raise ConfigurationError(f"Agent {self.name!r} has no model: write Agent('openai:gpt-5-mini', …).")
        if isinstance(model, Model):
            return model
        try:
            return infer_model(model)
        except (UserError, ValueError, ImportError) as error:
            raise ConfigurationError(f"The model {model!r} of agent {self.name!r}: {error}") from error

    def _check_deps(self) -> None:
        deps_type = self.agent.deps_type
        if self._deps is None and deps_type not in (type(None), object, RunDeps):
            raise ConfigurationError(
                f"Agent {self.name!r} wants dependencies of type {deps_type.__name__}. Say how to make them: "
                "AgentComponent(agent, deps=lambda run: …), where run is a serai.RunDeps."
            )

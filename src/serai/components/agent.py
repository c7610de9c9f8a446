"""A pydantic-ai agent as a component of the server: described for clients, run by the engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pydantic_ai
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from serai.components.agent_run import AgentRun
from serai.components.deps import RunDeps
from serai.components.durability import SeraiDurability
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun
from serai.errors import ConfigurationError

DEFAULT_HISTORY_RUNS = 3


class AgentComponent:
    """An agent that the server hosts.

    Args:
        agent: the agent; it needs a model, and a name unless one is given here.
        id: the id of its routes; default made from its name.
        name: what people call it; default the agent's name.
        description: one line about it; default the agent's own.
        deps: makes the agent's dependencies from Serai's; needed when it has a ``deps_type`` of its own.
        history_runs: how many earlier runs of the session it sees.
        metadata: free members shown to clients.

    Raises:
        ConfigurationError: the agent cannot be hosted; the text says what it lacks.
    """

    kind: Literal["agent"] = "agent"

    def __init__(
        self,
        agent: pydantic_ai.Agent[Any, Any],
        *,
        id: str | None = None,  # noqa: A002 - the published name
        name: str | None = None,
        description: str | None = None,
        deps: Callable[[RunDeps], Any] | None = None,
        history_runs: int = DEFAULT_HISTORY_RUNS,
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
        self.history_runs = history_runs
        self.metadata = metadata
        self._deps = deps
        self._check_deps()
        self._model = self._load_model()
        self.model_name: str | None = self._model.model_name
        self.model_provider: str | None = self._model.system
        try:
            self._durability = SeraiDurability.bind(agent, model=self._model)
        except UserError as error:
            raise ConfigurationError(f"Agent {agent.name!r} cannot be made durable: {error}") from error

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The function tools it has from the start: name, description and parameters (a JSON schema)."""
        found: list[dict[str, Any]] = []

        def collect(toolset: AbstractToolset[Any]) -> None:
            if isinstance(toolset, FunctionToolset):
                for tool in toolset.tools.values():
                    definition = tool.tool_def
                    found.append(
                        {
                            "name": definition.name,
                            "description": definition.description or "",
                            "parameters": definition.parameters_json_schema,
                        }
                    )

        for toolset in self.agent.toolsets:
            toolset.apply(collect)
        return found

    async def execute(self, run: ActiveRun) -> Outcome:
        """Run the agent; failures of its model and tools are outcomes."""
        return await self._begin(run).execute(
            self.agent, durability=self._durability, deps=self._deps, history_runs=self.history_runs
        )

    def fail(self, run: ActiveRun, error: BaseException) -> Outcome:
        """Return the outcome of a run that cannot go on."""
        return self._begin(run).failure(error)

    def _begin(self, run: ActiveRun) -> AgentRun:
        return AgentRun(
            run,
            agent_id=self.id,
            agent_name=self.name,
            model_name=self.model_name,
            model_provider=self.model_provider,
        )

    def _load_model(self) -> Model:
        if self.agent.model is None:
            raise ConfigurationError(f"Agent {self.name!r} has no model: write Agent('openai:gpt-5-mini', …).")
        if isinstance(self.agent.model, Model):
            return self.agent.model
        try:
            return infer_model(self.agent.model)
        except (UserError, ValueError, ImportError) as error:
            raise ConfigurationError(f"The model {self.agent.model!r} of agent {self.name!r}: {error}") from error

    def _check_deps(self) -> None:
        deps_type = self.agent.deps_type
        if self._deps is None and deps_type not in (type(None), object, RunDeps):
            raise ConfigurationError(
                f"Agent {self.name!r} wants dependencies of type {deps_type.__name__}. Say how to make them: "
                "AgentComponent(agent, deps=lambda run: …), where run is a serai.RunDeps."
            )

"""An agent as the server runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai import FunctionToolset
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.usage import UsageLimits

from serai.components.deps import RunDeps
from serai.components.tool import ToolOptions
from serai.errors import SeraiError
from serai.knowledge.options import Knowledge
from serai.memory.options import Memory


class RunTimeoutError(SeraiError):
    """A run took longer than its agent may."""

    code = "run_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgent:
    """An agent, or a team's leader, and how the server runs it.

    Attributes:
        id, name, model_name, model_provider: how the wire names them.
        durability: makes its model requests and tool calls steps.
        deps: makes its dependencies from Serai's, or None.
        history_runs: how many earlier runs of the session it sees.
        output_type: what its runs answer, pauses among it; None: the agent's own type, as it stands.
        tools: what is known of its tools by name.
        usage_limits, timeout_s: bounds of one run; the time is that of one segment.
        memory: what it remembers of its users, or None.
        knowledge, knowledge_tools: the bases that it may search, and what it does that with.
    """

    agent: AbstractAgent[Any, Any]
    id: str
    name: str
    model_name: str | None
    model_provider: str | None
    durability: AbstractCapability[Any]
    deps: Callable[[RunDeps], Any] | None
    history_runs: int
    output_type: Any
    tools: Mapping[str, ToolOptions]
    usage_limits: UsageLimits | None
    timeout_s: float | None
    memory: Memory | None
    knowledge: Sequence[Knowledge]
    knowledge_tools: Sequence[FunctionToolset[Any]]

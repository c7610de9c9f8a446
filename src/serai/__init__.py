"""Serai, a self-hosted home for AI agents: its public names, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serai.agent_data import AgentDataClient, AsyncAgentDataClient
    from serai.client import AgentOSClient, SyncAgentOSClient
    from serai.components.agent import AgentComponent
    from serai.components.ask_user import ask_user
    from serai.components.deps import RunDeps
    from serai.components.team import Team
    from serai.components.tool import tool
    from serai.components.workflow.component import Workflow
    from serai.components.workflow.definition import Condition, Loop, Parallel, Router, Step, Steps
    from serai.components.workflow.values import StepInput, StepOutput
    from serai.knowledge.options import Knowledge
    from serai.memory.options import Memory
    from serai.records.indexes.declared import RecordIndex
    from serai.server.app import AgentOS
    from serai.server.schedules import Schedule

    __version__: str

_HOMES = {
    "AgentComponent": "serai.components.agent",
    "AgentDataClient": "serai.agent_data",
    "AgentOS": "serai.server.app",
    "AgentOSClient": "serai.client",
    "AsyncAgentDataClient": "serai.agent_data",
    "Condition": "serai.components.workflow.definition",
    "Knowledge": "serai.knowledge.options",
    "Loop": "serai.components.workflow.definition",
    "Memory": "serai.memory.options",
    "Parallel": "serai.components.workflow.definition",
    "RecordIndex": "serai.records.indexes.declared",
    "Router": "serai.components.workflow.definition",
    "RunDeps": "serai.components.deps",
    "Schedule": "serai.server.schedules",
    "Step": "serai.components.workflow.definition",
    "StepInput": "serai.components.workflow.values",
    "StepOutput": "serai.components.workflow.values",
    "Steps": "serai.components.workflow.definition",
    "SyncAgentOSClient": "serai.client",
    "Team": "serai.components.team",
    "Workflow": "serai.components.workflow.component",
    "ask_user": "serai.components.ask_user",
    "tool": "serai.components.tool",
}

__all__ = [
    "AgentComponent",
    "AgentDataClient",
    "AgentOS",
    "AgentOSClient",
    "AsyncAgentDataClient",
    "Condition",
    "Knowledge",
    "Loop",
    "Memory",
    "Parallel",
    "RecordIndex",
    "Router",
    "RunDeps",
    "Schedule",
    "Step",
    "StepInput",
    "StepOutput",
    "Steps",
    "SyncAgentOSClient",
    "Team",
    "Workflow",
    "__version__",
    "ask_user",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - costs more than everything else here

        value: Any = version("serai")
    elif name in _HOMES:
        try:
            value = getattr(import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("serai"):
                raise
            raise ImportError(
                f"serai.{name} needs {error.name!r}, which comes with: pip install 'serai[server]'"
            ) from error
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

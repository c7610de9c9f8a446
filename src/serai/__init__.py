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
    from serai.records.indexes.declared import RecordIndex
    from serai.server.app import AgentOS

    __version__: str

_HOMES = {
    "AgentComponent": "serai.components.agent",
    "AgentDataClient": "serai.agent_data",
    "AgentOS": "serai.server.app",
    "AgentOSClient": "serai.client",
    "AsyncAgentDataClient": "serai.agent_data",
    "RecordIndex": "serai.records.indexes.declared",
    "RunDeps": "serai.components.deps",
    "SyncAgentOSClient": "serai.client",
    "Team": "serai.components.team",
    "ask_user": "serai.components.ask_user",
    "tool": "serai.components.tool",
}

__all__ = [
    "AgentComponent",
    "AgentDataClient",
    "AgentOS",
    "AgentOSClient",
    "AsyncAgentDataClient",
    "RecordIndex",
    "RunDeps",
    "SyncAgentOSClient",
    "Team",
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

"""The AgentOS that ``serai serve`` runs without an argument: one agent, three kinds of tools, no API key needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.settings import Settings

if TYPE_CHECKING:
    from serai.server.app import AgentOS

__all__ = ["build_demo"]


def build_demo(settings: Settings) -> AgentOS:
    """Return the demo OS with its agent ``my-agent``.

    Args:
        settings: the server's. ``settings.model`` is the model to use; without it the agent runs on a scripted
            model that says it is no LLM.

    Raises:
        ConfigurationError: ``settings.model`` names a model that cannot be used as the environment stands.
    """
    from serai.demo.agent import build_agent  # noqa: PLC0415 - listing commands must not load the agent runtime
    from serai.server.app import AgentOS  # noqa: PLC0415

    return AgentOS(
        name="Serai demo",
        id="serai-demo",
        description="What serai serve runs when it is given no OS of your own.",
        agents=[build_agent(settings.model)],
        settings=settings,
    )

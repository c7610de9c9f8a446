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
    from serai.components.agent import AgentComponent  # noqa: PLC0415 - listing commands must not load all this
    from serai.demo.agent import build_agent  # noqa: PLC0415
    from serai.server.app import AgentOS  # noqa: PLC0415

    agent = AgentComponent(build_agent(settings.model), name="My Agent", history_runs=settings.history_runs)
    return AgentOS(
        name="Serai demo",
        id="serai-demo",
        description="What serai serve runs when it is given no OS of your own.",
        agents=[agent],
        quick_prompts={agent.id: ("What is 2 + 2?", "What time is it?", "Note: buy milk")},
        settings=settings,
    )

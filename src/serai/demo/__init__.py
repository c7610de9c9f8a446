"""The AgentOS that ``serai serve`` runs without an argument: agents, a team and a workflow, no API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.settings import Settings

if TYPE_CHECKING:
    from serai.server.app import AgentOS

__all__ = ["build_demo"]


def build_demo(settings: Settings) -> AgentOS:
    """Return the demo OS: four agents, the team ``research-team`` and the workflow ``qa-workflow``.

    Args:
        settings: the server's. ``settings.model`` is the model to use; without it all run on scripted
            models that say they are no LLM.

    Raises:
        ConfigurationError: ``settings.model`` names a model that cannot be used as the environment stands.
    """
    from serai.components.agent import AgentComponent  # noqa: PLC0415 - listing commands must not load all this
    from serai.demo.agent import build_agent, build_careful_agent, build_files_agent, build_memory  # noqa: PLC0415
    from serai.demo.guide import build_guide, build_knowledge  # noqa: PLC0415
    from serai.demo.team import build_team  # noqa: PLC0415
    from serai.demo.workflow import build_workflow  # noqa: PLC0415
    from serai.server.app import AgentOS  # noqa: PLC0415

    model, history_runs = settings.model, settings.history_runs
    agents = [
        AgentComponent(build_agent(model), name="My Agent", history_runs=history_runs, memory=build_memory(model)),
        AgentComponent(build_careful_agent(model), name="Careful Agent", history_runs=history_runs),
        AgentComponent(build_files_agent(model), name="Files Agent", history_runs=history_runs),
        AgentComponent(build_guide(model), name="Serai Guide", history_runs=history_runs, knowledge=build_knowledge()),
    ]
    return AgentOS(
        name="Serai demo",
        id="serai-demo",
        description="What serai serve runs when it is given no OS of your own.",
        agents=agents,
        teams=[build_team(model)],
        workflows=[build_workflow(model)],
        quick_prompts={
            "my-agent": ("What is 2 + 2?", "What time is it?", "What do you know about me?"),
            "careful-agent": ("Note: buy milk", "Delete my notes"),
            "files-agent": ("How long is /etc/hosts?",),
            "serai-guide": ("What happens to a run when its node dies?", "How can I test an agent without a model?"),
            "qa-workflow": ("What are the benefits of Python?", "What are AI agents? Let me review the answer."),
            "research-team": ("Research the latest AI trends", "What are the benefits of Python?"),
        },
        settings=settings,
    )

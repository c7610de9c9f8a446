"""A team as a component of the server: a leader with a model of its own, and the members it gives work to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, TypeAlias, get_args

import pydantic_ai
from pydantic_ai import Tool
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from serai.components.agent import DEFAULT_HISTORY_RUNS, AgentComponent
from serai.components.agent_rest import cancel_at_rest
from serai.components.delegations import DELEGATIONS
from serai.components.deps import RunDeps
from serai.components.durability import current_execution
from serai.components.pauses import take_answers
from serai.components.team_briefing import leader_instructions
from serai.components.team_run import HostedTeam, TeamMode, TeamRun
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun, RestingRun
from serai.errors import ConfigurationError
from serai.knowledge.options import Knowledge
from serai.memory.options import Memory

Member: TypeAlias = "pydantic_ai.Agent[Any, Any] | AgentComponent | Team"


class Team:
    """Agents that work together under a leader: ``Team("research-team", members=[…], model="openai:gpt-5-mini")``.

    The leader is an agent of its own. Each task that it gives to a member is a run inside the team's run, with events
    of its own; tasks given in one turn run side by side.

    Args:
        name: what people call it; its id is made from it.
        members: agents, each with a name, and teams.
        model: of the leader: a pydantic-ai model, or a string such as ``openai:gpt-5-mini``.
        mode: ``coordinate``: the leader gives tasks and answers from what comes back; ``route``: one member's answer
            is the team's, if it answers text; ``broadcast``: all members get the same task at once, and the leader
            sums up.
        instructions: for the leader, before what it is told about the team.
        tools: the leader's own, functions or tools.
        description: one line about it, which a leader of this team reads, too.
        id: the id of its routes.
        deps: makes the dependencies of the leader's tools from Serai's.
        output_type: what the team answers; text by default.
        history_runs: how many earlier runs of the session the leader sees.
        add_team_history_to_members: members see the same earlier runs.
        share_member_interactions: members see what others answered before in the same run.
        max_concurrency: the most of its runs at a time, on all nodes together; more wait.
        usage_limits: bounds of the leader's part of one run.
        timeout_s: seconds of work that one run may take, its members' among them.
        memory: what its leader remembers of its users; True: as a `Memory` with its defaults says.
        knowledge: the base that its leader may search, or several; True: one with its defaults.
        metadata: free members shown to clients.

    Raises:
        ConfigurationError: the team cannot be hosted; the text says what it lacks.
    """

    kind: Literal["team"] = "team"

    def __init__(  # noqa: PLR0913 - one setting each
        self,
        name: str,
        members: Sequence[Member],
        *,
        model: Model | str,
        mode: TeamMode = "coordinate",
        instructions: str | Sequence[str] | None = None,
        tools: Sequence[Callable[..., Any] | Tool[Any]] = (),
        description: str | None = None,
        id: str | None = None,  # noqa: A002 - the published name
        deps: Callable[[RunDeps], Any] | None = None,
        output_type: Any = str,
        history_runs: int = DEFAULT_HISTORY_RUNS,
        add_team_history_to_members: bool = False,
        share_member_interactions: bool = False,
        max_concurrency: int | None = None,
        usage_limits: UsageLimits | None = None,
        timeout_s: float | None = None,
        memory: Memory | bool | None = None,
        knowledge: Knowledge | Sequence[Knowledge] | bool | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if mode not in get_args(TeamMode):
            known = ", ".join(repr(each) for each in get_args(TeamMode))
            raise ConfigurationError(f"Team {name!r} has mode {mode!r}; the modes are {known}.")
        for tool in tools:
            if (tool.name if isinstance(tool, Tool) else getattr(tool, "__name__", "")) in DELEGATIONS:
                raise ConfigurationError(f"Team {name!r} has a tool named like those it gives work with; rename it.")
        self.mode: TeamMode = mode
        self.members = [_as_component(name, member) for member in members]
        by_id = _index(name, self.members)
        own = [instructions] if isinstance(instructions, str) else list(instructions or ())
        leader = pydantic_ai.Agent(
            model,
            name=name,
            description=description,
            instructions=[*own, leader_instructions(mode, self.members)],
            tools=[*tools, self._delegation()],
            deps_type=object if deps is not None else RunDeps,
            output_type=output_type,
        )
        self._leader = AgentComponent(
            leader,
            id=id,
            deps=deps,
            history_runs=history_runs,
            max_concurrency=max_concurrency,
            usage_limits=usage_limits,
            timeout_s=timeout_s,
            memory=memory,
            knowledge=knowledge,
        )
        self.name = name
        self.id = self._leader.id
        self.description = description
        self.instructions = "\n".join(own) or None
        self.history_runs = history_runs
        self.max_concurrency = max_concurrency
        self.metadata = metadata
        self.model = self._leader.model
        self.memory = self._leader.memory
        self.knowledge = self._leader.knowledge
        self.memory_model = self._leader.memory_model
        self.model_name = self._leader.model_name
        self.model_provider = self._leader.model_provider
        host = self._leader.host
        self._host = HostedTeam(
            **{each.name: getattr(host, each.name) for each in fields(host)},
            is_route=mode == "route" and output_type is str,
            members=by_id,
            add_team_history_to_members=add_team_history_to_members,
            share_member_interactions=share_member_interactions,
        )

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The leader's tools: name, description and parameters (a JSON schema)."""
        return self._leader.tools

    def begin(self, run: ActiveRun) -> TeamRun:
        """Return the execution of a claimed run."""
        return TeamRun(run, self._host)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        """Lay a caller's answers into the output of a paused run; return whether nothing is left to answer.

        Raises:
            RequestError: an answer is wrong, incomplete, or missing.
        """
        return take_answers(output, answers, self._tool_of)

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        """Return the outcome of a run that is cancelled while it waits."""
        return cancel_at_rest(run, self._host)

    def agents_by_id(self) -> Iterator[tuple[str, AgentComponent]]:
        """Yield each component with tools: its leader under the team's id, its members, and theirs."""
        yield self.id, self._leader
        for member in self.members:
            if isinstance(member, Team):
                yield from member.agents_by_id()
            else:
                yield member.id, member

    def _tool_of(self, wanted: Mapping[str, Any]) -> Tool[Any] | None:
        name = wanted["tool_execution"]["tool_name"]
        if "member_run_id" not in wanted:
            return self._leader.function_tools.get(name)
        owners = (agent for agent_id, agent in self.agents_by_id() if agent_id == wanted["member_agent_id"])
        return next((agent.function_tools[name] for agent in owners if name in agent.function_tools), None)

    def _delegation(self) -> Tool[Any]:
        everybody = [member.id for member in self.members]

        async def delegate_task_to_member(member_id: str, task: str) -> str:
            """Give a task to one member and wait for its answer.

            Args:
                member_id: the member's id, as listed.
                task: what it is to do, complete in itself.
            """
            return await _team_run().delegate([member_id], task)

        async def delegate_task_to_members(task: str) -> str:
            """Give a task to all members at once and wait for their answers.

            Args:
                task: what each is to do, complete in itself.
            """
            return await _team_run().delegate(everybody, task)

        function = delegate_task_to_members if self.mode == "broadcast" else delegate_task_to_member
        return Tool(function, takes_ctx=False)


def _team_run() -> TeamRun:
    run = current_execution.get()
    assert isinstance(run, TeamRun)
    return run


def _as_component(team: str, member: Member) -> AgentComponent | Team:
    if isinstance(member, AgentComponent | Team):
        return member
    if not isinstance(member, pydantic_ai.Agent):
        raise ConfigurationError(f"Team {team!r} has a member of type {type(member).__name__}; pass agents and teams.")
    if not member.name:
        raise ConfigurationError(f"A member of team {team!r} has no name: write Agent(…, name='searcher').")
    return AgentComponent(member)


def _index(team: str, members: Sequence[AgentComponent | Team]) -> dict[str, AgentComponent | Team]:
    if not members:
        raise ConfigurationError(f"Team {team!r} has no members: write Team({team!r}, members=[agent, …], …).")
    found: dict[str, AgentComponent | Team] = {}
    for member in members:
        if member.id in found:
            raise ConfigurationError(f"Team {team!r} has two members with the id {member.id!r}; rename one of them.")
        found[member.id] = member
    return found

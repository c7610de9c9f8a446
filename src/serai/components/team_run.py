"""One segment of a team's run: its leader's, which gives work to members and hears what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pydantic_ai import DeferredToolRequests, DeferredToolResults
from pydantic_ai.exceptions import CallDeferred, ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.usage import RunUsage

from serai.components.agent_events import AgentEvents
from serai.components.agent_run import AgentRun, Asked, HostedAgent
from serai.components.child_runs import ChildResult, ChildRuns
from serai.components.deps import current_tool_call
from serai.components.durability import Body
from serai.components.messages import text_of
from serai.components.pauses import describe_pause
from serai.components.run_input import RunInput
from serai.components.segments import Carried, Delegation
from serai.components.team_answer import TeamAnswer
from serai.components.team_briefing import history_text, interactions_text, report_text
from serai.domain.json_text import dump_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun, Component

TeamMode: TypeAlias = Literal["coordinate", "route", "broadcast"]
TO_ONE: Final = "delegate_task_to_member"
TO_ALL: Final = "delegate_task_to_members"


class _AnsweredByMembersError(Exception):
    """What the members answered is the team's answer; its leader is not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTeam(HostedAgent):
    """A team's leader, and whom it leads.

    Attributes:
        mode: how work is shared out.
        members: by their ids, in order.
        add_team_history_to_members: members see the team's last runs of the session.
        share_member_interactions: members see what others answered in this run.
    """

    mode: TeamMode
    members: Mapping[str, Component]
    add_team_history_to_members: bool
    share_member_interactions: bool


class TeamRun(AgentRun):
    """The execution of one segment of a team's run.

    Args:
        run: the claimed run.
        host: the team.
    """

    def __init__(self, run: ActiveRun, host: HostedTeam) -> None:
        self._team = host
        self._children = ChildRuns(run)
        self._answers_of_members: dict[str, str | ToolFailed] = {}
        self._waiting: list[Delegation] = []
        self._done_now: set[str] = set()
        self._is_said_live = False
        super().__init__(run, host)

    async def delegate(self, member_ids: Sequence[str], task: str) -> str:
        """Have members do a task, in runs of their own, and return what they answered: the body of the leader's tools.

        Raises:
            CallDeferred: a member waits for a person.
            ToolFailed: there is no such member, or none of them could do it.
        """
        name = current_tool_call.get()
        assert name is not None
        if unknown := [member_id for member_id in member_ids if member_id not in self._team.members]:
            known = ", ".join(self._team.members)
            raise ToolFailed(f"There is no member {unknown[0]!r}. The members' ids are: {known}.")
        voice = self._events if self._team.mode == "route" and _is_only_call(self._messages) else None
        results = await self._ask_members(name, member_ids, task, voice=voice)
        self._is_said_live = voice is not None and isinstance(results[0].content, str)
        for result in results:
            self._lay_over(result)
        if paused := _paused(results):
            raise CallDeferred(metadata={"name": name, "requirements": self._requirements_of(paused)})
        return self._report(results)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        """Return the outcome of a run that cannot go on, its members' runs ended before it."""
        self._cancel_members()
        return super().fail(error, keeps_content=keeps_content)

    def cancel(self) -> Outcome:
        """Return the outcome of a cancelled run, its members' runs cancelled before it."""
        self._cancel_members()
        return super().cancel()

    async def do_model_request(self, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step, unless what members answered is the answer."""
        if self._team.mode == "route" and _is_answered_by_members(messages):
            raise _AnsweredByMembersError
        return await super().do_model_request(messages, body)

    async def _work(self) -> Outcome:
        if requirements := await self._go_on_with_members():
            return self._pause_again(requirements)
        try:
            return await super()._work()
        except _AnsweredByMembersError:
            return self._answer_as_members()

    def _new_answer(self) -> TeamAnswer:
        self._team_answer = TeamAnswer(
            self.run.record, self.input, self._team, self._earlier, about=self.run.about, children=self._children
        )
        return self._team_answer

    def _cancel_members(self) -> None:
        for result in self._children.cancel_open():
            self._team_answer.responses[result.record.id] = result.output

    async def _ask_members(
        self, name: str, member_ids: Sequence[str], task: str, *, voice: AgentEvents | None = None
    ) -> list[ChildResult]:
        is_one_of_many = len(member_ids) > 1
        asked = [
            self._ask_member(f"{name}/{member_id}" if is_one_of_many else name, member_id, task, voice)
            for member_id in member_ids
        ]
        results = await asyncio.gather(*asked)
        for result in results:
            self._team_answer.responses[result.record.id] = result.output
        return results

    async def _ask_member(self, name: str, member_id: str, task: str, voice: AgentEvents | None) -> ChildResult:
        before = self._team_answer.responses.get(self._children.id_of(name), {})
        wanted = {requirement["id"] for requirement in before.get("requirements") or ()}
        given = RunInput(
            message=self._brief(task),
            stream=self.input.stream,
            dependencies=self.input.dependencies,
            metadata=self.input.metadata,
            knowledge_filters=self.input.knowledge_filters,
            media=self.input.media,
        )
        return await self._children.do(
            name,
            self._team.members[member_id],
            given,
            state=self.deps.session_state,
            about=self.run.about,
            voice=voice,
            answers=[
                {**requirement["tool_execution"], "requirement_id": requirement["id"]}
                for requirement in self._earlier.requirements
                if requirement["id"] in wanted
            ],
        )

    def _brief(self, task: str) -> str:
        parts = [task]
        if self._team.add_team_history_to_members:
            parts.append(history_text(self._history))
        if self._team.share_member_interactions:
            parts.append(interactions_text(self._team_answer.responses.values()))
        return "\n\n".join(part for part in parts if part)

    def _lay_over(self, result: ChildResult) -> None:
        """Do to the session state what a member did to it."""
        self.deps.session_state.update(result.state_changes)
        for name in result.state_removals:
            self.deps.session_state.pop(name, None)

    def _requirements_of(self, paused: Sequence[ChildResult]) -> list[dict[str, Any]]:
        """Return what paused members wait for; of a team's own members each is named as that member."""
        return [
            {
                "member_agent_id": result.record.component_id,
                "member_agent_name": result.output.get(f"{result.record.kind}_name"),
                "member_run_id": result.record.id,
                **requirement,
            }
            for result in paused
            for requirement in result.requirements
        ]

    def _report(self, results: Sequence[ChildResult]) -> str:
        """Return what members answered, as their leader reads it.

        Raises:
            ToolFailed: none of them answered.
        """
        text = report_text(results)
        if all(result.status is not RunStatus.COMPLETED for result in results):
            raise ToolFailed(text)
        return text

    async def _go_on_with_members(self) -> list[dict[str, Any]]:
        """Go on with the members that paused, in a segment that continues them; return what they wait for again."""
        delegations = self._earlier.carried.delegations
        asked = [self._ask_members(each.name, *self._task_of(each.tool_name, each.args)) for each in delegations]
        paused: list[ChildResult] = []
        for delegation, results in zip(delegations, await asyncio.gather(*asked), strict=True):
            for result in results:
                self._state.apply(result.state_changes, list(result.state_removals))
            paused += _paused(results)
            if not _paused(results):
                self._note_answer(delegation, results)
        return self._requirements_of(paused)

    def _note_answer(self, delegation: Delegation, results: Sequence[ChildResult]) -> None:
        """Keep what members answered after their pause: for the leader, and in the run object."""
        answer: str | ToolFailed
        try:
            answer = text = self._report(results)
        except ToolFailed as error:
            answer, text = error, error.message
        self._answers_of_members[delegation.call_id] = answer
        if (tool := self._answer.pending(delegation.call_id)) is not None:
            self._answer.put_tool({**tool, "result": text, "tool_call_error": isinstance(answer, ToolFailed)})

    def _task_of(self, tool_name: str, args: Mapping[str, Any]) -> tuple[Sequence[str], str]:
        return (list(self._team.members) if tool_name == TO_ALL else [args["member_id"]]), args["task"]

    def _deferred_results(self) -> DeferredToolResults | None:
        results = super()._deferred_results()
        if results is not None:
            results.calls.update(self._answers_of_members)
        return results

    def _answered_calls(self) -> list[dict[str, Any]]:
        delegated = [tool for tool in self._earlier.tools if tool["tool_call_id"] in self._answers_of_members]
        return [*super()._answered_calls(), *delegated]

    async def _call_tool(self, name: str, call: ToolCallPart, args: dict[str, Any], body: Body) -> dict[str, Any]:
        step = await super()._call_tool(name, call, args, body)
        if _is_delegation(call.tool_name):
            self._done_now.add(name)
            step["delegation"] = {"name": name, "tool_name": call.tool_name, "args": args}
        return step

    async def _take_tool_step(self, step: dict[str, Any]) -> None:
        await super()._take_tool_step(step)
        delegation = step.get("delegation")
        if delegation is not None and delegation["name"] not in self._done_now:  # replayed: the answers are stored
            await self._ask_members(delegation["name"], *self._task_of(delegation["tool_name"], delegation["args"]))

    def _is_delegation(self, call: ToolCallPart) -> bool:
        return _is_delegation(call.tool_name)

    def _tool_call(self, name: str, call: ToolCallPart, args: dict[str, Any]) -> dict[str, Any]:
        tool = super()._tool_call(name, call, args)
        if call.tool_name == TO_ONE:
            tool["child_run_id"] = self._children.id_of(name)
        return tool

    def _say_deferred(self, tool: dict[str, Any]) -> None:
        if _is_delegation(tool["tool_name"]):
            said = {**tool, "tool_call_error": False, "result": "Paused: a member waits for a person."}
            self._events.emit_tool_completed(said, error=None)

    def _ask(self, call: ToolCallPart, requests: DeferredToolRequests) -> Asked:
        if not _is_delegation(call.tool_name):
            return super()._ask(call, requests)
        args = call.args_as_dict()
        waits = requests.metadata[call.tool_call_id]
        tool = self._tool_call(waits["name"], call, args)
        self._answer.put_tool(tool)
        self._waiting.append(
            Delegation(call_id=call.tool_call_id, name=waits["name"], tool_name=call.tool_name, args=args)
        )
        return Asked(tool, waits["requirements"])

    def _carry(self, run_usage: RunUsage) -> Carried:
        carried = super()._carry(run_usage)
        carried.delegations = self._waiting
        return carried

    def _pause_again(self, asked: Sequence[dict[str, Any]]) -> Outcome:
        """Return the outcome of a segment in which members paused anew, before their leader was asked."""
        self._state.settle()
        self._waiting = self._earlier.carried.delegations
        pending = [requirement["tool_execution"] for requirement in asked]
        requirements = [*self._earlier.own_requirements, *asked]
        sentence = describe_pause(pending, [None] * len(pending))
        waiting = {delegation.call_id for delegation in self._waiting}
        tools = [tool for tool in self._earlier.tools if tool["tool_call_id"] in waiting]
        last = self._events.members("RunPaused", content=sentence, tools=tools, requirements=requirements)
        said = text_of(self._earlier.messages)
        outcome = self._end(RunStatus.PAUSED, content=said or sentence, content_type="str", last=last)
        outcome.output["requirements"] = requirements
        outcome.messages = self._dump(self._earlier.messages)
        outcome.carried = dump_json(self._carry(self._earlier.run_usage() or RunUsage()))
        return outcome

    def _answer_as_members(self) -> Outcome:
        """Return the outcome of a routed run: what its members answered last is what the team says."""
        said = self._messages[len(self._history) :]
        last = said[-1]
        assert isinstance(last, ModelRequest)
        answers = [str(part.content) for part in last.parts if isinstance(part, ToolReturnPart)]
        answer = "\n\n".join(answers)
        if not self._is_said_live and not self._logged.text.endswith(answer):  # else it was said before a takeover
            self._events.emit_text(answer)
        said = [*said, ModelResponse([TextPart(answer)], model_name=self._team.model_name)]
        return self._end_well(text_of(said), "str", said)

    def _more_output(self) -> dict[str, Any]:
        return {"member_responses": list(self._team_answer.responses.values())}


def _is_delegation(tool_name: str) -> bool:
    return tool_name in (TO_ONE, TO_ALL)


def _is_only_call(messages: Sequence[ModelMessage]) -> bool:
    """Return whether the leader's last answer makes no more than one call."""
    return len(next(message for message in reversed(messages) if isinstance(message, ModelResponse)).tool_calls) == 1


def _paused(results: Sequence[ChildResult]) -> list[ChildResult]:
    return [result for result in results if result.status is RunStatus.PAUSED]


def _is_answered_by_members(messages: Sequence[ModelMessage]) -> bool:
    """Return whether the model would be asked about nothing but answers of members."""
    last = messages[-1]
    if not isinstance(last, ModelRequest):
        return False
    returns = [part for part in last.parts if isinstance(part, ToolReturnPart)]
    others = [part for part in last.parts if not isinstance(part, ToolReturnPart | SystemPromptPart)]
    return (
        bool(returns)
        and not others
        and all(_is_delegation(part.tool_name) and part.outcome == "success" for part in returns)
    )

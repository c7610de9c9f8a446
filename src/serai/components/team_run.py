"""One segment of a team's run: its leader's, which gives work to members and hears what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from pydantic_ai import DeferredToolRequests, DeferredToolResults
from pydantic_ai.exceptions import CallDeferred, ToolFailed, UsageLimitExceeded
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.usage import RunUsage

from serai.components.agent_events import AgentEvents
from serai.components.agent_run import AgentRun
from serai.components.agent_segment import Asked
from serai.components.agent_steps import announced_call
from serai.components.child_runs import ChildResult, ChildRuns
from serai.components.delegations import TO_ALL, TO_ONE, is_answered_by_members, is_delegation, is_only_call
from serai.components.deps import current_tool_call
from serai.components.durability import Body
from serai.components.hosted_agent import HostedAgent
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
from serai.errors import SeraiError

TeamMode: TypeAlias = Literal["coordinate", "route", "broadcast"]
_Result = TypeVar("_Result")


class _AnsweredByMembersError(Exception):
    """What the members answered is the team's answer; its leader is not asked again."""


class MemberMissingError(SeraiError):
    """A run had given work to a member that its team does not have any more."""

    code = "member_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTeam(HostedAgent):
    """A team's leader, and whom it leads.

    Attributes:
        is_route: what a member answers is the team's answer.
        members: by their ids, in order.
        add_team_history_to_members: members see the team's last runs of the session.
        share_member_interactions: members see what others answered in this run.
    """

    is_route: bool
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
        self._results_now: dict[str, list[ChildResult]] = {}
        self._paused_now: dict[str, tuple[Delegation, list[ChildResult]]] = {}
        self._went_on: dict[str, list[ChildResult]] = {}
        self._spoken_by: str | None = None
        self._partly_said = ""
        super().__init__(run, host)
        self._is_route = host.is_route and self.input.output_schema is None

    async def delegate(self, member_ids: Sequence[str], task: str) -> str:
        """Have members do a task, in runs of their own, and return what they answered: the body of the leader's tools.

        Raises:
            CallDeferred: a member waits for a person.
            ToolFailed: there is no such member, no task, or none of them could do it.
        """
        name = current_tool_call.get()
        assert name is not None
        if unknown := [member_id for member_id in member_ids if member_id not in self._team.members]:
            known = ", ".join(self._team.members)
            raise ToolFailed(f"There is no member {unknown[0]!r}. The members' ids are: {known}.")
        if not task.strip():
            raise ToolFailed("The task is empty; say what the member is to do.")
        voice = self._events if self._is_route and is_only_call(self._messages) else None
        began_at = self._logged.started_at(name)
        began_at = self.run.next_seq if began_at is None else began_at
        self._spoken_by = None if voice is None else self._children.id_of(name)
        results = await self._ask_members(name, member_ids, task, voice=voice)
        self._results_now[name] = results
        for result in results:
            self._lay_over(result)
        if voice is not None and not _is_waiting_or_said(results[0]):
            self._spoken_by = None
            self._events.emit_restart(began_at)
        if _paused(results):
            raise CallDeferred
        return self._report(results)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        """Return the outcome of a run that cannot go on, its members' runs ended before it."""
        self._end_members(RunStatus.ERROR)
        return super().fail(error, keeps_content=keeps_content)

    def cancel(self) -> Outcome:
        """Return the outcome of a cancelled run, its members' runs cancelled before it."""
        self._end_members(RunStatus.CANCELLED)
        return super().cancel()

    async def do_model_request(self, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step, unless what members answered is the answer."""
        if self._is_route and is_answered_by_members(messages):
            raise _AnsweredByMembersError
        return await super().do_model_request(messages, body)

    async def do_tool_call(self, body: Body) -> Any:
        """Do a tool call as a step; members have their places in the order in which they are asked."""
        call, args = announced_call.get()
        if is_delegation(call.tool_name):
            name = current_tool_call.get()
            assert name is not None
            for child_name in self._child_names(name, self._asked_by(call.tool_name, args)):
                self._team_answer.responses.setdefault(self._children.id_of(child_name), {})
        return await super().do_tool_call(body)

    async def _work(self) -> Outcome:
        if requirements := await self._go_on_with_members():
            return self._pause_again(requirements)
        try:
            return await super()._work()
        except (_AnsweredByMembersError, UsageLimitExceeded):
            if not (self._is_route and is_answered_by_members(self._messages)):
                raise
            return self._answer_as_members()

    def _new_answer(self) -> TeamAnswer:
        self._team_answer = TeamAnswer(
            self.run.record, self.input, self._team, self._earlier, about=self.run.about, children=self._children
        )
        for call_id, results in self._went_on.items():
            self._note_answer(call_id, results)
        return self._team_answer

    def _end_members(self, status: RunStatus) -> None:
        """End the members at work as cancelled, and those that paused with their team."""
        for result in self._children.cancel_open():
            self._team_answer.responses[result.record.id] = result.output
            if result.record.id == self._spoken_by:
                self._partly_said = str(result.content or "")
        self._team_answer.end_paused(status)

    def _said(self) -> str:
        return super()._said() + self._partly_said

    async def _ask_members(
        self, name: str, member_ids: Sequence[str], task: str, *, voice: AgentEvents | None = None
    ) -> list[ChildResult]:
        members = [self._member(member_id) for member_id in member_ids]
        names = self._child_names(name, member_ids)
        return await _side_by_side(
            self._ask_member(child_name, member, task, voice) for child_name, member in zip(names, members, strict=True)
        )

    async def _ask_member(self, name: str, member: Component, task: str, voice: AgentEvents | None) -> ChildResult:
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
        result = await self._children.do(
            name,
            member,
            given,
            state=self._state.copy(),
            about=self.run.about,
            voice=voice,
            answers=[
                {**requirement["tool_execution"], "requirement_id": requirement["id"]}
                for requirement in self._earlier.requirements
                if requirement["id"] in wanted
            ],
        )
        self._team_answer.responses[result.record.id] = result.output
        return result

    def _member(self, member_id: str) -> Component:
        member = self._team.members.get(member_id)
        if member is None:
            raise MemberMissingError(
                f"The run gave work to member {member_id!r}, which team {self._team.id!r} does not have any more. "
                "Add it again, or start the run anew."
            )
        return member

    def _child_names(self, name: str, member_ids: Sequence[str]) -> list[str]:
        return [f"{name}/{member_id}" for member_id in member_ids] if len(member_ids) > 1 else [name]

    def _asked_by(self, tool_name: str, args: Mapping[str, Any]) -> list[str]:
        return list(self._team.members) if tool_name == TO_ALL else [args["member_id"]]

    def _brief(self, task: str) -> str:
        parts = [task]
        if self._team.add_team_history_to_members:
            parts.append(history_text(self._history[: len(self._history) - len(self._earlier.messages)]))
        if self._team.share_member_interactions:
            parts.append(interactions_text(self._team_answer.responses.values()))
        return "\n\n".join(part for part in parts if part)

    def _lay_over(self, result: ChildResult) -> None:
        """Do to the session state what a member did to it."""
        self.deps.session_state.update(result.state_changes)
        for name in result.state_removals:
            self.deps.session_state.pop(name, None)

    def _requirements_of(self, results: Iterable[ChildResult]) -> list[dict[str, Any]]:
        """Return what paused members wait for; of a team's own members each is named as that member."""
        return [
            {
                "member_agent_id": result.record.component_id,
                "member_agent_name": result.output.get(f"{result.record.kind}_name"),
                "member_run_id": result.record.id,
                **requirement,
            }
            for result in _paused(results)
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
        asked = (self._ask_members(each.name, each.member_ids, each.task) for each in delegations)
        for delegation, results in zip(delegations, await _side_by_side(asked), strict=True):
            for result in results:
                self._state.apply(result.state_changes, list(result.state_removals))
            if _paused(results):
                self._paused_now[delegation.call_id] = delegation, results
            else:
                self._went_on[delegation.call_id] = results
                self._note_answer(delegation.call_id, results)
        return [wanted for _, results in self._paused_now.values() for wanted in self._requirements_of(results)]

    def _note_answer(self, call_id: str, results: Sequence[ChildResult]) -> None:
        """Show in the run object what members answered after their pause."""
        for result in results:
            self._team_answer.responses[result.record.id] = result.output
        if (tool := self._team_answer.pending(call_id)) is not None:
            self._team_answer.put_tool(self._with_answer(tool, results))

    def _with_answer(self, tool: dict[str, Any], results: Sequence[ChildResult]) -> dict[str, Any]:
        try:
            return {**tool, "result": self._report(results), "tool_call_error": False}
        except ToolFailed as error:
            return {**tool, "result": error.message, "tool_call_error": True}

    def _deferred_results(self) -> DeferredToolResults | None:
        deferred = super()._deferred_results()
        if deferred is not None:
            for tool in self._delegated_calls():
                failed = tool["tool_call_error"]
                deferred.calls[tool["tool_call_id"]] = ToolFailed(tool["result"]) if failed else tool["result"]
        return deferred

    def _answered_calls(self) -> list[dict[str, Any]]:
        return [*super()._answered_calls(), *self._delegated_calls()]

    def _delegated_calls(self) -> list[dict[str, Any]]:
        """Return the calls whose members went on after their pause, answered; of the same id the last one is it."""
        tools = {tool["tool_call_id"]: tool for tool in self._earlier.tools}
        return [self._with_answer(tools[call_id], results) for call_id, results in self._went_on.items()]

    async def _call_tool(self, name: str, call: ToolCallPart, args: dict[str, Any], body: Body) -> dict[str, Any]:
        step = await super()._call_tool(name, call, args, body)
        if name in self._results_now:
            member_ids = self._asked_by(call.tool_name, args)
            given = Delegation(call_id=call.tool_call_id, name=name, member_ids=member_ids, task=args["task"])
            step["delegation"] = msgspec.to_builtins(given)
        return step

    async def _take_tool_step(self, step: dict[str, Any]) -> None:
        await super()._take_tool_step(step)
        if "delegation" not in step:
            return
        given = msgspec.convert(step["delegation"], Delegation)
        results = self._results_now.pop(given.name, None)
        if results is None:  # replayed: the answers are stored
            results = await self._ask_members(given.name, given.member_ids, given.task)
        if _paused(results):
            self._paused_now[given.call_id] = given, results

    def _is_delegation(self, call: ToolCallPart) -> bool:
        return is_delegation(call.tool_name)

    def _tool_call(self, name: str, call: ToolCallPart, args: dict[str, Any]) -> dict[str, Any]:
        tool = super()._tool_call(name, call, args)
        if call.tool_name == TO_ONE and args["member_id"] in self._team.members:
            tool["child_run_id"] = self._children.id_of(name)
        return tool

    def _say_deferred(self, tool: dict[str, Any]) -> None:
        if is_delegation(tool["tool_name"]):
            said = {**tool, "tool_call_error": False, "result": "Paused: a member waits for a person."}
            self._events.emit_tool_completed(said, error=None)

    def _ask(self, call: ToolCallPart, requests: DeferredToolRequests) -> Asked:
        if not is_delegation(call.tool_name):
            return super()._ask(call, requests)
        given, results = self._paused_now[call.tool_call_id]
        tool = self._tool_call(given.name, call, call.args_as_dict())
        self._answer.put_tool(tool)
        return Asked(tool, self._requirements_of(results))

    def _carry(self, run_usage: RunUsage) -> Carried:
        carried = super()._carry(run_usage)
        carried.delegations = [given for given, _ in self._paused_now.values()]
        return carried

    def _pause_again(self, asked: Sequence[dict[str, Any]]) -> Outcome:
        """Return the outcome of a segment in which members paused anew, before their leader was asked."""
        self._state.settle()
        pending = [requirement["tool_execution"] for requirement in asked]
        requirements = [*self._earlier.own_requirements, *asked]
        sentence = describe_pause(pending, [None] * len(pending))
        tools = [self._answer.pending(call_id) for call_id in self._paused_now]
        last = self._events.members("RunPaused", content=sentence, tools=tools, requirements=requirements)
        said = text_of(self._earlier.messages)
        outcome = self._end(RunStatus.PAUSED, content=said or sentence, content_type="str", last=last)
        outcome.output["requirements"] = requirements
        outcome.messages = self._dump(self._earlier.messages)
        carried = self._carry(self._earlier.run_usage() or RunUsage())
        # With those that are done now, for the leader has not heard their answers yet.
        carried.delegations = self._earlier.carried.delegations
        outcome.carried = dump_json(carried)
        return outcome

    def _answer_as_members(self) -> Outcome:
        """Return the outcome of a routed run: what its members answered last is what the team says."""
        said = self._messages[len(self._history) :]
        last = said[-1]
        assert isinstance(last, ModelRequest)
        answer = "\n\n".join(str(part.content) for part in last.parts if isinstance(part, ToolReturnPart))
        said = [*said, ModelResponse([TextPart(answer)], model_name=self._team.model_name)]
        text = text_of(said)
        if self._spoken_by is None and self._logged.text != text:  # else the member said it, or a node before this one
            self._events.emit_text(answer)
        return self._end_well(text, "str", said)

    def _more_output(self) -> dict[str, Any]:
        return {"member_responses": self._team_answer.shown_responses()}


def _is_waiting_or_said(result: ChildResult) -> bool:
    """Return whether what a member said in its team's name stands: it waits for a person, or said its whole answer."""
    return result.status is RunStatus.PAUSED or (
        result.status is RunStatus.COMPLETED and isinstance(result.content, str)
    )


def _paused(results: Iterable[ChildResult]) -> list[ChildResult]:
    return [result for result in results if result.status is RunStatus.PAUSED]


async def _side_by_side(work: Iterable[Awaitable[_Result]]) -> list[_Result]:
    """Return what all come to; one that raises stops the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()

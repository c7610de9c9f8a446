"""One segment of the run of an agent, or of a team's leader: what it hears, journals and says."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pydantic
import structlog
from pydantic_ai import AgentRunResult, DeferredToolRequests, DeferredToolResults, capture_run_messages
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.exceptions import (
    AgentRunError,
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    ToolFailed,
    UsageLimitExceeded,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RunUsage, UsageLimits

from serai.components.agent_answer import AgentAnswer
from serai.components.agent_events import AgentEvents, LoggedEvents, tool_call
from serai.components.blob_references import blobs_of
from serai.components.child_runs import current_voice
from serai.components.deps import RunDeps, current_tool_call
from serai.components.durability import MODEL_ID, Body, current_execution
from serai.components.journalled import (
    answered_calls,
    is_deferral,
    json_value,
    problem_of,
    text_of_result,
)
from serai.components.logged_tokens import count_at_least_logged
from serai.components.media import made_members, prompt_of
from serai.components.messages import close_calls, dump_messages, load_messages, text_of, thinking_of
from serai.components.model_turn import ModelTurn
from serai.components.output_schema import content_type_of, output_type_of
from serai.components.pauses import ask, describe_pause, requirement
from serai.components.run_input import RunInput, load_run_input
from serai.components.run_media import RunMedia, media_of
from serai.components.run_memory import RunMemory, current_memory
from serai.components.segments import Carried, Earlier
from serai.components.session_state import TrackedState
from serai.components.steps import BEGUN_STEP, MODEL_STEP, TOOL_STEP, call_name
from serai.components.taken_up import take_up
from serai.components.tool import ToolOptions, options_of
from serai.domain.json_text import MOST_LEVELS, dump_json, is_too_deep
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine import faults
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe, is_stop_request
from serai.engine.journal import JournalMismatchError
from serai.errors import FencedError, SeraiError
from serai.memory.options import Memory

_log = structlog.get_logger("serai.agents")
announced_call: ContextVar[tuple[ToolCallPart, dict[str, Any]]] = ContextVar("serai_announced_call")
_CONTROL_FLOW = (ApprovalRequired, CallDeferred, ModelRetry, ToolFailed, pydantic.ValidationError)


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


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call that was left for later, what it waits for, and why where it said that."""

    tool: dict[str, Any]
    requirements: list[dict[str, Any]]
    reason: str | None = None


class AgentRun:
    """The execution of one segment of an agent's run.

    Args:
        run: the claimed run.
        host: the agent.
    """

    def __init__(self, run: ActiveRun, host: HostedAgent) -> None:
        self.run = run
        self.input: RunInput = load_run_input(run.record.input)
        self.deps = self.input.deps_of(run.record)
        self.media = RunMedia(run.blobs, run.record)
        self._host = host
        self._model = {"model": host.model_name, "model_provider": host.model_provider}
        self._earlier = Earlier(run.paused)
        self._answer = self._new_answer()
        self._events = AgentEvents(run, name=host.name, voice=current_voice.get())
        self._logged = LoggedEvents(run.logged, kind=run.record.kind, turns_before=self._earlier.carried.turn)
        self._turn_now = ModelTurn(self._events, self._logged, model=self._model, streams=self.input.stream)
        self._is_live = not run.logged
        self._messages: list[ModelMessage] = []
        self._history: list[ModelMessage] = []
        self._taken_up: list[ModelMessage] = []
        self._turn = self._earlier.carried.turn
        self._calls: Counter[str] = Counter()
        self._ordinals: Counter[str] = Counter()
        self._model_failed = False
        self._state = TrackedState(self.deps)
        remembers = host.memory if run.record.user_id is not None else None
        self._memory = None if remembers is None else RunMemory(run, remembers)

    @property
    def context(self) -> str | None:
        """What is remembered of the user, as the model is told it."""
        return None if self._memory is None else self._memory.context

    async def execute(self) -> Outcome:
        """Run the agent to its end or its next pause; what its model or tools raise becomes the outcome."""
        await self._load()
        token, memory_token = current_execution.set(self), current_memory.set(self._memory)
        try:
            return await self._work_in_time()
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            return self.fail(error)
        finally:
            current_execution.reset(token)
            current_memory.reset(memory_token)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        """Return the outcome of a run that cannot go on: its content is the error's text, or what was said so far."""
        self._state.settle()
        text = describe(error)
        last = self._events.members("RunError", content=text, error_type=self._error_type(error))
        content = (self._said() if keeps_content else "") or text
        return self._end(RunStatus.ERROR, content=content, content_type="str", last=last)

    def cancel(self) -> Outcome:
        """Return the outcome of a cancelled run: what was said so far, and a history whose calls are all closed."""
        self._state.settle()
        self._turn_now.say_rest()
        content = self._said()
        last = self._events.members("RunCancelled", content=content, reason=f"Run {self.run.record.id} was cancelled")
        outcome = self._end(RunStatus.CANCELLED, content=content, content_type="str", last=last)
        outcome.output["cancellation_stage"] = "EXECUTING"
        messages = [*self._earlier.messages, *self._messages[len(self._history) :]]
        if (unfinished := self._turn_now.unfinished()) is not None:
            messages.append(unfinished)
        if any(isinstance(message, ModelResponse) for message in messages):  # else there is nothing to go on from
            outcome.messages = self._dump(close_calls(messages))
        return outcome

    async def do_model_request(self, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step: started, heard, completed and journalled together."""

        async def ask() -> dict[str, Any]:
            self._is_live = True
            self._turn_now.open()
            try:
                payload = await body()
                _check_depth(payload, "the model's answer")
            except BaseException as error:
                self._model_failed = True
                if isinstance(error, Exception) or is_stop_request(error):
                    raise
                raise RuntimeError(f"the model's code raised {type(error).__name__}: {describe(error)}") from error
            step = {"response": payload, **await self.media.keep(payload)}
            return {**step, **self._turn_now.close(step)}

        self._turn += 1
        step = await self.run.journal.run(MODEL_STEP, str(self._turn), given=answered_calls(messages), body=ask)
        self._turn_now.forget()
        self._answer.add_usage(step["usage"], first_token_s=step["first_token_s"])
        await self._take_media(step, step["response"])
        return step["response"]

    async def announce_tool_call(
        self, call: ToolCallPart, tool: ToolDefinition, args: dict[str, Any], handler: Body
    ) -> Any:
        """Remember which call the next tool step of this task is, under a name of its own.

        Models number their calls anew in each turn, and some repeat an id within one.

        Raises:
            ApprovalRequired: the tool must not be repeated, and its node died in the middle of this call.
        """
        place = call_name(self._turn, call.tool_call_id)
        self._calls[place] += 1
        name = call_name(self._turn, call.tool_call_id, self._calls[place])
        if not options_of(tool).is_repeatable:
            await self._begin_once(name, call)
        tokens = current_tool_call.set(name), announced_call.set((call, args))
        try:
            return await handler()
        finally:
            current_tool_call.reset(tokens[0])
            announced_call.reset(tokens[1])

    async def do_tool_call(self, body: Body) -> Any:
        """Do a tool call as a step; what the tool raises is told to the model, and journalled as that."""
        name = current_tool_call.get()
        assert name is not None
        call, args = announced_call.get()
        # Values as the model and people gave them: what a tool's types make of them may differ in each process.
        given = [call.tool_name, {**dict.fromkeys(args), **call.args_as_dict()}]
        step = await self.run.journal.run(
            TOOL_STEP,
            name,
            given=given,
            body=lambda: self._call_tool(name, call, args, body),
            consists_of_steps=self._is_delegation(call),
        )
        await self._take_tool_step(step)
        if step["failure"] is not None:
            raise ToolFailed(step["failure"])
        await self._take_media(step, step["result"])
        return step["result"]

    async def do_other(self, operation: str, body: Body) -> Any:
        """Do any other durable operation as a step."""
        return await self.run.journal.run(operation, str(self._next_ordinal(operation)), given=None, body=body)

    def hear(self, event: ModelResponseStreamEvent) -> None:
        """Take what the model says, as it says it."""
        self._turn_now.hear(event)

    def hear_all(self, response: ModelResponse) -> None:
        """Take the model's whole response."""
        self._turn_now.response = response

    async def _work_in_time(self) -> Outcome:
        limit = asyncio.timeout(self._host.timeout_s)
        try:
            async with limit:
                return await self._work()
        except TimeoutError as error:
            if limit.expired():
                raise RunTimeoutError(f"The run took longer than its {self._host.timeout_s:g} s.") from error
            raise

    async def _work(self) -> Outcome:
        if not self._logged.has_started:
            self._emit_start()
        if self._memory is not None:
            await self._memory.recall(self.input.message)
        try:
            result = await self._run_agent()
        except JournalMismatchError as error:
            await self._take_up(error)
            result = await self._run_agent()
        if isinstance(result.output, DeferredToolRequests):
            return self._pause(result, result.output)
        return self._complete(result)

    def _new_answer(self) -> AgentAnswer:
        return AgentAnswer(self.run.record, self.input, self._host, self._earlier, about=self.run.about)

    async def _load(self) -> None:
        asked = self.input.history_runs
        context = await self.run.load_context(history_runs=self._host.history_runs if asked is None else asked)
        self._state.load(context.state, laid_over=self.input.session_state if self._earlier.is_first else {})
        given = [item.sha256 for item in self.input.media if item.sha256 is not None]
        before = [sha256 for document in context.history for sha256 in blobs_of(document)]
        await self.media.fetch([*given, *before, *self._earlier.blobs])
        self._earlier.fill(self.media.blobs)
        self._history = load_messages(context.history, self.media.blobs) + self._earlier.messages

    def _emit_start(self) -> None:
        if self._earlier.is_first:
            self._events.emit("RunStarted", **self._model)
        else:
            self._events.emit("RunContinued")

    async def _run_agent(self) -> AgentRunResult[Any]:
        host = self._host
        prompt = prompt_of(self.input.message, self.input.media, self.media.blobs)
        with capture_run_messages() as self._messages:
            return await host.agent.run(
                None if self._taken_up or not self._earlier.is_first else prompt,
                message_history=[*self._history, *self._taken_up] or None,
                deferred_tool_results=None if self._taken_up else self._deferred_results(),
                output_type=output_type_of(self.input, host.output_type),
                deps=host.deps(self.deps) if host.deps is not None else self.deps,
                model=MODEL_ID,
                capabilities=[host.durability],
                toolsets=self._memory.toolsets if self._memory is not None else None,
                usage=self._earlier.run_usage(),
                usage_limits=host.usage_limits,
                run_id=f"{self.run.record.id}:{self.run.record.segment}{':taken-up' if self._taken_up else ''}",
                conversation_id=self.run.record.session_id,
            )

    def _deferred_results(self) -> DeferredToolResults | None:
        """Return what the calls that the run paused for were answered with."""
        return self._earlier.results()

    def _answered_calls(self) -> list[dict[str, Any]]:
        """Return the tool executions that the run paused for, answered."""
        return [wanted["tool_execution"] for wanted in self._earlier.own_requirements]

    async def _take_tool_step(self, step: dict[str, Any]) -> None:
        """Take what a tool call did: to the session state, and to the run object."""
        self._state.apply(step["state"], step["removed"])
        self._answer.memories += step.get("memories", ())
        if step["tool"] is not None:
            self._answer.put_tool(step["tool"])

    async def _take_media(self, step: dict[str, Any], payload: Any) -> None:
        """Take the media that a step made: into the run object, and back into the step's payload."""
        if media := media_of(step):
            self._answer.add_media(media)
            await self.media.bring_back(payload, media)

    def _dump(self, messages: Sequence[ModelMessage]) -> bytes:
        return dump_messages(messages, has_media=bool(self.media.blobs))

    async def _take_up(self, mismatch: JournalMismatchError) -> None:
        """Prepare to go on from the messages in the journal, for the steps that lead there are not the same any more.

        Raises:
            JournalMismatchError: the journal holds no message to go on from.
        """
        before = self._earlier
        taken = take_up(self.run.journal, turn=before.carried.turn, pending=self._answered_calls())
        if taken is None or not taken.messages:
            raise mismatch
        _log.warning("run_goes_on_from_messages", reason=mismatch.message)
        self._answer = self._new_answer()
        for step in taken.model_steps:
            self._answer.add_usage(step["usage"], first_token_s=step["first_token_s"])
            self._answer.add_media(media_of(step))
        for step in taken.tool_steps:
            self._answer.add_media(media_of(step))
            await self._take_tool_step(step)
        self._turn = taken.turn
        self._calls.clear()
        self._taken_up = taken.messages
        await self.media.fill(taken.messages)
        if before.is_first:
            prompt = prompt_of(self.input.message, self.input.media, self.media.blobs)
            self._taken_up.insert(0, ModelRequest(parts=[UserPromptPart(prompt)]))

    async def _begin_once(self, name: str, call: ToolCallPart) -> None:
        """Write down that a tool which must not be repeated begins; the step itself waits until that is durable."""
        journal = self.run.journal
        if journal.has(BEGUN_STEP, name) and not journal.has(TOOL_STEP, name):
            raise ApprovalRequired(
                metadata={"reason": f"{call.tool_name} may have run already: its node died in the middle of the call"}
            )

        async def begin() -> bool:
            return True

        await journal.run(BEGUN_STEP, name, given=call.tool_name, body=begin)

    async def _call_tool(self, name: str, call: ToolCallPart, args: dict[str, Any], body: Body) -> dict[str, Any]:
        self._is_live = True
        tool = self._answer.pending(call.tool_call_id) or self._tool_call(name, call, args)
        if self._logged.started_at(name) is None:
            self._events.emit("ToolCallStarted", tool=tool)
        faults.reach("in_tool_call", call.tool_name)
        started_at, started = time.time(), time.perf_counter()
        result, failure = None, None
        state: dict[str, Any] = {}
        removed: list[str] = []
        try:
            result = await body()
            _check_depth(result, "the tool's result")
            state, removed = self._state.take_changes()
        except _CONTROL_FLOW:
            raise
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            result, failure = None, f"{type(error).__name__}: {describe(error)}"
        duration = round(time.perf_counter() - started, 6)
        tool["metrics"] = {"start_time": started_at, "end_time": started_at + duration, "duration": duration}
        if is_deferral(result):
            self._say_deferred(tool)
            return {"result": result, "failure": None, "tool": None, "state": state, "removed": removed}
        problem = failure or problem_of(result)
        media = await self.media.keep(result)
        tool["tool_call_error"] = problem is not None
        tool["result"] = problem if problem is not None else text_of_result(result)
        if tool["confirmed"]:
            tool["requires_confirmation"] = False
        self._events.emit_tool_completed(tool, error=problem, **made_members(media_of(media)))
        step = {"result": result, "failure": failure, "tool": tool, "state": state, "removed": removed, **media}
        if self._memory is not None and (stored := self._memory.take_stored(name)):
            step["memories"] = stored
        return step

    def _is_delegation(self, _call: ToolCallPart) -> bool:
        """Return whether a call does nothing itself, but has other runs do it."""
        return False

    def _tool_call(self, _name: str, call: ToolCallPart, args: dict[str, Any]) -> dict[str, Any]:
        """Return the tool execution of a call that begins."""
        return tool_call(call.tool_call_id, call.tool_name, args)

    def _say_deferred(self, tool: dict[str, Any]) -> None:
        """Say that a call is left for later; an agent says nothing until it pauses."""

    def _complete(self, result: AgentRunResult[Any]) -> Outcome:
        said = [*self._taken_up, *result.new_messages()]
        if isinstance(result.output, str):
            content, content_type = text_of(said) or result.output, "str"
        else:
            content, content_type = json_value(result.output), content_type_of(self.input, result.output)
            _check_depth(content, "the agent's output")
            if not self._logged.has_content_completed:
                self._events.emit("RunContent", content=content, content_type=content_type, workflow_agent=False)
        return self._end_well(content, content_type, said)

    def _end_well(self, content: Any, content_type: str, said: Sequence[ModelMessage]) -> Outcome:
        self._state.settle()
        if not self._logged.has_content_completed:
            self._events.emit("RunContentCompleted")
        jobs = self._memory.next_jobs(self.input.message) if self._memory is not None else ()
        if jobs or self._answer.memories:
            self._say_memories()
        thinking = thinking_of(said) or None
        last = self._events.members(
            "RunCompleted",
            content=content,
            content_type=content_type,
            reasoning_content=thinking,
            metrics=self._answer.metrics(),
            session_state=self._state.settled,
            metadata=self.input.metadata or None,
            **self._answer.made(),
            **self._more_output(),
        )
        outcome = self._end(RunStatus.COMPLETED, content=content, content_type=content_type, last=last)
        outcome.messages = self._dump([*self._earlier.messages, *said])
        outcome.jobs = jobs
        if thinking is not None:
            outcome.output["reasoning_content"] = thinking
        return outcome

    def _say_memories(self) -> None:
        """Say what the run itself stored of its user; what is found in the user's words comes after its end."""
        for name, members in (
            ("MemoryUpdateStarted", {}),
            ("MemoryUpdateCompleted", {"memories": self._answer.memories}),
        ):
            if name not in self._logged.names:
                self._events.emit(name, **members)

    def _pause(self, result: AgentRunResult[Any], requests: DeferredToolRequests) -> Outcome:
        self._state.settle()
        asked = [self._ask(call, requests) for call in (*requests.approvals, *requests.calls)]
        requirements = [wanted for one in asked for wanted in one.requirements]
        said = [*self._taken_up, *result.new_messages()]
        pending = [wanted["tool_execution"] for wanted in requirements]
        sentence = describe_pause(pending, [one.reason for one in asked for _ in one.requirements])
        if self.run.record.kind == "agent" and not self._logged.has_content_completed:
            self._events.emit("RunContentCompleted")
        tools = [one.tool for one in asked]
        last = self._events.members("RunPaused", content=sentence, tools=tools, requirements=requirements)
        outcome = self._end(RunStatus.PAUSED, content=text_of(said) or sentence, content_type="str", last=last)
        outcome.output["requirements"] = requirements
        outcome.messages = self._dump([*self._earlier.messages, *said])
        outcome.carried = dump_json(self._carry(result.usage))
        return outcome

    def _carry(self, run_usage: RunUsage) -> Carried:
        return self._answer.carry(turn=self._turn, run_usage=run_usage)

    def _ask(self, call: ToolCallPart, requests: DeferredToolRequests) -> Asked:
        """Return what a call that was left for later waits for."""
        tool = tool_call(call.tool_call_id, call.tool_name, call.args_as_dict())
        ask(tool, self._options_of_call(call, requests))
        self._answer.put_tool(tool)
        reason = (requests.metadata.get(call.tool_call_id) or {}).get("reason")
        return Asked(tool, [requirement(tool, run=self.run.record, at=datetime.now(UTC))], reason)

    def _options_of_call(self, call: ToolCallPart, requests: DeferredToolRequests) -> ToolOptions:
        options = self._host.tools.get(call.tool_name, ToolOptions())
        is_approval = requests.kind(call.tool_call_id) == "approval"
        if options.pause in (("confirmation", "user_input") if is_approval else ("external", "user_feedback")):
            return options
        # The tool itself asked, in the middle of its call; it may have waited for something else before.
        return replace(options, pause="confirmation" if is_approval else "external")

    def _said(self) -> str:
        """Return what the model said in this segment, the piece of an unfinished answer included."""
        if not self._is_live:  # taken over, and not yet where it was
            return self._logged.text
        return text_of(self._messages[len(self._history) :]) + self._turn_now.text

    def _end(self, status: RunStatus, *, content: Any, content_type: str, last: dict[str, Any]) -> Outcome:
        changes, removals = self._state.since_load()
        outcome = Outcome(
            status=status,
            output={
                **self._answer.members(content=content, content_type=content_type),
                "session_state": self._state.settled,
                **self._more_output(),
            },
            last_event=(last["event"], last),
            state_changes=changes,
            state_removals=removals,
            usage=self._answer.new_usage(),
        )
        return count_at_least_logged(self.run, outcome)

    def _more_output(self) -> dict[str, Any]:
        """Return members of the run object that only some kinds have."""
        return {}

    def _error_type(self, error: BaseException) -> str:
        if isinstance(error, RunTimeoutError):
            return error.code
        if isinstance(error, UsageLimitExceeded):
            return "usage_limit_exceeded"
        if self._model_failed or isinstance(error, AgentRunError):
            return "model_provider_error"
        return error.code if isinstance(error, SeraiError) else "agent_run_error"

    def _next_ordinal(self, operation: str) -> int:
        self._ordinals[operation] += 1
        return self._ordinals[operation]


def _check_depth(value: Any, what: str) -> None:
    """Refuse a value that could be stored and never read again."""
    if is_too_deep(value):
        raise ValueError(f"{what} is nested more than {MOST_LEVELS} levels")

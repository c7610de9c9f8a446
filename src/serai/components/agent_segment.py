"""What a segment of an agent's run holds, and the outcomes that it can have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import AgentRunResult, DeferredToolRequests
from pydantic_ai.exceptions import AgentRunError, UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.usage import RunUsage

from serai.components.agent_answer import AgentAnswer
from serai.components.agent_events import AgentEvents, LoggedEvents, tool_call
from serai.components.child_runs import current_voice
from serai.components.hosted_agent import HostedAgent, RunTimeoutError
from serai.components.journalled import json_value
from serai.components.logged_tokens import count_at_least_logged
from serai.components.messages import close_calls, dump_messages, text_of, thinking_of
from serai.components.model_turn import ModelTurn
from serai.components.output_schema import content_type_of
from serai.components.pauses import ask, describe_pause, requirement
from serai.components.run_input import RunInput, load_run_input
from serai.components.run_knowledge import RunKnowledge
from serai.components.run_media import RunMedia
from serai.components.run_memory import RunMemory
from serai.components.segments import Carried, Earlier
from serai.components.session_state import TrackedState
from serai.components.tool import ToolOptions
from serai.domain.json_text import check_depth, dump_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe
from serai.errors import SeraiError


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call that was left for later, what it waits for, and why where it said that."""

    tool: dict[str, Any]
    requirements: list[dict[str, Any]]
    reason: str | None = None


class AgentSegment:
    """A segment of an agent's run: what it was given, what it has said, and how it ends.

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
        filters = self.input.knowledge_filters
        self._knowledge = RunKnowledge(run, host.knowledge, filters) if host.knowledge else None

    @property
    def context(self) -> str | None:
        """What is remembered of the user, as the model is told it."""
        return None if self._memory is None else self._memory.context

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

    def _new_answer(self) -> AgentAnswer:
        return AgentAnswer(self.run.record, self.input, self._host, self._earlier, about=self.run.about)

    def _dump(self, messages: Sequence[ModelMessage]) -> bytes:
        return dump_messages(messages, has_media=bool(self.media.blobs))

    def _complete(self, result: AgentRunResult[Any]) -> Outcome:
        said = [*self._taken_up, *result.new_messages()]
        if isinstance(result.output, str):
            content, content_type = text_of(said) or result.output, "str"
        else:
            content, content_type = json_value(result.output), content_type_of(self.input, result.output)
            check_depth(content, "the agent's output")
            if not self._logged.has_content_completed:
                self._events.emit("RunContent", content=content, content_type=content_type, workflow_agent=False)
        return self._end_well(content, content_type, said)

    def _end_well(self, content: Any, content_type: str, said: Sequence[ModelMessage]) -> Outcome:
        self._state.settle()
        if not self._logged.has_content_completed:
            self._events.emit("RunContentCompleted")
        jobs = self._memory.next_jobs(self.input) if self._memory is not None else ()
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
            references=self._answer.references or None,
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

"""One run of an agent, from its claim to its outcome: what it hears, journals and says."""

from __future__ import annotations

import time
from collections import Counter
from contextvars import ContextVar
from typing import Any

import pydantic
from pydantic_ai import AgentRunResult
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
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)

from serai.components.agent_events import AgentEvents, LoggedEvents, tool_call
from serai.components.deps import RunDeps, current_tool_call
from serai.components.durability import MODEL_ID, Body, current_execution
from serai.components.journalled import (
    json_value,
    load_response,
    problem_of,
    shape_of,
    text_of_result,
)
from serai.components.messages import dump_messages, load_messages, text_of, thinking_of, wire_usage
from serai.components.run_input import RunInput, load_run_input
from serai.components.session_state import TrackedState
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine import faults
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe, is_stop_request
from serai.errors import FencedError, SeraiError

_announced: ContextVar[tuple[ToolCallPart, dict[str, Any]]] = ContextVar("serai_announced_call")
_CONTROL_FLOW = (ApprovalRequired, CallDeferred, ModelRetry, ToolFailed, pydantic.ValidationError)


class AgentRun:
    """The execution of one segment.

    Args:
        run: the claimed run.
        agent_id, agent_name, model_name, model_provider: how the wire names them.
    """

    def __init__(
        self, run: ActiveRun, *, agent_id: str, agent_name: str, model_name: str | None, model_provider: str | None
    ) -> None:
        self.run = run
        self.input: RunInput = load_run_input(run.record.input)
        self.deps = RunDeps(
            run_id=run.record.id,
            session_id=run.record.session_id,
            user_id=run.record.user_id,
            dependencies=self.input.dependencies,
            metadata=self.input.metadata,
            knowledge_filters=self.input.knowledge_filters,
        )
        self._agent = {"agent_id": agent_id, "agent_name": agent_name}
        self._model = {"model": model_name, "model_provider": model_provider}
        self._events = AgentEvents(run, agent_id=agent_id, agent_name=agent_name)
        self._logged = LoggedEvents(run.logged)
        self._started_at = time.perf_counter()
        self._first_token_s: float | None = None
        self._request_started_at = 0.0
        self._request_first_token_s: float | None = None
        self._response: ModelResponse | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._usage: Counter[str] = Counter()
        self._tools: list[dict[str, Any]] = []
        self._turn = 0
        self._calls: Counter[str] = Counter()
        self._ordinals: Counter[str] = Counter()
        self._model_failed = False
        self._state = TrackedState(self.deps)

    async def execute(
        self, agent: AbstractAgent[Any, Any], *, durability: AbstractCapability[Any], deps: Any, history_runs: int
    ) -> Outcome:
        """Run the agent to its end; what its model or tools raise becomes the outcome."""
        history = await self._load(history_runs if self.input.history_runs is None else self.input.history_runs)
        if not self._logged.has_started:
            self._events.emit("RunStarted", **self._model)
        token = current_execution.set(self)
        try:
            result = await agent.run(
                self.input.message,
                message_history=history or None,
                deps=deps(self.deps) if callable(deps) else self.deps,
                model=MODEL_ID,
                capabilities=[durability],
                run_id=f"{self.run.record.id}:{self.run.record.segment}",
                conversation_id=self.run.record.session_id,
            )
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            return self.failure(error)
        finally:
            current_execution.reset(token)
        return self._success(result)

    def failure(self, error: BaseException) -> Outcome:
        """Return the outcome of a run that cannot go on, with the error's text as content."""
        self._state.settle()
        text = describe(error)
        last = self._events.members("RunError", content=text, error_type=self._error_type(error))
        return self._outcome(RunStatus.ERROR, content=text, content_type="str", last=last)

    async def do_model_request(self, operation: str, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step: started, heard, completed and journalled together."""

        async def ask() -> dict[str, Any]:
            self._open_request()
            try:
                payload = await body()
            except BaseException as error:
                self._model_failed = True
                if isinstance(error, Exception) or is_stop_request(error):
                    raise
                raise RuntimeError(f"the model's code raised {type(error).__name__}: {describe(error)}") from error
            return {"response": payload, **self._close_request(payload)}

        self._turn += 1
        call = str(self._next_ordinal(operation))
        step = await self.run.journal.run(operation, call, given=shape_of(messages), body=ask)
        self._usage.update(step["usage"])
        if self._first_token_s is None:
            self._first_token_s = step["first_token_s"]
        return step["response"]

    async def announce_tool_call(self, call: ToolCallPart, args: dict[str, Any], handler: Body) -> Any:
        """Remember which call the next tool step of this task is, under a name of its own.

        Models number their calls anew in each turn, and some repeat an id within one.
        """
        name = f"{self._turn}/{call.tool_call_id}"
        self._calls[name] += 1
        if self._calls[name] > 1:
            name = f"{self._turn}.{self._calls[name]}/{call.tool_call_id}"
        tokens = current_tool_call.set(name), _announced.set((call, args))
        try:
            return await handler()
        finally:
            current_tool_call.reset(tokens[0])
            _announced.reset(tokens[1])

    async def do_tool_call(self, operation: str, body: Body) -> Any:
        """Do a tool call as a step; what the tool raises is told to the model, and journalled as that."""
        name = current_tool_call.get()
        assert name is not None
        call, args = _announced.get()
        step = await self.run.journal.run(
            operation, name, given=[call.tool_name, args], body=lambda: self._call_tool(name, call, args, body)
        )
        self._state.apply(step["state"], step["removed"])
        self._tools.append(step["tool"])
        if step["failure"] is not None:
            raise ToolFailed(step["failure"])
        return step["result"]

    async def do_other(self, operation: str, body: Body) -> Any:
        """Do any other durable operation as a step."""
        return await self.run.journal.run(operation, str(self._next_ordinal(operation)), given=None, body=body)

    def hear(self, event: ModelResponseStreamEvent) -> None:
        """Take what the model says, as it says it: to followers at once, or in one piece when nobody streams."""
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._say(text, "")
            case PartStartEvent(part=ThinkingPart(content=text)):
                self._say("", text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                self._say("", text)
            case PartStartEvent():
                self._mark_first_token()
            case _:
                return

    def hear_all(self, response: ModelResponse) -> None:
        """Keep the model's whole response until its request is closed."""
        self._response = response

    async def _load(self, history_runs: int) -> list[ModelMessage]:
        context = await self.run.load_context(history_runs=history_runs)
        self._state.load(context.state, laid_over=self.input.session_state)
        return load_messages(context.history)

    def _open_request(self) -> None:
        self._text.clear()
        self._thinking.clear()
        self._request_started_at = time.perf_counter()
        self._request_first_token_s = None
        self._response = None
        cut_off, self._logged.open_request = self._logged.open_request, None
        if cut_off is None:
            self._events.emit("ModelRequestStarted", **self._model)
        elif cut_off <= self._logged.last_seq:
            # Some of this request's answer was delivered before the node died: followers drop it from there on.
            self._events.emit("CustomEvent", name="step_restarted", from_index=cut_off)

    def _close_request(self, payload: dict[str, Any]) -> dict[str, Any]:
        response = self._response or load_response(payload)
        usage = wire_usage(response.usage)
        if not self.input.stream or not (self._text or self._thinking):
            text, thinking = text_of([response]), thinking_of([response])
            if text or thinking:
                self._mark_first_token()
                self._events.emit_text(text, reasoning=thinking)
        self._events.emit(
            "ModelRequestCompleted",
            **self._model,
            **{"reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, **usage},
            time_to_first_token=self._request_first_token_s,
        )
        return {"usage": usage, "first_token_s": self._request_first_token_s}

    def _say(self, text: str, thinking: str) -> None:
        if not text and not thinking:
            return
        self._mark_first_token()
        if text:
            self._text.append(text)
        else:
            self._thinking.append(thinking)
        if self.input.stream:
            self._events.emit_text(text, reasoning=thinking)
        faults.reach("in_model_call", str(len(self._text)))

    def _mark_first_token(self) -> None:
        if self._request_first_token_s is None:
            self._request_first_token_s = round(time.perf_counter() - self._request_started_at, 6)

    async def _call_tool(self, name: str, call: ToolCallPart, args: dict[str, Any], body: Body) -> dict[str, Any]:
        tool = tool_call(call.tool_call_id, call.tool_name, args)
        if not self._logged.was_started(name):
            self._events.emit("ToolCallStarted", tool=tool)
        faults.reach("in_tool_call", call.tool_name)
        started_at, started = time.time(), time.perf_counter()
        result, failure = None, None
        state: dict[str, Any] = {}
        removed: list[str] = []
        try:
            result = await body()
            state, removed = self._state.take_changes()
        except _CONTROL_FLOW:
            raise
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            result, failure = None, f"{type(error).__name__}: {describe(error)}"
        duration = round(time.perf_counter() - started, 6)
        tool["metrics"] = {"start_time": started_at, "end_time": started_at + duration, "duration": duration}
        problem = failure or problem_of(result)
        tool["tool_call_error"] = problem is not None
        tool["result"] = problem if problem is not None else text_of_result(result)
        self._events.emit_tool_completed(tool, error=problem)
        return {"result": result, "failure": failure, "tool": tool, "state": state, "removed": removed}

    def _success(self, result: AgentRunResult[Any]) -> Outcome:
        self._state.settle()
        messages = result.new_messages()
        if isinstance(result.output, str):
            content, content_type = text_of(messages) or result.output, "str"
        else:
            content, content_type = json_value(result.output), type(result.output).__name__
            self._events.emit("RunContent", content=content, content_type=content_type, workflow_agent=False)
        if not self._logged.has_content_completed:
            self._events.emit("RunContentCompleted")
        last = self._events.members(
            "RunCompleted",
            content=content,
            content_type=content_type,
            reasoning_content=thinking_of(messages) or None,
            metrics=self._metrics(),
            session_state=self.deps.session_state,
            metadata=self.input.metadata or None,
        )
        outcome = self._outcome(RunStatus.COMPLETED, content=content, content_type=content_type, last=last)
        outcome.messages = dump_messages(messages)
        if thinking := thinking_of(messages):
            outcome.output["reasoning_content"] = thinking
        return outcome

    def _outcome(self, status: RunStatus, *, content: Any, content_type: str, last: dict[str, Any]) -> Outcome:
        record = self.run.record
        changes, removals = self._state.since_load()
        return Outcome(
            status=status,
            output={
                "run_id": record.id,
                **self._agent,
                "session_id": record.session_id,
                "user_id": record.user_id,
                "content": content,
                "content_type": content_type,
                **self._model,
                "tools": self._tools,
                "metrics": self._metrics(),
                "session_state": self.deps.session_state,
                "metadata": self.input.metadata or None,
                "input": {"input_content": self.input.message},
                "created_at": int(record.created_at.timestamp()),
            },
            last_event=(last["event"], last),
            state_changes=changes,
            state_removals=removals,
            input_tokens=self._usage["input_tokens"],
            output_tokens=self._usage["output_tokens"],
        )

    def _error_type(self, error: BaseException) -> str:
        if isinstance(error, UsageLimitExceeded):
            return "usage_limit_exceeded"
        if self._model_failed or isinstance(error, AgentRunError):
            return "model_provider_error"
        return error.code if isinstance(error, SeraiError) else "agent_run_error"

    def _metrics(self) -> dict[str, Any]:
        tokens = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **self._usage}
        metrics: dict[str, Any] = {**tokens, "duration": round(time.perf_counter() - self._started_at, 6)}
        if self._first_token_s is not None:
            metrics["time_to_first_token"] = self._first_token_s
        details = {"id": self._model["model"], "provider": self._model["model_provider"], **tokens}
        return {**metrics, "details": {"model": [details]}}

    def _next_ordinal(self, operation: str) -> int:
        self._ordinals[operation] += 1
        return self._ordinals[operation]

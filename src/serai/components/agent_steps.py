"""What an agent's run does in steps: the model's requests and the calls of tools, each journalled."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

import pydantic
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, ToolCallPart
from pydantic_ai.tools import ToolDefinition

from serai.components.agent_events import tool_call
from serai.components.agent_segment import AgentSegment
from serai.components.deps import current_tool_call
from serai.components.durability import Body
from serai.components.journalled import answered_calls, is_deferral, problem_of, text_of_result
from serai.components.media import made_members
from serai.components.run_media import media_of
from serai.components.step_spans import shown_request
from serai.components.steps import BEGUN_STEP, MODEL_STEP, TOOL_STEP, call_name
from serai.components.tool import options_of
from serai.domain.json_text import check_depth
from serai.engine import faults
from serai.engine.interruption import describe, is_stop_request
from serai.engine.spans import Telling
from serai.errors import FencedError
from serai.telemetry.prices import price_of_response

announced_call: ContextVar[tuple[ToolCallPart, dict[str, Any]]] = ContextVar("serai_announced_call")
_SIGNALS = (ApprovalRequired, CallDeferred)
_CONTROL_FLOW = (ApprovalRequired, CallDeferred, ModelRetry, ToolFailed, pydantic.ValidationError)


class AgentSteps(AgentSegment):
    """A segment whose model requests and tool calls are steps of its journal."""

    async def do_model_request(self, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step: started, heard, completed and journalled together."""

        async def ask() -> dict[str, Any]:
            self._is_live = True
            self._turn_now.open()
            started, is_ok = time.perf_counter(), False
            try:
                payload = await body()
                check_depth(payload, "the model's answer")
                is_ok = True
            except BaseException as error:
                self._model_failed = True
                if isinstance(error, Exception) or is_stop_request(error):
                    raise
                raise RuntimeError(f"the model's code raised {type(error).__name__}: {describe(error)}") from error
            finally:
                took_s = time.perf_counter() - started
                model, provider = self._model["model"], self._model["model_provider"]
                self.run.meter.model_asked(model, provider, took_s, is_ok=is_ok)
            step = {"response": payload, **await self.media.keep(payload)}
            return {**step, **self._turn_now.close(step)}

        self._turn += 1
        step = await self.run.journal.run(
            MODEL_STEP,
            str(self._turn),
            given=answered_calls(messages),
            body=ask,
            telling=Telling(name=self._host.model_name or "model", input=lambda: shown_request(messages)),
        )
        self._turn_now.forget()
        self._answer.add_usage(step["usage"], cost=step.get("cost"), first_token_s=step["first_token_s"])
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
            telling=Telling(name=call.tool_name, input=call.args_as_dict, signals=_SIGNALS),
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
        price_of_response(response)  # else pydantic-ai computes the price again
        self._turn_now.response = response

    async def _take_tool_step(self, step: dict[str, Any]) -> None:
        """Take what a tool call did: to the session state, and to the run object."""
        self._state.apply(step["state"], step["removed"])
        self._answer.memories += step.get("memories", ())
        self._answer.references += step.get("references", ())
        if step["tool"] is not None:
            self._answer.put_tool(step["tool"])

    async def _take_media(self, step: dict[str, Any], payload: Any) -> None:
        """Take the media that a step made: into the run object, and back into the step's payload."""
        if media := media_of(step):
            self._answer.add_media(media)
            await self.media.bring_back(payload, media)

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
            check_depth(result, "the tool's result")
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
            left = {"result": result, "failure": None, "tool": None, "state": state, "removed": removed}
            return {**left, "name": call.tool_name}
        problem = failure or problem_of(result)
        self.run.meter.tool_called(call.tool_name, duration, is_ok=problem is None)
        media = await self.media.keep(result)
        tool["tool_call_error"] = problem is not None
        tool["result"] = problem if problem is not None else text_of_result(result)
        if tool["confirmed"]:
            tool["requires_confirmation"] = False
        self._events.emit_tool_completed(tool, error=problem, **made_members(media_of(media)))
        step = {"result": result, "failure": failure, "tool": tool, "state": state, "removed": removed, **media}
        if self._memory is not None and (stored := self._memory.take_stored(name)):
            step["memories"] = stored
        if self._knowledge is not None and (found := self._knowledge.take_references(name)):
            step["references"] = found
        return step

    def _is_delegation(self, _call: ToolCallPart) -> bool:
        """Return whether a call does nothing itself, but has other runs do it."""
        return False

    def _tool_call(self, _name: str, call: ToolCallPart, args: dict[str, Any]) -> dict[str, Any]:
        """Return the tool execution of a call that begins."""
        return tool_call(call.tool_call_id, call.tool_name, args)

    def _say_deferred(self, tool: dict[str, Any]) -> None:
        """Say that a call is left for later; an agent says nothing until it pauses."""

    def _next_ordinal(self, operation: str) -> int:
        self._ordinals[operation] += 1
        return self._ordinals[operation]

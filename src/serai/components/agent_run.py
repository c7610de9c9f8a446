"""One segment of the run of an agent, or of a team's leader, from what is loaded to its outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from pydantic_ai import AgentRunResult, DeferredToolRequests, DeferredToolResults, FunctionToolset, capture_run_messages
from pydantic_ai.messages import ModelRequest, UserPromptPart

from serai.components.agent_steps import AgentSteps
from serai.components.blob_references import blobs_of
from serai.components.durability import MODEL_ID, current_execution
from serai.components.hosted_agent import RunTimeoutError
from serai.components.media import prompt_of
from serai.components.messages import load_messages
from serai.components.output_schema import output_type_of
from serai.components.run_knowledge import current_knowledge
from serai.components.run_media import media_of
from serai.components.run_memory import current_memory
from serai.components.taken_up import take_up
from serai.domain.runs import Outcome
from serai.engine.interruption import is_stop_request
from serai.engine.journal import JournalMismatchError
from serai.errors import FencedError

_log = structlog.get_logger("serai.agents")


class AgentRun(AgentSteps):
    """The execution of one segment of an agent's run.

    Args:
        run: the claimed run.
        host: the agent.
    """

    async def execute(self) -> Outcome:
        """Run the agent to its end or its next pause; what its model or tools raise becomes the outcome."""
        await self._load()
        token, memory_token = current_execution.set(self), current_memory.set(self._memory)
        knowledge_token = current_knowledge.set(self._knowledge)
        try:
            return await self._work_in_time()
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            return self.fail(error)
        finally:
            current_execution.reset(token)
            current_memory.reset(memory_token)
            current_knowledge.reset(knowledge_token)

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
                toolsets=self._toolsets() or None,
                usage=self._earlier.run_usage(),
                usage_limits=host.usage_limits,
                run_id=f"{self.run.record.id}:{self.run.record.segment}{':taken-up' if self._taken_up else ''}",
                conversation_id=self.run.record.session_id,
            )

    def _toolsets(self) -> list[FunctionToolset[Any]]:
        """Return the tools that the run has beside its agent's own."""
        memory = self._memory.toolsets if self._memory is not None else []
        return [*memory, *self._host.knowledge_tools]

    def _deferred_results(self) -> DeferredToolResults | None:
        """Return what the calls that the run paused for were answered with."""
        return self._earlier.results()

    def _answered_calls(self) -> list[dict[str, Any]]:
        """Return the tool executions that the run paused for, answered."""
        return [wanted["tool_execution"] for wanted in self._earlier.own_requirements]

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
            self._answer.add_usage(step["usage"], cost=step.get("cost"), first_token_s=step["first_token_s"])
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

"""A pydantic-ai model that follows a script: offline, deterministic, no LLM. It keeps no state between requests."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from serai.errors import ScriptError
from serai.testing.script import Asked, Rule, Script, ToolCall, Turn, by_position, by_rule, by_step, read_messages

_PROVIDER = "serai"
_TEXT = "text"
_THINKING = "thinking"
_REQUEST_OVERHEAD_TOKENS = 10


class ScriptedModel(Model[None]):
    """A model that says what its script holds. It is no LLM and needs no network.

    Give exactly one script:

    - ``ScriptedModel([Turn(tools=[ToolCall("add", {"a": 2})]), "Done."])``: the turns of every run, one per request;
    - ``ScriptedModel(rules=[Rule("weather", [...]), Rule("", ["I do not know."])])``: the turns of the runs whose
      message fits;
    - ``ScriptedModel(conversation=["Hello.", "Hello again."])``: one turn per request over the whole history that the
      model is shown;
    - ``ScriptedModel(lambda asked: f"You said {asked.message}.")``: a function of what is asked.

    The place in the script is read from the messages, never counted in memory: a run that is replayed on another
    node after a crash gets the answer it would have got. Tokens are estimated from words.

    Args:
        script: turns or a function, as above; a string is a turn of that text.
        rules: see above.
        conversation: see above.
        model_name: the name under which the model reports itself.
        provider_name: the provider that it names: with a name and a provider that there are, runs have a cost.

    Raises:
        ScriptError: not exactly one script is given; in a request: the script has no turn for it, or calls a tool
            the agent lacks.
    """

    def __init__(
        self,
        script: Sequence[Turn | str] | Script | None = None,
        *,
        rules: Sequence[Rule] | None = None,
        conversation: Sequence[Turn | str] | None = None,
        model_name: str = "scripted",
        provider_name: str = _PROVIDER,
    ) -> None:
        super().__init__()
        self._script = _choose_script(script, rules, conversation)
        self._model_name = model_name
        self._provider_name = provider_name

    @property
    def model_name(self) -> str:
        """The name given at construction, ``scripted`` by default."""
        return self._model_name

    @property
    def system(self) -> str:
        """The provider's name, ``serai`` by default."""
        return self._provider_name

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Return the whole answer at once, after the delays a stream would have had."""
        turn, calls = self._answer(messages, self.prepare_request(model_settings, model_request_parameters)[1])
        said: dict[str, list[str]] = {_THINKING: [], _TEXT: []}
        async for kind, chunk in _say(turn):
            said[kind].append(chunk)
        thinking, text = "".join(said[_THINKING]), "".join(said[_TEXT])
        parts: list[ModelResponsePart] = [
            *([ThinkingPart(thinking)] if thinking else []),
            *([TextPart(text)] if text else []),
        ]
        parts.extend(calls)
        usage = RequestUsage(
            input_tokens=_count_input_tokens(messages), output_tokens=sum(_count_part_tokens(part) for part in parts)
        )
        return ModelResponse(parts, usage=usage, model_name=self._model_name, provider_name=self._provider_name)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,  # noqa: ARG002 - the signature is pydantic-ai's
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream the answer chunk by chunk."""
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        turn, calls = self._answer(messages, parameters)
        yield _ScriptedStream(
            model_request_parameters=parameters,
            turn=turn,
            calls=calls,
            name=self._model_name,
            provider=self._provider_name,
            input_tokens=_count_input_tokens(messages),
        )

    def _answer(
        self, messages: Sequence[ModelMessage], parameters: ModelRequestParameters
    ) -> tuple[Turn, list[ToolCallPart]]:
        told = InstructionPart.join(parameters.instruction_parts or ()) or ""
        asked = read_messages(messages, tools=_tool_names(parameters), instructions=told)
        turn = self._script(asked)
        turn = Turn(turn) if isinstance(turn, str) else turn
        return turn, _call_parts(turn.tools, asked)


@dataclass
class _ScriptedStream(StreamedResponse):
    turn: Turn
    calls: Sequence[ToolCallPart]
    name: str
    provider: str
    input_tokens: int
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)

    def __post_init__(self) -> None:
        self._usage = RequestUsage(input_tokens=self.input_tokens)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        parts = self._parts_manager
        async for kind, chunk in _say(self.turn):
            self._usage.output_tokens += _count_words(chunk)
            if kind == _THINKING:
                for event in parts.handle_thinking_delta(vendor_part_id=_THINKING, content=chunk):
                    yield event
            else:
                for event in parts.handle_text_delta(vendor_part_id=_TEXT, content=chunk):
                    yield event
        for call in self.calls:
            self._usage.output_tokens += _count_call_tokens(call)
            yield parts.handle_part(vendor_part_id=call.tool_call_id, part=call)

    async def close_stream(self) -> None:
        """Do nothing: there is no connection."""

    @property
    def model_name(self) -> str:
        return self.name

    @property
    def provider_name(self) -> str:
        return self.provider

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self.created_at


async def _say(turn: Turn) -> AsyncIterator[tuple[str, str]]:
    """Yield the turn's chunks with their kind; wait and fail where the turn says so."""
    chunks = [(_THINKING, chunk) for chunk in turn.thinking_chunks]
    chunks += [(_TEXT, chunk) for chunk in turn.text_chunks]
    gate_at, error_at = min(turn.gate_after, len(chunks)), min(turn.error_after, len(chunks))
    if turn.delay_s:
        await asyncio.sleep(turn.delay_s)
    for index, chunk in enumerate([*chunks, None]):
        if index and chunk and turn.chunk_delay_s:
            await asyncio.sleep(turn.chunk_delay_s)
        if turn.gate is not None and index == gate_at:
            await turn.gate()
        if turn.error is not None and index == error_at:
            raise turn.error.with_traceback(None)
        if chunk is not None:
            yield chunk


def _choose_script(
    script: Sequence[Turn | str] | Script | None,
    rules: Sequence[Rule] | None,
    conversation: Sequence[Turn | str] | None,
) -> Script:
    scripts: list[Script] = []
    if script is not None:
        scripts.append(script if callable(script) else by_step(script))
    if rules is not None:
        scripts.append(by_rule(rules))
    if conversation is not None:
        scripts.append(by_position(conversation))
    if len(scripts) != 1:
        raise ScriptError(f"A scripted model takes one script (turns, rules=, conversation=); it got {len(scripts)}.")
    return scripts[0]


def _tool_names(parameters: ModelRequestParameters) -> tuple[str, ...]:
    return tuple(tool.name for tool in (*parameters.function_tools, *parameters.output_tools))


def _call_parts(calls: Sequence[ToolCall], asked: Asked) -> list[ToolCallPart]:
    parts: list[ToolCallPart] = []
    for index, call in enumerate(calls):
        if call.name not in asked.tools:
            have = ", ".join(asked.tools) or "none"
            raise ScriptError(f"The script calls the tool {call.name!r}, which the agent lacks; it has: {have}.")
        args = call.args if isinstance(call.args, str) else json.dumps(call.args)
        parts.append(ToolCallPart(call.name, args, call.id or _derive_call_id(asked, index)))
    return parts


def _derive_call_id(asked: Asked, index: int) -> str:
    run_id = asked.messages[-1].run_id or ""
    return f"call_{zlib.crc32(run_id.encode()):08x}_{asked.step}_{index}"


def _count_input_tokens(messages: Sequence[ModelMessage]) -> int:
    return _REQUEST_OVERHEAD_TOKENS + sum(_count_part_tokens(part) for message in messages for part in message.parts)


def _count_part_tokens(part: object) -> int:
    if isinstance(part, ToolCallPart):
        return _count_call_tokens(part)
    content = getattr(part, "content", "")
    if isinstance(content, str):
        return _count_words(content)
    pieces = content if isinstance(content, list | tuple) else [content]
    return sum(_count_words(piece) if isinstance(piece, str) else 1 for piece in pieces)


def _count_call_tokens(call: ToolCallPart) -> int:
    return 1 + _count_words(call.args_as_json_str())


def _count_words(text: str) -> int:
    return len(text.split())

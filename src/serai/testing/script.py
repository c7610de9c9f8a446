"""What a scripted model may say, and which part of the script fits the conversation it is shown. No I/O.

Everything is read from the message history: a replay in another process gets the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextContent, ToolReturnPart, UserPromptPart

from serai.errors import ScriptError

_PIECE = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True)
class ToolCall:
    """One tool call of a scripted turn.

    Attributes:
        name: a tool the agent has.
        args: what the tool gets; JSON values. A string is sent as it is, also when it is no valid JSON.
        id: the call's id; without it one is derived from the run and the place in the script.
    """

    name: str
    args: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True)
class ToolResult:
    """What a tool answered earlier in the run: its name, its content, and the outcome (``success``, ``failed`` …)."""

    name: str
    content: Any
    outcome: str


@dataclass(frozen=True)
class Turn:
    """One answer of the model: thinking, then text, then tool calls; or a failure.

    Attributes:
        text: the answer. A string is streamed word by word; a sequence gives the chunks themselves.
        tools: the calls made in this turn; several of them run in parallel.
        thinking: thought before the text; a string or its chunks, like ``text``.
        delay_s: seconds before anything is said.
        chunk_delay_s: seconds before each further chunk.
        error: raised instead of, or in the middle of, the answer. See ``provider_error``.
        error_after: chunks (thinking and text) delivered before ``error``.
        gate: called and awaited once, for example ``event.wait``; lets a test hold the model.
        gate_after: chunks delivered before ``gate``.
    """

    text: str | Sequence[str] = ""
    tools: Sequence[ToolCall] = ()
    thinking: str | Sequence[str] = ""
    _: KW_ONLY
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    error: Exception | None = None
    error_after: int = 0
    gate: Callable[[], Awaitable[object]] | None = None
    gate_after: int = 0

    def __post_init__(self) -> None:
        if not (self.text or self.tools or self.thinking or self.error):
            raise ScriptError("A turn needs text, tools, thinking or an error; this one has none.")

    @cached_property
    def text_chunks(self) -> tuple[str, ...]:
        """The text as it is streamed; the chunks joined are the answer."""
        return split_words(self.text) if isinstance(self.text, str) else tuple(self.text)

    @cached_property
    def thinking_chunks(self) -> tuple[str, ...]:
        """The thinking as it is streamed."""
        return split_words(self.thinking) if isinstance(self.thinking, str) else tuple(self.thinking)


@dataclass(frozen=True)
class Asked:
    """What the model is asked: the conversation, read once.

    Attributes:
        messages: the whole history the model is shown, the question last.
        message: the text of the latest user message; media in it are left out.
        step: model answers since that message: 0 for the first, 1 after one round of tools …
        position: model answers in the whole history that is shown.
        tool_results: what tools answered since that message, in order.
        tools: names of the tools that may be called, output tools included.
        instructions: what the model is told beside the conversation.
    """

    messages: Sequence[ModelMessage]
    message: str
    step: int
    position: int
    tool_results: tuple[ToolResult, ...]
    tools: tuple[str, ...]
    instructions: str = ""


Script: TypeAlias = Callable[[Asked], Turn | str]
"""A function that gives the turn for what is asked. Derive it from the argument alone, so that a replay agrees."""


@dataclass(frozen=True)
class Rule:
    """The turns of a run whose user message fits.

    Attributes:
        match: a part of the message in any case (``""`` fits all), a pattern to search for, or a function.
        turns: one turn per model request of the run; a string is a turn of that text.
    """

    match: str | re.Pattern[str] | Callable[[str], bool]
    turns: Sequence[Turn | str]

    def fits(self, message: str) -> bool:
        """Tell whether this rule is the one for ``message``."""
        if isinstance(self.match, str):
            return self.match.casefold() in message.casefold()
        if isinstance(self.match, re.Pattern):
            return self.match.search(message) is not None
        return self.match(message)


def provider_error(status: int = 503, message: str = "scripted failure") -> ModelHTTPError:
    """Return the error pydantic-ai raises when a provider answers with an HTTP error.

    Args:
        status: the provider's HTTP status, for example 429, 500 or 503.
        message: what the provider says.
    """
    return ModelHTTPError(status, "scripted", {"error": message})


def by_step(turns: Sequence[Turn | str]) -> Script:
    """Return the script whose n-th turn answers the n-th model request of each run."""
    return lambda asked: _pick(turns, asked.step, "run")


def by_position(turns: Sequence[Turn | str]) -> Script:
    """Return the script whose n-th turn answers the n-th model request of the conversation that is shown."""
    return lambda asked: _pick(turns, asked.position, "conversation")


def by_rule(rules: Sequence[Rule]) -> Script:
    """Return the script that follows the first rule whose ``match`` fits the user's message."""

    def choose(asked: Asked) -> Turn | str:
        for rule in rules:
            if rule.fits(asked.message):
                return _pick(rule.turns, asked.step, "run")
        raise ScriptError(
            f"No rule of the script fits the message {asked.message[:200]!r}; add Rule('', […]) for the rest."
        )

    return choose


def read_messages(messages: Sequence[ModelMessage], *, tools: tuple[str, ...], instructions: str = "") -> Asked:
    """Read from the history which run, and which step of it, is asked for. O(messages)."""
    start = _run_start(messages)
    results = tuple(
        ToolResult(part.tool_name, part.content, part.outcome)
        for message in messages[start:]
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    )
    before = sum(isinstance(message, ModelResponse) for message in messages[:start])
    step = sum(isinstance(message, ModelResponse) for message in messages[start:])
    text = _prompt_text(messages[start]) if messages else ""
    return Asked(messages, text, step, before + step, results, tools, instructions)


def split_words(text: str) -> tuple[str, ...]:
    """Cut a text into words, each with the blanks around it; joined they are the text."""
    return tuple(_PIECE.findall(text)) or ((text,) if text else ())


def _pick(turns: Sequence[Turn | str], index: int, unit: str) -> Turn | str:
    if index < len(turns):
        return turns[index]
    raise ScriptError(f"The script has {len(turns)} turn(s) for a {unit} and was asked for number {index + 1}.")


def _run_start(messages: Sequence[ModelMessage]) -> int:
    """Return the index of the latest user message."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, ModelRequest) and _opens_run(message):
            return index
    return 0


def _opens_run(request: ModelRequest) -> bool:
    # A tool may hand over a prompt with its return; the prompt after a cancelled call is merged with that call's end.
    outcomes = [part.outcome for part in request.parts if isinstance(part, ToolReturnPart)]
    prompted = any(isinstance(part, UserPromptPart) for part in request.parts)
    return prompted and (not outcomes or any(outcome != "success" for outcome in outcomes))


def _prompt_text(message: ModelMessage) -> str:
    pieces: list[str] = []
    for part in message.parts:
        if isinstance(part, UserPromptPart):
            contents = [part.content] if isinstance(part.content, str) else part.content
            pieces.extend(c if isinstance(c, str) else c.content for c in contents if isinstance(c, str | TextContent))
    return "\n".join(pieces)

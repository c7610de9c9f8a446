"""From a span as another program sent it to one of ours: what it is about, whose it is, and what was said. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, Protocol
from uuid import UUID

from serai.domain.ids import slugify
from serai.domain.traces import Entry, Span, SpanKind, SpanStatus
from serai.telemetry.otlp_in.conversation import answer_in, prompt_in, question_in
from serai.telemetry.otlp_in.names import (
    MEANINGS,
    NO_CONTENT,
    OF_GENAI,
    OF_LANGSMITH,
    OF_OPENINFERENCE,
    OF_REQUEST_TYPE,
    OF_TRACELOOP,
    RENAMED,
)
from serai.telemetry.otlp_in.received import ReceivedSpan
from serai.telemetry.prices import price_of

EARLIEST_NS: Final = 1_000_000_000_000_000_000  # 2001
LATEST_NS: Final = 4_000_000_000_000_000_000  # 2096
LONGEST_NS: Final = 1_000_000_000_000_000_000  # 31 years
LONGEST_NAME: Final = 200  # characters of an id or a name: it stands in indexes
MOST_TOKENS: Final = 1_000_000_000_000
MOST_KEPT: Final = 64
"""Further attributes of one span."""
COMPONENTS: Final = frozenset((SpanKind.AGENT, SpanKind.TEAM, SpanKind.WORKFLOW))
_ASKS: Final = frozenset((SpanKind.LLM, SpanKind.EMBEDDING))
_ERROR: Final = 2
_SERVER: Final = 2
_CONSUMER: Final = 5
_REMOTE: Final = 0x300  # of the flags: it is known whether the parent is in another process, and it is
_PROMPTS: Final = ("gen_ai.prompt.", "gen_ai.completion.")
_AGNO: Final = "openinference.instrumentation.agno"
_NAMES_KNOWN: Final = 5000


class TextKeeper(Protocol):
    """Knows what of contents is kept."""

    def text(self, value: Any) -> str | None:
        """Return a text, cut and free of secrets; None: nothing of it is kept."""
        ...


@dataclass(slots=True)
class _Told:
    """What a span's attributes tell.

    Attributes:
        facts: by what they mean.
        rest: what means nothing here, by its name.
        numbered: messages whose parts are attributes of their own.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    numbered: dict[str, Any] = field(default_factory=dict)


class SpanMapper:
    """Makes our spans of received ones.

    Args:
        keeper: knows what is kept of contents.
        project_id: to which they belong.
    """

    def __init__(self, keeper: TextKeeper, *, project_id: str) -> None:
        self._keeper = keeper
        self._project_id = project_id
        self._keeps_contents = keeper.text("-") is not None
        self._is_secret: dict[str, bool] = {}

    def map(self, span: ReceivedSpan) -> Span:
        """Return what is kept of a span whose ids and times are in order; `refusal_of` tells."""
        told = _read(span)
        facts = told.facts
        kind = _kind_of(span, facts)
        given, answered = _contents_of(kind, told) if self._keeps_contents else (None, None)
        model, provider = _id_of(facts.get("model")), _id_of(facts.get("provider"))
        asked, said = _tokens_of(facts.get("input_tokens")), _tokens_of(facts.get("output_tokens"))
        agent_id, team_id, workflow_id = _components_of(kind, facts)
        is_failed = span.status == _ERROR
        text = self._keeper.text
        return Span(
            project_id=self._project_id,
            trace_id=UUID(bytes=span.trace_id),
            span_id=int.from_bytes(span.span_id),
            parent_id=int.from_bytes(span.parent_id) or None,
            entry=_entry_of(span, kind, told),
            kind=kind,
            name=span.name[:LONGEST_NAME] or kind.lower(),
            status=SpanStatus.ERROR if is_failed else SpanStatus.OK if span.ended_ns else SpanStatus.UNSET,
            started_ns=span.started_ns,
            duration_ns=min(max(0, span.ended_ns - span.started_ns), LONGEST_NS) if span.ended_ns else None,
            input=None if given is None else text(given),
            output=None if answered is None else text(answered),
            error=text(_error_of(span, facts)) if is_failed else None,
            run_id=_id_of(facts.get("run_id")),
            session_id=_id_of(facts.get("session_id")),
            user_id=_id_of(facts.get("user_id")),
            agent_id=agent_id,
            team_id=team_id,
            workflow_id=workflow_id,
            model=model,
            provider=provider,
            input_tokens=asked,
            output_tokens=said,
            cost=_cost_of(kind, facts, told.rest, model, provider, asked, said),
            attributes=self._attributes_of(span, kind, told),
        )

    def _attributes_of(self, span: ReceivedSpan, kind: SpanKind, told: _Told) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        if kind is SpanKind.TOOL and (tool := _tool_of(told.facts)):
            kept["tool_name"] = tool
        if _is_step(span, kind, told):
            kept["step_type"] = "Step"
        for name, value in told.rest.items():
            known = RENAMED.get(name, name)
            if (left := self._kept(known, value)) is not None:
                kept[known[:LONGEST_NAME]] = left
                if len(kept) == MOST_KEPT:
                    break
        if span.service:
            kept["service"] = span.service[:LONGEST_NAME]
        if span.scope:
            kept["library"] = span.scope[:LONGEST_NAME]
        return kept

    def _kept(self, name: str, value: Any) -> Any:
        """Return what is kept of an attribute: numbers as they are, of contents a text."""
        if not isinstance(value, str | list | dict):
            return None if isinstance(value, float) and not isfinite(value) else value
        if name in NO_CONTENT:
            return _short(value)
        if not self._keeps_contents:
            return None
        secret = self._is_secret.get(name)
        if secret is None:
            last = name.rpartition(".")[2][:LONGEST_NAME]
            secret = self._keeper.text(f"{last}: 1234567890") != f"{last}: 1234567890"
            if len(self._is_secret) < _NAMES_KNOWN:
                self._is_secret[name] = secret
        return "***" if secret else self._keeper.text(value)


def refusal_of(span: ReceivedSpan) -> str | None:
    """Return why a span cannot be kept; None for one that can."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "a trace_id is not 16 bytes, or all of them are zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "a span_id is not 8 bytes, or all of them are zero"
    if len(span.parent_id) not in (0, 8):
        return "a parent_span_id is not 8 bytes"
    if not EARLIEST_NS <= span.started_ns <= LATEST_NS:
        return "a start_time_unix_nano is not a time between 2001 and 2096 in nanoseconds"
    return None


def _read(span: ReceivedSpan) -> _Told:
    told = _Told()
    ranks: dict[str, int] = {}
    _take(span.attributes, told, ranks)
    for name, attributes in span.events:
        if name.startswith("gen_ai."):
            _take_event(name, attributes, told, ranks)
    return told


def _take(attributes: Mapping[str, Any], told: _Told, ranks: dict[str, int]) -> None:
    facts = told.facts
    for name, value in attributes.items():
        meaning = MEANINGS.get(name)
        if meaning is None:
            (told.numbered if name.startswith(_PROMPTS) else told.rest)[name] = value
        elif value is not None and value != "":
            fact, rank = meaning
            if rank < ranks.get(fact, 99):
                facts[fact] = value
                ranks[fact] = rank


def _take_event(name: str, attributes: Mapping[str, Any], told: _Told, ranks: dict[str, int]) -> None:
    """Take what older conventions, and some libraries, tell in events."""
    said = next((attributes[key] for key in ("gen_ai.event.content", "content", "message") if key in attributes), None)
    match name:
        case "gen_ai.user.message" | "gen_ai.tool.message":
            told.facts.setdefault("event_input", None)
            told.facts["event_input"] = said
        case "gen_ai.choice":
            told.facts["event_output"] = said
        case "gen_ai.content.prompt" | "gen_ai.content.completion" | "gen_ai.client.inference.operation.details":
            _take({key: value for key, value in attributes.items() if key in MEANINGS}, told, ranks)


def _kind_of(span: ReceivedSpan, facts: Mapping[str, Any]) -> SpanKind:
    if (kind := facts.get("openinference")) is not None:
        found = OF_OPENINFERENCE.get(str(kind).upper(), SpanKind.OTHER)
        return SpanKind.TEAM if found is SpanKind.AGENT and "team_id" in facts else found
    if (kind := facts.get("langsmith")) is not None:
        return OF_LANGSMITH.get(str(kind), SpanKind.OTHER)
    if (operation := facts.get("operation")) is not None:
        return OF_GENAI.get(str(operation), SpanKind.OTHER)
    if (kind := facts.get("traceloop")) is not None:
        return OF_TRACELOOP.get(str(kind), SpanKind.OTHER)
    if (request := facts.get("request_type")) is not None:
        return OF_REQUEST_TYPE.get(str(request), SpanKind.LLM)
    if "tool_name" in facts:
        return SpanKind.TOOL
    if "input_tokens" in facts and "model" in facts:
        return SpanKind.LLM
    return SpanKind.AGENT if span.name == "agent run" and "agent_name" in facts else SpanKind.OTHER


def _is_step(span: ReceivedSpan, kind: SpanKind, told: _Told) -> bool:
    """Return whether a span is of one step of an agno workflow, not of the whole."""
    if kind is not SpanKind.WORKFLOW or span.scope != _AGNO:
        return False
    return "workflow_id" not in told.facts and "agno.workflow.steps_count" not in told.rest


def _entry_of(span: ReceivedSpan, kind: SpanKind, told: _Told) -> Entry:
    """Return whether its trace is about a span, as far as it tells itself.

    A web framework's span of a request stands around the agent that it asks, and is seldom what people look for.
    """
    if not any(span.parent_id):
        return Entry.PLAIN if kind is SpanKind.OTHER else Entry.ROOT
    if kind in COMPONENTS and not _is_step(span, kind, told):
        return Entry.LOCAL
    begins = span.kind in (_SERVER, _CONSUMER) or span.flags & _REMOTE == _REMOTE
    return Entry.PLAIN if begins else Entry.NONE


def _components_of(kind: SpanKind, facts: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return the agent, the team or the workflow whose work a span is: of a model request it is its agent's."""
    match kind:
        case SpanKind.AGENT:
            return _component_id(facts, "agent_id", "agent_name", "entity_name"), None, None
        case SpanKind.TEAM:
            return None, _component_id(facts, "team_id"), None
        case SpanKind.WORKFLOW:
            return None, None, _component_id(facts, "workflow_id", "workflow_name")
        case _:
            return None, None, None


def _component_id(facts: Mapping[str, Any], *names: str) -> str | None:
    """Return a component's id; where only its name is told, the id that a component of this name has here."""
    found = _id_of(facts.get(names[0]))
    for name in names[1:]:
        if found is None and (text := _id_of(facts.get(name))):
            found = slugify(text) or text
    return found


def _tool_of(facts: Mapping[str, Any]) -> str | None:
    return _id_of(facts.get("tool_name") or facts.get("entity_name"))


def _contents_of(kind: SpanKind, told: _Told) -> tuple[Any, Any]:
    """Return what went in and what came out."""
    facts = told.facts
    given, answered = facts.get("input"), facts.get("output")
    if given is None:
        if (asked := facts.get("asked")) is not None:
            given = prompt_in(asked) if kind in COMPONENTS else question_in(asked)
        elif (conversation := facts.get("conversation")) is not None:
            given = prompt_in(conversation) if kind in COMPONENTS else question_in(conversation)
        else:
            given = facts.get("event_input") or _numbered(told.numbered, _PROMPTS[0])
    if answered is None:
        for name in ("answered", "conversation"):
            if answered is None and (messages := facts.get(name)) is not None:
                answered = answer_in(messages)
        if answered is None:
            answered = facts.get("event_output") or _numbered(told.numbered, _PROMPTS[1])
    return given, answered


def _numbered(found: Mapping[str, Any], prefix: str) -> Any:
    """Return the content of the last of messages that are told as ``gen_ai.prompt.0.content`` and so on."""
    last: tuple[int, Any] | None = None
    for name, value in found.items():
        number, _, member = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and member == "content" and number.isdigit() and len(number) < 6 and value:
            last = max(last or (-1, None), (int(number), value), key=lambda one: one[0])
    return None if last is None else last[1]


def _error_of(span: ReceivedSpan, facts: Mapping[str, Any]) -> str:
    """Return why it failed: what its status says, else its last exception."""
    if span.message:
        return span.message
    for name, attributes in reversed(span.events):
        if name == "exception":
            kind, message = attributes.get("exception.type"), attributes.get("exception.message")
            if kind or message:
                return ": ".join(str(part) for part in (kind, message) if part)
    return str(facts.get("error") or "error")


def _cost_of(
    kind: SpanKind,
    facts: Mapping[str, Any],
    rest: Mapping[str, Any],
    model: str | None,
    provider: str | None,
    input_tokens: int | None,
    output_tokens: int | None,
) -> float | None:
    if kind not in _ASKS:
        return None
    told = facts.get("cost")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < MOST_TOKENS:
        return float(told)
    if model is None or (input_tokens is None and output_tokens is None):
        return None
    counts = {"input_tokens": input_tokens or 0, "output_tokens": output_tokens or 0}
    for name, known in RENAMED.items():
        if known in ("cache_read_tokens", "cache_write_tokens") and (count := _tokens_of(rest.get(name))):
            counts[known] = count
    return price_of(model, provider, counts)


def _id_of(value: Any) -> str | None:
    """Return an id or a name that can stand in an index."""
    if isinstance(value, str):
        return value[:LONGEST_NAME] or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _short(value: str | list[Any] | dict[str, Any]) -> Any:
    """Return names as they are, as far as they are such."""
    if isinstance(value, list):
        return [item[:LONGEST_NAME] for item in value[:MOST_KEPT] if isinstance(item, str)]
    return value[:LONGEST_NAME] if isinstance(value, str) else None


def _tokens_of(value: Any) -> int | None:
    """Return a count; some senders write every number as a real one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)

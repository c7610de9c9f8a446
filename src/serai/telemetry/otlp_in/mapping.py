"""From a span as another program sent it to one of ours: what it is about, and whose it is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Protocol
from uuid import UUID

from serai.domain.ids import slugify
from serai.domain.traces import ASKING_KINDS, COMPONENT_KINDS, Entry, Span, SpanKind, SpanStatus
from serai.telemetry.otlp_in.contents import contents_of, error_of
from serai.telemetry.otlp_in.names import (
    LONGEST_NAME,
    NO_CONTENT,
    OF_GENAI,
    OF_LANGSMITH,
    OF_OPENINFERENCE,
    OF_REQUEST_TYPE,
    OF_TRACELOOP,
)
from serai.telemetry.otlp_in.received import ReceivedSpan
from serai.telemetry.otlp_in.told import Told, read_told
from serai.telemetry.prices import price_of

EARLIEST_NS: Final = 1_000_000_000_000_000_000  # 2001
LATEST_NS: Final = 4_000_000_000_000_000_000  # 2096
LONGEST_NS: Final = 1_000_000_000_000_000_000  # 31 years
MOST_TOKENS: Final = 1_000_000_000_000
MOST_KEPT: Final = 64
"""Further attributes of one span."""
_ERROR: Final = 2
_SERVER: Final = 2
_CONSUMER: Final = 5
_REMOTE: Final = 0x300  # of the flags: it is known whether the parent is in another process, and it is
_AGNO: Final = "openinference.instrumentation.agno"
_NAMES_KNOWN: Final = 5000
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_PROBE: Final = "1234567890"


class TextKeeper(Protocol):
    """Knows what of contents is kept."""

    def text(self, value: Any) -> str | None:
        """Return a text, cut and free of secrets; None: nothing of it is kept."""
        ...


class SpanMapper:
    """Makes our spans of received ones; threads may share it.

    Args:
        keeper: knows what is kept of contents.
        project_id: to which they belong.
    """

    def __init__(self, keeper: TextKeeper, *, project_id: str) -> None:
        self._keeper = keeper
        self._project_id = project_id
        self._keeps_contents = keeper.text("-") is not None
        self._secrets: dict[str, bool] = {}
        self._last_trace = (b"", UUID(int=0))

    def map(self, span: ReceivedSpan) -> Span:
        """Return what is kept of a span whose ids and times are in order; `refusal_of` tells."""
        told = read_told(span)
        facts = told.facts
        kind = _kind_of(span, facts)
        given, answered = contents_of(kind, told) if self._keeps_contents else (None, None)
        agent_id, team_id, workflow_id = _components_of(kind, facts)
        is_failed = span.status == _ERROR
        model, provider = _id_of(facts.get("model")), _id_of(facts.get("provider"))
        asked, said = _tokens_of(facts.get("input_tokens")), _tokens_of(facts.get("output_tokens"))
        text = self._keeper.text
        return Span(
            project_id=self._project_id,
            trace_id=self._trace_id(span.trace_id),
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
            error=text(error_of(span, facts)) if is_failed else None,
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
            cost=_cost_of(told, model, provider, asked, said) if kind in ASKING_KINDS else None,
            attributes=self._attributes_of(span, kind, told),
        )

    def _trace_id(self, given: bytes) -> UUID:
        """Return a trace's id; the spans of a trace come one after the other."""
        known, trace_id = self._last_trace
        if known != given:
            trace_id = UUID(bytes=given)
            self._last_trace = (given, trace_id)
        return trace_id

    def _attributes_of(self, span: ReceivedSpan, kind: SpanKind, told: Told) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        if kind is SpanKind.TOOL and (tool := _tool_of(told.facts)):
            kept["tool_name"] = tool
        if _is_step(span, kind, told):
            kept["step_type"] = "Parallel" if "agno.parallel.step_count" in told.rest else "Step"
        for name, value in told.rest.items():
            if (left := self._kept(name, value)) is not None:
                kept[name] = left
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
        return "***" if self._is_secret(name) else self._keeper.text(value)

    def _is_secret(self, name: str) -> bool:
        """Return whether a name says that what it stands for is a secret."""
        known = self._secrets.get(name)
        if known is None:
            probe = f"{name.rpartition('.')[2]}: {_PROBE}"
            known = self._keeper.text(probe) != probe
            if len(self._secrets) < _NAMES_KNOWN:
                self._secrets[name] = known
        return known


def refusal_of(span: ReceivedSpan) -> str | None:
    """Return why a span cannot be kept; None for one that can."""
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "a trace_id is not 16 bytes, or all of them are zero"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "a span_id is not 8 bytes, or all of them are zero"
    if span.parent_id and len(span.parent_id) != 8:
        return "a parent_span_id is not 8 bytes"
    if not EARLIEST_NS <= span.started_ns <= LATEST_NS:
        return "a start_time_unix_nano is not a time between 2001 and 2096 in nanoseconds"
    return None


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


def _is_step(span: ReceivedSpan, kind: SpanKind, told: Told) -> bool:
    """Return whether a span is of one step of an agno workflow, not of the whole."""
    if kind is not SpanKind.WORKFLOW or span.scope != _AGNO:
        return False
    return "workflow_id" not in told.facts and "steps_count" not in told.rest


def _entry_of(span: ReceivedSpan, kind: SpanKind, told: Told) -> Entry:
    """Return whether its trace is about a span, as far as it tells itself.

    A web framework's span of a request stands around the agent that it asks, and is seldom what people look for.
    """
    if not span.parent_id or span.parent_id == _NO_SPAN:
        return Entry.PLAIN if kind is SpanKind.OTHER else Entry.ROOT
    if kind in COMPONENT_KINDS and not _is_step(span, kind, told):
        return Entry.LOCAL
    begins = span.kind in (_SERVER, _CONSUMER) or span.flags & _REMOTE == _REMOTE
    return Entry.PLAIN if begins else Entry.NONE


def _components_of(kind: SpanKind, facts: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return the agent, the team or the workflow that a span is about."""
    if kind is SpanKind.AGENT:
        return _component_id(facts, "agent_id", "agent_name", "entity_name"), None, None
    if kind is SpanKind.TEAM:
        return None, _component_id(facts, "team_id"), None
    if kind is SpanKind.WORKFLOW:
        return None, None, _component_id(facts, "workflow_id", "workflow_name")
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


def _cost_of(
    told: Told, model: str | None, provider: str | None, input_tokens: int | None, output_tokens: int | None
) -> float | None:
    said = told.facts.get("cost")
    if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said < MOST_TOKENS:
        return float(said)
    if model is None or (input_tokens is None and output_tokens is None):
        return None
    counts = {"input_tokens": input_tokens or 0, "output_tokens": output_tokens or 0}
    for name in ("cache_read_tokens", "cache_write_tokens"):
        if (count := _tokens_of(told.rest.get(name))) is not None:
            counts[name] = count
    return price_of(model, provider, counts)


def _id_of(value: Any) -> str | None:
    """Return an id or a name that can stand in an index."""
    if value is None:
        return None
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
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)

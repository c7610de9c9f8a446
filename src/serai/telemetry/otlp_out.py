"""Sends spans on to an OpenTelemetry collector, as the standard ``OTEL_…`` variables say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import version
from threading import Thread
from typing import Any, Final
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as OtelKind

from serai.domain.traces import Span, SpanKind, SpanStatus

STOP_S: Final = 5.0
_TIME_ORDERED: Final = 7
_OPERATIONS: Final = {
    SpanKind.AGENT: "invoke_agent",
    SpanKind.TEAM: "invoke_agent",
    SpanKind.WORKFLOW: "invoke_workflow",
    SpanKind.LLM: "chat",
    SpanKind.TOOL: "execute_tool",
    SpanKind.EMBEDDING: "embeddings",
    SpanKind.RETRIEVER: "retrieval",
}
_STATUSES: Final = {SpanStatus.OK: StatusCode.OK, SpanStatus.ERROR: StatusCode.ERROR}


class SpanExport:
    """Sends spans that have ended on, in batches, from a thread of its own; what there is no room for is dropped.

    Args:
        os_name: what the server is called, unless ``OTEL_SERVICE_NAME`` says so.
        exporter: where they go; as the variables say by default.
    """

    def __init__(self, os_name: str, *, exporter: SpanExporter | None = None) -> None:
        self._resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or os_name})
        self._scope = InstrumentationScope("serai", version("serai"))
        self._sampler = TracerProvider(resource=self._resource, shutdown_on_exit=False).sampler
        self._exporter = exporter or _exporter_of(os.environ)
        self._processor = BatchSpanProcessor(self._exporter)

    def tell(self, span: Span) -> None:
        """Send a span on, if it has ended and the sampler wants its trace."""
        will_come_again = span.attributes.get("run_status") == "PAUSED"
        is_known_here_only = span.kind is SpanKind.WAIT and not span.duration_ns  # how long it was the store knows
        if span.duration_ns is None or will_come_again or is_known_here_only:
            return
        sampled = self._sampler.should_sample(None, _drawn(span.trace_id), span.name)
        if sampled.decision is Decision.RECORD_AND_SAMPLE:
            self._processor.on_end(self._readable(span, span.duration_ns))

    async def stop(self) -> None:
        """Send what waits, for some seconds at most."""
        stopping = Thread(target=self._processor.shutdown, name="serai-span-export-stop", daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, STOP_S)
        if stopping.is_alive():  # it waits for a collector that does not answer
            self._exporter.shutdown()

    def _readable(self, span: Span, duration_ns: int) -> ReadableSpan:
        return ReadableSpan(
            name=_name_of(span),
            context=_context(span, span.span_id),
            parent=None if span.parent_id is None else _context(span, span.parent_id),
            resource=self._resource,
            attributes=_attributes_of(span),
            kind=OtelKind.CLIENT if span.kind is SpanKind.LLM else OtelKind.INTERNAL,
            status=Status(_STATUSES.get(span.status, StatusCode.UNSET), span.error),
            start_time=span.started_ns,
            end_time=span.started_ns + duration_ns,
            instrumentation_scope=self._scope,
        )


def _drawn(trace_id: UUID) -> int:
    """Return what samplers go by, a number that is drawn at random: of ours the low bits are a counter."""
    if trace_id.version != _TIME_ORDERED:
        return trace_id.int
    return int.from_bytes(blake2b(trace_id.bytes, digest_size=16).digest())


def _context(span: Span, span_id: int) -> SpanContext:
    return SpanContext(span.trace_id.int, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _exporter_of(environment: Mapping[str, str]) -> SpanExporter:
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        return ConsoleSpanExporter()
    return OTLPSpanExporter()


def _name_of(span: Span) -> str:
    """Return a span's name by the conventions: what is done, and with what."""
    operation = _operation_of(span)
    return span.name if operation is None else f"{operation} {span.name}"


def _operation_of(span: Span) -> str | None:
    return None if "step_type" in span.attributes else _OPERATIONS.get(span.kind)


def _attributes_of(span: Span) -> dict[str, Any]:
    """Return a span's attributes by the conventions for generative AI, and ours.

    Source: OpenTelemetry semantic conventions for generative AI systems, 1.38.
    """
    is_component = span.kind in (SpanKind.AGENT, SpanKind.TEAM)
    is_tool = span.kind is SpanKind.TOOL
    known: dict[str, Any] = {
        "gen_ai.operation.name": _operation_of(span),
        "gen_ai.conversation.id": span.session_id,
        "gen_ai.agent.name": span.name if is_component else None,
        "gen_ai.agent.id": span.agent_id or span.team_id,
        "gen_ai.request.model": span.model,
        "gen_ai.response.model": span.model,
        "gen_ai.provider.name": span.provider,
        "gen_ai.usage.input_tokens": span.input_tokens,
        "gen_ai.usage.output_tokens": span.output_tokens,
        "gen_ai.tool.name": span.name if is_tool else None,
        "gen_ai.tool.call.id": span.attributes.get("tool_call_id"),
        "gen_ai.tool.call.arguments": span.input if is_tool else None,
        "gen_ai.tool.call.result": span.output if is_tool else None,
        "gen_ai.response.finish_reasons": _listed(span.attributes.get("finish_reason")),
        "input.value": None if is_tool else span.input,
        "output.value": None if is_tool else span.output,
        "user.id": span.user_id,
        "serai.span.kind": span.kind.value,
        "serai.run.id": span.run_id,
        "serai.team.id": span.team_id,
        "serai.workflow.id": span.workflow_id,
        "serai.cost_usd": span.cost,
    }
    more = {f"serai.{name}": value for name, value in span.attributes.items() if _is_plain(value)}
    return {name: value for name, value in {**more, **known}.items() if value is not None}


def _listed(value: Any) -> list[str] | None:
    return [value] if isinstance(value, str) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)

"""Spans that libraries and tools tell OpenTelemetry of inside a run's steps: they become part of its trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from serai.domain import traces
from serai.errors import ConfigurationError
from serai.telemetry.otel_context import MARK, Marked
from serai.telemetry.otlp_in.mapping import SpanMapper
from serai.telemetry.otlp_in.names import is_read
from serai.telemetry.otlp_in.received import ReceivedSpan

_STATUSES: Final = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}
_log = structlog.get_logger("serai.telemetry")
_MOST_OPEN: Final = 10_000


class LibrarySpans(SpanProcessor):
    """Takes the spans that begin inside steps; there is one for all servers of a process.

    A span is its server's in whose step it began, which its context tells. Of those that never end the last are kept.
    """

    def __init__(self) -> None:
        self._open: dict[int, Marked] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note in which step a span begins."""
        marked = context.get_value(MARK, parent_context)
        if isinstance(marked, Marked):
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open)), None)
            self._open[span.get_span_context().span_id] = marked

    def on_end(self, span: ReadableSpan) -> None:
        """Tell a span that began inside a step."""
        marked = None if span.context is None else self._open.pop(span.context.span_id, None)
        if marked is not None:
            try:
                marked.tell(_mapped(span, marked))
            except Exception:  # noqa: BLE001 - users' code ends this span, and is not to fail for it
                _log.exception("span_not_told")


def install() -> None:
    """Have OpenTelemetry tell of libraries' spans: on the provider that there is, or on one of our own.

    Raises:
        ConfigurationError: the program has a provider that takes no processor.

    Does nothing when called again.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    add: Callable[[SpanProcessor], None] | None = getattr(provider, "add_span_processor", None)
    if add is None:
        raise ConfigurationError(
            f"SERAI_TRACE_LIBRARIES needs a tracer provider of OpenTelemetry's SDK; this program has set a "
            f"{type(provider).__name__}. Unset the variable, or set an opentelemetry.sdk.trace.TracerProvider."
        )
    if id(provider) not in _installed:
        _installed[id(provider)] = provider
        add(LibrarySpans())


_installed: dict[int, Any] = {}


def _mapped(span: ReadableSpan, marked: Marked) -> traces.Span:
    keeper = marked.keeper
    assert keeper is not None
    mapped = SpanMapper(keeper, project_id=marked.project_id).map(_received(span))
    if marked.asks:  # the step tells of these tokens itself
        mapped = msgspec.structs.replace(mapped, input_tokens=None, output_tokens=None, cost=None)
    return msgspec.structs.replace(mapped, entry=traces.Entry.NONE)


def _received(span: ReadableSpan) -> ReceivedSpan:
    ids, scope = span.context, span.instrumentation_scope
    assert ids is not None
    return ReceivedSpan(
        trace_id=ids.trace_id.to_bytes(16),
        span_id=ids.span_id.to_bytes(8),
        parent_id=b"" if span.parent is None else span.parent.span_id.to_bytes(8),
        flags=0,
        name=span.name,
        kind=span.kind.value + 1,
        started_ns=span.start_time or 0,
        ended_ns=span.end_time or 0,
        status=_STATUSES[span.status.status_code],
        message=span.status.description or "",
        attributes=_plain(span.attributes or {}),
        events=[(event.name, _plain(event.attributes or {})) for event in span.events],
        scope="" if scope is None else scope.name,
        service=None,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    known = {name: value for name, value in attributes.items() if is_read(name)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}

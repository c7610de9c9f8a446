"""Requests in protobuf, by the published classes, and the answers to them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serai.errors import RequestError
from serai.telemetry.otlp_in.names import USES
from serai.telemetry.otlp_in.received import MOST_ATTRIBUTES, MOST_EVENTS, ReceivedSpan


def read_protobuf(body: bytes) -> Iterator[ReceivedSpan]:
    """Yield the spans of a request.

    Raises:
        RequestError: the body is no such request.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise RequestError(f"The body is no ExportTraceServiceRequest in protobuf: {error}") from error
    return _spans_of(request)


def write_response(*, rejected: int = 0, message: str = "") -> bytes:
    """Return the answer to spans that were taken, all or but for some."""
    if not rejected and not message:
        return b""  # every member has its default
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def write_status(code: int, message: str) -> bytes:
    """Return the answer to a request that was refused."""
    answer: bytes = Status(code=code, message=message).SerializeToString()
    return answer


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for of_resource in request.resource_spans:
        service = read_attributes(of_resource.resource.attributes).get("service.name")
        name = service if isinstance(service, str) else None
        for of_scope in of_resource.scope_spans:
            scope = of_scope.scope.name
            for span in of_scope.spans:
                yield _span_of(span, scope, name)


def _span_of(span: Span, scope: str, service: str | None) -> ReceivedSpan:
    status = span.status
    events = span.events
    return ReceivedSpan(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.flags,
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        status.code,
        status.message,
        read_attributes(span.attributes),
        [(event.name, read_attributes(event.attributes)) for event in events[-MOST_EVENTS:]] if events else [],
        scope,
        service,
    )


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes by name, without those that nobody reads."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name = pair.key
        if USES[name][0]:
            value = pair.value
            # Most are texts: asking which it is costs as much as reading it.
            found[name] = value.string_value or _value_of(value)
            if len(found) == MOST_ATTRIBUTES:
                break
    return found


def _value_of(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value_of(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _value_of(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return f"({len(value.bytes_value)} bytes)"
        case which:
            return getattr(value, which)

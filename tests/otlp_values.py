"""Spans as other programs send them, in protobuf and in JSON."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SENT_NS = 1_790_000_000_000_000_000
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
SERVER, INTERNAL = 2, 1
_IDS = ("traceId", "spanId", "parentSpanId")


def sent(number: int, name: str = "span", *, parent: int | None = None, trace: int = TRACE, **members: Any) -> Span:
    """Return a span that lasted a millisecond; `attributes` and `events` are given as dictionaries and pairs."""
    attributes = members.pop("attributes", {})
    events = members.pop("events", ())
    span = Span(
        trace_id=trace.to_bytes(16),
        span_id=number.to_bytes(8),
        parent_span_id=b"" if parent is None else parent.to_bytes(8),
        name=name,
        kind=members.pop("kind", INTERNAL),
        start_time_unix_nano=SENT_NS + number * 1_000_000,
        end_time_unix_nano=SENT_NS + number * 1_000_000 + 1_000_000,
        **members,
    )
    _fill(span.attributes, attributes)
    for event_name, of_event in events:
        _fill(span.events.add(name=event_name).attributes, of_event)
    return span


def request_of(*spans: Span, scope: str = "tests", service: str | None = None) -> ExportTraceServiceRequest:
    """Return the request that brings these spans."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    if service is not None:
        _fill(of_resource.resource.attributes, {"service.name": service})
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = scope
    of_scope.spans.extend(spans)
    return request


def json_of(request: ExportTraceServiceRequest) -> bytes:
    """Return a request in OTLP's JSON: as protobuf's, but with hexadecimal ids and the numbers of enumerations."""
    document = json_format.MessageToDict(request, use_integers_for_enums=True)
    originals = [span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]
    written = [span for of in document["resourceSpans"] for scope in of["scopeSpans"] for span in scope["spans"]]
    for original, span in zip(originals, written, strict=True):
        ids = (original.trace_id.hex(), original.span_id.hex(), original.parent_span_id.hex())
        span.update(zip(_IDS, ids, strict=True))
    return json.dumps(document).encode()


def _fill(pairs: Any, attributes: dict[str, Any]) -> None:
    pairs.extend(KeyValue(key=name, value=_value_of(value)) for name, value in attributes.items())


def _value_of(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            answer = AnyValue()
            answer.array_value.SetInParent()
            answer.array_value.values.extend(map(_value_of, value))
            return answer
        case dict():
            answer = AnyValue()
            answer.kvlist_value.SetInParent()
            _fill(answer.kvlist_value.values, value)
            return answer
        case _:
            return AnyValue()

"""What other programs send: spans as OpenTelemetry's conventions for generative AI have them, by OTLP in protobuf."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from uuid import uuid4

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.requests import Request

_IN_TRACE = 5
_QUESTION = "Which of our customers in Norway have ordered tea since March, and how much did each of them pay? "
_ANSWER = "Three of them: Kari paid 340 kroner, Ola 120, and the tea house in Bergen 4,210 in two orders. "
_KINDS = (
    ("invoke_agent sales", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "sales"}),
    ("chat gpt-5-mini", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5-mini"}),
    ("execute_tool find_orders", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find_orders"}),
    ("chat gpt-5-mini", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5-mini"}),
    ("GET /orders", {"http.request.method": "GET", "server.address": "orders.example", "url.path": "/orders"}),
)


def send(batch: Iterable[Span]) -> Request:
    """Return the request that sends spans."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.extend(_pairs({"service.name": "shop", "telemetry.sdk.language": "python"}))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "opentelemetry.instrumentation.genai"
    of_scope.spans.extend(batch)
    head = (("Content-Type", "application/x-protobuf"),)
    return Request("POST", "/v1/traces", request.SerializeToString(), head)


def make_batch(spans: int) -> list[Span]:
    """Return so many spans that nobody has seen, five to a trace."""
    now_ns = time.time_ns()
    batch: list[Span] = []
    while len(batch) < spans:
        trace_id, root = uuid4(), uuid4().bytes[:8]
        for number, (name, attributes) in enumerate(_KINDS[: min(_IN_TRACE, spans - len(batch))]):
            began_ns = now_ns + number * 1_000_000
            batch.append(
                Span(
                    trace_id=trace_id.bytes,
                    span_id=root if number == 0 else uuid4().bytes[:8],
                    parent_span_id=b"" if number == 0 else root,
                    name=name,
                    kind=Span.SPAN_KIND_INTERNAL,
                    start_time_unix_nano=began_ns,
                    end_time_unix_nano=began_ns + 900_000,
                    status=Status(code=Status.STATUS_CODE_OK),
                    attributes=_pairs({**attributes, **_more(name), "gen_ai.conversation.id": str(trace_id)}),
                )
            )
    return batch


def _more(name: str) -> dict[str, str | int]:
    if name.startswith("chat"):
        return {
            "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 412,
            "gen_ai.usage.output_tokens": 57,
            "gen_ai.input.messages": _messages("user", _QUESTION * 3),
            "gen_ai.output.messages": _messages("assistant", _ANSWER * 2),
        }
    if name.startswith("execute_tool"):
        return {"gen_ai.tool.call.arguments": '{"country": "NO", "since": "2026-03-01"}', "gen_ai.tool.call.id": "c1"}
    return {}


def _messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _pairs(attributes: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=name, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for name, value in attributes.items()
    ]

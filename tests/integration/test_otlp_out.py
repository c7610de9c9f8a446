"""Spans sent on to a collector: a small one made of the published protobuf classes hears what runs tell."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from serai.components.agent import AgentComponent
from serai.domain.ids import new_key
from serai.errors import ConfigurationError
from serai.server.tracing import Tracing
from serai.settings import Settings
from serai.storage.connection import Database
from serai.telemetry.otel_environment import wants_export
from serai.telemetry.otlp_out import SpanExport
from serai.telemetry.series import Series
from serai.testing import ToolCall, Turn
from tests.component_runs import engine_of, run
from tests.span_values import span
from tests.teams import agent

pytestmark = pytest.mark.one_postgres


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url)
    await database.open()
    yield database
    await database.close()


class Collector:
    """Takes OTLP over HTTP and keeps the requests; answers each with a status."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                collector.paths.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> list[SentSpan]:
        return [
            span
            for request in self.requests
            for of in request.resource_spans
            for s in of.scope_spans
            for span in s.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def _attributes(sent: SentSpan) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "") for item in sent.attributes}


def _component() -> AgentComponent:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    script = (Turn("", tools=[ToolCall("add", {"a": 1, "b": 2}, id="c1")]), "It is 3.")
    return AgentComponent(agent("calculator", *script, tools=[add]))


async def test_a_collector_gets_the_same_spans_with_the_same_ids_by_the_conventions(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-os")
    tracing = Tracing(Settings(), database, Series(), os_id="serai")
    async with engine_of(database, _component(), tracer=tracing.tracer) as engine:
        ran = await run(engine, _component(), "one and two?", session_id="s", user_id="u")
    await tracing.stop()
    kept = await database.fetch("select span_id, parent_id, name, kind from spans where trace_id = $1", ran.record.key)
    sent = {int.from_bytes(span.span_id, signed=True): span for span in collector.spans}
    assert set(collector.paths) == {"/v1/traces"}
    assert sent.keys() == {row["span_id"] for row in kept}
    assert {span.trace_id.hex() for span in sent.values()} == {ran.record.key.hex}
    assert all(
        int.from_bytes(sent[row["span_id"]].parent_span_id, signed=True) == (row["parent_id"] or 0) for row in kept
    )
    by_name = {span.name: span for span in sent.values()}
    assert by_name.keys() >= {"invoke_agent calculator", "chat scripted", "execute_tool add"}
    root = _attributes(by_name["invoke_agent calculator"])
    assert (root["gen_ai.agent.id"], root["gen_ai.conversation.id"], root["user.id"]) == ("calculator", "s", "u")
    tool = _attributes(by_name["execute_tool add"])
    assert (tool["gen_ai.tool.call.arguments"], tool["gen_ai.tool.call.result"]) == ('{"a":1,"b":2}', "3")
    assert by_name["execute_tool add"].status.code == Status.STATUS_CODE_OK
    [resource] = {str(of.resource) for request in collector.requests for of in request.resource_spans}
    assert "my-os" in resource


async def test_a_collector_that_fails_keeps_no_run_and_no_stop_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    collector = Collector(status=503)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    tracing = Tracing(Settings(), database, Series(), os_id="serai")
    async with engine_of(database, _component(), tracer=tracing.tracer) as engine:
        ran = await run(engine, _component(), "go")
    await tracing.stop()
    collector.server.shutdown()
    collector.server.server_close()
    assert ran.output["status"] == "COMPLETED"
    assert collector.requests
    assert await database.fetchval("select count(*) from spans where trace_id = $1", ran.record.key) == 5


async def test_the_sampler_of_the_variables_says_what_is_sent_and_all_is_kept(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracing = Tracing(Settings(), database, Series(), os_id="serai")
    async with engine_of(database, _component(), tracer=tracing.tracer) as engine:
        ran = await run(engine, _component(), "go")
    await tracing.stop()
    assert not collector.requests
    assert await database.fetchval("select count(*) from spans where trace_id = $1", ran.record.key) == 5


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
    ],
)
def test_the_standard_variables_say_whether_spans_are_sent(variables: dict[str, str], wanted: bool):
    assert wants_export(variables) is wanted


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_what_is_not_spoken_is_refused_by_name(variables: dict[str, str], named: str):
    with pytest.raises(ConfigurationError, match=named):
        wants_export(variables)


async def test_a_ratio_of_the_traces_is_sent_whatever_their_ids_are_made_of(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    export = SpanExport("serai")
    for _ in range(400):
        export.tell(span(1, 1, trace_id=new_key()))
    await export.stop()
    assert 50 < len(collector.spans) < 150

"""OTLP over HTTP: what a real exporter sends is a trace, and every refusal is in the protocol's own shapes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentOS
from serai.settings import Settings
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.telemetry.capture import Capture
from serai.telemetry.otlp_in.intake import SpanIntake
from serai.telemetry.writer import SpanWriter
from serai.testing import ScriptedModel
from tests.hosting import IdleRuntime, http_client, make_os, serving
from tests.otlp_values import json_of, request_of, sent
from tests.run_values import until

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
ROOM = 4
LARGE = gzip.compress(bytes(1_000_000), mtime=0)


@dataclass
class IntakeRuntime(IdleRuntime):
    """A runtime whose writer never writes: spans stay where they were taken."""

    settings: Settings = field(default_factory=lambda: Settings(max_body_bytes=100_000))
    is_ready: bool = True
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spans = SpanWriter(SpanStore(Database("postgresql://")), Capture(), most_waiting=2 * ROOM)
        intake = SpanIntake(self.spans, project_id="default", most_bytes=self.settings.max_body_bytes)
        self.tracing = SimpleNamespace(intake=intake)


@pytest.fixture
async def runtime() -> IntakeRuntime:
    return IntakeRuntime()


@pytest.fixture
async def client(runtime: IntakeRuntime) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(make_os(runtime).app) as url, http_client(url) as connected:
        yield connected


@pytest.fixture
async def os_url(database_url: str) -> AsyncIterator[str]:
    """A whole server with an agent."""
    agent = Agent(ScriptedModel(["Hello."]), name="near-agent")
    os = AgentOS(agents=[agent], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url:
        yield url


@pytest.fixture
async def traces(database_url: str) -> AsyncIterator[Database]:
    """Its database."""
    database = Database(database_url, connections=2)
    await database.open()
    yield database
    await database.close()


async def test_spans_are_taken_in_either_encoding_packed_or_not(client: httpx.AsyncClient, runtime: IntakeRuntime):
    request = request_of(sent(1, "root"))
    body = request.SerializeToString()
    packed = {**PROTOBUF, "Content-Encoding": "gzip"}
    for content, headers in ((body, PROTOBUF), (gzip.compress(body), packed)):
        answer = await client.post("/v1/traces", content=content, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/x-protobuf"
    answer = await client.post(
        "/v1/traces", content=json_of(request), headers={"Content-Type": "application/json; x=y"}
    )
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, "application/json")
    assert runtime.spans.waiting == 3


async def test_spans_that_are_not_in_order_are_counted_and_the_others_taken(
    client: httpx.AsyncClient, runtime: IntakeRuntime
):
    request = request_of(sent(1), sent(0))
    answer = await client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "span_id" in partial.error_message
    answer = await client.post("/v1/traces", content=json_of(request), headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert runtime.spans.waiting == 2


@pytest.mark.parametrize(
    ("headers", "body", "status", "code", "says"),
    [
        (PROTOBUF, b"\xff", 400, 3, "in protobuf"),
        (JSON, b"{", 400, 3, "in JSON"),
        ({**PROTOBUF, "Content-Encoding": "gzip"}, b"no", 400, 3, "Content-Encoding"),
        ({**PROTOBUF, "Content-Encoding": "br"}, b"", 400, 3, "must be gzip"),
        (
            {**JSON, "Content-Encoding": "gzip"},
            gzip.compress(bytes(1_000_000), mtime=0),
            413,
            8,
            "over 100,000 bytes",
        ),
        ({"Content-Type": "text/plain"}, b"", 415, 3, "application/x-protobuf or application/json"),
        ({}, b"", 415, 3, "Content-Type"),
    ],
    ids=["no protobuf", "no JSON", "not packed", "packing", "unpacked too large", "type", "no type"],
)
async def test_what_cannot_be_read_is_refused_with_a_status_in_the_callers_encoding(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes, status: int, code: int, says: str
):
    answer = await client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    if answer.headers["content-type"] == "application/x-protobuf":
        told = Status.FromString(answer.content)
        given: tuple[int, str] = (told.code, told.message)
    else:
        given = (answer.json()["code"], answer.json()["message"])
    assert given[0] == code
    assert says in given[1]


async def test_a_server_that_has_no_room_says_when_to_come_again_and_takes_nothing(
    client: httpx.AsyncClient, runtime: IntakeRuntime
):
    for count, status in ((ROOM - 1, 200), (2, 503), (1, 200)):
        body = request_of(*(sent(number + 1) for number in range(count))).SerializeToString()
        answer = await client.post("/v1/traces", content=body, headers=PROTOBUF)
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) == (status == 503)
    assert runtime.spans.waiting == ROOM


async def test_a_server_that_keeps_no_traces_says_so():
    runtime = IntakeRuntime(Settings(traces=False))
    async with serving(make_os(runtime).app) as url, http_client(url) as client:
        answer = await client.post("/v1/traces", content=b"{}", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (404, 12)
    assert "SERAI_TRACES" in answer.json()["message"]


async def test_spans_need_the_key_as_everything_does():
    runtime = IntakeRuntime()
    app = make_os(runtime, settings={"security_key": SecretStr("key")}).app
    async with serving(app) as url, http_client(url) as client:
        answer = await client.post("/v1/traces", content=b"{}", headers=JSON)
        assert answer.status_code == 401
        answer = await client.post("/v1/traces", content=b"{}", headers={**JSON, "Authorization": "Bearer key"})
        assert answer.status_code == 200


@contextmanager
def telling(url: str) -> Iterator[Tracer]:
    """Lend a tracer whose spans the published exporter has sent when the block ends."""
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider.get_tracer("tests")
    provider.shutdown()


def tell(url: str) -> UUID:
    """Send the spans of an agent behind a web server; return the trace's id."""
    agent: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "far-agent"}
    agent |= {"gen_ai.conversation.id": "s-far", "user.id": "u-far", "input.value": "password=hunter2 please"}
    asks: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 5,
    }
    calls = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "add"}
    with (
        telling(url) as tracer,
        tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER) as request,
        tracer.start_as_current_span("invoke_agent far", attributes=agent),
    ):
        tracer.start_span("chat m", attributes=asks).end()
        with tracer.start_as_current_span("add", attributes=calls) as called:
            called.record_exception(ValueError("boom"))
            called.set_status(StatusCode.ERROR)
    return UUID(int=request.get_span_context().trace_id)


def call(url: str) -> UUID:
    """Have an agent of the server run inside a span of the caller's, and send that; return the trace's id."""
    with telling(url) as tracer, tracer.start_as_current_span("plan") as plan:
        headers: dict[str, str] = {}
        inject(headers)
        form = {"message": "Hi", "stream": "false"}
        answer = httpx.post(f"{url}/agents/near-agent/runs", data=form, headers=headers, timeout=20)
        assert answer.json()["status"] == "COMPLETED"
    return UUID(int=plan.get_span_context().trace_id)


async def test_a_run_and_what_its_caller_tells_of_the_call_are_one_trace_about_the_run(os_url: str, traces: Database):
    trace_id = await asyncio.to_thread(call, os_url)
    await until(traces, "select bool_or(name = 'plan') and count(*) > 2 from spans where trace_id = $1", trace_id)
    async with http_client(os_url) as client:
        trace = (await client.get(f"/traces/{trace_id.hex}")).json()
    assert (trace["agent_id"], trace["input"], trace["output"]) == ("near-agent", "Hi", "Hello.")
    (plan,) = trace["tree"]
    assert (plan["name"], plan["type"]) == ("plan", "OTHER")
    assert "AGENT" in [node["type"] for node in plan["spans"]]


async def test_what_the_published_exporter_sends_is_a_trace_about_its_agent(os_url: str, traces: Database):
    trace_id = await asyncio.to_thread(tell, os_url)
    await until(traces, "select count(*) = 4 from spans where trace_id = $1", trace_id)
    async with http_client(os_url) as client:
        trace = (await client.get(f"/traces/{trace_id.hex}")).json()
    told = {name: trace[name] for name in ("name", "agent_id", "session_id", "user_id", "input", "status")}
    assert told == {
        "name": "invoke_agent far",
        "agent_id": "far-agent",
        "session_id": "s-far",
        "user_id": "u-far",
        "input": "password=*** please",
        "status": "OK",
    }
    assert (trace["total_spans"], trace["error_count"], trace["total_tokens"]) == (4, 1, 5)
    (request,) = trace["tree"]
    (agent_node,) = request["spans"]
    assert [(node["type"], node["name"]) for node in (request, agent_node)] == [
        ("OTHER", "POST /ask"),
        ("AGENT", "invoke_agent far"),
    ]
    asks, calls = agent_node["spans"]
    assert (asks["type"], asks["metadata"]["input_tokens"]) == ("LLM", 5)
    assert (calls["type"], calls["status"], calls["error"]) == ("TOOL", "ERROR", "ValueError: boom")
    assert calls["metadata"]["tool_name"] == "add"

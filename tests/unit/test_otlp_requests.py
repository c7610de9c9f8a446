"""Requests of OTLP as bytes: protobuf and JSON say the same, what cannot be read is refused, and nothing breaks."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from serai.errors import BodyTooLargeError, RequestError
from serai.storage.spans import _span_row, _trace_row
from serai.telemetry.otlp_in import json_text, protobuf
from serai.telemetry.otlp_in.batch import MOST_SPANS, Batch, inflate, read_batch
from serai.telemetry.otlp_in.mapping import SpanMapper
from tests.otlp_values import SENT_NS, json_of, request_of, sent

ATTRIBUTES = {
    "text": "é\u0000",
    "empty": "",
    "whole": -3,
    "real": 2.5,
    "yes": True,
    "list": ["a", 1, None],
    "members": {"a": {"b": [1.5]}},
}


PACKED = gzip.compress(b"x" * 5000, mtime=0)


class Keeper:
    def text(self, value: Any) -> str | None:
        return value if isinstance(value, str) else json.dumps(value)


def batch_of(received: Any) -> Batch:
    return read_batch(received, SpanMapper(Keeper(), project_id="p"))


def test_protobuf_and_json_say_the_same():
    request = request_of(
        sent(1, "a", attributes=ATTRIBUTES, events=[("exception", {"exception.message": "m"})], status={"code": 2}),
        sent(2, "b", parent=1, flags=0x300, kind=3),
        service="shop",
    )
    first = list(protobuf.read_protobuf(request.SerializeToString()))
    assert first == list(json_text.read_json(json_of(request)))
    assert first[0].attributes == ATTRIBUTES
    assert (first[0].service, first[1].parent_id, first[1].flags) == ("shop", (1).to_bytes(8), 0x300)


def test_json_may_have_numbers_as_texts_and_names_of_enumerations_and_unknown_members():
    span = {
        "traceId": "0AF7651916CD43DD8448EB211C80319C",
        "spanId": "00000000000000AB",
        "parentSpanId": "",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": SENT_NS,
        "endTimeUnixNano": str(SENT_NS + 5),
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": [{"key": "n", "value": {"intValue": "7"}}, {"key": "d", "value": {"doubleValue": "NaN"}}],
        "links": None,
        "of tomorrow": 1,
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}], "resource": None}]}).encode()
    (found,) = batch_of(json_text.read_json(body)).spans
    assert (found.span_id, found.duration_ns, found.status, found.attributes) == (0xAB, 5, "ERROR", {"n": 7})


def test_spans_that_cannot_be_kept_are_counted_and_said_why():
    bad = [sent(1, trace=0), sent(0), sent(2), sent(3), sent(4)]
    bad[2].parent_span_id = b"short"
    bad[3].start_time_unix_nano = 12
    found = batch_of(protobuf.read_protobuf(request_of(*bad).SerializeToString()))
    assert (len(found.spans), found.rejected) == (1, 4)
    assert "1 of the spans: a parent_span_id is not 8 bytes" in found.message
    answer = ExportTraceServiceResponse.FromString(
        protobuf.write_response(rejected=found.rejected, message=found.message)
    )
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (4, found.message)
    assert json.loads(json_text.write_response(rejected=4, message="m")) == {
        "partialSuccess": {"rejectedSpans": "4", "errorMessage": "m"}
    }
    assert (protobuf.write_response(), json_text.write_response()) == (b"", b"{}")


def test_a_request_of_too_many_spans_is_refused():
    span = sent(1)
    with pytest.raises(BodyTooLargeError, match="10,000 spans"):
        batch_of(protobuf.read_protobuf(request_of(*[span] * (MOST_SPANS + 1)).SerializeToString()))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda body: gzip.compress(body) + gzip.compress(b"!")])
def test_packed_bodies_are_unpacked(pack: Any):
    assert inflate(pack(b"abc" * 1000), most_bytes=3001).startswith(b"abc" * 1000)


def test_a_small_body_that_would_become_a_large_one_is_refused():
    with pytest.raises(BodyTooLargeError, match="over 1,000,000 bytes"):
        inflate(gzip.compress(bytes(50_000_000)), most_bytes=1_000_000)


def test_a_body_of_very_many_packed_pieces_is_refused_soon():
    with pytest.raises(RequestError, match="more than 100 pieces"):
        inflate(gzip.compress(b"", mtime=0) * 500_000, most_bytes=1_000_000)


@pytest.mark.parametrize("body", [b"plain", PACKED[:-12], PACKED + b"more"])
def test_a_body_that_is_not_packed_as_it_says_is_refused(body: bytes):
    with pytest.raises(RequestError, match="Content-Encoding"):
        inflate(body, most_bytes=10_000)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"resourceSpans": 1}', b'{"resourceSpans": [{"scopeSpans": "x"}]}']
)
def test_json_that_is_no_request_is_refused(body: bytes):
    with pytest.raises(RequestError, match="in JSON"):
        json_text.read_json(body)


def test_json_that_is_nested_too_deeply_is_refused():
    deep = b'{"arrayValue":{"values":[' * 20_000
    with pytest.raises(RequestError):
        json_text.read_json(b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":' + deep)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_protobuf_are_refused_and_break_nothing(body: bytes):
    try:
        batch_of(protobuf.read_protobuf(body))
    except RequestError as error:
        assert "in protobuf" in error.message  # noqa: PT017 - either is right


WHOLE = request_of(
    sent(
        1, "a", attributes=ATTRIBUTES, events=[("gen_ai.choice", {"message": "m"})], status={"code": 2, "message": "x"}
    ),
    sent(2, "b", parent=1, attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": "[{}]"}),
).SerializeToString()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_request_that_was_damaged_on_its_way_is_read_or_refused(damage: list[tuple[int, int]]):
    body = bytearray(WHOLE)
    for place, byte in damage:
        body[place] = byte
    try:
        found = batch_of(protobuf.read_protobuf(bytes(body)))
    except RequestError as error:
        assert "in protobuf" in error.message  # noqa: PT017 - either is right
    else:
        assert len(found.spans) + found.rejected <= 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.text(max_size=10) | st.sampled_from(
    [
        *("openinference.span.kind", "gen_ai.operation.name", "langsmith.span.kind", "traceloop.span.kind"),
        *("gen_ai.input.messages", "gen_ai.output.messages", "pydantic_ai.all_messages", "events", "input.value"),
        *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.request.model", "operation.cost"),
        *("session.id", "user.id", "agno.agent.id", "gen_ai.agent.name", "gen_ai.prompt.0.content", "tool.name"),
        *("agno.workflow.steps", "llm.request.type", "gen_ai.usage.cache_read.input_tokens", "content", "message"),
    ]
)
KINDS = st.sampled_from(["AGENT", "LLM", "TOOL", "CHAIN", "chat", "invoke_agent", "execute_tool", "gpt-4o", "[{}]"])
ATTRIBUTES_SENT = st.dictionaries(NAMES, VALUES | KINDS, max_size=8)
EVENTS = st.tuples(st.sampled_from(["exception", "gen_ai.user.message", "gen_ai.choice", "x"]), ATTRIBUTES_SENT)
TIMES = st.integers(0, 2**64 - 1) | st.just(SENT_NS)
NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@settings(max_examples=50)
@given(
    attributes=ATTRIBUTES_SENT,
    events=st.lists(EVENTS, max_size=2),
    times=st.tuples(TIMES, TIMES),
    code=st.integers(0, 9),
)
def test_whatever_is_sent_can_be_stored_or_is_counted_as_refused(
    attributes: dict[str, Any], events: list[Any], times: tuple[int, int], code: int
):
    span = sent(1, parent=2)
    span.start_time_unix_nano, span.end_time_unix_nano = times
    try:
        span = sent(1, attributes=attributes, events=events, status={"code": code})
    except (UnicodeEncodeError, ValueError):  # no protobuf has it
        return
    span.start_time_unix_nano, span.end_time_unix_nano = times
    found = batch_of(protobuf.read_protobuf(request_of(span).SerializeToString()))
    assert len(found.spans) + found.rejected == 1
    for kept in found.spans:
        for value in (*_span_row(kept), *_trace_row([kept])):
            assert not isinstance(value, int) or abs(value) < 1 << 63
            assert not isinstance(value, str) or "\0" not in value.encode().decode()

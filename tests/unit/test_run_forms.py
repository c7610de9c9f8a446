"""The form of a run request: both encodings say the same, and no body breaks the parser."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from serai.errors import BodyTooLargeError, InvalidFieldError, RequestError
from serai.server.run_forms import RunForm, read_run_form

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
OBJECTS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, max_size=3)
FORM = "application/x-www-form-urlencoded"


async def read(body: bytes, content_type: str | None, *, pieces: int = 1) -> RunForm:
    size = max(1, -(-len(body) // pieces))
    chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, Any]:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers, "app": None}
    return await read_run_form(Request(scope, receive), max_field_bytes=1024 * 1024)


def encode(fields: dict[str, str], *, multipart: bool) -> tuple[bytes, str]:
    parts = {"files": {name: (None, value) for name, value in fields.items()}} if multipart else {"data": fields}
    request = httpx.Request("POST", "http://x", **parts)
    return request.read(), request.headers["content-type"]


def parse(fields: dict[str, str], *, multipart: bool = False, pieces: int = 1) -> RunForm:
    return asyncio.run(read(*encode(fields, multipart=multipart), pieces=pieces))


@settings(deadline=None, max_examples=60)
@given(message=TEXT, state=OBJECTS, dependencies=OBJECTS, pieces=st.integers(1, 5))
def test_both_encodings_say_the_same(message: str, state: dict[str, Any], dependencies: dict[str, Any], pieces: int):
    fields = {"message": message, "session_state": json.dumps(state), "dependencies": json.dumps(dependencies)}
    urlencoded = parse(fields, pieces=pieces)
    assert urlencoded == parse(fields, multipart=True, pieces=pieces)
    assert urlencoded.input.message == message
    assert (urlencoded.input.session_state, urlencoded.input.dependencies) == (state, dependencies)


@settings(deadline=None, max_examples=100)
@given(
    body=st.binary(max_size=200) | TEXT.map(lambda text: f"message={text}".encode()),
    content_type=st.sampled_from(
        [
            None,
            "",
            FORM,
            f"{FORM}; charset=utf-8",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "text/plain",
        ]
    ),
)
def test_any_body_is_a_form_or_is_refused(body: bytes, content_type: str | None):
    with suppress(RequestError):
        assert asyncio.run(read(body, content_type)).input.message


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_multipart_body_is_a_form_or_is_refused(head: bytes, value: bytes):
    body = b"--x\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + value + b"\r\n--x--\r\n"
    with suppress(RequestError):
        assert asyncio.run(read(body, "multipart/form-data; boundary=x")).input.message


@pytest.mark.parametrize("multipart", [False, True])
def test_a_plain_form_has_the_published_defaults(multipart: bool):
    form = parse({"message": "hi"}, multipart=multipart)
    assert (form.is_stream, form.is_background, form.is_content_only) == (True, False, False)
    assert (form.session_id, form.user_id, form.run_id, form.ignored) == (None, None, None, [])
    assert form.input.stream is True
    assert (form.input.session_state, form.input.history_runs, form.input.knowledge_filters) == ({}, None, None)


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("TRUE", True), (" 1 ", True), ("on", True), ("yes", True), ("f", False), ("No", False)],
)
def test_booleans_are_written_in_many_ways(word: str, value: bool):
    form = parse({"message": "hi", "stream": word, "background": word, "stream_events": word})
    assert (form.is_stream, form.is_background, form.is_content_only) == (value, value, not value)


@pytest.mark.parametrize(
    ("fields", "history_runs"),
    [
        ({}, None),
        ({"num_history_runs": "5"}, 5),
        ({"num_history_runs": "None"}, None),
        ({"num_history_runs": "0"}, 0),
        ({"add_history_to_context": "false"}, 0),
        ({"add_history_to_context": "false", "num_history_runs": "5"}, 0),
        ({"add_history_to_context": "true", "num_history_runs": "5"}, 5),
    ],
)
def test_history_is_counted_in_runs(fields: dict[str, str], history_runs: int | None):
    assert parse({"message": "hi", **fields}).input.history_runs == history_runs


def test_empty_fields_are_as_good_as_none():
    form = parse({"message": "hi", "session_id": "", "stream": "", "images": "", "session_state": ""})
    assert (form.session_id, form.is_stream, form.ignored) == (None, True, [])


def test_unknown_fields_are_named_in_order():
    assert parse({"message": "hi", "zeal": "1", "monitor": "x"}).ignored == ["monitor", "zeal"]


def test_the_last_of_equal_fields_counts():
    assert asyncio.run(read(b"message=a&message=b", FORM)).input.message == "b"


def test_plus_and_percent_are_decoded():
    assert asyncio.run(read(b"message=a+b%20c%2B", FORM)).input.message == "a b c+"


def test_a_form_that_is_not_utf8_is_refused():
    for body in (b"message=\xff", b"message=%ff"):
        with pytest.raises(RequestError):
            asyncio.run(read(body, FORM))


def test_too_many_fields_are_refused():
    with pytest.raises(RequestError, match="cannot be read"):
        asyncio.run(read(b"message=hi&" + b"a=1&" * 2000, FORM))


def test_an_upload_is_refused_by_name():
    request = httpx.Request("POST", "http://x", data={"message": "hi"}, files={"photo": ("cat.png", b"png")})
    with pytest.raises(RequestError, match="'photo' is not served"):
        asyncio.run(read(request.read(), request.headers["content-type"]))


def test_a_long_multipart_field_is_refused():
    body, content_type = encode({"message": "x" * (1024 * 1024 + 1)}, multipart=True)
    with pytest.raises((RequestError, BodyTooLargeError)):
        asyncio.run(read(body, content_type))


@pytest.mark.parametrize("text", ["{", "nope", "[1", '{"a":1}x', "\x00"])
def test_text_that_is_no_json_names_its_field(text: str):
    with pytest.raises(InvalidFieldError) as caught:
        parse({"message": "hi", "knowledge_filters": text})
    assert caught.value.issues[0]["loc"] == ["body", "knowledge_filters"]
    assert caught.value.issues[0]["type"] == "json_invalid"


def test_deep_json_is_refused():
    with pytest.raises(InvalidFieldError):
        parse({"message": "hi", "session_state": "[" * 100_000})


@pytest.mark.parametrize("value", [[], 0, False, {"a": 1}, "text", None])
def test_knowledge_filters_may_be_any_json(value: Any):
    assert parse({"message": "hi", "knowledge_filters": json.dumps(value)}).input.knowledge_filters == value

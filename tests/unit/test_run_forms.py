"""The form of a run request: both encodings say the same, and no body breaks the parser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from serai.components.media import MediaItem
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json
from serai.errors import BodyTooLargeError, InvalidFieldError, RequestError
from serai.server.form_fields import _unquote
from serai.server.media_fields import FIELDS
from serai.server.run_forms import ContinueForm, RunForm, read_continue_form, read_run_form
from serai.server.run_kinds import RUN_KINDS
from serai.storage.blobs import Blob

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
OBJECTS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, max_size=3)
FORM = "application/x-www-form-urlencoded"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


def request_of(body: bytes, content_type: str | None, *, pieces: int = 1) -> Request:
    size = max(1, -(-len(body) // pieces))
    chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, Any]:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers, "app": None}
    return Request(scope, receive)


async def read(body: bytes, content_type: str | None, *, pieces: int = 1, kind: str = "agent") -> RunForm:
    request = request_of(body, content_type, pieces=pieces)
    return await read_run_form(request, RUN_KINDS[kind], max_field_bytes=1024 * 1024)


def answers_of(fields: dict[str, str], kind: str) -> ContinueForm:
    body, content_type = encode(fields, multipart=False)
    request = request_of(body, content_type)
    return asyncio.run(read_continue_form(request, RUN_KINDS[kind], max_field_bytes=1024 * 1024))


def upload(*files: Any, kind: str = "agent", **fields: str) -> RunForm:
    request = httpx.Request("POST", "http://x", data={"message": "hi", **fields}, files=files)
    return asyncio.run(read(request.read(), request.headers["content-type"], kind=kind))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def encode(fields: dict[str, str], *, multipart: bool) -> tuple[bytes, str]:
    parts = {"files": {name: (None, value) for name, value in fields.items()}} if multipart else {"data": fields}
    request = httpx.Request("POST", "http://x", **parts)
    return request.read(), request.headers["content-type"]


def parse(fields: dict[str, str], *, multipart: bool = False, pieces: int = 1, kind: str = "agent") -> RunForm:
    return asyncio.run(read(*encode(fields, multipart=multipart), pieces=pieces, kind=kind))


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


def test_an_upload_in_another_field_is_refused_by_name():
    with pytest.raises(RequestError, match="'photo' is not served"):
        upload(("photo", ("cat.png", PNG)))


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


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"%", b"4", b"1", b"=", b"+", b"\r\n", b" ", b"%41", b"%3d", b"_", b"%C3%A9"]), max_size=40
    )
)
def test_percent_escapes_are_undone_as_the_standard_library_does(pieces: list[bytes]):
    body = b"".join(pieces).replace(b"&", b"")
    assert _unquote(body) == unquote_to_bytes(body.replace(b"+", b" "))


@pytest.mark.parametrize("shift", range(3))
def test_escapes_may_lie_across_the_pieces_that_a_form_is_read_in(shift: int):
    body = b"x" * shift + b"%C3%A9" * 100_000
    assert _unquote(body).decode() == "x" * shift + "é" * 100_000


@pytest.mark.parametrize("text", ["A" * 3 * 2**20, "\N{HIRAGANA LETTER A} %41+=&" * 2**17], ids=["plain", "escaped"])
def test_a_field_of_3_mib_blocks_nobody_for_long(text: str):
    body = urlencode({"message": text}).encode()
    longest_s = 0.0

    async def read_watched() -> RunForm:
        nonlocal longest_s
        reading = asyncio.create_task(read(body, FORM))
        while not reading.done():
            started = time.perf_counter()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.perf_counter() - started)
        return await reading

    assert asyncio.run(read_watched()).input.message == text
    assert longest_s < 0.25  # decoded by the standard library on the loop it is up to a second


@pytest.mark.parametrize("multipart", [False, True])
def test_media_are_references_beside_their_bytes(multipart: bool):
    items = [
        {"content": b64(PNG), "alt_text": "a cat", "surprise": 1},
        {"url": "https://example.org/b", "format": "gif"},
    ]
    form = parse({"message": "hi", "images": json.dumps(items)}, multipart=multipart)
    assert form.input.media == [
        MediaItem(kind="image", sha256=digest(PNG), media_type="image/png", size=len(PNG), shown={"alt_text": "a cat"}),
        MediaItem(kind="image", url="https://example.org/b", media_type="image/gif", shown={"format": "gif"}),
    ]
    assert form.blobs == {digest(PNG): Blob("image/png", PNG)}
    assert form.ignored == []
    assert load_run_input(dump_json(form.input)).media == form.input.media


def test_repeated_media_fields_are_one_list():
    pairs = [("message", "hi"), *(("images", json.dumps([{"url": f"https://example.org/{n}"}])) for n in range(3))]
    form = asyncio.run(read(urlencode(pairs).encode(), FORM))
    assert [item.url for item in form.input.media] == [f"https://example.org/{n}" for n in range(3)]


@pytest.mark.parametrize("text", ["", "null", "None", "[]"])
@pytest.mark.parametrize("name", [*FIELDS, "files_metadata", "output_schema"])
def test_no_media_and_no_schema_are_said_in_many_ways(name: str, text: str):
    if (name, text) != ("output_schema", "[]"):
        form = parse({"message": "hi", name: text})
        assert (form.input.media, form.input.output_schema, form.ignored) == ([], None, [])


@pytest.mark.parametrize(
    ("item", "media_type"),
    [
        ({"mime_type": "IMAGE/JPG; q=1"}, "image/jpeg"),
        ({"format": ".JPEG"}, "image/jpeg"),
        ({"mime_type": "image/x-unheard"}, "image/x-unheard"),
        ({}, "image/png"),
    ],
)
def test_the_type_of_an_image_is_what_was_said_or_is_seen(item: dict[str, Any], media_type: str):
    form = parse({"message": "hi", "images": json.dumps([{"content": b64(PNG), **item}])})
    assert form.input.media[0].media_type == media_type


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("images", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("images", b"GIF89a", "image/gif"),
        ("images", b"RIFF....WEBPVP8 ", "image/webp"),
        ("images", b"????", "image/png"),
        ("audio", b"RIFF....WAVEfmt ", "audio/wav"),
        ("audio", b"ID3\x04", "audio/mpeg"),
        ("audio", b"????", "audio/wav"),
        ("videos", b"....ftypqt  ", "video/quicktime"),
        ("videos", b"\x1aE\xdf\xa3", "video/webm"),
        ("input_files", b"%PDF-1.7", "application/pdf"),
        ("input_files", b"\x89PNG\r\n", "image/png"),
        ("input_files", "Grüße".encode(), "text/plain"),
        ("input_files", b"\xff\xfe\x00", "application/octet-stream"),
    ],
)
def test_the_type_of_bytes_is_seen_in_them(name: str, data: bytes, media_type: str):
    form = parse({"message": "hi", name: json.dumps([{"content": b64(data)}])})
    assert form.input.media[0].media_type == media_type


@pytest.mark.parametrize(
    ("text", "media_type", "data"),
    [
        ("YWJj", None, b"abc"),
        ("not base64!", None, b"not base64!"),
        ("YWJj", "text/plain", b"abc"),
        ("TestData", "text/plain", b"TestData"),
        ("TestData", "application/pdf", base64.b64decode("TestData")),
        ("Grüße", "text/markdown", "Grüße".encode()),
        (base64.b64encode(b"Gr\xfc\xdfe" * 20).decode(), "text/csv", b"Gr\xfc\xdfe" * 20),
    ],
)
def test_content_is_base64_or_else_text(text: str, media_type: str | None, data: bytes):
    form = parse({"message": "hi", "input_files": json.dumps([{"content": text, "mime_type": media_type}])})
    assert [blob.bytes for blob in form.blobs.values()] == [data]


@pytest.mark.parametrize("name", [*FIELDS, "files_metadata"])
@pytest.mark.parametrize("text", ["{", "7", '{"url":"http://x"}', '[["a"]', "nope", "[" * 100_000])
def test_malformed_media_name_their_field(name: str, text: str):
    with pytest.raises(InvalidFieldError) as caught:
        parse({"message": "hi", name: text})
    assert caught.value.issues[0]["loc"] == ["body", name]


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"content": "eA==", "mime_type": "image/\0"}, "mime_type"),
        ({"url": "data:image/\0png;base64,eA=="}, "url"),
        ({"filepath": "/etc/passwd"}, "filepath"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "s3://bucket/key"}, "url"),
        ({"url": "//example.org/a.png"}, "url"),
        ({"url": "http://[x/a.png"}, "url"),
        ({"url": "http://x/\n"}, "url"),
        ({"url": "data:image/png;base64"}, "url"),
        ({"url": "data:image/png;base64,@@"}, "url"),
        ({"url": "http://x/a.png", "content": "YQ=="}, None),
        ({"url": "http://x/a.png", "filepath": "/a.png"}, None),
        ({"mime_type": "image/png"}, None),
        ({"content": {"a": 1}}, "content"),
        ({"content": ""}, "content"),
        ({"content": "YQ==", "mime_type": 3}, "mime_type"),
        ({"content": "YQ==", "format": "x" * 300}, "format"),
    ],
)
def test_a_wrong_medium_is_named(item: dict[str, Any], place: str | None):
    with pytest.raises(InvalidFieldError) as caught:
        parse({"message": "hi", "images": json.dumps([{"url": "https://example.org/a"}, item])})
    assert caught.value.issues[0]["loc"] == ["body", "images", 1, *([place] if place else [])]


@pytest.mark.parametrize(
    ("filename", "said", "kind", "media_type"),
    [
        ("cat.PNG", "", "image", "image/png"),
        ("cat.jpg", "application/octet-stream", "image", "image/jpeg"),
        ("cat", "image/webp", "image", "image/webp"),
        ("a.m4a", "audio/x-m4a", "audio", "audio/mp4"),
        ("a.mp4", "", "video", "video/mp4"),
        ("a.mov", "video/quicktime", "video", "video/quicktime"),
        ("a.py", "text/x-python", "file", "text/x-python"),
        ("a.xml", "application/xml", "file", "text/xml"),
        ("a.docx", "", "file", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.msg", "", "file", "application/vnd.ms-outlook"),
    ],
)
def test_uploads_are_routed_by_type_or_extension(filename: str, said: str, kind: str, media_type: str):
    (item,) = upload(("files", (filename, PNG, said))).input.media
    assert (item.kind, item.media_type, item.shown.get("filename")) == (
        kind,
        media_type,
        filename if kind == "file" else None,
    )


@pytest.mark.parametrize("file", [("a.exe", b"MZ", ""), ("a", b"??", ""), ("a.png", b"x", "application/x-sh")])
def test_an_upload_of_another_type_is_refused(file: tuple[str, bytes, str]):
    with pytest.raises(RequestError, match="Unsupported file type") as caught:
        upload(("files", file))
    assert caught.value.status == 400


def test_metadata_go_to_uploads_by_position():
    files = [("files", (f"{n}.png", PNG + bytes([n]), "image/png")) for n in range(4)]
    form = upload(*files, files_metadata=json.dumps([{"page": 1}, None, {"page": 3}]))
    assert [item.shown.get("metadata") for item in form.input.media] == [{"page": 1}, None, {"page": 3}, None]


def test_long_metadata_are_refused():
    with pytest.raises(InvalidFieldError) as caught:
        parse({"message": "hi", "files_metadata": json.dumps([{"a": "x" * 8000}])})
    assert caught.value.issues[0]["loc"] == ["body", "files_metadata"]


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        "[]",
        "7",
        "{}",
        '{"type":"string"}',
        '{"type":["object"]}',
        '{"type":"object","properties":5}',
        '{"type":"object","$defs":3}',
        json.dumps({"type": "object", "properties": {"a": {"$ref": "#/$defs/B"}}, "$defs": {"A": {}}}),
        json.dumps(
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
        ),
        '{"type":"object","properties":' * 3000,
    ],
)
def test_an_unusable_output_schema_names_its_field(schema: str):
    with pytest.raises(InvalidFieldError) as caught:
        parse({"message": "hi", "output_schema": schema})
    assert caught.value.issues[0]["loc"] == ["body", "output_schema"]


def test_an_output_schema_is_kept_as_it_was_sent():
    schema = {"type": "object", "title": "City", "properties": {"name": {"type": "string"}}}
    form = parse({"message": "hi", "output_schema": json.dumps(schema), "use_json_schema": "TRUE"})
    assert (form.input.output_schema, form.input.keeps_schema, form.ignored) == (schema, True, [])


def test_agents_and_teams_take_the_same_form():
    fields = {"message": "hi", "num_history_runs": "2", "output_schema": '{"type":"object"}', "x": "1"}
    assert parse(fields, kind="team") == parse(fields)
    assert upload(("files", ("a.png", PNG, "image/png")), kind="team").blobs == {digest(PNG): Blob("image/png", PNG)}


@pytest.mark.parametrize("field", ["output_schema", "use_json_schema", "factory_input"])
def test_a_workflow_refuses_what_only_a_model_can_follow(field: str):
    with pytest.raises(RequestError, match=f"'{field}'.*a workflow"):
        parse({"message": "hi", field: "true"}, kind="workflow")


def test_a_workflow_takes_media_as_json_and_no_uploads():
    images = json.dumps([{"content": b64(PNG), "mime_type": "image/png"}])
    assert parse({"message": "hi", "images": images}, kind="workflow").blobs == {digest(PNG): Blob("image/png", PNG)}
    with pytest.raises(RequestError, match=r"'files'.*'images'"):
        upload(("files", ("a.png", PNG, "image/png")), kind="workflow")


def test_a_workflow_has_no_history_to_choose():
    form = parse({"message": "hi", "num_history_runs": "many", "add_history_to_context": "true"}, kind="workflow")
    assert (form.input.history_runs, form.ignored) == (None, ["add_history_to_context", "num_history_runs"])


@pytest.mark.parametrize("kind", ["agent", "team"])
def test_calls_are_answered_as_tools_or_as_requirements(kind: str):
    tool = {"tool_call_id": "c", "confirmed": True}
    requirement = {"id": "r", "confirmation": False, "tool_execution": {"tool_call_id": "d"}}
    form = answers_of({"tools": json.dumps([tool]), "requirements": json.dumps([requirement])}, kind)
    assert form.answers == [tool, {"tool_call_id": "d", "requirement_id": "r", "confirmed": False}]
    assert form.ignored == []


def test_steps_are_answered_as_they_were_sent():
    sent = [{"step_id": "s", "confirmed": True, "step_name": None}]
    form = answers_of({"step_requirements": json.dumps(sent), "tools": "[]", "session_id": "s"}, "workflow")
    assert (form.answers, form.session_id, form.ignored) == (sent, "s", ["tools"])
    assert form.asked != answers_of({"step_requirements": "[]"}, "workflow").asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON in step_requirements field"),
        ("{}", "Invalid JSON in step_requirements field: it must be a list of objects"),
        ("[1]", "Invalid JSON in step_requirements field: it must be a list of objects"),
        ('[{"step_id": "s"}, {"confirmed": true}]', r"step_requirements\[1\].step_id"),
        ('[{"step_id": 1}]', r"step_requirements\[0\].step_id"),
    ],
)
def test_answers_that_name_no_step_are_refused(text: str, message: str):
    with pytest.raises(RequestError, match=message):
        answers_of({"step_requirements": text}, "workflow")

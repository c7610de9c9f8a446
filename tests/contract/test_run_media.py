"""Media and structured answers of runs over HTTP: what the model is shown, what is stored, what callers read."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, Tool, ToolReturn
from pydantic_ai.messages import (
    BinaryContent,
    FilePart,
    FileUrl,
    ModelMessage,
    ModelResponse,
    TextPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

import serai
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn, provider_error
from tests.hosting import serving

RUNS = "/agents/viewer/runs"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7 " + bytes(range(200))
WAV = b"RIFF\x00\x00\x00\x00WAVE" + bytes(range(100))
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(range(100))
CITY: dict[str, Any] = {
    "type": "object",
    "title": "City",
    "properties": {"name": {"type": "string"}, "people": {"$ref": "#/$defs/Count"}},
    "required": ["name"],
    "$defs": {"Count": {"type": "integer"}},
}


def look(messages: list[ModelMessage] | Any) -> str:
    """Say which media the model is shown, each as its type and the beginning of its hash or its address."""
    seen: list[str] = []
    for part in (part for message in messages for part in message.parts):
        contents = [part.content] if isinstance(part, FilePart) else getattr(part, "content", None)
        for content in contents if isinstance(contents, list) else [contents]:
            if isinstance(content, BinaryContent):
                seen.append(f"{content.media_type}:{digest(content.data)[:8]}")
            elif isinstance(content, FileUrl):
                seen.append(f"{type(content).__name__}:{content.url}")
    return " ".join(seen) or "nothing"


def answer(asked: Asked) -> Turn:
    if asked.step == 0 and "both" in asked.message:
        return Turn(tools=[ToolCall("draw", {}, id="p1"), ToolCall("delete_file", {"path": "/x"}, id="d1")])
    if asked.step == 0 and "delete" in asked.message:
        return Turn("Hm. ", tools=[ToolCall("delete_file", {"path": "/x"}, id="d1")])
    if asked.step == 0 and "draw" in asked.message:
        return Turn(tools=[ToolCall("draw", {}, id="p1")])
    if asked.step == 0 and "camera" in asked.message:
        return Turn(tools=[ToolCall("camera", {}, id="p2")])
    if asked.step == 0 and "nested" in asked.message:
        return Turn(tools=[ToolCall("nested", {}, id="p3")])
    if "final_result" in asked.tools:
        return Turn(tools=[ToolCall("final_result", {"name": "Rome", "people": 3})])
    return Turn(look(asked.messages))


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def draw() -> BinaryContent:
    """Draw a picture."""
    return BinaryContent(PNG, media_type="image/png")


def camera() -> ToolReturn:
    """Take a picture and say something about it."""
    return ToolReturn("taken", content=["look:", BinaryContent(PNG, media_type="image/png")])


def nested() -> dict[str, Any]:
    """Return a picture deep inside."""
    return {"kind": ["odd"], "pages": [{"picture": BinaryContent(PNG, media_type="image/png")}, 1]}


def _viewer() -> Agent[None, str]:
    return Agent(ScriptedModel(answer), name="viewer", tools=[delete_file, draw, camera, nested])


def draw_in(colour: str = "red") -> BinaryContent:
    """Draw a picture in a colour."""
    raise AssertionError(f"it was drawn already, and not in {colour}")


def _waiter(gate: asyncio.Event, paint: Callable[..., BinaryContent]) -> Agent[None, str]:
    """Return an agent that draws, waits for the gate, and looks at what was drawn."""

    def answer(asked: Asked) -> Turn:
        if "fail" in asked.message:
            return Turn("x", error=provider_error(503, "model exploded"))
        if asked.step == 0:
            return Turn(tools=[ToolCall("draw", {}, id="p1")])
        return Turn(["seen ", look(asked.messages)], gate=gate.wait, gate_after=1)

    return Agent(ScriptedModel(answer), name="waiter", tools=[Tool(paint, name="draw")])


def _painter() -> Agent[None, str]:
    def paint(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen = look([message for message in messages if isinstance(message, ModelResponse)])
        return ModelResponse([TextPart(f"had {seen}"), FilePart(BinaryContent(PNG, media_type="image/png"))])

    return Agent(FunctionModel(paint), name="painter")


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[_viewer(), _painter()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str = "look", *, path: str = RUNS, **fields: Any) -> dict[str, Any]:
    response = await client.post(path, data={"message": message, "stream": "false", **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert body["status"] in ("COMPLETED", "PAUSED"), body
    return body


async def upload(client: httpx.AsyncClient, *files: Any, **fields: str) -> httpx.Response:
    data = {"message": "look", "stream": "false", **fields}
    return await client.post(RUNS, data=data, files=[("files", file) for file in files])


async def tables(database_url: str) -> dict[str, list[Any]]:
    """Return what every table that runs write to holds."""
    connection = await asyncpg.connect(database_url)
    try:
        names = ("runs", "run_steps", "run_events", "sessions", "blobs")
        return {name: await connection.fetch(f"select * from {name}") for name in names}
    finally:
        await connection.close()


async def assert_nowhere_inline(database_url: str, *contents: bytes) -> None:
    """Check that bytes lie in blobs, once each, and in no other column in any form."""
    held = await tables(database_url)
    blobs = [bytes(row["bytes"]) for row in held.pop("blobs")]
    for data in contents:
        assert blobs.count(data) == 1
        forms = [data[20:60], base64.b64encode(data)[20:60], base64.urlsafe_b64encode(data)[20:60], data.hex().encode()]
        for name, rows in held.items():
            for value in (value for row in rows for value in row if isinstance(value, bytes | str)):
                raw = value.encode() if isinstance(value, str) else value
                assert not any(form in raw for form in forms), name


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def seen(media_type: str, data: bytes) -> str:
    return f"{media_type}:{digest(data)[:8]}"


@pytest.mark.parametrize(
    ("name", "listed", "data", "media_type"),
    [
        ("images", "images", PNG, "image/png"),
        ("audio", "audios", WAV, "audio/wav"),
        ("videos", "videos", MP4, "video/mp4"),
        ("input_files", "files", PDF, "application/pdf"),
        ("files", "files", PDF, "application/pdf"),
    ],
)
async def test_inline_media_of_each_kind_reach_the_model_and_come_back(
    client: httpx.AsyncClient, database_url: str, name: str, listed: str, data: bytes, media_type: str
):
    item = {"id": "m1", "content": b64(data), "url": None, "filepath": None, "mime_type": None, "metadata": {"a": 1}}
    made = await run(client, **{name: json.dumps([item])})
    assert made["content"] == seen(media_type, data)
    shown = {"id": "m1", "content": b64(data), "mime_type": media_type, "metadata": {"a": 1}}
    assert made["input"]["input_content"] == "look"
    assert made["input"][listed] == [{**shown, "sha256": digest(data), "size": len(data)}]
    (message,) = [message for message in made["messages"] if message["role"] == "user"]
    of_message = "audio" if name == "audio" else listed
    assert message["content"] == "look"
    assert message[of_message] == [{"id": digest(data)[:6], "content": b64(data), "mime_type": media_type}]
    assert (await client.get(f"{RUNS}/{made['run_id']}")).json() == made
    await assert_nowhere_inline(database_url, data)


@pytest.mark.parametrize(
    ("name", "kind", "listed"),
    [
        ("images", "ImageUrl", "images"),
        ("audio", "AudioUrl", "audios"),
        ("videos", "VideoUrl", "videos"),
        ("input_files", "DocumentUrl", "files"),
    ],
)
async def test_media_by_address_go_to_the_model_as_addresses(
    client: httpx.AsyncClient, database_url: str, name: str, kind: str, listed: str
):
    made = await run(client, **{name: json.dumps([{"url": "https://example.org/thing", "detail": "low"}])})
    assert made["content"] == f"{kind}:https://example.org/thing"
    assert made["input"][listed] == [{"url": "https://example.org/thing", "detail": "low"}]
    assert (await tables(database_url))["blobs"] == []


async def test_a_data_url_is_bytes(client: httpx.AsyncClient, database_url: str):
    made = await run(client, images=json.dumps([{"url": f"data:image/gif;base64,{b64(PNG)}"}]))
    assert made["content"] == seen("image/gif", PNG)
    await assert_nowhere_inline(database_url, PNG)


@pytest.mark.parametrize("text", ["Grüße, not base64!", "TestData"])
async def test_a_text_file_may_be_sent_as_its_text(client: httpx.AsyncClient, text: str):
    made = await run(
        client, input_files=json.dumps([{"content": text, "mime_type": "text/plain", "filename": "a.txt"}])
    )
    assert made["content"] == seen("text/plain", text.encode())
    assert made["input"]["files"][0]["content"] == text
    assert made["input"]["files"][0]["filename"] == "a.txt"


async def test_a_file_of_unheard_type_keeps_it_from_the_model_only_for_published_clients(client: httpx.AsyncClient):
    made = await run(client, input_files=json.dumps([{"content": b64(b"\xff\x00"), "mime_type": "application/x-odd"}]))
    assert made["content"] == seen("application/x-odd", b"\xff\x00")
    assert "mime_type" not in made["input"]["files"][0]
    assert "mime_type" not in made["messages"][0]["files"][0]


async def test_uploads_are_routed_by_type_and_by_extension(client: httpx.AsyncClient, database_url: str):
    response = await upload(
        client,
        ("cat.png", PNG, "image/png"),
        ("talk.wav", WAV, "application/octet-stream"),
        ("film.mp4", MP4, "video/mp4; codecs=avc1"),
        ("notes.md", b"# Notes", ""),
        files_metadata=json.dumps([{"page": 1}, "nothing", None]),
    )
    assert response.status_code == 200, response.text
    made = response.json()
    expected = [("image/png", PNG), ("audio/wav", WAV), ("video/mp4", MP4), ("text/markdown", b"# Notes")]
    assert made["content"] == " ".join(seen(media_type, data) for media_type, data in expected)
    given = made["input"]
    assert given["images"][0]["metadata"] == {"page": 1}
    assert "metadata" not in given["audios"][0]
    assert given["files"][0]["filename"] == "notes.md"
    assert given["files"][0]["content"] == "# Notes"
    await assert_nowhere_inline(database_url, PNG, WAV, MP4)


async def test_uploads_and_inline_media_go_together_also_in_a_stream(client: httpx.AsyncClient):
    data = {"message": "look", "images": json.dumps([{"url": "https://example.org/a.png"}])}
    response = await client.post(RUNS, data=data, files=[("files", ("cat.png", PNG, "image/png"))])
    last = json.loads(response.text.split("data: ")[-1])
    assert last["content"] == f"ImageUrl:https://example.org/a.png {seen('image/png', PNG)}"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (("a.exe", b"MZ", "application/x-msdownload"), "Unsupported file type"),
        (("noname", b"??", "application/octet-stream"), "Unsupported file type"),
        (("a.png", b"", "image/png"), "Empty file"),
    ],
)
async def test_an_upload_that_is_not_taken_is_400(
    client: httpx.AsyncClient, database_url: str, file: tuple[str, bytes, str], says: str
):
    response = await upload(client, file)
    assert (response.status_code, says in response.json()["detail"]) == (400, True)
    assert (await tables(database_url))["runs"] == []


async def test_malformed_media_are_422_and_nothing_is_stored(client: httpx.AsyncClient, database_url: str):
    wrong = [{"content": b64(PNG)}, {"filepath": "/etc/passwd"}]
    response = await client.post(RUNS, data={"message": "x", "images": json.dumps(wrong)})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "images", 1, "filepath"]
    held = await tables(database_url)
    assert (held["runs"], held["blobs"]) == ([], [])


async def test_the_same_bytes_are_stored_once_and_repeats_are_the_same_request(
    client: httpx.AsyncClient, database_url: str
):
    fields = {
        "message": "look",
        "stream": "false",
        "images": json.dumps([{"content": b64(PNG)}, {"content": b64(PNG)}]),
    }
    headers = {"Idempotency-Key": "once"}
    first, second = [await client.post(RUNS, data=fields, headers=headers) for _ in range(2)]
    assert first.json()["run_id"] == second.json()["run_id"]
    await run(client, images=fields["images"])
    await assert_nowhere_inline(database_url, PNG)


async def test_the_next_run_of_the_session_is_shown_the_media_again(client: httpx.AsyncClient, database_url: str):
    first = await run(client, images=json.dumps([{"content": b64(PNG)}, {"url": "https://example.org/b.png"}]))
    second = await run(client, "again", session_id=first["session_id"])
    assert second["content"] == first["content"] == f"{seen('image/png', PNG)} ImageUrl:https://example.org/b.png"
    assert [message["role"] for message in second["messages"]] == ["user", "assistant"]
    await assert_nowhere_inline(database_url, PNG)


async def test_a_paused_run_goes_on_with_its_media(client: httpx.AsyncClient, database_url: str):
    paused = await run(client, "delete it", images=json.dumps([{"content": b64(PNG)}]))
    assert paused["status"] == "PAUSED"
    assert paused["input"]["images"][0]["content"] == b64(PNG)
    answers = json.dumps([{"tool_call_id": "d1", "confirmed": True}])
    response = await client.post(f"{RUNS}/{paused['run_id']}/continue", data={"tools": answers, "stream": "false"})
    assert response.json()["content"] == seen("image/png", PNG)
    assert response.json()["input"] == paused["input"]
    await assert_nowhere_inline(database_url, PNG)


async def test_what_was_made_before_a_pause_is_listed_once_after_it(client: httpx.AsyncClient):
    paused = await run(client, "both")
    assert [item["content"] for item in paused["images"]] == [b64(PNG)]
    answers = json.dumps([{"tool_call_id": "d1", "confirmed": True}])
    response = await client.post(f"{RUNS}/{paused['run_id']}/continue", data={"tools": answers, "stream": "false"})
    assert response.json()["content"] == seen("image/png", PNG)
    assert response.json()["images"] == paused["images"]


async def test_a_run_cancelled_in_its_pause_keeps_its_media(client: httpx.AsyncClient, database_url: str):
    paused = await run(client, "delete it", images=json.dumps([{"content": b64(PNG)}]))
    assert (await client.post(f"{RUNS}/{paused['run_id']}/cancel")).status_code == 200
    cancelled = (await client.get(f"{RUNS}/{paused['run_id']}")).json()
    assert cancelled["status"] == "CANCELLED"
    assert cancelled["messages"][0]["images"][0]["content"] == b64(PNG)
    again = await run(client, "again", session_id=paused["session_id"])
    assert again["content"] == seen("image/png", PNG)
    await assert_nowhere_inline(database_url, PNG)


@pytest.mark.parametrize(
    ("message", "result", "shown_in"),
    [("draw", "See file {}.", "tool"), ("camera", "taken", "user"), ("nested", "", "")],
)
async def test_what_a_tool_returns_is_shown_to_the_model_and_listed(
    client: httpx.AsyncClient, database_url: str, message: str, result: str, shown_in: str
):
    made = await run(client, message)
    if message == "nested":
        assert made["content"] == "nothing"  # it is text to the model, as pydantic-ai has it
    else:
        assert made["content"] == seen("image/png", PNG)
        assert made["tools"][0]["result"] == result.format(made["images"][0]["id"])
        (wired,) = [message for message in made["messages"] if "images" in message]
        assert (wired["role"], wired["images"][0]["content"]) == (shown_in, b64(PNG))
    assert [(item["content"], item["mime_type"]) for item in made["images"]] == [(b64(PNG), "image/png")]
    events = (await client.get(f"{RUNS}/{made['run_id']}/events")).text
    with_images = [json.loads(line[6:]) for line in events.splitlines() if '"images":' in line]
    assert [event["event"] for event in with_images] == ["ToolCallCompleted", "RunCompleted"]
    assert [event["images"] for event in with_images] == [made["images"]] * 2
    resumed = await client.post(f"{RUNS}/{made['run_id']}/resume")
    assert resumed.text.count(b64(PNG)) == 2
    await assert_nowhere_inline(database_url, PNG)
    assert (await run(client, "again", session_id=made["session_id"]))["content"] == made["content"]


async def test_what_a_model_makes_is_listed_and_it_sees_it_again(client: httpx.AsyncClient, database_url: str):
    path = "/agents/painter/runs"
    made = await run(client, path=path)
    assert made["content"] == "had nothing"
    assert made["images"][0]["content"] == b64(PNG)
    assert made["messages"][-1]["images"][0]["content"] == b64(PNG)
    again = await run(client, path=path, session_id=made["session_id"])
    assert again["content"] == f"had {seen('image/png', PNG)}"
    await assert_nowhere_inline(database_url, PNG)


async def test_lists_leave_bytes_out(client: httpx.AsyncClient):
    made = await run(client, images=json.dumps([{"content": b64(PNG)}, {"url": "https://example.org/b.png"}]))
    (row,) = (await client.get(RUNS, params={"session_id": made["session_id"]})).json()
    assert "blobs" not in row
    assert row["input"]["images"] == [
        {"sha256": digest(PNG), "size": len(PNG), "mime_type": "image/png"},
        {"url": "https://example.org/b.png"},
    ]
    assert [item.get("url") for item in row["messages"][0]["images"]] == ["https://example.org/b.png"]


async def test_a_message_of_3_mib_is_answered(client: httpx.AsyncClient):
    text = "漢字 & text %41 + = \n" * (3 * 1024 * 1024 // 22)
    made = await run(client, text)
    assert made["input"]["input_content"] == text


async def test_a_5_mb_image_leaves_the_server_responsive(client: httpx.AsyncClient, database_url: str):
    image = random.Random(1).randbytes(5_000_000)
    slowest = 0.0

    async def watch() -> None:
        nonlocal slowest
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            slowest = max(slowest, time.perf_counter() - started)

    watching = asyncio.create_task(watch())
    made = await run(client, images=json.dumps([{"content": b64(image), "format": "png"}]))
    watching.cancel()
    assert made["content"] == seen("image/png", image)
    assert base64.b64decode(made["input"]["images"][0]["content"]) == image
    assert slowest < 1.0  # client and server share this loop
    await assert_nowhere_inline(database_url, image)


@pytest.mark.parametrize(("keeps", "content_type"), [("false", "City"), ("true", "dict")])
async def test_an_answer_follows_the_schema(client: httpx.AsyncClient, keeps: str, content_type: str):
    made = await run(client, output_schema=json.dumps(CITY), use_json_schema=keeps)
    assert (made["content"], made["content_type"]) == ({"name": "Rome", "people": 3}, content_type)
    stored = (await client.get(f"{RUNS}/{made['run_id']}")).json()
    assert stored == made


async def test_an_answer_that_does_not_follow_the_schema_is_no_answer(client: httpx.AsyncClient):
    schema = {**CITY, "properties": {**CITY["properties"], "people": {"type": "integer", "minimum": 1000}}}
    form = {"message": "look", "stream": "false", "output_schema": json.dumps(schema)}
    made = (await client.post(RUNS, data=form)).json()
    assert made["status"] == "ERROR"
    assert "retries" in made["content"]


async def test_a_stream_ends_with_the_object(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "x", "output_schema": json.dumps({**CITY, "title": ""})})
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert (events[-1]["content"], events[-1]["content_type"]) == ({"name": "Rome", "people": 3}, "dict")
    assert [event["content"] for event in events if event["event"] == "RunContent"] == [{"name": "Rome", "people": 3}]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": {"a": {"type": "zzz"}}},
        {"type": "object", "properties": {"a": 5}},
        {"type": "object", "required": "a"},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
    ],
)
async def test_an_unusable_schema_is_422(client: httpx.AsyncClient, schema: dict[str, Any]):
    response = await client.post(RUNS, data={"message": "x", "output_schema": json.dumps(schema)})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "output_schema"]


async def test_a_run_without_media_asks_nothing_about_blobs(client: httpx.AsyncClient, database_url: str):
    connection = await asyncpg.connect(database_url)
    try:
        await run(client)
        await connection.execute("alter table blobs rename to blobs_away")  # any query of it would fail now
        made = await run(client, "plain", session_id="s")
        await run(client, "again", session_id="s")
        assert (await client.get(f"{RUNS}/{made['run_id']}")).status_code == 200
    finally:
        await connection.close()


async def begin_waiting(client: httpx.AsyncClient) -> str:
    """Begin a run of the waiter with a picture and return its id once its model has begun to speak of it."""
    image = json.dumps([{"content": b64(WAV + PNG), "mime_type": "image/webp"}])
    form = {"message": "look", "images": image, "session_id": "s"}
    async with client.stream("POST", "/agents/waiter/runs", data=form) as response:
        async for line in response.aiter_lines():
            if '"content":"seen ' in line:
                run_id: str = json.loads(line[6:])["run_id"]
                return run_id
    raise AssertionError("the run ended")


@asynccontextmanager
async def node(
    database_url: str, gate: asyncio.Event, paint: Callable[..., BinaryContent] = draw
) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=SecretStr(database_url), drain_s=0)
    os = AgentOS(agents=[_waiter(gate, paint)], settings=settings)
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as connected:
        yield connected


@pytest.mark.parametrize("paint", [draw, draw_in], ids=["same code", "changed code"])
async def test_another_node_goes_on_with_the_media_of_finished_steps(
    database_url: str, paint: Callable[..., BinaryContent]
):
    gate = asyncio.Event()
    async with node(database_url, gate) as first:
        run_id = await begin_waiting(first)
    gate.set()
    async with node(database_url, gate, paint) as second:
        events = (await second.get(f"/agents/waiter/runs/{run_id}/events")).text
        made = (await second.get(f"/agents/waiter/runs/{run_id}")).json()
    assert made["content"] == f"seen {seen('image/webp', WAV + PNG)} {seen('image/png', PNG)}"
    assert events.count('"event":"ToolCallStarted"') == 1
    assert [item["content"] for item in made["images"]] == [b64(PNG)]
    roles = [message["role"] for message in made["messages"] if "images" in message]
    assert roles == (["user", "tool"] if paint is draw else ["user", "user"])
    await assert_nowhere_inline(database_url, PNG, WAV + PNG)


async def test_a_run_cancelled_at_work_keeps_its_media(database_url: str):
    gate = asyncio.Event()
    async with node(database_url, gate) as client:
        run_id = await begin_waiting(client)
        await client.post(f"/agents/waiter/runs/{run_id}/cancel")
        await client.get(f"/agents/waiter/runs/{run_id}/events")
        made = (await client.get(f"/agents/waiter/runs/{run_id}")).json()
        assert (made["status"], made["content"]) == ("CANCELLED", "seen ")
        assert made["input"]["images"][0]["content"] == b64(WAV + PNG)
        assert [message["role"] for message in made["messages"] if "images" in message] == ["user", "tool"]
    await assert_nowhere_inline(database_url, PNG, WAV + PNG)


async def test_a_run_that_fails_still_shows_what_it_was_given(database_url: str):
    async with node(database_url, asyncio.Event()) as client:
        form = {"message": "fail", "stream": "false", "images": json.dumps([{"content": b64(PNG)}])}
        made = (await client.post("/agents/waiter/runs", data=form)).json()
    assert made["status"] == "ERROR"
    assert made["input"]["images"][0]["content"] == b64(PNG)

"""What the clients send about knowledge, and what they make of the answers."""

from __future__ import annotations

import asyncio
import io
import json
import os
import threading
from collections.abc import AsyncGenerator, Generator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, assert_type
from urllib.parse import parse_qsl

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.knowledge_contents import ContentResponseSchema, ContentStatus, FolderUpload, SearchPage
from serai.media import File
from serai.wire.arguments import ArgumentError
from serai.wire.failures import ServerStatusError
from tests.unit.both_clients import Recorder, connect, events_of, result_of

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])

CONTENT = {"id": "c", "name": "n", "status": "processing", "metadata": {"tag": "pets"}}
PAGE: dict[str, Any] = {"data": [], "meta": {}}
CONFIG = {"readers": {}, "readersForType": {".md": ["markdown"], ".txt": ["text"]}, "chunkers": {}}

CALLS: list[tuple[str, dict[str, Any], str, Any, Any]] = [
    (
        "upload_knowledge_content",
        {"name": "Doc A", "description": "d", "metadata": {"tag": "é"}, "text_content": "Cats & dogs", "db_id": "d"},
        "POST /knowledge/content?db_id=d",
        {"name": "Doc A", "description": "d", "metadata": '{"tag": "\\u00e9"}', "text_content": "Cats & dogs"},
        CONTENT,
    ),
    (
        "upload_knowledge_content",
        {"url": "https://a.test/x", "reader_id": "html", "chunker": "k", "chunk_size": 9, "chunk_overlap": 0},
        "POST /knowledge/content",
        {"url": "https://a.test/x", "reader_id": "html", "chunker": "k", "chunk_size": "9", "chunk_overlap": "0"},
        CONTENT,
    ),
    (
        "upload_knowledge_content",
        {"file": File(url="https://a.test/x"), "knowledge_id": "kb", "replace": True},
        "POST /knowledge/content?knowledge_id=kb",
        {"url": "https://a.test/x", "replace": "true"},
        CONTENT,
    ),
    (
        "update_knowledge_content",
        {"content_id": "c", "metadata": {}, "knowledge_id": "kb"},
        "PATCH /knowledge/content/c?knowledge_id=kb",
        {"metadata": "{}"},
        CONTENT,
    ),
    ("update_knowledge_content", {"content_id": "c"}, "PATCH /knowledge/content/c", None, CONTENT),
    (
        "list_knowledge_content",
        {"limit": 5, "page": 2, "sort_by": "name", "sort_order": "asc", "db_id": "d", "knowledge_id": "kb"},
        "GET /knowledge/content?limit=5&page=2&sort_by=name&sort_order=asc&db_id=d&knowledge_id=kb",
        None,
        PAGE,
    ),
    ("get_knowledge_content", {"content_id": "a/b"}, "GET /knowledge/content/a%2Fb", None, CONTENT),
    (
        "get_knowledge_content_status",
        {"content_id": "c", "db_id": "d"},
        "GET /knowledge/content/c/status?db_id=d",
        None,
        {"id": "c", "status": "failed", "status_message": "The PDF is encrypted."},
    ),
    ("delete_knowledge_content", {"content_id": "c"}, "DELETE /knowledge/content/c", None, {"id": "c"}),
    ("delete_all_knowledge_content", {"db_id": "d"}, "DELETE /knowledge/content?db_id=d", None, "success"),
    (
        "search_knowledge",
        {"query": "q"},
        "POST /knowledge/search",
        {"query": "q", "meta": {"limit": 20, "page": 1}},
        PAGE,
    ),
    (
        "search_knowledge",
        {
            "query": "q",
            "max_results": 3,
            "filters": {"tag": "pets"},
            "search_type": "hybrid",
            "vector_db_ids": ("v",),
            "limit": 5,
            "page": 2,
            "db_id": "d",
            "knowledge_id": "kb",
        },
        "POST /knowledge/search",
        {
            "query": "q",
            "max_results": 3,
            "filters": {"tag": "pets"},
            "search_type": "hybrid",
            "vector_db_ids": ["v"],
            "db_id": "d",
            "knowledge_id": "kb",
            "meta": {"limit": 5, "page": 2},
        },
        PAGE,
    ),
    ("get_knowledge_config", {"db_id": "d"}, "GET /knowledge/config?db_id=d", None, CONFIG),
]


def fields_of(request: httpx.Request) -> Any:
    """Return what a request's body holds: the fields of a form, or JSON."""
    if request.headers.get("content-type") == "application/json":
        return json.loads(request.content)
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True)) or None


def parts_of(request: httpx.Request) -> dict[str, Message]:
    """Return the parts of a form that brings a file, by name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts: Any = BytesParser().parsebytes(head + request.content).get_payload()
    return {str(part.get_param("name", header="content-disposition")): part for part in parts}


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "request_line", "body", "answer"), CALLS, ids=lambda value: str(value)[:40]
)
async def test_requests_are_the_published_ones(
    kind: Any, name: str, arguments: dict[str, Any], request_line: str, body: Any, answer: Any
) -> None:
    server = Recorder(httpx.Response(200, json=answer))
    result = await result_of(getattr(connect(kind, server), name)(**arguments, headers={"x-own": "1"}))
    [request] = server.requests
    assert f"{request.method} {request.url.raw_path.decode()}" == request_line
    assert fields_of(request) == body
    assert request.headers["x-own"] == "1"
    assert ("idempotency-key" in request.headers) == (request.method != "GET")
    assert result == "success" if name.startswith("delete_all") else result is not None


@BOTH
async def test_a_file_goes_as_a_part_with_its_name_and_type(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(b"# Cats\r\n\r\n\xff")
    given: list[Any] = [
        File(content=b"# Cats\r\n\r\n\xff", filename="notes.md", mime_type="text/markdown"),
        File(filepath=str(path)),
        path,
        SimpleNamespace(file=io.BytesIO(path.read_bytes()), filename="notes.md", content_type="text/markdown"),
    ]
    for file in given:
        server = Recorder(httpx.Response(202, json=CONTENT))
        upload = connect(kind, server).upload_knowledge_content(name="é", file=file, metadata={"a": 1}, chunk_size=3)
        assert (await result_of(upload)).status is ContentStatus.PROCESSING
        parts = parts_of(server.requests[0])
        assert {name: part.get_payload(decode=True) for name, part in parts.items()} == {
            "name": "é".encode(),
            "metadata": b'{"a": 1}',
            "chunk_size": b"3",
            "file": b"# Cats\r\n\r\n\xff",
        }
        assert (parts["file"].get_filename(), parts["file"].get_content_type()) == ("notes.md", "text/markdown")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that one waits for")
@pytest.mark.parametrize(
    "upload",
    [
        lambda client, path: client.upload_knowledge_content(file=path),
        lambda client, path: client.run_agent("a", "Look.", files=[File(filepath=path)]),
    ],
)
async def test_a_file_that_is_slow_to_read_keeps_no_other_task_waiting(upload: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "slow.md"
    os.mkfifo(pipe)
    others_went_on = threading.Event()

    def write() -> bool:
        went_on = others_went_on.wait(2)
        pipe.write_bytes(b"At last.")
        return went_on

    recorder = Recorder(httpx.Response(200, json={"id": "c", "run_id": "r", "status": "COMPLETED"}))
    async with connect(AgentOSClient, recorder) as client, asyncio.TaskGroup() as group:
        written = group.create_task(asyncio.to_thread(write))
        group.create_task(upload(client, pipe))
        asyncio.get_running_loop().call_later(0.02, others_went_on.set)
    assert written.result()
    assert b"slow.md" in recorder.requests[0].content


@BOTH
async def test_a_file_without_a_name_or_type_gets_those_of_the_published_client(kind: Any) -> None:
    server = Recorder(httpx.Response(202, json=CONTENT))
    await result_of(connect(kind, server).upload_knowledge_content(file=File(content=b"x")))
    part = parts_of(server.requests[0])["file"]
    assert (part.get_filename(), part.get_content_type()) == ("upload", "application/octet-stream")


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("upload_knowledge_content", {}, "one of file, text_content and url must be given"),
        (
            "upload_knowledge_content",
            {"text_content": "a", "url": "https://a.test"},
            "one of file, text_content and url",
        ),
        ("upload_knowledge_content", {"file": File(id="f")}, "file must have content or a filepath"),
        ("upload_knowledge_content", {"file": b"words"}, "file must be a path or serai.media.File.*not bytes"),
        ("upload_knowledge_content", {"text_content": "a\ud800"}, "text_content is no valid Unicode text"),
        ("upload_knowledge_content", {"text_content": "a", "metadata": {"n": float("nan")}}, "no JSON form"),
        (
            "upload_knowledge_content",
            {"file": File(content=b"x", mime_type="a/b\r\nx: y")},
            "The header content-type must be printable ASCII",
        ),
        ("upload_knowledge_content", {"file": File(content=b"x"), "name": "\ud800"}, "name is no valid Unicode text"),
        ("search_knowledge", {"query": ""}, "query must not be empty"),
        ("search_knowledge", {"query": "q", "vector_db_ids": "v"}, "vector_db_ids must be a list"),
        ("get_knowledge_content", {"content_id": ""}, "content_id must not be ''"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name_and_not_sent(
    kind: Any, name: str, arguments: dict[str, Any], message: str
) -> None:
    server = Recorder(httpx.Response(500))
    with pytest.raises(ArgumentError, match=message):
        await result_of(getattr(connect(kind, server), name)(**arguments))
    assert server.requests == []


@BOTH
async def test_an_upload_is_sent_again_as_it_was_when_its_answer_was_lost(kind: Any) -> None:
    server = Recorder(httpx.ReadError("boom"), httpx.Response(202, json=CONTENT))
    await result_of(connect(kind, server).upload_knowledge_content(file=File(content=b"x")))
    first, second = server.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert (first.headers["content-type"], first.content) == (second.headers["content-type"], second.content)


@BOTH
async def test_waiting_ends_when_a_content_is_no_more_processed(kind: Any) -> None:
    answers = [httpx.Response(200, json={**CONTENT, "status": status}) for status in ("processing", "failed")]
    server = Recorder(*answers)
    content = await result_of(connect(kind, server).wait_for_knowledge_content("c"))
    assert content.status is ContentStatus.FAILED
    assert server.asked == ["GET /knowledge/content/c"] * 2


@BOTH
async def test_waiting_has_an_end_of_its_own(kind: Any) -> None:
    client = connect(kind, Recorder(httpx.Response(200, json=CONTENT)))
    with pytest.raises(RemoteServerUnavailableError, match="Content c is not taken in after 0 s; that goes on"):
        await result_of(client.wait_for_knowledge_content("c", wait_timeout=0))


@BOTH
async def test_what_a_search_found_has_a_score_also_from_other_servers(kind: Any) -> None:
    found = [{"content": "a", "score": 0.5, "reranking_score": 0.1}, {"content": "b", "reranking_score": 0.2}]
    client = connect(kind, Recorder(httpx.Response(200, json={"data": found, "meta": {}})))
    page = await result_of(client.search_knowledge("q", limit=2))
    assert [result.score for result in page.data] == [0.5, 0.2]


@BOTH
async def test_a_folder_is_uploaded_file_by_file_and_one_bad_file_stops_nothing(kind: Any, tmp_path: Path) -> None:
    for name in ("a.md", "deep/B.TXT", "deep/bad.txt", "photo.png", ".hidden.md", ".git/c.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "secret.md").symlink_to("/etc/passwd")
    (tmp_path / "link.md").symlink_to(tmp_path / "a.md")
    sent: list[tuple[str, bool]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=CONFIG)
        name = str(parts_of(request)["name"].get_payload())
        sent.append((name, "replace" in parts_of(request)))
        return httpx.Response(413 if name == "deep/bad.txt" else 202, json=CONTENT)

    done = await events_of(connect(kind, answer).upload_knowledge_folder(tmp_path, replace=True))
    assert sent == [("a.md", True), ("deep/B.TXT", True), ("deep/bad.txt", True), ("link.md", True)]
    assert [upload.path for upload in done] == [tmp_path / name for name, _ in sent]
    assert [upload.content is not None for upload in done] == [True, True, False, True]
    assert isinstance(done[2].error, ServerStatusError)


@BOTH
async def test_a_folder_ends_where_the_server_takes_nothing_more(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("a")
    client = connect(kind, Recorder(httpx.Response(200, json=CONFIG), httpx.Response(401, json={"detail": "no"})))
    with pytest.raises(ServerStatusError, match="401"):
        await events_of(client.upload_knowledge_folder(tmp_path))
    with pytest.raises(OSError, match="nowhere"):
        await events_of(
            connect(kind, Recorder(httpx.Response(200, json=CONFIG))).upload_knowledge_folder(tmp_path / "nowhere")
        )


@BOTH
async def test_a_file_whose_name_is_no_text_can_be_uploaded(kind: Any, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md"))
    path.write_text("x")  # noqa: ASYNC240
    server = Recorder(httpx.Response(200, json=CONFIG), httpx.Response(202, json=CONTENT))
    [upload] = await events_of(connect(kind, server).upload_knowledge_folder(tmp_path))
    assert upload.content is not None
    assert parts_of(server.requests[1])["name"].get_payload(decode=True) == "caf\ufffd.md".encode()


async def check_types(client: AgentOSClient, blocking: SyncAgentOSClient) -> None:
    """Say what a type checker makes of the methods; nothing calls this."""
    assert_type(await client.upload_knowledge_content(file=Path("x")), ContentResponseSchema)
    assert_type(blocking.search_knowledge("q"), SearchPage)
    assert_type(blocking.delete_all_knowledge_content(), str)
    assert_type(client.upload_knowledge_folder("."), AsyncGenerator[FolderUpload, None])
    assert_type(blocking.iter_knowledge_content(), Generator[ContentResponseSchema, None, None])

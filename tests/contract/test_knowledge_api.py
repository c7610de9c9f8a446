"""Knowledge over HTTP: documents taken in, listed, changed and found, several bases, and all that can be wrong."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai.embeddings import EmbeddingResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serai import AgentOS, Knowledge
from serai.knowledge.bases import LARGE_UPLOADS, KnowledgeBases
from serai.settings import Settings
from serai.testing import HashedEmbeddingModel
from tests.hosting import DatabaseRuntime, http_client, make_os, serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NOBODY = "00000000-0000-7000-8000-000000000000"
CONTENT = "/knowledge/content"
PLAIN = Knowledge(id="plain", name="Manuals", description="What is in boxes.")
DEEP = '{"a":' + "[" * 101 + "]" * 101 + "}"


class MoodyEmbeddingModel(HashedEmbeddingModel):
    """Refuses questions about the weather."""

    async def embed(self, inputs: str | Sequence[str], **options: Any) -> EmbeddingResult:
        """Return vectors of texts that are not about the weather."""
        if "weather" in inputs:
            raise RuntimeError("no small talk")
        return await super().embed(inputs, **options)


NEAR = Knowledge(id="near", embedder=MoodyEmbeddingModel(), allow_private_urls=True)


@dataclass
class KnowledgeRuntime(DatabaseRuntime):
    """A runtime that has knowledge bases, and takes nothing in."""

    bases: tuple[Knowledge, ...] = (PLAIN,)
    knowledge: KnowledgeBases = field(init=False)

    async def start(self) -> None:
        await super().start()
        self.knowledge = KnowledgeBases(self.database, self.bases)
        await self.knowledge.prepare()


@pytest.fixture
async def idle(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server of one base whose contents stay queued."""
    async with (
        serving(make_os(KnowledgeRuntime(shared_url), knowledge=PLAIN).app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


@pytest.fixture
async def several(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server of two bases whose contents stay queued."""
    bases = (PLAIN, NEAR)
    async with (
        serving(make_os(KnowledgeRuntime(shared_url, bases), knowledge=bases).app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A whole server of one base with vectors."""
    os = AgentOS(name="Knowing", knowledge=NEAR, settings=Settings(database_url=SecretStr(shared_url)))
    async with (
        serving(os.app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}, timeout=20) as client,
    ):
        yield client


async def upload(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await api.post(CONTENT, data=fields)
    assert response.status_code == 202, response.text
    made: dict[str, Any] = response.json()
    return made


async def taken_in(api: httpx.AsyncClient, content_id: str) -> dict[str, Any]:
    """Return a content's status once it is processed no more."""
    async with asyncio.timeout(20):
        while True:
            status: dict[str, Any] = (await api.get(f"{CONTENT}/{content_id}/status")).json()
            if status["status"] != "processing":
                return status
            await asyncio.sleep(0.02)


async def add(api: httpx.AsyncClient, **fields: Any) -> str:
    """Upload a content, wait for it, and return its id."""
    made = await upload(api, **fields)
    status = await taken_in(api, made["id"])
    assert status["status"] == "completed", status
    return str(made["id"])


async def found(api: httpx.AsyncClient, query: str, **members: Any) -> list[str]:
    response = await api.post("/knowledge/search", json={"query": query, **members})
    assert response.status_code == 200, response.text
    return [one["content"] for one in response.json()["data"]]


async def names(api: httpx.AsyncClient, **query: Any) -> list[str]:
    page = (await api.get(CONTENT, params=query)).json()
    return [one["name"] for one in page["data"]]


async def test_a_text_is_readable_at_once_and_found_when_it_is_taken_in(api: httpx.AsyncClient):
    response = await api.post(
        CONTENT,
        data={"name": "Doc A", "description": "pets", "metadata": '{"tag":"pets"}', "text_content": "Cats sleep."},
    )
    made = response.json()
    assert (response.status_code, made["status"]) == (202, "processing")
    assert TIME.fullmatch(made["created_at"])
    assert (await api.get(f"{CONTENT}/{made['id']}")).status_code == 200
    status = await taken_in(api, made["id"])
    nothing = {"phase": None, "done": 0, "total": 0}
    assert status == {"id": made["id"], "status": "completed", "status_message": "", "chunks": 1, **nothing}
    read = (await api.get(f"{CONTENT}/{made['id']}")).json()
    assert TIME.fullmatch(read.pop("updated_at"))
    assert read == {
        "id": made["id"],
        "name": "Doc A",
        "description": "pets",
        "type": "manual",
        "size": "11",
        "linked_to": None,
        "metadata": {"tag": "pets"},
        "access_count": None,
        "status": "completed",
        "status_message": "",
        "created_at": made["created_at"],
        "knowledge_id": "near",
        "url": None,
        "reader_id": None,
        "chunker": None,
        "chunk_size": None,
        "chunk_overlap": None,
        "chunks": 1,
        **nothing,
    }
    page = (await api.post("/knowledge/search", json={"query": "cats"})).json()
    (one,) = page["data"]
    assert one.pop("id") == f"{made['id']}:1"
    assert 0 < one.pop("score") == one.pop("reranking_score") <= 1
    assert one.pop("usage")["tokens"] > 0
    assert {"chunk": 1, "chunk_size": 11, "tag": "pets"}.items() <= one.pop("meta_data").items()
    assert one == {
        "content": "Cats sleep.",
        "name": "Doc A",
        "content_id": made["id"],
        "content_origin": None,
        "size": 11,
    }
    assert page["meta"].pop("search_time_ms") > 0
    assert page["meta"] == {"page": 1, "limit": 20, "total_pages": 1, "total_count": 1}


async def test_a_file_is_named_by_its_last_part_and_read_by_its_type(api: httpx.AsyncClient):
    csv = ("../../etc/p\x00rices.csv", b"item,price\ntea,4\ncake,6\n", "text/csv; charset=utf-8")
    response = await api.post(CONTENT, files={"file": csv}, data={"chunk_size": "400", "metadata": "plain words"})
    made = response.json()
    assert response.status_code == 202, response.text
    assert (made["name"].endswith("rices.csv"), "/" in made["name"]) == (True, False)
    assert (made["type"], made["metadata"], made["chunk_size"]) == ("text/csv", {"value": "plain words"}, 400)
    assert (await taken_in(api, made["id"]))["status"] == "completed"
    (line,) = await found(api, "cake", search_type="keyword")
    assert "6" in line


async def test_what_cannot_be_read_or_fetched_fails_and_says_why(api: httpx.AsyncClient):
    png = (await api.post(CONTENT, files={"file": ("a.pdf", b"\x89PNG\r\n\x1a\n", "application/pdf")})).json()
    nothing = str(api.base_url.join("/nothing"))
    missing = await upload(api, url=nothing)
    assert (missing["name"], missing["type"], missing["url"]) == (nothing, "url", nothing)
    for made in (png, missing):
        status = await taken_in(api, made["id"])
        assert (status["status"], len(status["status_message"]) > 10) == ("failed", True)
    assert await names(api, sort_by="status", sort_order="asc", limit=1) != []


async def test_the_same_bytes_are_one_content_and_other_bytes_another(api: httpx.AsyncClient):
    first = await add(api, name="Rules", text_content="Tea is at four.", metadata='{"year": 1}')
    again = await upload(api, name="House rules", text_content="Tea is at four.")
    assert (again["id"], again["status"]) == (first, "completed")
    assert (again["name"], again["metadata"]) == ("House rules", {"year": 1})
    other = await add(api, name="House rules", text_content="Tea is at five.")
    assert other != first
    assert len(await found(api, "tea")) == 2


async def test_a_replacement_takes_the_place_of_others_of_its_name(api: httpx.AsyncClient):
    await add(api, name="Rules", text_content="Tea is at four.")
    await add(api, name="Other", text_content="Coffee is at four.")
    await add(api, name="Rules", text_content="Tea is at five.", replace="true")
    assert sorted(await names(api)) == ["Other", "Rules"]
    assert await found(api, "tea", search_type="keyword") == ["Tea is at five."]
    await add(api, name="Rules", text_content="Tea is at six.")
    await add(api, name="Rules", text_content="Tea is at five.", replace="true")
    assert await found(api, "tea", search_type="keyword") == ["Tea is at five."]


async def test_the_same_bytes_are_cut_anew_only_when_they_replace(api: httpx.AsyncClient):
    one = await add(api, name="Rules", text_content="Tea is at four. " * 100, metadata='{"year": 1}')
    assert (await api.get(f"{CONTENT}/{one}")).json()["chunks"] == 2
    small = {"text_content": "Tea is at four. " * 100, "chunk_size": "400", "chunk_overlap": "0"}
    response = await api.post(CONTENT, data=small)
    assert (response.json()["status"], response.json()["chunk_size"]) == ("completed", None)
    assert response.headers["X-Serai-Ignored-Fields"] == "chunk_overlap, chunk_size"
    response = await api.post(CONTENT, data={**small, "replace": "true"})
    assert "X-Serai-Ignored-Fields" not in response.headers
    await taken_in(api, one)
    again = (await api.get(f"{CONTENT}/{one}")).json()
    assert [again[name] for name in ("name", "metadata", "chunks", "chunk_size")] == ["Rules", {"year": 1}, 4, 400]
    assert (await upload(api, **small, replace="true"))["status"] == "completed"


async def test_a_url_is_fetched_again_when_it_replaces_itself(api: httpx.AsyncClient):
    answers = iter(["Tea is at four.", "Tea is at five.", "Never asked for."])

    async def site(request: Request) -> PlainTextResponse:
        return PlainTextResponse(next(answers))

    async with serving(Starlette(routes=[Route("/rules", site)])) as url:
        one = await add(api, url=f"{url}/rules", metadata='{"tag": "tea"}')
        assert await add(api, url=f"{url}/rules") == one
        assert await found(api, "tea") == ["Tea is at four."]
        assert await add(api, url=f'"{url}/rules"', replace="1") == one
    assert await found(api, "tea") == ["Tea is at five."]
    read = (await api.get(f"{CONTENT}/{one}")).json()
    assert (read["type"], read["size"], read["url"]) == ("text/plain", "15", f"{url}/rules")
    assert read["metadata"] == {"tag": "tea"}


async def test_what_is_uploaded_does_not_wait_for_slow_urls(api: httpx.AsyncClient):
    asked: list[str] = []
    is_over = asyncio.Event()

    async def site(request: Request) -> PlainTextResponse:
        asked.append(request.url.path)
        await is_over.wait()
        return PlainTextResponse("Tea is at four.")

    async with serving(Starlette(routes=[Route("/{page}", site)])) as url:
        slow = [await upload(api, url=f"{url}/{page}") for page in range(6)]
        await add(api, text_content="Coffee is at five.")
        assert 0 < len(asked) < 6
        is_over.set()
        for one in slow:
            assert (await taken_in(api, one["id"]))["status"] == "completed"


async def test_an_embedder_that_cannot_be_asked_is_named(api: httpx.AsyncClient):
    await add(api, text_content="The weather is fine.")
    response = await api.post("/knowledge/search", json={"query": "weather"})
    assert (response.status_code, "no small talk" in response.text, "keyword" in response.text) == (503, True, True)
    assert await found(api, "weather", search_type="keyword") == ["The weather is fine."]


async def test_new_metadata_is_effective_in_filters(api: httpx.AsyncClient):
    one = await add(api, text_content="Cats sleep.", metadata='{"tag": "pets", "n": 1}')
    await add(api, text_content="Cats hunt.", metadata='{"tag": "wild"}')
    assert await found(api, "cats", filters={"tag": "pets", "n": 1}) == ["Cats sleep."]
    response = await api.patch(
        f"{CONTENT}/{one}", data={"metadata": '{"tag": "tame"}', "name": "Sleepers", "reader_id": "text"}
    )
    assert (response.status_code, response.headers["X-Serai-Ignored-Fields"]) == (200, "reader_id")
    assert (response.json()["name"], response.json()["metadata"]) == ("Sleepers", {"tag": "tame"})
    assert TIME.fullmatch(response.json()["updated_at"])
    for search_type in ("keyword", "vector", "hybrid"):
        assert await found(api, "cats", filters={"tag": "pets"}, search_type=search_type) == []
        assert await found(api, "cats", filters={"tag": "tame"}, search_type=search_type) == ["Cats sleep."]
    assert (await api.get("/knowledge/config")).json()["filters"] == ["tag"]


async def test_what_is_deleted_is_found_no_more(api: httpx.AsyncClient):
    one, other = [await add(api, text_content=text) for text in ("Cats sleep.", "Cats hunt.")]
    response = await api.delete(f"{CONTENT}/{one}")
    assert (response.status_code, response.json()) == (200, {"id": one})
    assert (await api.delete(f"{CONTENT}/{one}")).json() == {"detail": f"Content not found: {one}"}
    assert await found(api, "cats") == ["Cats hunt."]
    response = await api.delete(CONTENT)
    assert (response.status_code, response.content) == (200, b'"success"')
    assert await found(api, "cats") == []
    assert (await api.get(f"{CONTENT}/{other}/status")).status_code == 404
    assert await add(api, text_content="Cats sleep.") == one


async def test_what_is_found_comes_in_pages(api: httpx.AsyncClient):
    for number in range(5):
        await add(api, text_content=f"Cats, part {number}.")
    whole = await found(api, "cats")
    assert len(whole) == 5
    assert await found(api, "cats", meta={"limit": 2, "page": 2}) == whole[2:4]
    assert await found(api, "cats", limit=3) == whole[:3]
    assert await found(api, "cats", meta={"page": 2}, limit=3) == whole[3:]
    page = (await api.post("/knowledge/search", json={"query": "cats", "max_results": 4, "meta": {"limit": 3}})).json()
    assert (page["meta"]["total_count"], page["meta"]["total_pages"], len(page["data"])) == (4, 2, 3)
    response = await api.post("/knowledge/search", json={"query": "cats", "vector_db_ids": ["x", "near"], "mood": 1})
    assert (response.status_code, response.headers["X-Serai-Ignored-Fields"]) == (200, "mood")


async def test_projects_do_not_see_each_others_contents(api: httpx.AsyncClient):
    one = await add(api, text_content="Cats sleep.")
    api.headers["Project-Id"] = str(uuid4())
    assert await found(api, "cats") == []
    assert await names(api) == []
    assert (await api.get(f"{CONTENT}/{one}")).status_code == 404
    assert (await api.delete(f"{CONTENT}/{one}")).status_code == 404
    await upload(api, text_content="Cats sleep.")


async def test_contents_are_listed_sorted_and_in_pages(idle: httpx.AsyncClient):
    for name, text in (("b", "11"), ("a", "2"), ("c", "333")):
        await upload(idle, name=name, text_content=text)
    assert await names(idle) == ["c", "a", "b"]
    assert await names(idle, sort_by="name", sort_order="asc") == ["a", "b", "c"]
    assert await names(idle, sort_by="size", sort_order="desc") == ["c", "b", "a"]
    for column in ("description", "type", "status", "created_at", "updated_at"):
        assert len(await names(idle, sort_by=column)) == 3
    response = await idle.get(CONTENT, params={"sort_by": "mood", "limit": 2, "page": 2, "parent_id": "x"})
    assert response.headers["X-Serai-Ignored-Fields"] == "sort_by, parent_id"
    assert [one["name"] for one in response.json()["data"]] == ["b"]
    meta = {"page": 2, "limit": 2, "total_pages": 2, "total_count": 3, "search_time_ms": 0.0}
    assert response.json()["meta"] == meta
    beyond = (await idle.get(CONTENT, params={"page": 9})).json()
    assert (beyond["data"], beyond["meta"]["total_count"]) == ([], 3)


class Room(asyncio.Semaphore):
    """Tells of those who come to it."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.came: asyncio.Queue[None] = asyncio.Queue()

    async def acquire(self) -> Literal[True]:
        self.came.put_nowait(None)
        return await super().acquire()


async def test_large_uploads_wait_for_each_other_and_small_ones_for_nobody(shared_url: str):
    runtime = KnowledgeRuntime(shared_url)
    async with (
        serving(make_os(runtime, knowledge=PLAIN).app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}) as client,
    ):
        runtime.knowledge.large_uploads = room = Room(0)
        small = await upload(client, text_content="small")
        large = [
            asyncio.create_task(client.post(CONTENT, files={"file": (f"{one}.txt", b"%d" % one * 1_100_000)}))
            for one in range(LARGE_UPLOADS + 2)
        ]
        change = asyncio.create_task(client.patch(f"{CONTENT}/{small['id']}", files={"file": ("x", b"x" * 1_100_000)}))
        async with asyncio.timeout(20):
            for _ in (*large, change):
                await room.came.get()
        assert (await client.patch(f"{CONTENT}/{small['id']}", data={"name": "tiny"})).json()["name"] == "tiny"
        assert not any(task.done() for task in (*large, change))
        for _ in range(LARGE_UPLOADS):
            room.release()
        *answers, changed = await asyncio.gather(*large, change)
    assert [(answer.status_code, answer.json()["size"]) for answer in answers] == [(202, "1100000")] * len(large)
    assert (changed.status_code, changed.json()["name"]) == (200, "tiny")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
async def test_a_large_upload_waits_for_no_caller_who_is_slow(idle: httpx.AsyncClient, kind: str):
    is_over = asyncio.Event()
    started: asyncio.Queue[None] = asyncio.Queue()
    size = 1_100_000

    async def slowly() -> AsyncIterator[bytes]:
        yield b"text_content="
        started.put_nowait(None)
        await is_over.wait()
        yield b"x" * (size - 13)

    headers = {"Content-Type": kind, "Content-Length": str(size)}
    slow = [
        asyncio.create_task(idle.post(CONTENT, content=slowly(), headers=headers, timeout=30))
        for _ in range(LARGE_UPLOADS)
    ]
    for _ in slow:
        await started.get()
    await upload(idle, text_content="small")
    await upload(idle, text_content="y" * size)
    is_over.set()
    await asyncio.gather(*slow)


async def test_what_is_queued_says_so(idle: httpx.AsyncClient):
    made = await upload(idle, text_content="x", mood="good", reader_id="crystal", chunk_overlap="20", user_id="?")
    status = (await idle.get(f"{CONTENT}/{made['id']}/status")).json()
    assert (status["status"], status["phase"], status["chunks"]) == ("processing", "queued", 0)
    response = await idle.post(CONTENT, data={"text_content": "y", "mood": "good", "reader_id": "crystal"})
    assert response.headers["X-Serai-Ignored-Fields"] == "mood, reader_id"
    assert (response.json()["name"], response.json()["reader_id"]) == (None, None)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400, "1.5", "NaN", "[]", "null", "true"])
async def test_any_number_or_text_of_metadata_is_taken(idle: httpx.AsyncClient, number: str):
    for metadata in (f'{{"a": {number}}}', number):
        response = await idle.post(CONTENT, data={"text_content": metadata, "metadata": metadata})
        assert response.status_code == 202, response.text
        response = await idle.patch(f"{CONTENT}/{response.json()['id']}", data={"metadata": metadata})
        assert response.status_code in (200, 400, 422), response.text
    raw = f'{{"query": "x", "filters": {{"a": {number}}}}}'
    assert (await idle.post("/knowledge/search", content=raw)).status_code in (200, 422)


async def test_a_number_beyond_bounds_is_named_by_the_member_it_is_in(idle: httpx.AsyncClient):
    response = await idle.post("/knowledge/search", content='{"query": "x", "filters": {"a": 1e999}}')
    assert response.json()["detail"][0]["loc"] == ["body", "filters"]


async def test_an_empty_change_changes_nothing(idle: httpx.AsyncClient):
    made = await upload(idle, name="n", text_content="x", metadata='{"a": [1, null]}')
    response = await idle.patch(f"{CONTENT}/{made['id']}")
    assert (response.status_code, response.json()["metadata"]) == (200, {"a": [1, None]})
    assert response.json() == (await idle.get(f"{CONTENT}/{made['id']}")).json()


async def test_the_same_write_again_happens_once(idle: httpx.AsyncClient):
    key = {"Idempotency-Key": str(uuid4())}
    body = {"text_content": "Once", "name": "n"}
    first, *others = await asyncio.gather(*(idle.post(CONTENT, data=body, headers=key) for _ in range(4)))
    assert [other.json() for other in others] == [first.json()] * 3
    assert (await idle.post(CONTENT, data={**body, "name": "m"}, headers=key)).status_code == 409
    path = f"{CONTENT}/{first.json()['id']}"
    assert (await idle.delete(path, headers=key)).status_code == 409
    changes: list[tuple[str, dict[str, Any]]] = [("PATCH", {"data": {"name": "new"}}), ("DELETE", {})]
    for method, options in changes:
        key = {"Idempotency-Key": str(uuid4())}
        answers = [await idle.request(method, path, headers=key, **options) for _ in range(2)]
        assert answers[0].status_code == 200
        assert answers[0].json() == answers[1].json()
    key = {"Idempotency-Key": str(uuid4())}
    assert (await idle.delete(CONTENT, headers=key)).status_code == 200
    await upload(idle, text_content="Later")
    assert (await idle.delete(CONTENT, headers=key)).status_code == 200
    assert len(await names(idle)) == 1


WRONG_UPLOADS: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({}, 400, None, "Provide a file, text_content, or URL to upload."),
    ({"name": "n"}, 400, None, "Provide a file, text_content, or URL to upload."),
    ({"text_content": "x", "url": "https://example.com"}, 400, None, "text_content and url"),
    ({"url": '["https://a.com", "https://b.com"]'}, 400, None, "URL must be a single non-empty string"),
    ({"url": '" "'}, 400, None, "URL must be a single non-empty string"),
    ({"url": "file:///etc/passwd"}, 422, "url", "http:// or https://"),
    ({"url": "//example.com"}, 422, "url", "http:// or https://"),
    ({"url": "http://xn--/"}, 422, "url", "a URL"),
    ({"url": "http://xn--a.com/"}, 422, "url", "a URL"),
    ({"url": "https://me:secret@example.com"}, 422, "url", "leave them out"),
    ({"url": "https://exa mple.com/\x00"}, 422, "url", ""),
    ({"url": "https://example.com/" + "x" * 8000}, 422, "url", "at most 8000"),
    ({"text_content": "x", "chunk_size": "big"}, 422, "chunk_size", "whole number"),
    ({"text_content": "x", "chunk_size": "0"}, 422, "chunk_size", "1 to 50,000"),
    ({"text_content": "x", "chunk_size": "50001"}, 422, "chunk_size", "1 to 50,000"),
    ({"text_content": "x", "chunk_overlap": "-1"}, 422, "chunk_overlap", "whole number"),
    ({"text_content": "x", "chunk_overlap": "1500"}, 422, "chunk_overlap", "less than chunk_size"),
    ({"text_content": "x", "chunk_size": "10", "chunk_overlap": "10"}, 422, "chunk_overlap", "less than chunk_size"),
    ({"text_content": "x", "chunker": "Axe"}, 422, "chunker", "RecursiveChunker"),
    ({"text_content": "x", "name": "x" * 501}, 422, "name", "at most 500"),
    ({"text_content": "x", "name": "a\0b"}, 422, "name", "U+0000"),
    ({"text_content": "x", "description": "x" * 10_001}, 422, "description", "at most 10000"),
    ({"text_content": "x", "description": "a\0b"}, 422, "description", "U+0000"),
    ({"text_content": "x", "metadata": '{"a": "\\u0000"}'}, 422, "metadata", "U+0000"),
    ({"text_content": "x", "metadata": '{"\\u0000": 1}'}, 422, "metadata", "U+0000"),
    ({"text_content": "x", "metadata": json.dumps({"a": "x" * 17_000})}, 422, "metadata", "at most 16384 bytes"),
    ({"text_content": "x", "metadata": DEEP}, 422, "metadata", "deep"),
    ({"text_content": "x", "replace": "perhaps"}, 422, "replace", "boolean"),
]
"""Fields, status, which of them is named, and some of the words."""


@pytest.mark.parametrize(("fields", "status", "name", "words"), WRONG_UPLOADS)
async def test_a_wrong_upload_is_refused_and_nothing_is_stored(
    idle: httpx.AsyncClient, fields: dict[str, Any], status: int, name: str | None, words: str
):
    parts = {key: (None, text) for key, text in fields.items()} or {"x": (None, "")}
    for response in (await idle.post(CONTENT, data=fields), await idle.post(CONTENT, files=parts)):
        assert response.status_code == status, response.text
        detail = response.json()["detail"]
        if name is not None:
            assert detail[0]["loc"] == ["body", name]
            detail = detail[0]["msg"]
        assert words in detail
    assert await names(idle) == []


async def test_a_wrong_body_or_file_is_refused(idle: httpx.AsyncClient):
    json_body = await idle.post(CONTENT, json={"text_content": "x"})
    assert (json_body.status_code, "application/json" in json_body.json()["detail"]) == (400, True)
    for files, words in (
        ([("file", ("a.txt", b"", "text/plain"))], "The file is empty"),
        ([("file", ("a.txt", b"a", "text/plain")), ("file", ("b.txt", b"b", "text/plain"))], "one file"),
        ([("file", (None, "plain"))], "a file part"),
    ):
        response = await idle.post(CONTENT, files=files)
        assert response.status_code == 422, response.text
        assert (response.json()["detail"][0]["loc"], words in response.text) == (["body", "file"], True)
    broken = await idle.post(CONTENT, content=b"--x\r\nno", headers={"Content-Type": "multipart/form-data; boundary=y"})
    assert broken.status_code == 400
    assert await names(idle) == []


WRONG_SEARCHES: list[tuple[Any, int, list[Any] | None, str]] = [
    ({}, 422, ["body", "query"], "Field required"),
    ({"query": ""}, 422, ["body", "query"], "length >= 1"),
    ({"query": " \n"}, 422, ["body", "query"], "blank"),
    ({"query": "x" * 2001}, 422, ["body", "query"], "length <= 2000"),
    ({"query": "a\0b"}, 422, ["body", "query"], "U+0000"),
    ({"query": 7}, 422, ["body", "query"], "Expected `str`"),
    ({"query": "x", "max_results": 0}, 422, ["body", "max_results"], ">= 1"),
    ({"query": "x", "max_results": 1001}, 422, ["body", "max_results"], "<= 1000"),
    ({"query": "x", "filters": [1]}, 422, ["body", "filters"], "Expected `object"),
    ({"query": "x", "filters": {"a": "\0"}}, 422, ["body", "filters"], "U+0000"),
    ({"query": "x", "filters": {"op": "EQ", "key": "a", "value": 1}}, 422, ["body", "filters"], "of metadata"),
    ({"query": "x", "search_type": "magic"}, 422, ["body", "search_type"], "Invalid enum value"),
    ({"query": "x", "meta": {"limit": 0}}, 422, ["body", "meta", "limit"], ">= 1"),
    ({"query": "x", "meta": {"page": 0}}, 422, ["body", "meta", "page"], ">= 1"),
    ({"query": "x", "limit": 0}, 422, ["body", "limit"], ">= 1"),
    ({"query": "x", "vector_db_ids": ["other"]}, 400, None, "vector_db_ids must have 'plain' among them"),
    ({"query": "x", "db_id": "other"}, 404, None, "Knowledge instance with db_id 'other' not found"),
    ({"query": "x", "knowledge_id": "other"}, 404, None, "Knowledge base 'other' not found"),
    ({"query": "x", "search_type": "vector"}, 400, None, "embedder"),
    ({"query": "x", "search_type": "hybrid"}, 400, None, "embedder"),
    ([], 422, ["body"], "Expected `object`"),
]


@pytest.mark.parametrize(("body", "status", "loc", "words"), WRONG_SEARCHES)
async def test_a_wrong_search_is_refused(
    idle: httpx.AsyncClient, body: Any, status: int, loc: list[Any] | None, words: str
):
    response = await idle.post("/knowledge/search", json=body)
    assert response.status_code == status, response.text
    detail = response.json()["detail"]
    if loc is not None:
        assert detail[0]["loc"] == loc
        detail = detail[0]["msg"]
    assert words in detail


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"metadata": "{"}, 400, "Invalid JSON format for metadata"),
        ({"metadata": "[1]"}, 422, "Input should be a JSON object"),
        ({"metadata": '{"a": "\\u0000"}'}, 422, "U+0000"),
        ({"reader_id": "zzz"}, 400, "Invalid reader_id: zzz"),
        ({"name": "x" * 501}, 422, "at most 500"),
        ({"description": "a\0b"}, 422, "U+0000"),
    ],
)
async def test_a_wrong_change_is_refused(idle: httpx.AsyncClient, fields: dict[str, str], status: int, words: str):
    made = await upload(idle, name="n", text_content="x")
    response = await idle.patch(f"{CONTENT}/{made['id']}", data=fields)
    assert (response.status_code, words in response.text) == (status, True), response.text
    assert (await idle.get(f"{CONTENT}/{made['id']}")).json() == made


@pytest.mark.parametrize("unknown", [NOBODY, "missing", "a%2Fb", "%00"])
async def test_an_unknown_content_is_not_found(idle: httpx.AsyncClient, unknown: str):
    for method, path in (("GET", ""), ("GET", "/status"), ("PATCH", ""), ("DELETE", "")):
        response = await idle.request(method, f"{CONTENT}/{unknown}{path}")
        assert response.status_code == 404, response.text
        assert response.json()["detail"].startswith("Content not found: ")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("?page=0", "page"),
        ("?limit=0", "limit"),
        ("?limit=x", "limit"),
        ("?sort_order=up", "sort_order"),
        ("?project_id=%00", "project_id"),
    ],
)
async def test_a_wrong_parameter_is_named(idle: httpx.AsyncClient, path: str, name: str):
    response = await idle.get(CONTENT + path, headers={"Project-Id": ""})
    assert response.status_code == 422, response.text
    assert response.json()["detail"][0]["loc"] == ["query", name]
    upload_of_nobody = await idle.post(f"{CONTENT}?user_id=%00", data={"text_content": "x"})
    assert upload_of_nobody.json()["detail"][0]["loc"] == ["query", "user_id"]


ROUTES = [
    ("POST", CONTENT),
    ("GET", CONTENT),
    ("DELETE", CONTENT),
    ("GET", f"{CONTENT}/{NOBODY}"),
    ("PATCH", f"{CONTENT}/{NOBODY}"),
    ("DELETE", f"{CONTENT}/{NOBODY}"),
    ("GET", f"{CONTENT}/{NOBODY}/status"),
    ("GET", "/knowledge/config"),
]


async def test_one_of_several_bases_must_be_named(several: httpx.AsyncClient):
    for method, path in ROUTES:
        if path == "/knowledge/config":
            continue
        for query in ({}, {"db_id": "serai"}):
            response = await several.request(method, path, params=query)
            assert response.status_code == 400, response.text
            assert response.json()["detail"].endswith("Available IDs: plain, near")
    assert (await several.post("/knowledge/search", json={"query": "x"})).status_code == 400
    for name in ("plain", "near"):
        response = await several.post(CONTENT, params={"knowledge_id": name}, data={"name": name, "text_content": "x"})
        assert (response.status_code, response.json()["knowledge_id"]) == (202, name)
        assert await names(several, knowledge_id=name, db_id="serai") == [name]
    assert (await several.post("/knowledge/search", json={"query": "x", "knowledge_id": "plain"})).json()["data"] == []


async def test_another_database_or_base_is_not_found_by_any_route(idle: httpx.AsyncClient, several: httpx.AsyncClient):
    for api in (idle, several):
        for method, path in ROUTES:
            response = await api.request(method, path, params={"db_id": "other"})
            detail = "Knowledge instance with db_id 'other' not found"
            assert (response.status_code, response.json()) == (404, {"detail": detail})
            response = await api.request(method, path, params={"knowledge_id": "other"})
            assert (response.status_code, response.json()) == (404, {"detail": "Knowledge base 'other' not found"})


async def test_without_a_base_every_route_says_how_to_get_one(shared_url: str):
    async with (
        serving(make_os(KnowledgeRuntime(shared_url, ())).app) as url,
        http_client(url) as client,
    ):
        answers = [await client.request(method, path) for method, path in ROUTES]
        answers.append(await client.post("/knowledge/search", json={"query": "x"}))
        assert "knowledge" not in (await client.get("/config")).json()
    for response in answers:
        assert (response.status_code, "AgentOS(knowledge=" in response.text) == (503, True)
        assert int(response.headers["Retry-After"]) > 60


async def test_the_configuration_names_readers_chunkers_and_bases(several: httpx.AsyncClient):
    await several.post(CONTENT, params={"knowledge_id": "near"}, data={"text_content": "x", "metadata": '{"tag": 1}'})
    config = (await several.get("/knowledge/config")).json()
    assert {"text", "markdown", "html", "csv", "json"} <= config["readers"].keys()
    assert all(reader["id"] == key for key, reader in config["readers"].items())
    assert all(chunker["key"] == key for key, chunker in config["chunkers"].items())
    sizes = {"chunk_size": 1500, "chunk_overlap": 150}
    assert sizes.items() <= config["chunkers"]["RecursiveChunker"]["metadata"].items()
    assert config["readersForType"][".txt"] == ["text"]
    assert (config["filters"], config["remote_content_sources"]) == (["tag"], None)
    assert [(one["id"], one["search_types"]) for one in config["vector_dbs"]] == [
        ("plain", ["keyword"]),
        ("near", ["vector", "keyword", "hybrid"]),
    ]
    (plain,) = (await several.get("/knowledge/config?knowledge_id=plain")).json()["vector_dbs"]
    assert (plain["name"], plain["description"]) == ("Manuals", "What is in boxes.")
    knowledge = (await several.get("/config")).json()["knowledge"]
    assert knowledge["dbs"] == [{"db_id": "serai", "tables": ["knowledge"]}]
    assert knowledge["knowledge_instances"][0] == {
        "id": "plain",
        "name": "Manuals",
        "description": "What is in boxes.",
        "db_id": "serai",
        "table": "knowledge",
    }

"""Servers whose agents have knowledge: documents taken in at the start, bases in descriptions, filters of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentComponent, AgentOS, Knowledge, Step, Team, Workflow
from serai.errors import ConfigurationError, DatabaseUnavailableError
from serai.knowledge.bases import KnowledgeBase, Upload
from serai.knowledge.documents import list_documents
from serai.settings import Settings
from serai.testing import HashedEmbeddingModel, ScriptedModel
from tests.hosting import http_client, serving

MODEL = ScriptedModel(lambda asked: asked.message)


def helper(knowledge: Knowledge | None = None) -> AgentComponent:
    return AgentComponent(Agent(MODEL, name="helper"), knowledge=knowledge)


@asynccontextmanager
async def server(url: str, **parts: Any) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(settings=Settings(database_url=SecretStr(url), drain_s=0), **parts)
    async with serving(os.app) as at, http_client(at, timeout=20) as client:
        yield client


async def contents(client: httpx.AsyncClient, count: int, **query: str) -> dict[str, str]:
    """Wait until there are this many contents, all taken in; return their ids by name."""
    async with asyncio.timeout(20):
        while True:
            listed = (await client.get("/knowledge/content", params=query)).json()["data"]
            if len(listed) == count and all(each["status"] == "completed" for each in listed):
                return {each["name"]: each["id"] for each in listed}
            await asyncio.sleep(0.02)


async def test_documents_are_taken_in_at_the_start_and_again_when_they_change(database_url: str, tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "pets.md").write_text("Dogs are welcome.")
    (tmp_path / "doors.txt").write_text("The gate closes at ten.")
    (tmp_path / "empty.txt").touch()
    base = Knowledge(documents=tmp_path)
    async with server(database_url, agents=[helper(base)]) as client:
        first = await contents(client, 2)
    (tmp_path / "doors.txt").write_text("The gate closes at nine.")
    async with server(database_url, agents=[helper(base)]) as client:
        async with asyncio.timeout(20):
            while (second := await contents(client, 2)) == first:  # noqa: ASYNC110 - HTTP has no event for it
                await asyncio.sleep(0.02)
        answer = await client.post("/knowledge/search", json={"query": "gate"})
    assert sorted(first) == sorted(second) == ["deep/pets.md", "doors.txt"]
    assert first["deep/pets.md"] == second["deep/pets.md"]
    assert [found["content"] for found in answer.json()["data"]] == ["The gate closes at nine."]


async def test_documents_are_taken_in_when_the_database_was_away_meanwhile(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    upload = KnowledgeBase.upload
    tried: list[str | None] = []

    async def upload_but_once(base: KnowledgeBase, document: Upload) -> object:
        tried.append(document.name)
        if len(tried) == 2:
            raise DatabaseUnavailableError("away")
        return await upload(base, document)

    monkeypatch.setattr(KnowledgeBase, "upload", upload_but_once)
    async with server(database_url, agents=[helper(Knowledge(documents=tmp_path))]) as client:
        assert sorted(await contents(client, 2)) == ["a.txt", "b.txt"]
    assert tried == ["a.txt", "b.txt", "a.txt", "b.txt"]


async def test_what_was_taken_in_without_an_embedder_is_embedded_at_a_start_with_one(database_url: str):
    async with server(database_url, agents=[helper(Knowledge())]) as client:
        await client.post("/knowledge/content", data={"text_content": "Cats sleep.", "name": "cats"})
        before = await contents(client, 1)
    model = HashedEmbeddingModel(8)
    question = {"query": "sleep", "search_type": "vector"}
    async with server(database_url, agents=[helper(Knowledge(embedder=model))]) as client, asyncio.timeout(20):
        while not (found := (await client.post("/knowledge/search", json=question)).json()["data"]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert await contents(client, 1) == before
    assert [each["content"] for each in found] == ["Cats sleep."]


def test_of_a_folder_hidden_files_and_those_that_nothing_reads_are_left_out(tmp_path: Path):
    for name in ("b.md", "A.TXT", ".secret.md", "program.exe", ".git/c.md", "deep/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    one = tmp_path / "program.exe"
    assert [name for name, _ in list_documents(Knowledge(documents=[tmp_path, one]))] == [
        *("A.TXT", "b.md", "deep/d.csv"),
        "program.exe",
    ]


def test_documents_of_the_same_name_do_not_replace_each_other(tmp_path: Path):
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
        (folder / "readme.md").write_text(folder.name)
    (folders[0] / "own.md").write_text("x")
    assert [name for name, _ in list_documents(Knowledge(documents=[*folders, folders[0]]))] == [
        "own.md",
        *((folder / "readme.md").as_posix() for folder in folders),
    ]


def test_documents_that_are_not_there_are_refused_at_once(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="there is nothing there"):
        Knowledge(documents=[tmp_path, tmp_path / "none"])


async def test_what_an_agent_or_a_team_may_search_is_shown_with_it(database_url: str):
    rules, wines = Knowledge(id="rules"), Knowledge(id="wines")
    team = Team("team", [helper(rules)], model=MODEL, knowledge=[wines])
    async with server(database_url, teams=[team], agents=[AgentComponent(Agent(MODEL, name="plain"))]) as client:
        shown = (await client.get("/teams/team")).json()
        plain = (await client.get("/agents/plain")).json()
        config = (await client.get("/config")).json()
    assert shown["knowledge"]["knowledge_ids"] == ["wines"]
    assert [tool["name"] for tool in shown["members"][0]["tools"]["tools"]] == ["search_knowledge_base"]
    assert "knowledge" not in plain
    assert [each["id"] for each in config["knowledge"]["knowledge_instances"]] == ["wines", "rules"]


async def test_filters_that_cannot_be_served_are_refused_where_knowledge_is_searched(database_url: str):
    base = Knowledge(id="rules")
    plain = AgentComponent(Agent(MODEL, name="plain"))
    team = Team("team", [helper(base)], model=MODEL)
    workflow = Workflow("flow", steps=[Step("look", agent=helper(base))])
    form = {"message": "hi", "stream": "false", "knowledge_filters": '{"op":"GT","key":"year","value":2025}'}
    async with server(database_url, agents=[helper(base), plain], teams=[team], workflows=[workflow]) as client:
        for path in ("agents/helper", "teams/team", "workflows/flow"):
            answer = await client.post(f"/{path}/runs", data=form)
            assert answer.status_code == 422, answer.text
            (issue,) = answer.json()["detail"]
            assert issue["loc"] == ["body", "knowledge_filters"]
            assert issue["msg"] == "The filter GT is not served; use EQ, IN, AND and OR"
        # Tools of an agent's own may understand more.
        assert (await client.post("/agents/plain/runs", data=form)).status_code == 200
        served = {**form, "knowledge_filters": '[{"op":"EQ","key":"year","value":2026},{"tag":"pets"}]'}
        assert (await client.post("/agents/helper/runs", data=served)).status_code == 200

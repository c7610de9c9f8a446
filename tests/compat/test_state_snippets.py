"""The document's snippets of what is stored, with our import paths: against Serai and agno's own server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from serai.client import AgentOSClient
from serai.metrics import MetricsResponse
from serai.wire.failures import ServerStatusError
from tests.compat.clients.checklist import Target
from tests.compat.documented_code import titles
from tests.compat.test_our_client import SERVERS, server
from tests.compat.test_snippets import run_with_client

__all__ = ["server"]

MEMORIES = {"create_memory", "list_memories", "get_memory", "update_memory", "delete_memory"}
SESSIONS = {
    "create_session",
    "get_sessions",
    "get_session",
    "get_session_runs",
    "rename_session",
    "delete_session",
}
METRICS = {"get_metrics", "refresh_metrics"}
KNOWLEDGE = {"upload_knowledge_content", "search_knowledge", "list_knowledge_content", "get_knowledge_config"}


def test_every_snippet_of_these_is_here() -> None:
    words = ("memor", "session", "metrics", "knowledge")
    assert {title for title in titles("agentos_client") if any(word in title for word in words)} == {
        *MEMORIES,
        *SESSIONS,
        *METRICS,
        *KNOWLEDGE,
    }


@SERVERS
async def test_the_snippets_of_memories_do_what_they_say(server: Target, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(title: str, **ids: str) -> Any:
        return await run_with_client(title, server.base_url, **ids)

    user = f"u-{uuid4()}"
    memory = (await run("create_memory", user_123=user))["memory"]
    assert capsys.readouterr().out == f"Created: {memory.memory_id}\n"
    assert (memory.memory, memory.user_id, memory.topics) == ("User prefers dark mode", user, ["preferences", "ui"])
    await run("list_memories", user_123=user)
    assert capsys.readouterr().out == f"{memory.memory_id}: User prefers dark mode\n"
    ids = {"mem_123": memory.memory_id, "user_123": user}
    assert (await run("get_memory", **ids))["memory"].memory_id == memory.memory_id
    updated = (await run("update_memory", **ids))["updated"]
    assert (updated.memory, len(updated.topics)) == ("User strongly prefers dark mode", 3)
    await run("delete_memory", **ids)
    with pytest.raises(ServerStatusError, match="not found"):
        await run("get_memory", **ids)


@SERVERS
async def test_the_snippets_of_sessions_do_what_they_say(server: Target, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(title: str, **ids: str) -> Any:
        return await run_with_client(title, server.base_url, **ids)

    user = f"u-{uuid4()}"
    session = (await run("create_session", user_123=user, my_agent="echo-agent"))["session"]
    assert capsys.readouterr().out == f"Session ID: {session.session_id}\n"
    assert (session.user_id, session.agent_id) == (user, "echo-agent")
    await run("get_sessions", user_123=user)
    assert capsys.readouterr().out == f"{session.session_id}: My Chat Session\n"
    ids = {"session_123": session.session_id}
    assert (await run("get_session", **ids))["session"].session_name == "My Chat Session"
    async with AgentOSClient(server.base_url) as client:
        done = await client.run_agent("echo-agent", "hello", session_id=session.session_id, user_id=user)
    await run("get_session_runs", **ids)
    assert capsys.readouterr().out == f"{done.run_id}: Echo: hello...\n"
    assert (await run("rename_session", **ids))["session"].session_name == "My Updated Session Name"
    await run("delete_session", **ids)
    with pytest.raises(ServerStatusError, match="not found"):
        await run("get_session", **ids)


@SERVERS
async def test_the_snippets_of_metrics_do_what_they_say(server: Target) -> None:
    assert isinstance((await run_with_client("get_metrics", server.base_url))["metrics"], MetricsResponse)
    assert isinstance((await run_with_client("refresh_metrics", server.base_url))["metrics"], list)


@SERVERS
async def test_the_snippets_of_knowledge_do_what_they_say(server: Target, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(title: str) -> Any:
        return await run_with_client(title, server.base_url)

    content = (await run("upload_knowledge_content"))["content"]
    assert capsys.readouterr().out == f"Content ID: {content.id}\n"
    assert (content.name, content.description) == ("My Document", "Important documentation")
    async with AgentOSClient(server.base_url) as client:
        assert (await client.wait_for_knowledge_content(content.id)).status == "failed"  # three dots are no PDF
        text = await client.upload_knowledge_content(text_content="Agno is what the document asks about.")
        await client.wait_for_knowledge_content(text.id)
        try:
            [result] = (await run("search_knowledge"))["results"].data
            assert capsys.readouterr().out == f"Score: {result.score}\nContent: {result.content[:100]}...\n"
            assert result.content_id == text.id
            await run("list_knowledge_content")
            assert f"{content.id}: My Document\n" in capsys.readouterr().out
            config = (await run("get_knowledge_config"))["config"]
            assert capsys.readouterr().out == f"Readers: {config.readers}\nChunkers: {config.chunkers}\n"
            assert {"markdown", "text"} <= set(config.readers)
        finally:
            await client.delete_knowledge_content(content.id)
            await client.delete_knowledge_content(text.id)

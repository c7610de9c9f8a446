"""Our clients, asynchronous and blocking, with all that is stored: against Serai and agno's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from serai.eval_runs import EvalFilterType, EvalType
from serai.media import File
from serai.sessions import (
    AgentSessionDetailSchema,
    RunSchema,
    SessionType,
    TeamRunSchema,
    TeamSessionDetailSchema,
    WorkflowRunSchema,
    WorkflowSessionDetailSchema,
)
from serai.wire.failures import ServerStatusError
from tests.compat.clients.checklist import Target
from tests.compat.test_our_client import BOTH, SERAI, SERVERS, server
from tests.unit.both_clients import events_of, result_of

__all__ = ["server"]


class Asked:
    """Either client, its answers awaited if need be."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        async def ask(*arguments: Any, **options: Any) -> Any:
            value = getattr(self._client, name)(*arguments, **options)
            return await (events_of(value) if name.startswith("iter_") or "folder" in name else result_of(value))

        return ask


@pytest.fixture
async def client(kind: Any, server: Target) -> AsyncIterator[Asked]:
    ours = kind(server.base_url)
    yield Asked(ours)
    await result_of(ours.close())


async def refused(answer: Any) -> int:
    with pytest.raises(ServerStatusError) as caught:
        await answer
    return caught.value.response.status_code


@BOTH
@SERVERS
async def test_a_session_is_made_read_changed_and_removed(client: Asked) -> None:
    session, user = str(uuid4()), f"u-{uuid4()}"
    made = await client.create_session(
        session_id=session,
        user_id=user,
        session_name="My Chat",
        session_state={"k": 1},
        metadata={"m": "x"},
        agent_id="echo-agent",
    )
    assert isinstance(made, AgentSessionDetailSchema)
    assert (made.agent_session_id, made.session_name, made.session_state) == (session, "My Chat", {"k": 1})
    assert made.created_at is not None
    assert made.created_at.tzinfo is not None
    assert await refused(client.create_session(session_id=session)) == 409

    renamed = await client.rename_session(session, "Plans")
    assert (type(renamed), renamed.session_name) == (AgentSessionDetailSchema, "Plans")
    changed = await client.update_session(
        session, session_state={"n": [1]}, metadata={}, summary={"summary": "s", "topics": ["t"]}
    )
    assert (changed.session_state, changed.session_name) == ({"n": [1]}, "Plans")
    read = await client.get_session(session, user_id=user)
    assert (read.session_id, read.session_name, read.user_id) == (session, "Plans", user)
    assert read.created_at == made.created_at

    await client.delete_session(session)
    await client.delete_session(session)
    assert await refused(client.get_session(session)) == 404


@BOTH
@SERVERS
async def test_sessions_of_each_kind_and_their_runs_are_read_as_what_they_are(client: Asked) -> None:
    user = f"u-{uuid4()}"
    wanted: list[tuple[str, str, Any, Any]] = [
        ("agent", "echo-agent", AgentSessionDetailSchema, RunSchema),
        ("team", "research-team", TeamSessionDetailSchema, TeamRunSchema),
        ("workflow", "seq-workflow", WorkflowSessionDetailSchema, WorkflowRunSchema),
    ]
    for kind, component, detail, run_class in wanted:
        session = str(uuid4())
        run = await getattr(client, f"run_{kind}")(component, "hello there", session_id=session, user_id=user)
        found = await client.get_session(session)
        assert (type(found), getattr(found, f"{kind}_id")) == (detail, component)
        assert type(await client.get_session(session, SessionType(kind))) is detail
        runs = await client.get_session_runs(session_id=session)
        own = next(one for one in runs if one.run_id == run.run_id)
        assert (type(own), own.status, own.content) == (run_class, "completed", run.content)
        assert own.created_at.tzinfo is not None
        one = await client.get_session_run(session, run.run_id)
        assert (type(one), one.run_id, one.content) == (run_class, run.run_id, run.content)
        for name in ("get_session_run_previews", "aget_session_run_previews"):
            previews = await getattr(client, name)(session, status=["completed"])
            assert "hello there" in {preview.run_input for preview in previews}
        assert await client.get_session_runs(session, status=["PAUSED"]) == []
        assert await refused(client.get_session_run(session, "missing")) == 404
    listed = await client.get_sessions(user_id=user)
    assert {one.session_type for one in listed.data} == {"agent", "team", "workflow"}
    assert listed.meta.total_count == 3


@BOTH
@SERVERS
async def test_the_conversation_and_its_tokens_are_in_the_session(client: Asked) -> None:
    session = str(uuid4())
    for message in ("first", "second"):
        await client.run_agent("echo-agent", message, session_id=session)
    found = await client.get_session(session)
    said = [(message["role"], message["content"]) for message in found.chat_history]
    assert said == [
        ("user", "first"),
        ("assistant", "Echo: first"),
        ("user", "second"),
        ("assistant", "Echo: second"),
    ]
    assert found.session_name == "first"
    assert found.total_tokens == found.metrics["total_tokens"] > 0


@BOTH
@SERVERS
async def test_sessions_are_listed_page_by_page_and_as_a_whole(client: Asked) -> None:
    user, ids = f"u-{uuid4()}", [str(uuid4()) for _ in range(5)]
    for number, session in enumerate(ids):
        await client.create_session(
            session_id=session, user_id=user, session_name=f"Chat {number}", agent_id="echo-agent"
        )
    page = await client.get_sessions(user_id=user, limit=2, page=2)
    assert (page.meta.page, page.meta.limit, page.meta.total_pages, page.meta.total_count) == (2, 2, 3, 5)
    assert len(page.data) == 2
    all_of_them = await client.iter_sessions(user_id=user, page_size=2)
    assert sorted(one.session_id for one in all_of_them) == sorted(ids)
    assert [one.session_name for one in await client.iter_sessions(user_id=user, session_name="chat 3")] == ["Chat 3"]
    assert await client.iter_sessions(SessionType.TEAM, user_id=user) == []
    await client.delete_sessions(ids, [SessionType.AGENT] * len(ids))
    assert (await client.get_sessions(user_id=user)).data == []


@BOTH
@SERVERS
async def test_a_memory_is_made_read_changed_and_removed(client: Asked) -> None:
    user = f"u-{uuid4()}"
    made = await client.create_memory("Likes dark mode", user, ["ui", "preferences"])
    assert (made.memory, made.user_id, sorted(made.topics)) == ("Likes dark mode", user, ["preferences", "ui"])
    assert made.updated_at.tzinfo is not None
    read = await client.get_memory(memory_id=made.memory_id, user_id=user)
    assert read.memory == made.memory
    assert await refused(client.get_memory(made.memory_id, "somebody else")) == 404
    changed = await client.update_memory(made.memory_id, "Likes light mode", user, ["ui"])
    assert (changed.memory_id, changed.memory, changed.topics) == (made.memory_id, "Likes light mode", ["ui"])
    await client.delete_memory(made.memory_id, user_id=user)
    await client.delete_memory(made.memory_id)
    assert await refused(client.get_memory(made.memory_id)) == 404


@BOTH
@SERVERS
async def test_memories_are_listed_page_by_page_and_as_a_whole(client: Asked) -> None:
    user, topic = f"u-{uuid4()}", f"t-{uuid4()}"
    ids = [(await client.create_memory(f"fact {n}", user, [topic])).memory_id for n in range(5)]
    page = await client.list_memories(user, limit=2, page=3)
    assert (len(page.data), page.meta.total_pages, page.meta.total_count) == (1, 3, 5)
    assert sorted(one.memory_id for one in await client.iter_memories(user, page_size=2)) == sorted(ids)
    assert [one.memory for one in await client.iter_memories(user, search_content="FACT 3")] == ["fact 3"]
    assert len((await client.list_memories(topics=[topic])).data) == 5
    assert await client.get_memory_topics(user_id=user) == [topic]
    [stats] = (await client.get_user_memory_stats(user_id=user)).data
    assert (stats.user_id, stats.total_memories) == (user, 5)
    assert user in {one.user_id for one in await client.iter_user_memory_stats(page_size=2)}
    await client.delete_memories(ids, user_id=user)
    assert (await client.list_memories(user)).data == []


@BOTH
@SERVERS
async def test_memories_that_are_not_there_cannot_be_condensed(client: Asked) -> None:
    assert await refused(client.optimize_memories(f"u-{uuid4()}", apply=False)) == 404


@BOTH
@SERAI
async def test_changes_and_the_audit_of_memories_are_read(client: Asked) -> None:
    user = f"u-{uuid4()}"
    ids = {(await client.create_memory("Likes tea", user)).memory_id for _ in range(2)}
    audit = await client.audit_memories(user)
    assert (audit.total, [set(group) for group in audit.exact_duplicates]) == (2, [ids])
    assert (await client.list_memory_changes(user)).data == []
    assert await refused(client.undo_memory_change(str(uuid4()))) == 404


@BOTH
@SERVERS
async def test_metrics_of_days_are_counted_and_refreshed(client: Asked) -> None:
    await client.run_agent("echo-agent", "count me", user_id=f"u-{uuid4()}")
    days = await client.refresh_metrics()
    assert isinstance(days, list)
    today = datetime.now(UTC).date()
    found = await client.get_metrics(starting_date=today, ending_date=today)
    [day] = found.metrics
    assert day.agent_runs_count >= 1
    assert day.users_count >= 1
    assert day.token_metrics["total_tokens"] > 0
    assert day.date.tzinfo is not None
    long_ago = await client.get_metrics(today.replace(year=2001), today.replace(year=2001))
    assert long_ago.metrics == []
    started = await client.refresh_metrics(background=True)
    assert started.status in ("started", "already_running")
    assert (await client.get_metrics_refresh_status()).status in ("running", "completed")


@BOTH
@SERVERS
async def test_an_eval_is_run_read_renamed_and_removed(client: Asked) -> None:
    made = await client.run_eval(
        EvalType.RELIABILITY,
        "What is the weather in Oslo?",
        agent_id="weather-agent",
        expected_tool_calls=["get_weather"],
    )
    assert (made.eval_type, made.eval_data["eval_status"], made.agent_id) == ("reliability", "PASSED", "weather-agent")
    assert (await client.get_eval_run(made.id)).eval_data["passed_tool_calls"] == ["get_weather"]
    assert (await client.update_eval_run(made.id, "Oslo")).name == "Oslo"
    listed = await client.list_eval_runs(
        agent_id="weather-agent", filter_type=EvalFilterType.AGENT, eval_types=[EvalType.RELIABILITY]
    )
    assert made.id in {one.id for one in listed.data}
    assert made.id in {one.id for one in await client.iter_eval_runs(page_size=1)}
    await client.delete_eval_runs([made.id])
    assert await refused(client.get_eval_run(made.id)) == 404
    assert await refused(client.run_eval(EvalType.ACCURACY, "x", agent_id="missing", expected_output="y")) == 404


@BOTH
@SERAI
async def test_an_eval_in_the_background_is_cancelled(client: Asked) -> None:
    made = await client.run_eval(EvalType.PERFORMANCE, "x", "slow-agent", num_iterations=50, background=True)
    assert made.status in ("PENDING", "RUNNING")
    assert (await client.cancel_eval_run(made.id)).id == made.id


@BOTH
@SERVERS
async def test_a_database_is_migrated_by_its_id(client: Asked) -> None:
    [database] = (await client.aget_config()).databases
    assert await client.migrate_database(database) is None
    assert await refused(client.migrate_database("missing")) == 404


@BOTH
@SERAI
async def test_a_person_is_erased_and_retention_is_told(client: Asked) -> None:
    assert (await client.get_retention()).rules
    assert (await client.apply_retention()).dry_run
    user = f"u-{uuid4()}"
    await client.create_memory("Likes tea", user)
    assert (await client.erase_user(user, dry_run=True)).dry_run
    erased = await client.erase_user(user)
    assert (erased.user_id, erased.dry_run) == (user, False)
    assert erased.removed["memories"] == 1
    assert (await client.list_memories(user)).data == []


@BOTH
@SERVERS
async def test_knowledge_is_uploaded_found_changed_and_removed(client: Asked, tmp_path: Path) -> None:
    word = f"w{uuid4().hex}"
    (tmp_path / "a.md").write_text(f"# Rivers\n\nThe {word} is long.")
    file = File(filepath=str(tmp_path / "a.md"))
    made = await client.upload_knowledge_content(word, "rivers", metadata={"w": word}, file=file, chunk_size=500)
    assert (made.name, made.description, made.metadata) == (word, "rivers", {"w": word})
    done = await client.wait_for_knowledge_content(made.id)
    assert (done.id, done.status, done.type) == (made.id, "completed", "text/markdown")
    assert (await client.get_knowledge_content_status(made.id)).status == "completed"
    assert made.id in [content.id for content in await client.iter_knowledge_content(page_size=3)]

    page = await client.search_knowledge(word, max_results=5, filters={"w": word}, limit=1)
    [result] = page.data
    assert (result.content_id, page.meta.total_count) == (made.id, 1)
    changed = await client.update_knowledge_content(made.id, description="long ones")
    assert (changed.name, changed.description) == (word, "long ones")
    assert (await client.delete_knowledge_content(made.id)).id == made.id
    assert await refused(client.get_knowledge_content(made.id)) == 404
    assert await refused(client.wait_for_knowledge_content(made.id)) == 404
    assert (await client.search_knowledge(word)).data == []
    assert {"text", "markdown"} <= set((await client.get_knowledge_config()).readers)


@BOTH
@SERVERS
async def test_a_folder_is_uploaded_but_for_what_the_server_cannot_read(client: Asked, tmp_path: Path) -> None:
    word = f"w{uuid4().hex}"
    for name in (f"{word}/a.md", f"{word}/b.txt", "c.unknown"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"About {name}")
    uploads = await client.upload_knowledge_folder(tmp_path, metadata={"w": word})
    assert [upload.path.name for upload in uploads] == ["a.md", "b.txt"]
    assert [upload.content.name for upload in uploads] == [f"{word}/a.md", f"{word}/b.txt"]
    for upload in uploads:
        assert (await client.wait_for_knowledge_content(upload.content.id)).status == "completed"
        await client.delete_knowledge_content(upload.content.id)


@BOTH
@SERAI
async def test_a_content_takes_the_place_of_another_and_says_how_well_it_fits(client: Asked) -> None:
    word = f"w{uuid4().hex}"
    first = await client.upload_knowledge_content(word, text_content=f"{word} is short.", metadata={"w": 1})
    await client.wait_for_knowledge_content(first.id)
    second = await client.upload_knowledge_content(word, text_content=f"{word} is long.", replace=True)
    assert (await client.wait_for_knowledge_content(second.id)).chunks == 1
    [result] = (await client.search_knowledge(word)).data
    assert (result.content_id, result.name, 0 <= result.score <= 1) == (second.id, word, True)
    assert (await client.update_knowledge_content(second.id, metadata={"w": word})).metadata == {"w": word}
    assert (await client.update_knowledge_content(second.id, metadata={})).metadata == {}
    assert (await client.search_knowledge(word, filters={"w": word})).data == []
    await client.delete_knowledge_content(second.id)

"""Memories over HTTP: shapes, filters, other users' ids, all that can be wrong, condensing and undoing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic_ai import Agent

from serai import AgentComponent
from serai.domain.memories import AutomaticChange, MemoryAction, MemoryOrigin
from serai.storage.memories import MemoryStore
from serai.storage.memory_changes import ChangeSource, apply_automatic
from serai.storage.metrics import MetricsStore
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.hosting import DatabaseRuntime, http_client, make_os, serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NOBODY = "00000000-0000-7000-8000-000000000000"
LONG = "x" * 5001


@dataclass
class MemoriesRuntime(DatabaseRuntime):
    """A runtime that has memories, and counts what models use."""

    memories: MemoryStore = field(init=False)
    metrics: MetricsStore = field(init=False)

    async def start(self) -> None:
        await super().start()
        self.memories = MemoryStore(self.database)
        self.metrics = MetricsStore(self.database)


def condense(asked: Asked) -> Turn:
    """Join all memories into one; say what a test's user is named for."""
    given = json.loads(asked.message)
    texts = [one["memory"] for one in given]
    memories = [{"memory": " ".join(texts), "topics": ["joined"]}]
    if "keep" in texts:
        memories = [{"memory": "Keep"}, {"memory": "\x00new"}]
    if "fail" in texts:
        return Turn(error=RuntimeError("no network\nat all"))
    if "grow" in texts:
        memories = [{"memory": text} for text in ("one", "two", "three")]
    return Turn(tools=[ToolCall(asked.tools[0], {"memories": memories})])


def condensing_agent() -> AgentComponent:
    return AgentComponent(Agent(ScriptedModel(condense), name="condenser"))


@pytest.fixture
def runtime(shared_url: str) -> MemoriesRuntime:
    return MemoriesRuntime(shared_url)


@pytest.fixture
async def api(runtime: MemoriesRuntime) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(runtime, agents=[condensing_agent()]).app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


async def remember(api: httpx.AsyncClient, memory: str, user_id: str = "ada", **members: Any) -> dict[str, Any]:
    response = await api.post("/memories", json={"memory": memory, "user_id": user_id, **members})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def texts(api: httpx.AsyncClient, **query: Any) -> list[str]:
    page = (await api.get("/memories", params=query)).json()
    assert page["meta"]["total_count"] >= len(page["data"])
    return [one["memory"] for one in page["data"]]


async def change(
    runtime: MemoriesRuntime, api: httpx.AsyncClient, *changes: AutomaticChange, run_id: str = "r-1"
) -> list[str]:
    """Make automatic changes of Ada's memories as a run would; return their ids."""
    source = ChangeSource(
        origin=MemoryOrigin.EXTRACTION, operation_id=str(uuid4()), run_id=run_id, session_id="s-1", agent_id="helper"
    )
    async with runtime.database.transaction() as connection:
        made = await apply_automatic(connection, api.headers["Project-Id"], "ada", changes, source=source)
    return [str(one.id) for one in made]


async def test_a_memory_is_stored_read_changed_and_removed(api: httpx.AsyncClient):
    made = await remember(api, "User prefers dark mode", topics=["preferences", "ui", "ui"])
    assert TIME.fullmatch(made.pop("updated_at"))
    assert TIME.fullmatch(made.pop("created_at"))
    memory_id = made.pop("memory_id")
    assert made == {
        "memory": "User prefers dark mode",
        "topics": ["preferences", "ui"],
        "agent_id": None,
        "team_id": None,
        "user_id": "ada",
        "origin": "caller",
        "source_run_id": None,
        "source_session_id": None,
    }
    path = f"/memories/{memory_id}"
    assert (await api.get(path)).json()["memory"] == "User prefers dark mode"
    assert (await api.get(path, params={"user_id": "ada"})).status_code == 200
    changed = (await api.patch(path, json={"memory": "Prefers light mode", "user_id": "ada"})).json()
    assert (changed["memory"], changed["topics"]) == ("Prefers light mode", ["preferences", "ui"])
    assert (await api.patch(path, json={"memory": "Prefers none", "topics": []})).json()["topics"] == []
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).json() == {"detail": f"Memory with ID {memory_id} not found"}
    assert (await api.delete(path)).status_code == 204


async def test_what_is_another_users_is_not_there(api: httpx.AsyncClient):
    mine = await remember(api, "Mine")
    path = f"/memories/{mine['memory_id']}"
    assert (await api.get(path, params={"user_id": "eve"})).status_code == 404
    assert (await api.patch(path, json={"memory": "Hers", "user_id": "eve"})).status_code == 404
    assert (await api.delete(path, params={"user_id": "eve"})).status_code == 204
    bulk = {"memory_ids": [mine["memory_id"]], "user_id": "eve"}
    assert (await api.request("DELETE", "/memories", json=bulk)).status_code == 204
    assert (await api.get(path)).json() == mine
    assert (await api.get(path, headers={"Project-Id": "elsewhere"})).status_code == 404
    assert await texts(api, user_id="") == []


@pytest.mark.parametrize("unknown", [NOBODY, "missing", "a%2Fb", "%00"])
async def test_an_unknown_id_is_not_found_and_never_made(api: httpx.AsyncClient, unknown: str):
    assert (await api.get(f"/memories/{unknown}")).status_code == 404
    assert (await api.patch(f"/memories/{unknown}", json={"memory": "x", "user_id": "ada"})).status_code == 404
    assert (await api.delete(f"/memories/{unknown}")).status_code == 204
    assert (await api.post(f"/memories/changes/{unknown}/undo")).status_code == 404
    assert await texts(api) == []


async def test_lists_filter_by_all_topics_and_search_in_any_script(api: httpx.AsyncClient):
    await remember(api, "Mag die STRASSE und 100% Tee_", topics=["a", "ü b"])
    await remember(api, "Любит чай", topics=["a", "c"])
    await remember(api, "喜欢喝茶", "bob", topics=["a,b"])
    assert await texts(api) == ["喜欢喝茶", "Любит чай", "Mag die STRASSE und 100% Tee_"]
    assert await texts(api, topics=["a", "c"]) == await texts(api, topics="a,c") == ["Любит чай"]
    assert await texts(api, topics="ü b") == await texts(api, search_content="straße") != []
    assert await texts(api, search_content="ЛЮБИТ") == ["Любит чай"]
    assert await texts(api, search_content="喝茶") == ["喜欢喝茶"]
    assert await texts(api, search_content="%") == await texts(api, search_content="tee_") != []
    assert (
        await texts(api, search_content="t_e") == await texts(api, topics="A") == await texts(api, agent_id="x") == []
    )
    assert await texts(api, user_id="bob") == ["喜欢喝茶"]
    assert await texts(api, sort_by="created_at", sort_order="asc", limit=1, page=2) == ["Любит чай"]
    assert await texts(api, sort_by="user_id", sort_order="desc", limit=1) == ["喜欢喝茶"]
    response = await api.get("/memories", params={"sort_by": "mood", "limit": 2, "page": 9})
    assert response.headers["X-Serai-Ignored-Fields"] == "sort_by"
    assert response.json() == {
        "data": [],
        "meta": {"page": 9, "limit": 2, "total_pages": 2, "total_count": 3, "search_time_ms": 0.0},
    }


async def test_topics_and_users_are_listed(api: httpx.AsyncClient):
    await remember(api, "One", topics=["x", "y"])
    last = await remember(api, "Two", topics=["y"])
    await remember(api, "Three", "bob", topics=["z"])
    assert (await api.get("/memory_topics")).json() == ["x", "y", "z"]
    assert (await api.get("/memory_topics", params={"user_id": "bob"})).json() == ["z"]
    page = (await api.get("/user_memory_stats", params={"limit": 1})).json()
    assert [one["user_id"] for one in page["data"]] == ["bob"]
    assert page["meta"]["total_count"] == 2
    (ada,) = (await api.get("/user_memory_stats", params={"user_id": "ada"})).json()["data"]
    assert ada == {"user_id": "ada", "total_memories": 2, "last_memory_updated_at": last["updated_at"]}
    assert (await api.get("/user_memory_stats", params={"user_id": "eve"})).json()["data"] == []


async def test_many_are_removed_at_once(api: httpx.AsyncClient):
    ids = [(await remember(api, str(number)))["memory_id"] for number in range(3)]
    body = {"memory_ids": [ids[0], ids[0], ids[2], "missing", NOBODY]}
    response = await api.request("DELETE", "/memories", json={**body, "hard": True})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["X-Serai-Ignored-Fields"] == "hard"
    assert await texts(api) == ["1"]


async def test_the_same_write_again_happens_once(api: httpx.AsyncClient):
    key = {"Idempotency-Key": str(uuid4())}
    body = {"memory": "Once", "user_id": "ada", "topics": ["t"]}
    first, *others = await asyncio.gather(*(api.post("/memories", json=body, headers=key) for _ in range(4)))
    assert {first.content} == {other.content for other in others}
    assert await texts(api) == ["Once"]
    refused = await api.post("/memories", json={**body, "memory": "Twice"}, headers=key)
    assert (refused.status_code, refused.json()["detail"][:15]) == (409, "Idempotency-Key")

    path, key = f"/memories/{first.json()['memory_id']}", {"Idempotency-Key": str(uuid4())}
    changed = await api.patch(path, json={"memory": "Later"}, headers=key)
    await api.patch(path, json={"memory": "Last"})
    assert (await api.patch(path, json={"memory": "Later"}, headers=key)).json() == changed.json()
    assert await texts(api) == ["Last"]


WRONG_BODIES: list[tuple[Any, list[Any], str]] = [
    ({"memory": ""}, ["body", "memory"], "length >= 1"),
    ({"memory": LONG}, ["body", "memory"], "length <= 5000"),
    ({"memory": 7}, ["body", "memory"], "Expected `str`"),
    ({"memory": "a\0b"}, ["body", "memory"], "U+0000"),
    ({"memory": None}, ["body", "memory"], "Expected `str`"),
    ({"user_id": 7}, ["body", "user_id"], "Expected"),
    ({"user_id": "a\0b"}, ["body", "user_id"], "U+0000"),
    ({"user_id": "x" * 201}, ["body", "user_id"], "at most 200"),
    ({"topics": "a"}, ["body", "topics"], "Expected"),
    ({"topics": [""]}, ["body", "topics", 0], "from 1 to 200"),
    ({"topics": ["a", "b\0"]}, ["body", "topics", 1], "U+0000"),
    ({"topics": ["x" * 201]}, ["body", "topics", 0], "from 1 to 200"),
    ({"topics": ["x"] * 101}, ["body", "topics"], "length <= 100"),
    ([], ["body"], "Expected `object`"),
]


@pytest.mark.parametrize(("wrong", "loc", "words"), WRONG_BODIES)
async def test_a_wrong_member_is_named_and_nothing_is_stored(
    api: httpx.AsyncClient, wrong: Any, loc: list[Any], words: str
):
    made = await remember(api, "Before")
    body = {"memory": "m", "user_id": "ada", **wrong} if isinstance(wrong, dict) else wrong
    for response in (
        await api.post("/memories", json=body),
        await api.patch(f"/memories/{made['memory_id']}", json=body),
    ):
        assert response.status_code == 422, response.text
        assert response.json()["detail"][0]["loc"] == loc
        assert words in response.json()["detail"][0]["msg"]
    assert await texts(api) == ["Before"]


async def test_a_member_that_means_nothing_may_say_anything(api: httpx.AsyncClient):
    response = await api.post("/memories", content=b'{"memory": "m", "user_id": "ada", "size": 1e999}')
    assert (response.status_code, response.headers["X-Serai-Ignored-Fields"]) == (200, "size")


async def test_removals_and_undoing_keep_to_their_keys(api: httpx.AsyncClient, runtime: MemoriesRuntime):
    key = {"Idempotency-Key": str(uuid4())}
    one, other = [(await remember(api, text))["memory_id"] for text in ("One", "Other")]
    assert [(await api.delete(f"/memories/{one}", headers=key)).status_code for _ in range(2)] == [204, 204]
    assert (await api.delete(f"/memories/{other}", headers=key)).status_code == 409
    assert (await api.request("DELETE", "/memories", json={"memory_ids": [other]}, headers=key)).status_code == 409
    made = await change(runtime, api, *(AutomaticChange(action=MemoryAction.CREATED, memory=text) for text in "ab"))
    first, second = (f"/memories/changes/{change_id}/undo" for change_id in made)
    assert (await api.post(first, headers=key)).status_code == 409
    assert sorted(await texts(api)) == ["Other", "a", "b"]
    key = {"Idempotency-Key": str(uuid4())}
    undone = [await api.post(first, headers=key) for _ in range(2)]
    assert undone[0].json() == undone[1].json()
    assert (undone[0].status_code, (await api.post(second, headers=key)).status_code) == (200, 409)


async def test_lone_surrogates_and_broken_json_are_refused(api: httpx.AsyncClient):
    for raw in (rb'{"memory": "\ud800", "user_id": "ada"}', b'{"memory": ', b""):
        response = await api.post("/memories", content=raw)
        assert response.status_code == 422, response.text
    for body in ({"memory": "m"}, {"memory": "m", "user_id": ""}, {"memory": "m", "user_id": None}):
        response = await api.post("/memories", json=body)
        assert (response.status_code, response.json()) == (400, {"detail": "User ID is required"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/memories?page=0", "page"),
        ("/memories?limit=0", "limit"),
        ("/memories?limit=x", "limit"),
        ("/memories?sort_order=up", "sort_order"),
        ("/memories?user_id=%00", "user_id"),
        ("/memories?topics=a,%00", "topics"),
        ("/memories?search_content=%00", "search_content"),
        ("/memories?agent_id=%00", "agent_id"),
        ("/memory_topics?user_id=%00", "user_id"),
        ("/user_memory_stats?page=0", "page"),
        ("/user_memory_stats?user_id=%00", "user_id"),
        ("/memories/changes?page=0", "page"),
        ("/memories/changes?run_id=%00", "run_id"),
        ("/memories/audit?user_id=%00", "user_id"),
        (f"/memories/{NOBODY}?user_id=%00", "user_id"),
    ],
)
async def test_a_wrong_parameter_is_named(api: httpx.AsyncClient, path: str, name: str):
    response = await api.get(path)
    assert response.status_code == 422, response.text
    assert response.json()["detail"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(
    "body", [{"memory_ids": []}, {}, {"memory_ids": "a"}, {"memory_ids": [7]}, {"memory_ids": ["a"] * 10_001}]
)
async def test_a_wrong_removal_is_refused(api: httpx.AsyncClient, body: dict[str, Any]):
    response = await api.request("DELETE", "/memories", json=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", "memory_ids"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/memories"),
        ("GET", "/memories"),
        ("DELETE", "/memories"),
        ("GET", f"/memories/{NOBODY}"),
        ("PATCH", f"/memories/{NOBODY}"),
        ("DELETE", f"/memories/{NOBODY}"),
        ("GET", "/memory_topics"),
        ("GET", "/user_memory_stats"),
        ("POST", "/optimize-memories"),
        ("GET", "/memories/changes"),
        ("POST", f"/memories/changes/{NOBODY}/undo"),
        ("GET", "/memories/audit"),
    ],
)
async def test_another_database_is_not_found_by_any_route(api: httpx.AsyncClient, method: str, path: str):
    response = await api.request(method, path, params={"db_id": "other"})
    assert (response.status_code, response.json()) == (404, {"detail": "No database found with id 'other'"})
    response = await api.request(method, path, params={"db_id": "serai", "table": "agno_sessions"})
    assert response.status_code == 404
    response = await api.request(method, path, params={"table": "agno_memories"})
    assert response.status_code == 400


async def test_memories_are_condensed_and_that_is_undone(api: httpx.AsyncClient):
    await remember(api, "Likes tea", topics=["tea"])
    await remember(api, "Lives in Rome")
    await remember(api, "Bob's", "bob")
    preview = await api.post("/optimize-memories", json={"user_id": "ada", "apply": False})
    assert preview.status_code == 200, preview.text
    assert await texts(api, user_id="ada") == ["Lives in Rome", "Likes tea"]
    key = {"Idempotency-Key": str(uuid4())}
    done = await api.post("/optimize-memories", json={"user_id": "ada"}, headers=key)
    shown = done.json()
    assert (await api.post("/optimize-memories", json={"user_id": "ada"}, headers=key)).json() == shown
    (memory,) = shown.pop("memories")
    assert (memory["memory"], memory["topics"]) == ("Lives in Rome Likes tea", ["joined"])
    assert shown == {
        "memories_before": 2,
        "memories_after": 1,
        "tokens_before": 7,
        "tokens_after": 6,
        "tokens_saved": 1,
        "reduction_percentage": 14.29,
    }
    assert await texts(api) == ["Lives in Rome Likes tea", "Bob's"]
    assert (await api.get(f"/memories/{memory['memory_id']}")).json()["origin"] == "optimize"

    changes = (await api.get("/memories/changes")).json()["data"]
    assert [(one["action"], one["origin"]) for one in changes] == [
        ("created", "optimize"),
        ("deleted", "optimize"),
        ("deleted", "optimize"),
    ]
    undo = f"/memories/changes/{changes[0]['change_id']}/undo"
    undone = await api.post(undo, params={"together": "true"})
    assert len(undone.json()["data"]) == 3
    assert sorted(await texts(api, user_id="ada")) == ["Likes tea", "Lives in Rome"]
    assert (await api.post(undo, params={"together": "true"})).json() == undone.json()


async def test_condensing_keeps_what_stays_and_never_says_that_it_saved_less_than_nothing(api: httpx.AsyncClient):
    kept = await remember(api, "keep")
    shown = (await api.post("/optimize-memories", json={"user_id": "ada"})).json()
    assert shown["detail"].startswith("The model 'scripted' did not condense")  # two are more than one
    await remember(api, "x")
    shown = (await api.post("/optimize-memories", json={"user_id": "ada"})).json()
    assert [one["memory"] for one in shown["memories"]] == ["keep", "\ufffdnew"]
    assert (shown["memories"][0], shown["tokens_saved"]) == (kept, 0)


async def test_condensing_says_what_it_lacks(api: httpx.AsyncClient, runtime: MemoriesRuntime):
    response = await api.post("/optimize-memories", json={"user_id": "eve"})
    assert (response.status_code, response.json()) == (404, {"detail": "No memories found for user eve"})
    assert (await api.post("/optimize-memories", json={})).json() == {"detail": "User ID is required"}
    for model in ("gpt", "openai:", ":x", "nobody:x"):
        response = await api.post("/optimize-memories", json={"user_id": "eve", "model": model})
        assert response.status_code == 400, response.text
        assert repr(model) in response.json()["detail"]
    response = await api.post("/optimize-memories", json={"user_id": "eve", "apply": "yes"})
    assert response.json()["detail"][0]["loc"] == ["body", "apply"]
    await remember(api, "grow")
    response = await api.post("/optimize-memories", json={"user_id": "ada"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert await texts(api) == ["grow"]
    await remember(api, "fail", "bob")
    response = await api.post("/optimize-memories", json={"user_id": "bob"})
    assert response.status_code == 503
    assert "did not condense the memories: no network. Nothing was changed" in response.json()["detail"]
    async with serving(make_os(MemoriesRuntime(runtime.dsn)).app) as url, http_client(url) as without_model:
        response = await without_model.post("/optimize-memories", json={"user_id": "eve"})
        assert (response.status_code, "SERAI_MODEL" in response.text) == (400, True)


async def test_automatic_changes_are_listed_and_undone(api: httpx.AsyncClient, runtime: MemoriesRuntime):
    old = await remember(api, "Old", topics=["t"])
    gone = await remember(api, "Gone")
    ids = await change(
        runtime,
        api,
        AutomaticChange(action=MemoryAction.DELETED, memory_id=_id(gone)),
        AutomaticChange(action=MemoryAction.UPDATED, memory_id=_id(old), memory="Newer"),
        AutomaticChange(action=MemoryAction.CREATED, memory="New", topics=("n",)),
    )
    page = (await api.get("/memories/changes", params={"user_id": "ada", "limit": 2})).json()
    assert [one["change_id"] for one in page["data"]] == ids[:0:-1]
    assert page["meta"]["total_count"] == 3
    (update,) = (await api.get("/memories/changes", params={"memory_id": old["memory_id"]})).json()["data"]
    assert (update["before"]["memory"], update["after"]["memory"], update["after"]["topics"]) == ("Old", "Newer", ["t"])
    assert (update["run_id"], update["session_id"], update["agent_id"]) == ("r-1", "s-1", "helper")
    for query in ({"run_id": "r-1"}, {"run_id": "r-1", "user_id": "ada"}, {}):
        assert (await api.get("/memories/changes", params=query)).json()["meta"]["total_count"] == 3
    for query in ({"user_id": "eve"}, {"memory_id": "missing"}, {"run_id": "r-2"}, {"run_id": "r-1", "user_id": "eve"}):
        assert (await api.get("/memories/changes", params=query)).json()["data"] == []

    assert (await api.post(f"/memories/changes/{ids[0]}/undo", params={"user_id": "eve"})).status_code == 404
    assert (await api.post(f"/memories/changes/{ids[0]}/undo", params={"together": "maybe"})).status_code == 422
    undone = [(await api.post(f"/memories/changes/{one}/undo")).json()["data"][0] for one in ids]
    assert [(one["action"], one["undoes"]) for one in undone] == list(
        zip(("created", "updated", "deleted"), ids, strict=True)
    )
    assert sorted(await texts(api)) == ["Gone", "Old"]
    assert (await api.get(f"/memories/{gone['memory_id']}")).json()["created_at"] == gone["created_at"]
    again = (await api.post(f"/memories/changes/{ids[0]}/undo")).json()["data"]
    assert again == undone[:1]
    refused = await api.post(f"/memories/changes/{undone[0]['change_id']}/undo")
    assert (refused.status_code, "is itself an undo" in refused.json()["detail"]) == (409, True)
    assert [one["undone_at"] is None for one in (await api.get("/memories/changes")).json()["data"]] == [True] * 3 + [
        False
    ] * 3


async def test_what_was_changed_since_is_not_undone(api: httpx.AsyncClient, runtime: MemoriesRuntime):
    made = await remember(api, "Made")
    first, second = [
        (await change(runtime, api, AutomaticChange(action=MemoryAction.UPDATED, memory_id=_id(made), memory=text)))[0]
        for text in ("First", "Second")
    ]
    refused = await api.post(f"/memories/changes/{first}/undo")
    assert (refused.status_code, "Undo the later changes first" in refused.json()["detail"]) == (409, True)
    for one in (second, first):
        assert (await api.post(f"/memories/changes/{one}/undo")).status_code == 200
    assert await texts(api) == ["Made"]
    (third,) = await change(
        runtime, api, AutomaticChange(action=MemoryAction.UPDATED, memory_id=_id(made), memory="Third")
    )
    await api.delete(f"/memories/{made['memory_id']}")
    refused = await api.post(f"/memories/changes/{third}/undo")
    assert (refused.status_code, "was deleted after change" in refused.json()["detail"]) == (409, True)


async def test_an_audit_counts_what_came_by_itself_and_what_says_the_same(
    api: httpx.AsyncClient, runtime: MemoriesRuntime
):
    assert (await api.get("/memories/audit")).json()["longest"] is None
    one = await remember(api, "Has a cat named Tom")
    other = await remember(api, "has a cat  named TOM")
    near = await remember(api, "The user has a cat, named Tom.")
    await remember(api, "Has a cat named Tom", "bob")
    await change(runtime, api, AutomaticChange(action=MemoryAction.CREATED, memory="Works at night, mostly alone"))
    audit = (await api.get("/memories/audit", params={"user_id": "ada"})).json()
    assert audit.pop("longest") == {"memory_id": near["memory_id"], "characters": 30}
    assert [sorted(group) for group in audit.pop("exact_duplicates")] == [[one["memory_id"], other["memory_id"]]]
    assert [near["memory_id"] in group for group in audit.pop("near_duplicates")] == [True]
    assert audit == {"total": 4, "checked": 4, "automatic": 1, "without_source": 3}
    assert (await api.get("/memories/audit")).json()["total"] == 5


def _id(memory: dict[str, Any]) -> UUID:
    return UUID(memory["memory_id"])

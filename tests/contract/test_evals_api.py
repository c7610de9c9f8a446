"""Evals over HTTP: what each type measures, how far one is, what is listed, and all that can be wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentComponent, AgentOS, Team, tool
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.hosting import http_client, serving

ACCURACY = {"agent_id": "adder", "eval_type": "accuracy", "input": "2 + 3", "expected_output": "5"}
JUDGED = {"agent_id": "adder", "eval_type": "agent_as_judge", "input": "2 + 3", "criteria": "Says a number."}
FAST = {"agent_id": "adder", "eval_type": "performance", "input": "2 + 3"}
RELIABLE = {"agent_id": "adder", "eval_type": "reliability", "input": "2 + 3", "expected_tool_calls": ["add"]}
GATE = asyncio.Event()
FAILURES = cycle([True])
DEEP: Any = json.loads('{"add": {"a": ' + "[" * 101 + "]" * 101 + "}}")

WRONG: list[tuple[dict[str, Any], int, list[str] | None, str]] = [
    ({"agent_id": None}, 400, None, "One of agent_id or team_id must be provided"),
    ({"team_id": "pair"}, 400, None, "Only one of agent_id or team_id must be provided"),
    ({"agent_id": "nobody"}, 404, None, "Agent with id 'nobody' not found"),
    ({"agent_id": None, "team_id": "adder"}, 404, None, "Team with id 'adder' not found"),
    ({"expected_output": None}, 400, None, "expected_output is required"),
    ({"expected_output": ""}, 400, None, "expected_output is required"),
    ({"eval_type": "agent_as_judge"}, 400, None, "criteria is required"),
    ({"eval_type": "reliability"}, 400, None, "expected_tool_calls is required"),
    ({"model_id": "gpt-9", "model_provider": "Nobody"}, 400, None, "model_id and model_provider out"),
    ({"eval_type": "speed"}, 422, ["body", "eval_type"], "Invalid enum value"),
    ({"input": ""}, 422, ["body", "input"], "length"),
    ({"input": 7}, 422, ["body", "input"], "Expected"),
    ({"num_iterations": 0}, 422, ["body", "num_iterations"], ">= 1"),
    ({"num_iterations": 101}, 422, ["body", "num_iterations"], "<= 100"),
    ({"warmup_runs": 11}, 422, ["body", "warmup_runs"], "<= 10"),
    ({"threshold": 11}, 422, ["body", "threshold"], "<= 10"),
    ({"scoring_strategy": "stars"}, 422, ["body", "scoring_strategy"], "Invalid enum value"),
    ({"name": ""}, 422, ["body", "name"], "length"),
    ({"name": "x" * 256}, 422, ["body", "name"], "length"),
    ({"name": "a\0b"}, 422, ["body", "name"], "U+0000"),
    ({"user_id": "a\0b"}, 422, ["body", "user_id"], "U+0000"),
    ({"model_id": "a\0b"}, 422, ["body", "model_id"], "U+0000"),
    ({"expected_tool_calls": "add"}, 422, ["body", "expected_tool_calls"], "Expected"),
    ({"expected_tool_call_arguments": DEEP}, 422, ["body", "expected_tool_call_arguments"], "deeply"),
    ({"workflow_id": "w"}, 422, ["body", "workflow_id"], "Workflows cannot be measured"),
    ({"colour": "red"}, 422, ["body", "colour"], "Extra inputs"),
]
"""What is wrong beside a good body: status, where it is said to be, and some of the words."""
WRONG_REQUESTS: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/eval-runs?page=0", None, 422, "whole number"),
    ("GET", "/eval-runs?limit=0", None, 422, "whole number"),
    ("GET", "/eval-runs?sort_order=up", None, 422, "asc"),
    ("GET", "/eval-runs?type=robot", None, 422, "'agent', 'team', 'workflow'"),
    ("GET", "/eval-runs?eval_types=accuracy,speed", None, 422, "Invalid eval_type: 'speed'. Valid types: accuracy"),
    ("GET", "/eval-runs?agent_id=%00", None, 422, "U+0000"),
    ("GET", "/eval-runs?db_id=other", None, 404, "No database found with id 'other'"),
    ("GET", "/eval-runs?db_id=serai&table=t", None, 404, "has table 't'"),
    ("GET", "/eval-runs?table=agno_eval_runs", None, 400, "db_id"),
    ("GET", "/eval-runs/no-id", None, 404, "Eval run with id 'no-id' not found"),
    ("PATCH", "/eval-runs/no-id", {"name": "x"}, 404, "not found"),
    ("PATCH", f"/eval-runs/{uuid4()}", {"name": ""}, 422, "length"),
    ("PATCH", f"/eval-runs/{uuid4()}", {"name": "x" * 256}, 422, "length"),
    ("PATCH", f"/eval-runs/{uuid4()}", {"colour": "red", "name": "x"}, 422, "Extra inputs"),
    ("PATCH", f"/eval-runs/{uuid4()}", {}, 422, "Field required"),
    ("DELETE", "/eval-runs", {"eval_run_ids": []}, 422, "length"),
    ("DELETE", "/eval-runs", {"eval_run_ids": "x"}, 422, "Expected"),
    ("POST", "/eval-runs", [], 422, "Expected"),
    ("POST", "/eval-runs?background=maybe", ACCURACY, 422, "true or false"),
    ("POST", "/eval-runs?db_id=other", ACCURACY, 404, "No database"),
    ("POST", "/databases/other/migrate", None, 404, "No database found with id 'other'"),
    ("POST", "/databases/serai/migrate", {"target_version": "1.0.0"}, 400, "version 0"),
    ("POST", "/databases/all/migrate?target_version=9", None, 400, "cannot bring them to '9'"),
    ("POST", "/databases/serai/migrate?target_version=9", {"target_version": "2.0.0"}, 400, "send one"),
    ("POST", "/databases/serai/migrate", {"version": "1"}, 422, "Extra inputs"),
]
"""Method, path, body, status, and some of the words."""


def add_up(asked: Asked) -> Turn | str:
    """Add with the tool, and judge answers: a right one gets 9, another one 3."""
    if "final_result" in asked.tools:
        return judge(asked)
    if not asked.tool_results:
        first, second = (int(word) for word in asked.message.split(" + "))
        return Turn(tools=[ToolCall("add", {"a": first, "b": second})])
    return f"{asked.tool_results[-1].content}"


def judge(asked: Asked) -> Turn:
    """Judge as the form wants it."""
    output = json.loads(asked.message)["output"]
    is_right = output == "5"
    reason = f"It says {output}."
    given = asked.messages[0].instructions or ""  # type: ignore[union-attr] # a request
    if "passes (true)" in given:
        return Turn(tools=[ToolCall("final_result", {"passed": is_right, "reason": reason})])
    return Turn(tools=[ToolCall("final_result", {"score": 9 if is_right else 3, "reason": reason})])


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool(requires_confirmation=True)
def delete() -> str:
    """Delete."""
    return "done"


def fail(asked: Asked) -> Turn | str:
    """Fail whenever `FAILURES` says so."""
    if "final_result" in asked.tools:
        return judge(asked)
    return Turn(error=RuntimeError("model exploded")) if next(FAILURES) else "5"


def see(asked: Asked) -> Turn:
    """Say how many messages of a user there are."""
    users = sum(part.part_kind == "user-prompt" for message in asked.messages for part in message.parts)
    return Turn(str(users))


def lead(asked: Asked) -> Turn | str:
    if "final_result" in asked.tools:
        return judge(asked)
    if not asked.tool_results:
        return Turn(tools=[ToolCall("delegate_task_to_member", {"member_id": "adder", "task": asked.message})])
    return str(asked.tool_results[-1].content)


def hold(asked: Asked) -> Turn:
    return Turn("Held.", gate=GATE.wait)


def make_os(database_url: str) -> AgentOS:
    adder = Agent(ScriptedModel(add_up), name="adder", tools=[add])
    return AgentOS(
        name="Evals",
        agents=[
            adder,
            Agent(ScriptedModel(fail), name="broken"),
            Agent(ScriptedModel([Turn(tools=[ToolCall("delete")])]), name="asks", tools=[delete]),
            AgentComponent(Agent(ScriptedModel(see), name="seer"), memory=True),
            Agent(ScriptedModel(hold), name="slow"),
            Agent(ScriptedModel(lambda _: "I cannot judge."), name="mute"),
            Agent(ScriptedModel(judge, model_name="strict-1"), name="strict"),
        ],
        teams=[Team("pair", [adder], model=ScriptedModel(lead))],
        settings=Settings(database_url=SecretStr(database_url)),
    )


@pytest.fixture
async def client(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    GATE.clear()
    monkeypatch.setitem(globals(), "FAILURES", cycle([True]))
    async with (
        serving(make_os(shared_url).app) as url,
        http_client(url, headers={"Project-Id": str(uuid4())}, timeout=20) as connected,
    ):
        yield connected
        GATE.set()


async def run(client: httpx.AsyncClient, body: dict[str, Any], **members: Any) -> dict[str, Any]:
    response = await client.post("/eval-runs", json={**body, **members})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    assert (await client.get(f"/eval-runs/{found['id']}")).json() == found
    return found


async def begin(client: httpx.AsyncClient, body: dict[str, Any], **members: Any) -> dict[str, Any]:
    response = await client.post("/eval-runs?background=true", json={**body, **members})
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_accuracy_is_a_judges_score_for_each_iteration(client: httpx.AsyncClient):
    found = await run(client, ACCURACY, num_iterations=2, name="sums", additional_guidelines="Digits only.")
    result = {"input": "2 + 3", "output": "5", "expected_output": "5", "score": 9, "reason": "It says 5."}
    assert found["eval_data"] == {
        "run_id": found["id"],
        "results": [result, result],
        "avg_score": 9.0,
        "mean_score": 9.0,
        "min_score": 9,
        "max_score": 9,
        "std_dev_score": 0.0,
    }
    assert found["eval_input"] == {
        "input": "2 + 3",
        "num_iterations": 2,
        "expected_output": "5",
        "additional_guidelines": "Digits only.",
        "additional_context": None,
    }
    about = {name: found[name] for name in ("agent_id", "team_id", "workflow_id", "name", "evaluated_component_name")}
    assert about == {
        "agent_id": "adder",
        "team_id": None,
        "workflow_id": None,
        "name": "sums",
        "evaluated_component_name": "adder",
    }
    assert (found["model_id"], found["model_provider"], found["user_id"]) == ("scripted", "serai", None)
    assert (found["status"], found["progress"], found["error"]) == ("COMPLETED", {"finished": 2, "of": 2}, None)
    assert found["created_at"].endswith("Z")
    assert found["updated_at"] >= found["created_at"]


async def test_the_tokens_of_judges_count_in_the_totals_of_days(client: httpx.AsyncClient):
    await run(client, JUDGED, user_id="judged")
    (day,) = (await client.get("/metrics", params={"user_id": "judged"})).json()["metrics"]
    session = (await client.get("/sessions", params={"user_id": "judged"})).json()["data"][0]
    assert day["token_metrics"]["total_tokens"] > session["total_tokens"] > 0
    assert (day["agent_runs_count"], sum(model["count"] for model in day["model_metrics"])) == (1, 1)


async def test_a_judge_lets_answers_pass_or_not(client: httpx.AsyncClient):
    cases: list[tuple[dict[str, Any], int | None, bool, float]] = [
        ({}, None, True, 100.0),
        ({"input": "2 + 4"}, None, False, 0.0),
        ({"scoring_strategy": "numeric"}, 9, True, 100.0),
        ({"scoring_strategy": "numeric", "threshold": 10}, 9, False, 0.0),
    ]
    for members, score, passed, rate in cases:
        data = (await run(client, JUDGED, **members))["eval_data"]
        (result,) = data["results"]
        assert (result["criteria"], result["score"], result["passed"]) == ("Says a number.", score, passed)
        assert (data["pass_rate"], data["avg_score"]) == (rate, score)


async def test_another_components_model_may_judge(client: httpx.AsyncClient):
    found = await run(client, ACCURACY, agent_id="mute", model_id="Strict-1", model_provider="SERAI")
    assert (found["model_id"], found["model_provider"]) == ("Strict-1", "SERAI")
    assert found["eval_data"]["results"][0]["score"] == 3


async def test_performance_has_the_times_of_the_runs_without_those_that_warm_up(client: httpx.AsyncClient):
    found = await run(client, FAST, num_iterations=3, warmup_runs=2)
    data = found["eval_data"]
    assert len(data["run_times"]) == len(data["memory_usages"]) == 3
    assert 0 < data["min_run_time"] <= data["median_run_time"] <= data["p95_run_time"] <= data["max_run_time"] < 5
    assert 0 <= data["min_memory_usage"] <= data["avg_memory_usage"] <= data["max_memory_usage"]
    assert found["eval_input"] == {"input": "2 + 3", "num_iterations": 3, "warmup_runs": 2}


async def test_reliability_compares_the_calls_with_those_expected(client: httpx.AsyncClient):
    none: dict[str, Any] = {"expected_tool_calls": []}
    cases: list[tuple[dict[str, Any], str, list[str]]] = [
        ({}, "PASSED", ["passed_tool_calls"]),
        (none, "FAILED", ["failed_tool_calls"]),
        ({**none, "allow_additional_tool_calls": True}, "PASSED", ["additional_tool_calls"]),
        (
            {
                **none,
                "expected_tool_call_arguments": {"add": [{"a": 2}, {"b": 4}]},
                "allow_additional_tool_calls": True,
            },
            "FAILED",
            ["additional_tool_calls", "failed_argument_checks"],
        ),
        (
            {"expected_tool_call_arguments": {"add": {"a": 2}}},
            "PASSED",
            ["passed_argument_checks", "passed_tool_calls"],
        ),
        ({"agent_id": None, "team_id": "pair"}, "PASSED", ["passed_tool_calls"]),
    ]
    for members, status, lists in cases:
        data = (await run(client, RELIABLE, **members))["eval_data"]
        named = {name: found for name, found in data.items() if name.endswith(("_calls", "_checks")) and found}
        assert (data["eval_status"], named) == (status, {name: ["add"] for name in lists})
        assert (len(data["results"]), data["pass_rate"]) == (1, 100.0 if status == "PASSED" else 0.0)
    missing = await run(client, RELIABLE, expected_tool_calls=["add", "multiply"])
    assert missing["eval_data"]["missing_tool_calls"] == ["multiply"]


async def test_a_team_is_judged_by_its_leaders_model(client: httpx.AsyncClient):
    found = await run(client, ACCURACY, agent_id=None, team_id="pair")
    assert (found["team_id"], found["agent_id"]) == ("pair", None)
    assert found["eval_data"]["avg_score"] == 9.0


async def test_an_iteration_sees_nothing_of_another_one(client: httpx.AsyncClient):
    found = await run(client, ACCURACY, agent_id="seer", num_iterations=2, model_id="strict-1", model_provider="serai")
    assert [result["output"] for result in found["eval_data"]["results"]] == ["1", "1"]
    name = f"eval-{found['id']}-2"
    iteration = (await client.get(f"/agents/seer/runs/{name}", params={"session_id": name})).json()
    assert iteration["metadata"] == {"eval_id": found["id"]}
    assert (await client.get(f"/sessions/{name}")).json()["session_name"] == "2 + 3"


async def test_nothing_is_learnt_of_a_user_from_what_an_eval_asks(client: httpx.AsyncClient):
    found = await run(client, FAST, agent_id="seer", user_id="ada", input="My name is Bob.")
    name = f"eval-{found['id']}-1"
    events = (await client.get(f"/agents/seer/runs/{name}/events", params={"session_id": name})).text
    assert "RunCompleted" in events
    assert "MemoryUpdateStarted" not in events


async def test_an_eval_that_could_measure_nothing_says_why(client: httpx.AsyncClient):
    reasons = {"broken": "The run failed: ", "asks": "paused to ask a person", "mute": "The judge gave no verdict: "}
    for agent_id, reason in reasons.items():
        found = await run(client, ACCURACY, agent_id=agent_id, num_iterations=2)
        assert (found["status"], found["progress"]) == ("ERROR", {"finished": 2, "of": 2})
        assert reason in found["error"]
        data = found["eval_data"]
        assert (data["results"], data["avg_score"]) == ([], None)
        assert [error["iteration"] for error in data["errors"]] == [1, 2]
        assert data["errors"][0]["error"] == found["error"]


async def test_an_iteration_that_failed_is_told_and_counts_in_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(globals(), "FAILURES", cycle([False, True, False]))
    found = await run(client, ACCURACY, agent_id="broken", num_iterations=3)
    assert (found["status"], found["error"]) == ("COMPLETED", None)
    data = found["eval_data"]
    assert ([result["score"] for result in data["results"]], data["avg_score"]) == ([9, 9], 9.0)
    (error,) = data["errors"]
    assert error["iteration"] == 2
    assert "model exploded" in error["error"]


async def test_a_run_that_asks_a_person_is_cancelled(client: httpx.AsyncClient):
    found = await run(client, RELIABLE, agent_id="asks")
    name = f"eval-{found['id']}-1"
    run_object = (await client.get(f"/agents/asks/runs/{name}", params={"session_id": name})).json()
    assert run_object["status"] == "CANCELLED"


async def test_an_eval_in_the_background_shows_how_far_it_is_and_can_be_cancelled(client: httpx.AsyncClient):
    begun = await begin(client, FAST, agent_id="slow", num_iterations=100)
    assert (begun["status"], begun["progress"]) == ("PENDING", {"finished": 0, "of": 100})
    path = f"/eval-runs/{begun['id']}"
    GATE.set()
    while not (shown := (await client.get(path)).json())["progress"]["finished"]:
        assert shown["status"] in ("PENDING", "RUNNING")
    GATE.clear()
    await asyncio.sleep(0.05)  # the next iteration comes as far as it can
    assert (await client.get("/eval-runs")).json()["data"][0]["id"] == begun["id"]
    cancelled = (await client.post(f"{path}/cancel")).json()
    assert cancelled["status"] == "CANCELLED"
    finished = cancelled["progress"]["finished"]
    assert 0 < finished == len(cancelled["eval_data"]["run_times"])
    again = await client.post(f"{path}/cancel")
    assert (again.status_code, again.json()) == (200, cancelled)
    name = f"eval-{begun['id']}-{finished + 1}"
    async with asyncio.timeout(10):
        run_path = f"/agents/slow/runs/{name}?session_id={name}"
        while (await client.get(run_path)).json().get("status") not in ("CANCELLED", "COMPLETED"):  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.02)


async def test_a_request_that_comes_again_waits_for_the_same_eval(client: httpx.AsyncClient):
    headers = {"Idempotency-Key": str(uuid4())}
    body = {**FAST, "agent_id": "slow"}
    first = asyncio.create_task(client.post("/eval-runs", json=body, headers=headers))
    begun = (await client.post("/eval-runs?background=true", json=body, headers=headers)).json()
    again = asyncio.create_task(client.post("/eval-runs", json=body, headers=headers))
    GATE.set()
    answers = [(await task).json() for task in (first, again)]
    assert [answer["id"] for answer in answers] == [begun["id"]] * 2
    assert answers[0] == answers[1]
    other = await client.post("/eval-runs", json={**body, "input": "other"}, headers=headers)
    assert other.status_code == 409
    assert (await client.get("/eval-runs")).json()["meta"]["total_count"] == 1


async def test_evals_are_listed_by_what_they_measured(client: httpx.AsyncClient):
    first = await run(client, RELIABLE, name="b", user_id="ada")
    second = await run(client, ACCURACY, agent_id=None, team_id="pair", name="a")
    third = await run(client, FAST, name="c", agent_id="mute")
    ids = {first["id"]: "first", second["id"]: "second", third["id"]: "third"}

    async def listed(**query: Any) -> list[str]:
        page = (await client.get("/eval-runs", params=query)).json()
        assert page["meta"]["total_count"] == len(page["data"])
        return [ids[item["id"]] for item in page["data"]]

    assert (await client.get("/eval-runs")).json()["data"] == [third, second, first]
    assert await listed(sort_order="asc") == ["first", "second", "third"]
    assert await listed(sort_by="name") == ["third", "first", "second"]
    assert await listed(agent_id="adder") == ["first"]
    assert await listed(team_id="pair") == ["second"]
    assert await listed(workflow_id="pair") == []
    assert await listed(type="agent") == ["third", "first"]
    assert await listed(eval_types="accuracy, reliability") == ["second", "first"]
    assert await listed(model_id="scripted", user_id="ada") == ["first"]
    assert await listed(model_id="other") == []
    assert await listed(db_id="serai", table="agno_eval_runs") == ["third", "second", "first"]
    page = (await client.get("/eval-runs", params={"limit": 2, "page": 2})).json()
    assert [item["id"] for item in page["data"]] == [first["id"]]
    meta = {"page": 2, "limit": 2, "total_pages": 2, "total_count": 3, "search_time_ms": 0.0}
    assert page["meta"] == meta
    odd = await client.get("/eval-runs", params={"sort_by": "colour"})
    assert (odd.status_code, odd.headers["X-Serai-Ignored-Fields"]) == (200, "sort_by")


async def test_an_eval_is_renamed_and_removed(client: httpx.AsyncClient):
    found = await run(client, RELIABLE)
    path = f"/eval-runs/{found['id']}"
    renamed = await client.patch(path, json={"name": "Näme"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Näme")
    assert (await client.patch(f"{path}?user_id=other", json={"name": "x"})).status_code == 404
    ids = {"eval_run_ids": [found["id"], str(uuid4()), "no id"]}
    for query, status in (("?user_id=other", 200), ("", 404), ("", 404)):
        removed = await client.request("DELETE", f"/eval-runs{query}", json=ids)
        assert (removed.status_code, removed.content) == (204, b"")
        assert (await client.get(path)).status_code == status
    gone = await client.get(path)
    assert (gone.status_code, gone.json()) == (404, {"detail": f"Eval run with id '{found['id']}' not found"})
    assert (await client.patch(path, json={"name": "x"})).status_code == 404
    assert (await client.post(f"{path}/cancel")).status_code == 404


async def test_a_running_eval_that_is_removed_ends(client: httpx.AsyncClient):
    waiting = asyncio.create_task(client.post("/eval-runs", json={**FAST, "agent_id": "slow", "name": "doomed"}))
    while not (page := (await client.get("/eval-runs")).json())["data"]:
        pass
    await client.request("DELETE", "/eval-runs", json={"eval_run_ids": [page["data"][0]["id"]]})
    answer = await waiting
    assert answer.status_code == 404
    assert "deleted while it ran" in answer.json()["detail"]


async def test_evals_of_other_projects_and_users_are_not_there(client: httpx.AsyncClient):
    found = await run(client, RELIABLE, user_id="ada")
    path = f"/eval-runs/{found['id']}"
    assert (await client.get(path, headers={"Project-Id": "other"})).status_code == 404
    assert (await client.get(path, params={"user_id": "bob"})).status_code == 404
    assert (await client.get(path, params={"user_id": "ada"})).json() == found
    assert (await client.get("/eval-runs", headers={"Project-Id": "other"})).json()["data"] == []


async def test_a_wrong_eval_is_refused_and_not_stored(client: httpx.AsyncClient):
    for members, status, loc, words in WRONG:
        response = await client.post("/eval-runs", json={**ACCURACY, **members})
        assert response.status_code == status, response.text
        detail = response.json()["detail"]
        if loc is not None:
            assert [issue["loc"] for issue in detail] == [loc]
            detail = detail[0]["msg"]
        assert words in detail
    assert (await client.get("/eval-runs")).json()["data"] == []


async def test_a_wrong_request_is_refused_with_what_to_change(client: httpx.AsyncClient):
    for method, path, body, status, words in WRONG_REQUESTS:
        response = await client.request(method, path, content=None if body is None else json.dumps(body))
        assert response.status_code == status, response.text
        assert words in str(response.json()["detail"])


async def test_an_unknown_type_of_a_list_is_told_in_a_text(client: httpx.AsyncClient):
    response = await client.get("/eval-runs?eval_types=speed")
    assert isinstance(response.json()["detail"], str)


async def test_members_without_an_effect_are_named(client: httpx.AsyncClient):
    published = {"scoring_strategy": "binary", "threshold": 7, "warmup_runs": 0, "allow_additional_tool_calls": False}
    plain = await client.post("/eval-runs", json={**RELIABLE, **published})
    assert "X-Serai-Ignored-Fields" not in plain.headers
    odd = await client.post("/eval-runs", json={**RELIABLE, "model_id": "m", "threshold": 8, "criteria": "c"})
    assert odd.headers["X-Serai-Ignored-Fields"] == "criteria, model_id, threshold"


async def test_a_database_is_up_to_date(client: httpx.AsyncClient):
    for path, body, version in (
        ("/databases/serai/migrate", {"target_version": None}, "latest version"),
        ("/databases/serai/migrate", None, "latest version"),
        ("/databases/serai/migrate?target_version=2.0.0", {}, "version 2.0.0"),
        ("/databases/all/migrate", {"target_version": "2.0.0"}, "version 2.0.0"),
    ):
        response = await client.post(path, content=None if body is None else json.dumps(body))
        assert response.status_code == 200, response.text
        assert response.json()["message"].endswith(f"migrated successfully to {version}")

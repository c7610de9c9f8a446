"""Workflows over HTTP: described, run, streamed, paused and continued, refused."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pydantic
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, BinaryContent

from serai import AgentOS, Parallel, Router, Step, StepInput, StepOutput, Steps, Workflow
from serai.settings import Settings
from serai.testing import ScriptedModel
from tests.hosting import serving
from tests.step_values import asker


class Order(pydantic.BaseModel):
    size: int


def echo() -> Agent[Any, Any]:
    return Agent(ScriptedModel(lambda asked: f"echo: {asked.message}"), name="echo")


def shout(given: StepInput) -> str:
    return str(given.previous_step_content or given.input).upper()


def boom(given: StepInput) -> str:
    raise ValueError("boom")


def draw(given: StepInput) -> StepOutput:
    return StepOutput("a picture", media=[BinaryContent(b"\x89PNG", media_type="image/png")])


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    workflows = [
        Workflow("Line", [Step("ask", agent=echo()), shout], description="Asks, then shouts."),
        Workflow("Guarded", [shout, Step("guarded", run=shout, requires_confirmation=True)]),
        Workflow("Asking", [Steps("group", steps=[Parallel(shout, Step("ask", agent=asker()))])]),
        Workflow("Way", [Router(choices=[shout], requires_route_selection=True, name="way")]),
        Workflow("Orders", [shout], input_type=Order),
        Workflow("Broken", [boom]),
        Workflow("Drawing", [Steps("group", steps=[Step("draw", run=draw, requires_output_review=True)])]),
    ]
    os = AgentOS(workflows=workflows, settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, **form: Any) -> httpx.Response:
    return await client.post(f"/workflows/{path}", data={"stream": "false", **form})


async def events(client: httpx.AsyncClient, path: str, **form: Any) -> list[dict[str, Any]]:
    answer = await client.post(f"/workflows/{path}", data={"stream": "true", **form})
    assert answer.status_code == 200, answer.text
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_a_workflow_is_described_with_its_steps(client: httpx.AsyncClient):
    described = (await client.get("/workflows/line")).json()
    assert (described["id"], described["name"], described["description"]) == ("line", "Line", "Asks, then shouts.")
    ask, second = described["steps"]
    assert (ask["name"], ask["type"], ask["agent"]["id"]) == ("ask", "Step", "echo")
    assert second == {"name": "shout", "type": "Step"}
    orders = (await client.get("/workflows/orders")).json()
    assert orders["input_schema"]["required"] == ["size"]


async def test_a_run_object_is_as_published(client: httpx.AsyncClient):
    answer = await post(client, "line/runs", message="hello wire", session_id="s", user_id="ada")
    run = answer.json()
    assert answer.status_code == 200, run
    expected = {
        "input": "hello wire",
        "content": "ECHO: HELLO WIRE",
        "content_type": "str",
        "workflow_id": "line",
        "workflow_name": "Line",
        "session_id": "s",
        "user_id": "ada",
        "status": "COMPLETED",
        "metadata": {},
        **{name: [] for name in ("images", "videos", "audio", "files")},
    }
    assert {name: run.get(name) for name in expected} == expected
    assert isinstance(run["created_at"], int)
    assert [set(step) for step in run["step_results"]] == [
        {
            *(
                "step_name",
                "step_id",
                "step_type",
                "executor_type",
                "executor_name",
                "content",
                "step_run_id",
                "images",
            ),
            *("videos", "audio", "files", "metrics", "success", "error", "stop", "is_paused", "steps"),
        }
    ] * 2
    assert run["metrics"]["steps"].keys() == {"ask"}
    assert run["metrics"]["steps"]["ask"].keys() == {"step_name", "executor_type", "executor_name", "metrics"}
    (inner,) = run["step_executor_runs"]
    assert (inner["agent_id"], inner["parent_run_id"]) == ("echo", run["run_id"])
    stored = (await client.get(f"/workflows/line/runs/{run['run_id']}", params={"session_id": "s"})).json()
    assert stored["content"] == run["content"]
    rows = (await client.get("/workflows/line/runs", params={"session_id": "s"})).json()
    assert [row["run_id"] for row in rows] == [run["run_id"]]


async def test_a_stream_has_the_published_order(client: httpx.AsyncClient):
    said = await events(client, "line/runs", message="hi")
    names = [event["event"] for event in said if event["event"] != "RunContent"]
    agent = ["RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"]
    step = ["StepStarted", "StepOutput", "StepCompleted"]
    assert names == ["WorkflowStarted", "StepStarted", *agent, "StepCompleted", *step, "WorkflowCompleted"]
    assert [event["event_index"] for event in said] == list(range(len(said)))


async def test_a_paused_run_is_continued(client: httpx.AsyncClient):
    run = (await post(client, "guarded/runs", message="hi", session_id="s")).json()
    assert (run["status"], run["paused_step_index"], run["paused_step_name"]) == ("PAUSED", 1, "guarded")
    path = f"guarded/runs/{run['run_id']}/continue"
    refused = await post(client, path, step_requirements="[]")
    assert refused.status_code == 400
    assert refused.json()["detail"] == "Cannot continue run - unresolved step requirements: ['guarded']"
    answers = [{**wanted, "confirmed": True} for wanted in run["step_requirements"]]
    said = await events(client, path, step_requirements=json.dumps(answers))
    names = ["StepContinued", "StepStarted", "StepOutput", "StepCompleted", "WorkflowCompleted"]
    assert [event["event"] for event in said] == names
    assert {event["run_id"] for event in said} == {run["run_id"]}
    again = await post(client, path, step_requirements=json.dumps(answers))
    assert again.status_code == 409


async def test_an_agent_deep_inside_is_answered(client: httpx.AsyncClient):
    run = (await post(client, "asking/runs", message="hi")).json()
    (wanted,) = run["step_requirements"]
    assert (wanted["step_name"], wanted["executor_type"], run["pause_kind"]) == ("ask", "agent", "executor")
    wanted["executor_requirements"][0]["tool_execution"]["confirmed"] = True
    answers = json.dumps([wanted])
    done = (await post(client, f"asking/runs/{run['run_id']}/continue", step_requirements=answers)).json()
    assert done["status"] == "COMPLETED"
    assert done["content"] == {"shout": "HI", "ask": "Report: deleted /tmp/x"}


async def test_a_way_is_chosen(client: httpx.AsyncClient):
    run = (await post(client, "way/runs", message="hi")).json()
    (wanted,) = run["step_requirements"]
    path = f"way/runs/{run['run_id']}/continue"
    wrong = json.dumps([{"step_id": wanted["step_id"], "selected_choices": ["up"]}])
    refused = await post(client, path, step_requirements=wrong)
    assert refused.status_code == 400
    assert "step_requirements[0].selected_choices: No such choice; there are: 'shout'" in refused.json()["detail"]
    right = json.dumps([{"step_id": wanted["step_id"], "selected_choices": ["shout"]}])
    assert (await post(client, path, step_requirements=right)).json()["content"] == "HI"


async def test_a_message_of_another_type_is_refused_before_the_run(client: httpx.AsyncClient):
    refused = await post(client, "orders/runs", message="three")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("message: it is not what the workflow 'Orders' takes: ")
    assert (await post(client, "orders/runs", message='{"size": 3}')).json()["status"] == "COMPLETED"


async def test_a_failing_workflow_is_an_answer(client: httpx.AsyncClient):
    answer = await post(client, "broken/runs", message="hi")
    assert (answer.status_code, answer.json()["status"], answer.json()["content"]) == (200, "ERROR", "boom")
    assert (await events(client, "broken/runs", message="hi"))[-1]["error"] == "boom"


async def test_media_are_shown_with_their_bytes(client: httpx.AsyncClient):
    text = base64.b64encode(b"\x89PNG").decode()
    run = (await post(client, "drawing/runs", message="hi")).json()
    (wanted,) = run["step_requirements"]
    assert wanted["step_output"]["images"][0]["content"] == text
    answers = json.dumps([{"step_id": wanted["step_id"], "confirmed": True}])
    said = await events(client, f"drawing/runs/{run['run_id']}/continue", step_requirements=answers)
    named = {event["event"]: event for event in said}
    assert named["StepsExecutionCompleted"]["step_results"][0]["images"][0]["content"] == text
    assert named["WorkflowCompleted"]["images"][0]["content"] == text

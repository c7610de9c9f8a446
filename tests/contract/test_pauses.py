"""Runs that pause for a person or for a result from outside, and go on: over HTTP, on a real server and database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset

import serai
from serai.components.deps import RunDeps
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/helper/runs"
DELETED: list[str] = []


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    DELETED.append(path)
    return f"deleted {path}"


@serai.tool(requires_user_input=["to", "copies"])
def send_mail(subject: str, to: str, copies: int = 1) -> str:
    """Send a mail.

    Args:
        subject: The subject line.
        to: Who gets it.
        copies: How many.
    """
    return f"sent {subject!r} to {to} x{copies}"


@serai.tool(external=True)
def run_command(command: str) -> str:
    """Run a command on the caller's machine."""
    raise AssertionError("the server never runs it")


def _helper() -> Agent[RunDeps, str]:
    delete = ToolCall("delete_file", {"path": "/x"}, id="c1")
    model = ScriptedModel(
        rules=[
            Rule(
                "delete twice",
                [Turn("Well. ", tools=[delete, ToolCall("delete_file", {"path": "/y"}, id="c2")]), "Ok."],
            ),
            Rule("delete and add", [Turn(tools=[ToolCall("add", {"a": 1, "b": 2}, id="c0"), delete]), "Both."]),
            Rule("charge and delete", [Turn(tools=[ToolCall("charge", {"amount": 5}, id="a1"), delete]), "Both."]),
            Rule("delete", [Turn("Let me see. ", tools=[delete]), "Done."]),
            Rule("mail", [Turn(tools=[ToolCall("send_mail", {"subject": "Hello"}, id="m1")]), "Sent."]),
            Rule("command", [Turn(tools=[ToolCall("run_command", {"command": "ls"}, id="e1")]), "Listed."]),
            Rule("erp", [Turn(tools=[ToolCall("ask_erp", {"sku": "a"}, id="x1")]), "Asked."]),
            Rule("pay", [Turn(tools=[ToolCall("pay", {"amount": 500}, id="p1")]), "Paid."]),
            Rule(
                "chain",
                [Turn(tools=[delete]), Turn(tools=[ToolCall("run_command", {"command": "ls"}, id="e1")]), "End."],
            ),
            Rule(
                "same id",
                [
                    Turn(tools=[delete]),
                    Turn(tools=[ToolCall("add", {"a": 1, "b": 2}, id="c1")]),
                    Turn(tools=[ToolCall("delete_file", {"path": "/z"}, id="c1")]),
                    "End.",
                ],
            ),
            Rule("ask nothing", [Turn(tools=[ToolCall("ask_user", {"questions": []}, id="q1")]), "Never mind."]),
            Rule(
                "ask twice",
                [Turn(tools=[ToolCall("ask_user", {"questions": [QUESTION, QUESTION]}, id="q2")]), "Never mind."],
            ),
            Rule("ask", [Turn(tools=[ToolCall("ask_user", {"questions": [QUESTION]}, id="q1")]), "Asked."]),
            Rule("", ["Hello."]),
        ]
    )
    erp = ExternalToolset(
        [ToolDefinition(name="ask_erp", parameters_json_schema={"type": "object", "properties": {"sku": {}}})], id="erp"
    )
    agent = Agent(
        model,
        name="helper",
        deps_type=RunDeps,
        tools=[delete_file, send_mail, run_command, serai.ask_user],
        toolsets=[erp],
    )

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @agent.tool_plain(requires_approval=True)
    def charge(amount: float) -> str:
        """Charge a card, which the caller does."""
        raise CallDeferred

    @agent.tool
    def pay(ctx: RunContext[RunDeps], amount: float) -> str:
        """Pay."""
        if amount > 100 and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"reason": "over the limit"})
        return f"paid {amount:g}"

    return agent


QUESTION = {"question": "Which?", "header": "Colour", "options": [{"label": "red"}, {"label": "blue"}]}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running(database_url) as opened:
        yield opened


@asynccontextmanager
async def running(database_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    DELETED.clear()
    os = AgentOS(agents=[_helper()], settings=Settings(database_url=SecretStr(database_url), **settings))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def start(client: httpx.AsyncClient, message: str, **fields: str) -> dict[str, Any]:
    answer = await client.post(RUNS, data={"message": message, "stream": "false", **fields})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


async def proceed(
    client: httpx.AsyncClient, run: dict[str, Any], *tools: dict[str, Any], **fields: str
) -> httpx.Response:
    data = {"tools": json.dumps(tools), "stream": "false", **fields}
    return await client.post(f"{RUNS}/{run['run_id']}/continue", data=data)


async def completed(client: httpx.AsyncClient, run: dict[str, Any], *tools: dict[str, Any]) -> dict[str, Any]:
    answer = await proceed(client, run, *tools)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == "COMPLETED", body
    assert body["run_id"] == run["run_id"]
    return body


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


async def test_a_call_that_needs_confirmation_waits_and_is_made_once_confirmed(client: httpx.AsyncClient):
    run = await start(client, "delete")
    (tool,) = run["tools"]
    (wanted,) = run["requirements"]
    assert run["status"] == "PAUSED"
    assert run["content"] == "Let me see. "
    assert (tool["tool_name"], tool["tool_args"], tool["requires_confirmation"], tool["confirmed"]) == (
        "delete_file",
        {"path": "/x"},
        True,
        None,
    )
    assert wanted["tool_execution"] == tool
    assert DELETED == []
    done = await completed(client, run, {**tool, "confirmed": True})
    assert DELETED == ["/x"]
    assert done["content"] == "Done."
    (tool,) = done["tools"]
    assert (tool["requires_confirmation"], tool["confirmed"], tool["result"]) == (False, True, "deleted /x")
    assert "requirements" not in done
    assert done["metrics"]["total_tokens"] > run["metrics"]["total_tokens"]
    roles = [message["role"] for message in done["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert (await client.get(f"{RUNS}/{run['run_id']}")).json() == done


async def test_a_sparse_answer_without_session_is_enough(client: httpx.AsyncClient):
    run = await start(client, "command", session_id="s")
    assert run["tools"][0]["external_execution_required"] is True
    done = await completed(client, run, {"tool_call_id": "e1", "result": "a.txt"})
    assert done["tools"][0]["result"] == "a.txt"
    assert done["session_id"] == "s"
    nulls = dict.fromkeys(run["tools"][0])
    run = await start(client, "command")
    await completed(client, run, {**nulls, "tool_call_id": "e1", "result": "b.txt"})


async def test_a_rejected_call_is_not_made_and_the_model_hears_why(client: httpx.AsyncClient):
    run = await start(client, "delete")
    done = await completed(client, run, {"tool_call_id": "c1", "confirmed": False, "confirmation_note": "keep it"})
    assert DELETED == []
    assert [m["content"] for m in done["messages"] if m["role"] == "tool"] == ["keep it"]


async def test_what_a_person_fills_in_reaches_the_tool_and_not_the_model(client: httpx.AsyncClient):
    run = await start(client, "mail")
    (tool,) = run["tools"]
    assert [(f["name"], f["field_type"], f["description"], f["value"]) for f in tool["user_input_schema"]] == [
        ("subject", "str", "The subject line.", "Hello"),
        ("to", "str", "Who gets it.", None),
        ("copies", "int", "How many.", None),
    ]
    schema = [{"name": "to", "field_type": "str", "description": "", "value": "ada"}, {"name": "copies", "value": "3"}]
    done = await completed(client, run, {"tool_call_id": "m1", "answered": True, "user_input_schema": schema})
    assert done["tools"][0]["result"] == "sent 'Hello' to ada x3"


async def test_pydantic_ais_own_ways_pause_too(client: httpx.AsyncClient):
    run = await start(client, "erp")
    done = await completed(client, run, {"tool_call_id": "x1", "result": "3 left"})
    assert done["tools"][0]["result"] == "3 left"
    run = await start(client, "pay")
    assert run["tools"][0]["requires_confirmation"] is True
    assert "over the limit" in run["content"]
    done = await completed(client, run, {"tool_call_id": "p1", "confirmed": True})
    assert done["tools"][0]["result"] == "paid 500"


async def test_a_question_is_answered_by_one_of_its_options(client: httpx.AsyncClient):
    run = await start(client, "ask")
    (question,) = run["tools"][0]["user_feedback_schema"]
    assert [option["label"] for option in question["options"]] == ["red", "blue"]
    wrong = await proceed(
        client, run, {"tool_call_id": "q1", "user_feedback_schema": [{**question, "selected_options": ["green"]}]}
    )
    assert wrong.status_code == 400
    assert "'red', 'blue'" in wrong.text
    answer = {"question": "Which?", "selected_options": ["blue"]}
    done = await completed(client, run, {"tool_call_id": "q1", "answered": True, "user_feedback_schema": [answer]})
    assert json.loads(done["tools"][0]["result"]) == [{"question": "Which?", "answer": ["blue"]}]


async def test_other_calls_of_the_same_turn_run_before_the_pause(client: httpx.AsyncClient):
    run = await start(client, "delete and add")
    assert [(tool["tool_name"], tool["result"]) for tool in run["tools"]] == [("add", "3"), ("delete_file", None)]
    done = await completed(client, run, {"tool_call_id": "c1", "confirmed": True})
    assert [tool["result"] for tool in done["tools"]] == ["3", "deleted /x"]


async def test_answers_are_collected_until_none_is_missing(client: httpx.AsyncClient):
    run = await start(client, "delete twice")
    first = (await proceed(client, run, {"tool_call_id": "c2", "confirmed": True})).json()
    assert first["status"] == "PAUSED"
    assert [tool["confirmed"] for tool in first["tools"]] == [None, True]
    assert DELETED == []
    stream = await proceed(
        client,
        run,
        {"tool_call_id": "c2", "confirmed": False},
        {"tool_call_id": "c1", "confirmed": True},
        stream="true",
    )
    names = [event["event"] for event in events_of(stream.text)]
    assert names[0] == "RunContinued"
    assert names[-1] == "RunCompleted"
    assert sorted(DELETED) == ["/x", "/y"], "an answer that was taken stays"


async def test_a_run_may_pause_again(client: httpx.AsyncClient):
    run = await start(client, "chain")
    again = (await proceed(client, run, {"tool_call_id": "c1", "confirmed": True})).json()
    assert again["status"] == "PAUSED"
    assert [tool["tool_name"] for tool in again["tools"]] == ["delete_file", "run_command"]
    done = await completed(client, again, *again["tools"][:1], {"tool_call_id": "e1", "result": "ok"})
    assert done["content"] == "End."
    events = events_of((await client.get(f"{RUNS}/{run['run_id']}/events")).text)
    assert [event["event_index"] for event in events] == list(range(len(events)))
    starts = [e["event"] for e in events if e["event"] in ("RunStarted", "RunPaused", "RunContinued", "RunCompleted")]
    assert starts == ["RunStarted", "RunPaused", "RunContinued", "RunPaused", "RunContinued", "RunCompleted"]


async def test_a_call_may_pause_again_while_a_later_one_of_its_turn_is_made(client: httpx.AsyncClient):
    run = await start(client, "charge and delete")
    both = [{"tool_call_id": "a1", "confirmed": True}, {"tool_call_id": "c1", "confirmed": True}]
    again = (await proceed(client, run, *both)).json()
    assert (again["status"], DELETED) == ("PAUSED", ["/x"])
    assert [tool["tool_call_id"] for tool in again["tools"]] == ["a1", "c1"]
    assert [wanted["tool_execution"]["tool_call_id"] for wanted in again["requirements"]] == ["a1"]
    done = await completed(client, again, {"tool_call_id": "a1", "result": "charged"})
    assert [(tool["tool_call_id"], tool["result"]) for tool in done["tools"]] == [
        ("a1", "charged"),
        ("c1", "deleted /x"),
    ]


async def test_the_stream_of_a_pause_and_of_its_continuation(client: httpx.AsyncClient):
    stream = await client.post(RUNS, data={"message": "delete"})
    events = events_of(stream.text)
    names = [event["event"] for event in events]
    assert names[:2] == ["RunStarted", "ModelRequestStarted"]
    assert names[-3:] == ["ModelRequestCompleted", "RunContentCompleted", "RunPaused"]
    assert events[-1]["tools"][0]["tool_call_id"] == "c1"
    assert events[-1]["requirements"][0]["tool_execution"]["tool_call_id"] == "c1"
    stream = await proceed(client, events[-1], {"tool_call_id": "c1", "confirmed": True}, stream="true")
    more = events_of(stream.text)
    assert [event["event"] for event in more[:4]] == [
        "RunContinued",
        "ToolCallStarted",
        "ToolCallCompleted",
        "ModelRequestStarted",
    ]
    assert more[0]["event_index"] == events[-1]["event_index"] + 1
    assert more[-1]["event"] == "RunCompleted"


@pytest.mark.parametrize(
    ("message", "tools", "text"),
    [
        ("delete", [], "tool_call_id 'c1'"),
        ("delete", [{"tool_call_id": "c1"}], "'confirmed'"),
        ("delete", [{"tool_call_id": "c9", "confirmed": True}], "tools[0].tool_call_id"),
        ("delete", [{"confirmed": True}], "tools[0].tool_call_id"),
        ("delete", [{"tool_call_id": "c1", "confirmed": "yes"}], "tools[0].confirmed"),
        ("command", [{"tool_call_id": "e1", "confirmed": True}], "'result'"),
        ("mail", [{"tool_call_id": "m1", "answered": True}], "'to' needs a value"),
        ("mail", [{"tool_call_id": "m1", "user_input_schema": [{"name": "who", "value": 1}]}], "No such field"),
        (
            "mail",
            [
                {
                    "tool_call_id": "m1",
                    "user_input_schema": [{"name": "to", "value": "a"}, {"name": "copies", "value": "x"}],
                }
            ],
            "'copies'",
        ),
        ("mail", [{"tool_call_id": "m1", "user_input_schema": "x"}], "list of objects"),
        ("ask", [{"tool_call_id": "q1", "answered": True}], "selected_options"),
        *(
            (
                "ask",
                [{"tool_call_id": "q1", "user_feedback_schema": [{"question": odd, "selected_options": ["red"]}]}],
                "No such question; asked is: 'Which?'",
            )
            for odd in (["x"], {"a": 1}, 3, None)
        ),
    ],
)
async def test_a_wrong_or_missing_answer_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, message: str, tools: list[dict[str, Any]], text: str
):
    run = await start(client, message)
    answer = await proceed(client, run, *tools)
    assert answer.status_code == 400, answer.text
    assert text in answer.json()["detail"]
    assert (await client.get(f"{RUNS}/{run['run_id']}")).json() == run


@pytest.mark.parametrize("tools", ["{", "3", "[3]", '{"a": 1}'])
async def test_tools_that_are_no_list_of_objects_are_refused(client: httpx.AsyncClient, tools: str):
    run = await start(client, "delete")
    answer = await client.post(f"{RUNS}/{run['run_id']}/continue", data={"tools": tools, "stream": "false"})
    assert answer.status_code == 400
    assert "Invalid JSON in tools field" in answer.json()["detail"]


async def test_only_a_paused_run_of_this_agent_can_be_continued(client: httpx.AsyncClient):
    run = await start(client, "hello")
    answer = await proceed(client, run, {"tool_call_id": "c1", "confirmed": True})
    assert answer.status_code == 409
    assert "COMPLETED" in answer.json()["detail"]
    answer = await proceed(client, {"run_id": "nobody"}, {"tool_call_id": "c1", "confirmed": True})
    assert (answer.status_code, answer.json()["detail"]) == (404, "No runs found for run ID nobody")
    paused = await start(client, "delete", session_id="mine")
    answer = await proceed(client, paused, {"tool_call_id": "c1", "confirmed": True}, session_id="other")
    assert answer.status_code == 404


async def test_a_requirement_answers_as_well(client: httpx.AsyncClient):
    run = await start(client, "delete")
    wanted = {"id": run["requirements"][0]["id"], "confirmation": True}
    data = {"requirements": json.dumps([wanted]), "stream": "false"}
    answer = await client.post(f"{RUNS}/{run['run_id']}/continue", data=data)
    assert answer.json()["status"] == "COMPLETED", answer.text
    assert DELETED == ["/x"]


async def test_a_continuation_sent_again_is_the_same_one(client: httpx.AsyncClient):
    run = await start(client, "delete")
    url = f"{RUNS}/{run['run_id']}/continue"
    data = {"tools": json.dumps([{"tool_call_id": "c1", "confirmed": True}])}
    headers = {"Idempotency-Key": "k"}
    first = await client.post(url, data={**data, "stream": "false"}, headers=headers)
    again = await client.post(url, data={**data, "stream": "false"}, headers=headers)
    stream = await client.post(url, data=data, headers=headers)
    assert first.json() == again.json()
    assert events_of(stream.text)[0]["event"] == "RunContinued"
    other = await client.post(
        url, data={"tools": json.dumps([{"tool_call_id": "c1", "confirmed": False}])}, headers=headers
    )
    assert other.status_code == 409
    assert DELETED == ["/x"]


async def test_a_partial_answer_sent_again_after_the_run_has_gone_on_shows_what_it_did(client: httpx.AsyncClient):
    run = await start(client, "delete twice")
    data = {"tools": json.dumps([{"tool_call_id": "c1", "confirmed": True}])}
    partial: dict[str, Any] = {"url": f"{RUNS}/{run['run_id']}/continue", "headers": {"Idempotency-Key": "k"}}
    assert events_of((await client.post(**partial, data=data)).text)[-1]["event"] == "RunPaused"
    await completed(client, run, {"tool_call_id": "c2", "confirmed": True})
    names = [event["event"] for event in events_of((await client.post(**partial, data=data)).text)]
    assert (names[0], names[-1]) == ("RunContinued", "RunCompleted")
    assert (await client.post(**partial, data={**data, "stream": "false"})).json()["status"] == "COMPLETED"
    assert sorted(DELETED) == ["/x", "/y"]


async def test_a_partial_answer_sent_again_after_the_run_was_cancelled_says_so(client: httpx.AsyncClient):
    run = await start(client, "delete twice")
    data = {"tools": json.dumps([{"tool_call_id": "c1", "confirmed": True}])}
    partial: dict[str, Any] = {"url": f"{RUNS}/{run['run_id']}/continue", "headers": {"Idempotency-Key": "k"}}
    assert (await client.post(**partial, data=data)).status_code == 200
    await client.post(f"{RUNS}/{run['run_id']}/cancel")
    assert events_of((await client.post(**partial, data=data)).text)[-1]["event"] == "RunCancelled"
    assert (await client.post(**partial, data={**data, "stream": "false"})).json()["status"] == "CANCELLED"
    assert DELETED == []


async def test_the_next_run_of_the_session_sees_what_a_continued_one_did(client: httpx.AsyncClient):
    run = await start(client, "delete", session_id="s")
    between = await start(client, "hello", session_id="s")
    assert between["status"] == "COMPLETED", "a paused run does not hold its session"
    await completed(client, run, {"tool_call_id": "c1", "confirmed": True})
    runs = (await client.get(RUNS, params={"session_id": "s"})).json()
    assert [run["status"] for run in runs] == ["COMPLETED", "COMPLETED"]


async def test_a_later_call_may_have_the_id_of_a_rejected_one(client: httpx.AsyncClient):
    run = await start(client, "same id")
    again = (await proceed(client, run, {"tool_call_id": "c1", "confirmed": False})).json()
    assert again["status"] == "PAUSED"
    done = await completed(client, run, {"tool_call_id": "c1", "confirmed": True})
    assert [(tool["tool_name"], tool["confirmed"]) for tool in done["tools"]] == [
        ("delete_file", False),
        ("add", None),
        ("delete_file", True),
    ]
    assert [tool["result"] for tool in done["tools"]][1:] == ["3", "deleted /z"]
    assert DELETED == ["/z"]


@pytest.mark.parametrize("message", ["ask nothing", "ask twice"])
async def test_a_model_that_asks_nothing_or_the_same_twice_is_told(client: httpx.AsyncClient, message: str):
    run = await start(client, message)
    assert (run["status"], run["content"]) == ("COMPLETED", "Never mind.")


async def test_two_different_answers_to_one_call_in_one_request_are_refused(client: httpx.AsyncClient):
    run = await start(client, "delete")
    yes, no = {"tool_call_id": "c1", "confirmed": True}, {"tool_call_id": "c1", "confirmed": False}
    refused = await proceed(client, run, yes, no)
    assert refused.status_code == 400
    assert "tools[1].confirmed" in refused.json()["detail"]
    assert DELETED == []
    await completed(client, run, yes, yes)
    assert DELETED == ["/x"]

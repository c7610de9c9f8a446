"""What the AgentOS clients send, what they make of the answers, and what they raise."""

from __future__ import annotations

import inspect
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import BaseModel

from serai.agent_data import AsyncLlamaCloud, LlamaCloud
from serai.client import AgentOSClient, SyncAgentOSClient
from serai.client.operations import OPERATIONS
from serai.exceptions import RemoteServerUnavailableError
from serai.media import Audio, File, Image, Video
from serai.run.agent import RunSchema, RunStatus
from serai.tools import ToolExecution
from serai.wire.arguments import ArgumentError
from serai.wire.failures import ServerStatusError
from tests.unit.both_clients import QUICK, Recorder, connect, events_of, result_of, run_json

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])

CONFIG = {"os_id": "os", "databases": ["db"], "agents": [{"id": "a"}], "teams": [], "workflows": [], "interfaces": []}


class Answer(BaseModel):
    value: int


def form_of(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode(), keep_blank_values=True).items()}


@BOTH
async def test_discovery_returns_typed_answers(kind):
    server = Recorder(
        httpx.Response(200, json=CONFIG),
        httpx.Response(200, json=[{"id": "a", "name": "A", "tools": {}}]),
        httpx.Response(200, json={"id": "a", "model": {"name": "m"}, "tools": {"tools": []}}),
        httpx.Response(200, json={"os_id": "os", "auth_mode": "none"}),
        httpx.Response(200, json=[{"id": "m", "provider": "p"}]),
    )
    client = connect(kind, server)
    assert (await result_of(client.aget_config())).agents[0].id == "a"
    assert [agent.name for agent in await result_of(client.list_agents())] == ["A"]
    assert (await result_of(client.aget_agent(agent_id="a"))).model.name == "m"
    assert (await result_of(client.get_info())).auth_mode == "none"
    assert (await result_of(client.get_models()))[0].provider == "p"
    assert server.asked == ["GET /config", "GET /agents", "GET /agents/a", "GET /info", "GET /models"]


@BOTH
async def test_a_run_is_sent_as_the_published_form(kind):
    server = Recorder(run_json(metrics={"total_tokens": 3}))
    client = connect(kind, server)
    result = await result_of(
        client.run_agent(
            "echo",
            "hello wire",
            session_id="s-1",
            session_state={"k": 1},
            add_history_to_context=True,
            num_history_runs=3,
        )
    )
    form = form_of(server.requests[0])
    assert form.pop("run_id")
    assert form == {
        "message": "hello wire",
        "stream": "false",
        "session_id": "s-1",
        "session_state": '{"k": 1}',
        "add_history_to_context": "true",
        "num_history_runs": "3",
    }
    assert server.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert (result.content, result.metrics.total_tokens) == ("4", 3)


@BOTH
async def test_every_write_carries_its_own_idempotency_key_and_reads_carry_none(kind):
    server = Recorder(run_json())
    client = connect(kind, server)
    await result_of(client.run_agent("a", "x"))
    await result_of(client.run_agent("a", "x"))
    await result_of(client.cancel_agent_run("a", "r"))
    await result_of(client.get_agent_run("a", "r"))
    keys = [request.headers.get("idempotency-key") for request in server.requests]
    assert len(set(keys[:3])) == 3
    assert keys[3] is None


@BOTH
async def test_headers_of_a_call_override_those_of_the_client(kind):
    server = Recorder(httpx.Response(200, json=[]))
    client = connect(kind, server, security_key="key", headers={"X-Team": "red"})
    await result_of(client.list_agents())
    await result_of(client.list_agents(headers={"Authorization": "Bearer other", "x-team": "blue"}))
    sent = [(request.headers["authorization"], request.headers["x-team"]) for request in server.requests]
    assert sent == [("Bearer key", "red"), ("Bearer other", "blue")]


@BOTH
async def test_a_callers_run_id_and_key_are_used(kind):
    server = Recorder(run_json())
    await result_of(connect(kind, server).run_agent("a", "x", run_id="mine", headers={"idempotency-key": "k"}))
    assert form_of(server.requests[0])["run_id"] == "mine"
    assert server.requests[0].headers["idempotency-key"] == "k"


@BOTH
async def test_continue_sends_the_tools_that_were_answered(kind):
    server = Recorder(run_json())
    tools = [ToolExecution(tool_call_id="call-1", result="done")]
    await result_of(connect(kind, server).continue_agent_run("a", "r-1", tools, session_id="s"))
    form = form_of(server.requests[0])
    assert server.asked == ["POST /agents/a/runs/r-1/continue"]
    assert json.loads(form.pop("tools")) == [{"tool_call_id": "call-1", "result": "done"}]
    assert form == {"stream": "false", "session_id": "s"}


@BOTH
async def test_everything_that_goes_with_a_run_is_encoded_as_published(kind, tmp_path):
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG")
    server = Recorder(run_json())
    await result_of(
        connect(kind, server).run_agent(
            "a",
            {"question": 1},
            images=[Image(filepath=picture)],
            audio=[Audio(content=b"\x00", format="wav")],
            videos=[Video(url="http://x/v")],
            files=[File(content=b"a text", filename="a.txt", mime_type="text/plain")],
            dependencies={"unit": "C"},
            metadata={"m": True},
            knowledge_filters=[{"op": "EQ", "key": "k", "value": 1}],
            output_schema=Answer,
            background=True,
            stream_events=False,
            when_busy="reject",
        )
    )
    form = form_of(server.requests[0])
    assert json.loads(form["message"]) == {"question": 1}
    assert json.loads(form["images"]) == [{"content": "iVBORw==", "mime_type": "image/png"}]
    assert json.loads(form["audio"]) == [{"content": "AA==", "format": "wav"}]
    assert json.loads(form["videos"]) == [{"url": "http://x/v"}]
    assert json.loads(form["input_files"]) == [{"content": "a text", "filename": "a.txt", "mime_type": "text/plain"}]
    assert json.loads(form["dependencies"]) == {"unit": "C"}
    assert json.loads(form["metadata"]) == {"m": True}
    assert json.loads(form["knowledge_filters"]) == [{"op": "EQ", "key": "k", "value": 1}]
    assert json.loads(form["output_schema"])["properties"]["value"]["type"] == "integer"
    assert (form["background"], form["stream_events"], form["when_busy"]) == ("true", "false", "reject")


@BOTH
async def test_answers_given_to_requirements_are_sent_as_their_tools(kind):
    tools: list[dict[str, Any]] = [
        {"tool_call_id": "c", "requires_confirmation": True},
        {"tool_call_id": "d", "requires_confirmation": True},
        {"tool_call_id": "e", "external_execution_required": True},
        {"tool_call_id": "u", "requires_user_input": True, "user_input_schema": [{"name": "to", "field_type": "str"}]},
        {"tool_call_id": "q", "user_feedback_schema": [{"question": "Which?", "options": [{"label": "red"}]}]},
    ]
    paused = run_json(
        "PAUSED", tools=tools, requirements=[{"id": t["tool_call_id"], "tool_execution": t} for t in tools]
    )
    server = Recorder(paused, run_json())
    client = connect(kind, server)
    run = await result_of(client.run_agent("a", "x"))
    c, d, e, u, q = run.active_requirements
    assert (c.needs_confirmation, e.needs_external_execution) == (True, True)
    assert (u.needs_user_input, q.needs_user_feedback) == (True, True)
    c.confirm()
    d.reject("not that one")
    e.set_external_execution_result("done")
    u.provide_user_input({"to": "Ada"})
    q.provide_user_feedback({"Which?": ["red"]})
    assert run.active_requirements == []
    with pytest.raises(ValueError, match="waits for nothing, not for confirmation"):
        c.confirm()
    await result_of(client.continue_agent_run("a", "r-1", requirements=run.requirements))
    sent = {tool["tool_call_id"]: tool for tool in json.loads(form_of(server.requests[1])["tools"])}
    assert sent["c"]["confirmed"] is True
    assert (sent["d"]["confirmed"], sent["d"]["confirmation_note"]) == (False, "not that one")
    assert sent["e"]["result"] == "done"
    assert (sent["u"]["answered"], sent["u"]["user_input_schema"][0]["value"]) == (True, "Ada")
    assert (sent["q"]["answered"], sent["q"]["user_feedback_schema"][0]["selected_options"]) == (True, ["red"])


@BOTH
async def test_the_runs_of_a_session_are_listed(kind):
    row = {
        "run_id": "r",
        "created_at": "2026-01-02T03:04:05+00:00",
        "run_input": "hi",
        "status": "PAUSED",
        "content": "x",
    }
    server = Recorder(httpx.Response(200, json=[row]))
    [run] = await result_of(connect(kind, server).list_agent_runs("a", "s 1", RunStatus.PAUSED))
    assert str(server.requests[0].url) == "http://os.test/agents/a/runs?session_id=s+1&status=PAUSED"
    assert isinstance(run, RunSchema)
    assert (run.run_input, run.status, f"{run.created_at:%Y}") == ("hi", "paused", "2026")


@BOTH
async def test_ids_are_escaped_in_paths_and_dot_segments_refused(kind):
    server = Recorder(httpx.Response(200, json={}))
    client = connect(kind, server)
    await result_of(client.get_agent_run("a/b c", "r?1", session_id="s&t"))
    assert server.requests[0].url.raw_path == b"/agents/a%2Fb%20c/runs/r%3F1?session_id=s%26t"
    for wrong in ("", ".", ".."):
        with pytest.raises(ValueError, match="agent_id"):
            await result_of(client.aget_agent(wrong))


@BOTH
async def test_an_error_answer_is_an_http_status_error_that_says_why(kind):
    server = Recorder(
        httpx.Response(404, json={"detail": "Agent not found"}, headers={"X-Request-Id": "req-7"}),
    )
    with pytest.raises(
        httpx.HTTPStatusError, match=r"404.*GET.*/agents/x: Agent not found \(request id req-7\)"
    ) as caught:
        await result_of(connect(kind, server).aget_agent("x"))
    assert isinstance(caught.value, ServerStatusError)
    assert (caught.value.status, caught.value.detail, caught.value.request_id) == (404, "Agent not found", "req-7")
    assert caught.value.response.status_code == 404


@BOTH
async def test_a_validation_error_names_the_field(kind):
    issue = {"type": "missing", "loc": ["body", "message"], "msg": "Field required", "input": None}
    server = Recorder(httpx.Response(422, json={"detail": [issue]}))
    with pytest.raises(httpx.HTTPStatusError, match=r"body\.message: Field required"):
        await result_of(connect(kind, server).run_agent("x", ""))


@BOTH
async def test_an_answer_with_half_a_character_is_read_as_a_stream_reads_it(kind):
    tool = {"tool_call_id": "c", "result": "x\ud800", "tool_args": {"\ud800": 1}}
    run = {"run_id": "r-1", "status": "COMPLETED", "content": "a\ud800b", "tools": [tool]}
    server = Recorder(httpx.Response(200, content=json.dumps(run)))
    result = await result_of(connect(kind, server).run_agent("a", "x"))
    assert (result.content, result.tools[0].result, result.tools[0].tool_args) == ("a\ud800b", "x\ud800", {"\ud800": 1})


@BOTH
async def test_what_cannot_be_sent_is_a_clear_error_and_not_sent(kind):
    server = Recorder(run_json())
    client = connect(kind, server)
    with pytest.raises(ArgumentError, match="message is no valid Unicode text"):
        await result_of(client.run_agent("a", "\ud800"))
    with pytest.raises(ArgumentError, match="session_id is no valid Unicode text"):
        await result_of(client.list_agent_runs("a", "\ud800"))
    with pytest.raises(ArgumentError, match="agent_id is no valid Unicode text"):
        await result_of(client.get_agent_run("\ud800", "r"))
    with pytest.raises(ArgumentError, match="The header x-team must be printable ASCII"):
        await result_of(client.run_agent("a", "x", headers={"x-team": "a\nb"}))
    with pytest.raises(ArgumentError, match="'a b' is no name of a header"):
        await result_of(client.get_config(headers={"a b": "x"}))
    with pytest.raises(ArgumentError, match="no URL that can be sent"):
        await result_of(client.list_agent_runs("a", "s" * 100_000))
    with pytest.raises(ArgumentError, match="after must be the number of an event"):
        await events_of(client.follow_agent_run("a", "r", after=-5))
    with pytest.raises(ArgumentError, match="no JSON form"):
        await result_of(client.run_agent("a", "x", metadata={"n": float("nan")}))
    assert server.requests == []


@pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
@pytest.mark.parametrize("key", ["é", "a\nb", " a", ""])
def test_a_key_that_no_header_can_carry_is_refused_at_once_and_not_told(kind, key):
    with pytest.raises(ArgumentError, match="key must") as caught:
        kind("http://os.test", security_key=key)
    assert not key or repr(key) not in caught.value.message
    with pytest.raises(ArgumentError, match="The header X-A must"):
        kind("http://os.test", headers={"X-A": "é"})
    with pytest.raises(ArgumentError, match="The header authorization must"):
        (AsyncLlamaCloud if kind is AgentOSClient else LlamaCloud)("http://os.test", token="é")


@BOTH
async def test_an_answer_that_is_no_json_is_a_value_error(kind):
    server = Recorder(httpx.Response(200, text="<html>"))
    with pytest.raises(ValueError, match="JSON"):
        await result_of(connect(kind, server).aget_agent("x"))


@BOTH
@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError],
)
async def test_a_server_that_does_not_answer_is_named_in_the_error(kind, error):
    server = Recorder(error("boom"))
    with pytest.raises(RemoteServerUnavailableError, match="boom") as caught:
        await result_of(connect(kind, server).aget_config())
    assert caught.value.base_url == "http://os.test"
    assert "http://os.test" in caught.value.message
    assert isinstance(caught.value.original_error, error)
    assert len(server.requests) == 3


async def test_the_asynchronous_client_reads_the_configuration_synchronously_too():
    client = AgentOSClient("http://127.0.0.1:9", timeout=0.1, retry=QUICK)
    with pytest.raises(RemoteServerUnavailableError):
        client.get_config()
    await client.close()


async def test_both_clients_have_every_operation_under_its_documented_name():
    for name in OPERATIONS:
        assert hasattr(SyncAgentOSClient, name)
        assert hasattr(AgentOSClient, name) or hasattr(AgentOSClient, f"a{name}")
    for name in ("aget_config", "get_config", "aget_agent"):
        assert hasattr(AgentOSClient, name)
        assert hasattr(SyncAgentOSClient, name)


def test_methods_show_their_signature_and_documentation():
    method = AgentOSClient.run_agent
    signature = inspect.signature(method)
    assert list(signature.parameters)[:5] == ["self", "agent_id", "message", "session_id", "user_id"]
    assert "knowledge_filters" in signature.parameters
    assert signature.return_annotation == "RunOutput"
    assert "seconds to wait" in (inspect.getdoc(method) or "")
    assert inspect.iscoroutinefunction(method)
    assert inspect.signature(SyncAgentOSClient.run_agent_stream).return_annotation == "RunOutputEvent"


async def test_a_client_is_a_context_manager_and_says_so_when_it_is_used_after_its_end():
    async with AgentOSClient("http://127.0.0.1:9", timeout=0.1, retry=QUICK) as client:
        with pytest.raises(RemoteServerUnavailableError):
            await client.aget_config()
    for call in (client.aget_config, client.get_config):
        with pytest.raises(RuntimeError, match="the client is closed"):
            await result_of(call())
    with pytest.raises(RuntimeError, match="the client is closed"):
        await events_of(client.run_agent_stream("a", "x"))
    await client.close()


NO_BASE_URLS = ["notaurl", "127.0.0.1:7777", "localhost:7777", "ftp://host", "http://", "http://h:0", "http://h:99999"]
NO_BASE_URLS += ["http://h?x", "http://h#x", "http://h h", "http://[::1", "http://h\n", ""]


@pytest.mark.parametrize("text", NO_BASE_URLS)
@pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient, AsyncLlamaCloud, LlamaCloud])
def test_a_base_url_that_is_none_is_refused_at_once(kind, text, monkeypatch):
    monkeypatch.delenv("LLAMA_CLOUD_BASE_URL", raising=False)
    if not text and kind in (AsyncLlamaCloud, LlamaCloud):
        return  # there it means the default
    with pytest.raises(ValueError, match="is no base URL: it must be http:// or https:// and a host, such as"):
        kind(text)


@pytest.mark.parametrize("text", ["http://h", "HTTPS://h.test:1/a/b/", "http://[::1]:7777", "http://u:p@h/"])
def test_a_base_url_may_have_a_port_a_path_and_a_user(text):
    assert SyncAgentOSClient(text).base_url == text.rstrip("/")


def test_a_blocking_client_is_a_context_manager_and_says_so_when_it_is_used_after_its_end():
    nowhere = "http://127.0.0.1:9"
    with SyncAgentOSClient(nowhere, retry=QUICK) as client, pytest.raises(RemoteServerUnavailableError):
        client.get_config()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.get_config()
    with pytest.raises(RuntimeError, match="the client is closed"):
        list(client.run_agent_stream("a", "x"))
    client.close()


def test_threads_that_use_a_client_first_together_share_one_pool_which_is_closed(monkeypatch):
    threads = 32
    together = threading.Barrier(threads)
    made: list[httpx.Client] = []

    class SlowToMake(httpx.Client):
        def __init__(self, **options: Any) -> None:
            made.append(self)
            time.sleep(0.02)  # the other threads come meanwhile
            super().__init__(transport=httpx.MockTransport(Recorder(httpx.Response(200, json=CONFIG))), **options)

    def ask(client: SyncAgentOSClient) -> None:
        together.wait()
        client.get_config()

    monkeypatch.setattr(httpx, "Client", SlowToMake)
    with SyncAgentOSClient("http://os.test") as client, ThreadPoolExecutor(threads) as pool:
        for asked in [pool.submit(ask, client) for _ in range(threads)]:
            asked.result()
    assert [http_client.is_closed for http_client in made] == [True]

"""Our clients behind connections that break: nothing is lost, repeated or run twice; on a real server and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

import serai
from serai import Step, StepInput, Team, Workflow
from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn
from serai.tools import ToolExecution
from serai.wire.retry import RetryPolicy
from tests.hosting import serving
from tests.unit.both_clients import QUICK, events_of, result_of

WORDS = "".join(f"word-{number} " for number in range(40))
DELETED: list[str] = []
ANSWER = [ToolExecution(tool_call_id="c1", confirmed=True)]
CUTS = [900, 0, 1500, 700, 0, 2500, 1200]
"""After how many bytes of answer each connection in turn is cut; those after them are not."""

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    DELETED.append(path)
    return f"deleted {path}"


def ask_helper(asked: Asked) -> Turn | str:
    delegation = ToolCall("delegate_task_to_member", {"member_id": "helper", "task": asked.message})
    return f"{WORDS}Done." if asked.tool_results else Turn(WORDS, tools=[delegation])


def shout(step_input: StepInput) -> str:
    return str(step_input.previous_step_content).upper()


@pytest.fixture
async def server_url(database_url: str) -> AsyncIterator[str]:
    DELETED.clear()
    delete = ToolCall("delete_file", {"path": "/x"}, id="c1")
    rules = [Rule("delete", [Turn(f"{WORDS}First. ", tools=[delete]), f"{WORDS}Then."]), Rule("", [WORDS])]
    agent = Agent(ScriptedModel(rules=rules), name="helper", tools=[delete_file])
    crew = Team("crew", [agent], model=ScriptedModel(ask_helper))
    flow = Workflow("flow", steps=[Step("help", agent=agent), Step("shout", run=shout)])
    settings = Settings(database_url=SecretStr(database_url))
    app = AgentOS(agents=[agent], teams=[crew], workflows=[flow], settings=settings).app
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def cutting(url: str, cuts: Sequence[int]) -> AsyncIterator[str]:
    """Serve a way to a server on which each connection is cut after so many bytes of answer."""
    target, left, tasks = urlsplit(url), list(cuts), set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = left.pop(0) if left else None
        to_server, from_server = None, None
        try:
            from_server, to_server = await asyncio.open_connection(target.hostname, target.port)
            upwards = asyncio.create_task(_copy(reader, to_server, None))
            tasks.add(upwards)
            await _copy(from_server, writer, limit)
            upwards.cancel()
        finally:
            for end in (writer, to_server):
                if end is not None:
                    end.transport.abort()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)
        await asyncio.gather(task, return_exceptions=True)

    listener = await asyncio.start_server(guarded, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    """Copy until the end; with a limit, until so many bytes were there, the rest of which is thrown away."""
    with suppress(ConnectionError):
        while chunk := await reader.read(1024):
            passed = chunk if limit is None else chunk[:limit]
            writer.write(passed)
            await writer.drain()
            if limit is not None and len(passed) == limit:
                await asyncio.sleep(0.01)  # what was passed arrives before the end does
                return
            limit = None if limit is None else limit - len(passed)


async def do(kind: Any, url: str, cuts: Sequence[int], act: Callable[[Any], Any]) -> Any:
    """Let a client act behind a breaking connection: a stream gives the list of its events."""
    async with cutting(url, cuts) as way:
        client = kind(way, retry=QUICK)

        def blocking() -> Any:
            with client:
                answer = act(client)
                return list(answer) if hasattr(answer, "__next__") else answer

        if kind is SyncAgentOSClient:
            return await asyncio.to_thread(blocking)
        async with client:
            answer = act(client)
            return await (events_of(answer) if hasattr(answer, "__aiter__") else result_of(answer))


def indexes(events: list[Any]) -> list[int]:
    return [event.event_index for event in events]


def said(events: list[Any]) -> str:
    return "".join(event.content for event in events if event.event == "RunContent")


async def test_connections_do_break(server_url: str):
    async with (
        cutting(server_url, CUTS) as way,
        AgentOSClient(way, retry=RetryPolicy(max_requests=1, max_reconnects=1)) as client,
    ):
        with pytest.raises(RemoteServerUnavailableError, match="dropped"):
            await events_of(client.run_agent_stream("helper", "hello"))


@BOTH
async def test_a_stream_has_every_event_once(kind: Any, server_url: str):
    events = await do(kind, server_url, CUTS, lambda client: client.run_agent_stream("helper", "hello"))
    assert indexes(events) == list(range(len(events)))
    assert said(events) == events[-1].content == WORDS


@BOTH
async def test_a_continued_stream_has_every_event_once_and_its_tool_is_called_once(kind: Any, server_url: str):
    first = await do(kind, server_url, CUTS, lambda client: client.run_agent_stream("helper", "delete", run_id="r"))
    assert first[-1].event == "RunPaused"
    more = await do(kind, server_url, [0, *CUTS], lambda c: c.continue_agent_run_stream("helper", "r", ANSWER))
    assert [more[0].event, more[-1].event] == ["RunContinued", "RunCompleted"]
    assert indexes([*first, *more]) == list(range(len(first) + len(more)))
    assert said(more) == f"{WORDS}Then."
    assert DELETED == ["/x"]


@BOTH
async def test_a_log_is_followed_over_its_pause(kind: Any, server_url: str):
    async with AgentOSClient(server_url) as client:
        await client.run_agent("helper", "delete", run_id="r")
        await client.continue_agent_run("helper", "r", ANSWER)
        whole = await events_of(client.follow_agent_run("helper", "r"))
    place = sum(len(event.model_dump_json(exclude_none=True)) for event in whole[: len(whole) // 2])
    for cut in (place - 2000, place, place + 2000):
        events = await do(kind, server_url, [cut, *CUTS], lambda client: client.follow_agent_run("helper", "r"))
        assert indexes(events) == list(range(len(whole)))
    assert [event.event for event in whole].count("RunPaused") == 1


@BOTH
async def test_a_plain_run_and_its_continuation_are_answered_and_done_once(kind: Any, server_url: str):
    run = await do(kind, server_url, [0, 40], lambda client: client.run_agent("helper", "delete", run_id="r"))
    assert run.is_paused
    done = await do(kind, server_url, [0, 40], lambda client: client.continue_agent_run("helper", "r", ANSWER))
    assert done.status == "completed"
    assert DELETED == ["/x"]


@BOTH
async def test_a_lost_answer_to_a_cancel_is_no_matter(kind: Any, server_url: str):
    await do(kind, server_url, [], lambda client: client.run_agent("helper", "delete", run_id="r"))
    await do(kind, server_url, [0, 10], lambda client: client.cancel_agent_run("helper", "r"))
    run = await do(kind, server_url, [], lambda client: client.get_agent_run("helper", "r"))
    assert run.is_cancelled


@BOTH
@pytest.mark.parametrize(
    ("component", "named", "content"), [("team", "crew", f"{WORDS}{WORDS}Done."), ("workflow", "flow", WORDS.upper())]
)
async def test_a_stream_of_runs_inside_a_run_has_every_event_once(
    kind: Any, server_url: str, component: str, named: str, content: str
):
    cuts = CUTS * 3
    events = await do(kind, server_url, cuts, lambda c: getattr(c, f"run_{component}_stream")(named, "hello"))
    assert indexes(events) == list(range(len(events)))
    assert said(events) == WORDS
    assert (events[-1].run_id, events[-1].content) == (events[0].run_id, content)


@BOTH
async def test_a_team_whose_member_pauses_is_continued_once(kind: Any, server_url: str):
    first = await do(kind, server_url, CUTS * 3, lambda c: c.run_team_stream("crew", "delete", run_id="r"))
    assert first[-1].event == "TeamRunPaused"
    first[-1].active_requirements[0].confirm()
    answers = first[-1].requirements
    more = await do(kind, server_url, [0, *CUTS], lambda c: c.continue_team_run_stream("crew", "r", answers))
    assert [more[0].event, more[-1].event] == ["RunContinued", "TeamRunCompleted"]
    assert indexes([*first, *more]) == list(range(len(first) + len(more)))
    assert DELETED == ["/x"]


@BOTH
async def test_a_workflow_whose_agent_pauses_is_answered_and_done_once(kind: Any, server_url: str):
    run = await do(kind, server_url, [0, 40], lambda client: client.run_workflow("flow", "delete", run_id="r"))
    [step] = run.active_step_requirements
    step.active_executor_requirements[0].confirm()
    answers = run.step_requirements
    done = await do(kind, server_url, [0, 40], lambda client: client.continue_workflow_run("flow", "r", answers))
    assert (done.status, done.content) == ("completed", f"{WORDS}THEN.".upper())
    assert DELETED == ["/x"]

"""Our clients, asynchronous and blocking, through every method of agents' runs: against Serai and agno's own server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.media import Audio, File, Image, Video
from serai.run.agent import (
    RunCancelledEvent,
    RunCompletedEvent,
    RunContentEvent,
    RunErrorEvent,
    RunOutput,
    RunPausedEvent,
    StreamedText,
    ToolCallCompletedEvent,
    ToolCallErrorEvent,
)
from serai.tools import ToolExecution
from tests.compat.clients.checklist import Target
from tests.unit.both_clients import events_of, result_of

ODD_TEXT = 'a\u0085b\u2028c\u2029d \U0001f600 \u00e9 "quoted" \\ \t tab\nline & = + % end'

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
SERVERS = pytest.mark.parametrize("server", ["serai", "reference"], indirect=True)
SERAI = pytest.mark.parametrize("server", ["serai"], indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Target:
    target: Target = request.getfixturevalue(f"{request.param}_target")
    return target


class Caller:
    """Either client, its answers awaited if need be."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def run(self, agent: str, message: str, **options: Any) -> RunOutput:
        run: RunOutput = await result_of(self.client.run_agent(agent, message, **options))
        return run

    async def stream(self, agent: str, message: str, **options: Any) -> list[Any]:
        return await events_of(self.client.run_agent_stream(agent, message, **options))

    async def proceed(self, run: Any, **answers: Any) -> RunOutput:
        call = self.client.continue_agent_run("pause-agent", run.run_id, session_id=run.session_id, **answers)
        done: RunOutput = await result_of(call)
        return done

    async def proceed_streamed(self, run: Any, **answers: Any) -> list[Any]:
        call = self.client.continue_agent_run_stream("pause-agent", run.run_id, session_id=run.session_id, **answers)
        return await events_of(call)

    async def read(self, agent: str, run: Any) -> RunOutput:
        found: RunOutput = await result_of(self.client.get_agent_run(agent, run.run_id, session_id=run.session_id))
        return found

    async def cancel(self, agent: str, run: Any) -> None:
        await result_of(self.client.cancel_agent_run(agent, run.run_id, session_id=run.session_id))


@pytest.fixture
async def caller(kind: Any, server: Target) -> Any:
    client = kind(server.base_url)
    yield Caller(client)
    await result_of(client.close())


@BOTH
@SERVERS
async def test_a_plain_run(caller: Caller) -> None:
    session = str(uuid4())
    run = await caller.run(
        "echo-agent", "hello wire", session_id=session, user_id="ada", session_state={"k": 1}, metadata={"m": [1]}
    )
    assert (run.status, run.content, run.agent_id) == ("completed", "Echo: hello wire", "echo-agent")
    assert (run.session_id, run.user_id, run.metadata) == (session, "ada", {"m": [1]})
    assert run.metrics is not None
    assert run.metrics.total_tokens > 0
    assert (await caller.read("echo-agent", run)).content == run.content
    rows = await result_of(caller.client.list_agent_runs("echo-agent", session))
    assert [(row.run_id, row.run_input, row.status) for row in rows] == [(run.run_id, "hello wire", "completed")]


@BOTH
@SERVERS
async def test_a_streamed_run(caller: Caller) -> None:
    events = await caller.stream("echo-agent", "tell me a story")
    text = StreamedText()
    assert not any(text.add(event) for event in events)
    assert isinstance(events[-1], RunCompletedEvent)
    assert str(text) == events[-1].content == "Echo: tell me a story"
    assert len([event for event in events if isinstance(event, RunContentEvent)]) > 1


@BOTH
@SERVERS
async def test_odd_characters_in_plain_and_streamed_answers(caller: Caller) -> None:
    assert (await caller.run("echo-agent", ODD_TEXT)).content == f"Echo: {ODD_TEXT}"
    events = await caller.stream("echo-agent", ODD_TEXT)
    text = StreamedText()
    for event in events:
        text.add(event)
    assert str(text) == events[-1].content == f"Echo: {ODD_TEXT}"


@BOTH
@SERVERS
async def test_content_alone_when_asked(caller: Caller) -> None:
    events = await caller.stream("echo-agent", "one two", stream_events=False)
    said = [event.content for event in events if event.event == "RunContent"]
    assert "".join(said) == "Echo: one two"
    assert {event.event for event in events} <= {"RunContent", "RunCompleted"}


@BOTH
@SERVERS
async def test_tools_and_those_that_fail(caller: Caller) -> None:
    run = await caller.run("weather-agent", "and in Oslo?")
    assert [(tool.tool_name, tool.result) for tool in run.tools or ()] == [("get_weather", "Oslo: sunny")]
    events = await caller.stream("weather-agent", "and in Oslo?")
    [done] = [event for event in events if isinstance(event, ToolCallCompletedEvent)]
    assert done.tool is not None
    assert (done.tool.tool_args, done.tool.result) == ({"city": "Oslo"}, "Oslo: sunny")
    failed = await caller.run("broken-tool-agent", "go")
    assert (failed.status, failed.content) == ("completed", "The tool failed.")
    assert [bool(tool.tool_call_error) for tool in failed.tools or ()] == [True]
    events = await caller.stream("broken-tool-agent", "go")
    assert [event for event in events if isinstance(event, ToolCallErrorEvent)]


@BOTH
@SERVERS
async def test_a_model_that_fails(caller: Caller) -> None:
    run = await caller.run("broken-model-agent", "go")
    assert run.status == "error"
    assert "model exploded" in str(run.content)
    events = await caller.stream("broken-model-agent", "go")
    assert isinstance(events[-1], RunErrorEvent)


@BOTH
@SERVERS
async def test_media_of_any_kind(caller: Caller, tmp_path: Path) -> None:
    picture, note = tmp_path / "dot.png", tmp_path / "note.txt"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(10))
    note.write_text("a plain note")
    media: dict[str, Any] = {
        "images": [Image(filepath=picture), Image(url="https://example.com/a.png")],
        "audio": [Audio(content=b"ID3abc", mime_type="audio/mpeg", format="mp3")],
        "videos": [Video(content=b"film", mime_type="video/mp4", format="mp4")],
        "files": [File(filepath=note)],
    }
    seen = "Seen: image 18, image https://example.com/a.png, audio 6, video 4, file 12"
    run = await caller.run("media-agent", "look", **media)
    assert run.content == seen
    assert run.input is not None
    assert [image.content for image in run.input.images or ()] == [picture.read_bytes(), None]
    assert [file.content for file in run.input.files or ()] == [b"a plain note"]
    assert (await caller.stream("media-agent", "look", **media))[-1].content == seen


class Four(BaseModel):
    value: int


@BOTH
@SERVERS
async def test_an_answer_of_a_shape(caller: Caller) -> None:
    run = await caller.run("shape-agent", "what is 2 + 2?", output_schema=Four)
    assert (run.content, run.content_type) == ({"value": 4}, "Four")


@BOTH
@SERVERS
async def test_a_yes_and_a_no(caller: Caller) -> None:
    run = await caller.run("pause-agent", "delete twice")
    assert run.is_paused
    first, second = run.active_requirements
    first.confirm()
    second.reject("keep y")
    done = await caller.proceed(run, requirements=run.requirements)
    assert (done.status, done.run_id) == ("completed", run.run_id)
    assert str(done.content).endswith("Report: deleted /tmp/x; keep y")


@BOTH
@SERVERS
async def test_a_pause_and_its_continuation_as_streams(caller: Caller) -> None:
    [*_, pause] = await caller.stream("pause-agent", "delete")
    assert isinstance(pause, RunPausedEvent)
    pause.active_requirements[0].confirm()
    assert pause.active_requirements == []
    events = await caller.proceed_streamed(pause, requirements=pause.requirements)
    assert (events[0].event, events[-1].event) == ("RunContinued", "RunCompleted")
    assert events[-1].content.endswith("Report: deleted /tmp/x")
    assert {event.run_id for event in events} == {pause.run_id}


@BOTH
@SERVERS
async def test_a_result_from_outside(caller: Caller) -> None:
    for proceed in (caller.proceed, caller.proceed_streamed):
        run = await caller.run("pause-agent", "command")
        [tool] = run.tools_awaiting_external_execution
        tool.result = ODD_TEXT
        done: Any = await proceed(run, tools=run.tools)
        end = done if isinstance(done, RunOutput) else done[-1]
        assert end.content == f"Report: {ODD_TEXT}"


@BOTH
@SERVERS
async def test_values_and_choices_of_a_person(caller: Caller) -> None:
    run = await caller.run("pause-agent", "mail")
    [wanted] = run.active_requirements
    wanted.provide_user_input({"to": "Ada"})
    assert (await caller.proceed(run, requirements=[wanted])).content == "Report: sent Hello to Ada"
    run = await caller.run("pause-agent", "choose")
    [wanted] = run.active_requirements
    wanted.provide_user_feedback({"Which colour?": ["blue"]})
    assert "blue" in str((await caller.proceed(run, requirements=[wanted])).content)


@BOTH
@SERVERS
async def test_a_run_that_pauses_twice(caller: Caller) -> None:
    run = await caller.run("pause-agent", "delete, then command")
    run.active_requirements[0].confirm()
    for requirement in run.requirements or ():
        assert requirement.is_resolved()
    again = await caller.proceed(run, tools=[r.tool_execution for r in run.requirements or ()])
    assert again.is_paused
    for tool in again.tools_awaiting_external_execution:
        tool.result = "a.txt"
    done = await caller.proceed(again, tools=again.tools)
    assert str(done.content).endswith("Report: deleted /tmp/x; a.txt")


@BOTH
@SERVERS
async def test_a_stream_that_is_cancelled(kind: Any, caller: Caller) -> None:
    stream = caller.client.run_agent_stream("talk-agent", "talk")
    events: list[Any] = []
    while True:
        event = await anext(stream, None) if kind is AgentOSClient else next(stream, None)
        if event is None:
            break
        events.append(event)
        if event.event == "RunContent" and event.content == "w5 ":
            await caller.cancel("talk-agent", event)
            await caller.cancel("talk-agent", event)
    [end] = [event for event in events if isinstance(event, RunCancelledEvent)]
    assert str(end.content).startswith("w0 w1 w2 w3 w4 w5 ")
    assert (await caller.read("talk-agent", end)).is_cancelled


@BOTH
@SERVERS
async def test_what_is_refused(caller: Caller) -> None:
    answer, nobody = ToolExecution(tool_call_id="c", confirmed=True), RunOutput(run_id="nobody", session_id="s")
    for status, call in (
        (404, caller.run("no-such-agent", "hi")),
        (404, caller.stream("no-such-agent", "hi")),
        (422, caller.run("echo-agent", "")),
        (404, caller.read("echo-agent", nobody)),
        (404, caller.proceed(nobody, tools=[answer])),
    ):
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await call
        assert caught.value.response.status_code == status
    assert (await caller.run("echo-agent", "still here?")).content == "Echo: still here?"


@BOTH
@SERAI
async def test_the_documented_answer_without_its_session(caller: Caller) -> None:
    run = await caller.run("pause-agent", "command")
    answer = ToolExecution(tool_call_id=(run.tools or [])[0].tool_call_id, result="Tool result here")
    done = await result_of(caller.client.continue_agent_run(agent_id="pause-agent", run_id=run.run_id, tools=[answer]))
    assert done.content == "Report: Tool result here"


@BOTH
@SERAI
async def test_a_run_in_the_background_is_followed_over_its_pause(caller: Caller) -> None:
    run = await caller.run("pause-agent", "delete", background=True)
    assert run.status == "pending"
    events = await events_of(caller.client.follow_agent_run("pause-agent", run.run_id))
    assert events[-1].event == "RunPaused"
    pending = await caller.proceed(
        events[-1],
        tools=[ToolExecution(tool_call_id=events[-1].tools[0].tool_call_id, confirmed=True)],
        background=True,
    )
    assert pending.status == "pending"
    after = events[-1].event_index
    more = await events_of(caller.client.follow_agent_run("pause-agent", run.run_id, after=after))
    assert [more[0].event, more[-1].event] == ["RunContinued", "RunCompleted"]
    again = await events_of(caller.client.follow_agent_run("pause-agent", run.run_id))
    assert [event.event_index for event in again] == list(range(len(events) + len(more)))


@BOTH
@SERAI
async def test_a_run_and_a_continuation_longer_than_the_timeout_are_waited_for(kind: Any, server: Target) -> None:
    client = kind(server.base_url, timeout=0.5)
    run = await result_of(client.run_agent("slow-agent", "take your time"))
    assert run.content == "Echo: take your time"
    events = await events_of(client.run_agent_stream("slow-agent", "take your time"))
    assert events[-1].content == "Echo: take your time"
    for proceed in (client.continue_agent_run, client.continue_agent_run_stream):
        paused = await result_of(client.run_agent("pause-agent", "delete slowly"))
        paused.active_requirements[0].confirm()
        answer = proceed("pause-agent", paused.run_id, requirements=paused.requirements)
        done = (await events_of(answer))[-1] if proceed == client.continue_agent_run_stream else await result_of(answer)
        assert str(done.content).endswith("Report: deleted /tmp/x")
    await result_of(client.close())


@BOTH
@SERAI
async def test_a_busy_session_may_refuse(kind: Any, server: Target) -> None:
    client = kind(server.base_url)
    session = str(uuid4())
    await result_of(client.run_agent("nap-agent", "nap", session_id=session, background=True))
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await result_of(client.run_agent("echo-agent", "hi", session_id=session, when_busy="reject"))
    await result_of(client.close())


@BOTH
async def test_a_server_that_is_down(kind: Any) -> None:
    client = kind("http://127.0.0.1:9", timeout=0.2)
    with pytest.raises(RemoteServerUnavailableError):
        await result_of(client.run_agent("a", "x"))
    await result_of(client.close())

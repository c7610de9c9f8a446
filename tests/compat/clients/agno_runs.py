"""What the published ``AgentOSClient`` of agno must be able to do: discovery, agent runs, errors.

Runs in the locked environments of agno 3 and agno 2; the agents are those of serai_os.py.
"""

import asyncio
import socket
from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno.exceptions import RemoteServerUnavailableError
from agno.run.agent import (
    RunCompletedEvent,
    RunContentEvent,
    RunErrorEvent,
    ToolCallCompletedEvent,
    ToolCallErrorEvent,
    ToolCallStartedEvent,
)
from agno_calls import ODD_TEXT, equal, expect_status, raised, status_of, streamed, without_repetition
from checklist import check, check_generation, main

AGENTS = {"echo-agent", "recall-agent", "slow-agent", "weather-agent", "broken-tool-agent", "broken-model-agent"}
MEBIBYTE = 1024 * 1024


# --- discovery


@check
async def aget_config_lists_the_agents(target):
    config = await AgentOSClient(target.base_url).aget_config()
    equal({agent.id for agent in config.agents} >= AGENTS, True)
    assert config.os_id
    assert config.name or config.os_id


@check
async def get_config_works_without_await(target):
    config = AgentOSClient(target.base_url).get_config()
    equal({agent.id for agent in config.agents} >= AGENTS, True)
    equal(config.interfaces, [])


@check
async def a_trailing_slash_of_the_base_url_is_no_matter(target):
    config = await AgentOSClient(f"{target.base_url}/").aget_config()
    assert config.os_id


@check
async def list_agents_gives_ids_and_names(target):
    agents = await AgentOSClient(target.base_url).list_agents()
    by_id = {agent.id: agent for agent in agents}
    equal(set(by_id) >= AGENTS, True)
    assert all(agent.name for agent in agents)
    equal(by_id["echo-agent"].description, "Says what it hears.")


@check
async def aget_agent_gives_model_and_tools(target):
    agent = await AgentOSClient(target.base_url).aget_agent("weather-agent")
    equal(agent.id, "weather-agent")
    assert agent.name
    assert agent.model.model
    assert agent.model.provider
    tools = {tool["name"]: tool for tool in agent.tools["tools"]}
    equal(set(tools), {"get_weather"})
    assert "city" in tools["get_weather"]["parameters"]["properties"], tools


@check
async def get_agent_works_without_await(target):
    equal(AgentOSClient(target.base_url).get_agent("echo-agent").id, "echo-agent")


@check_generation(2)
async def get_models_gives_id_and_provider(target):
    models = await AgentOSClient(target.base_url).get_models()
    assert models
    assert all(model.id and model.provider for model in models), models


# --- plain runs


@check
async def run_agent_answers(target):
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", "hello wire")
    equal((run.content, status_of(run), run.agent_id), ("Echo: hello wire", "COMPLETED", "echo-agent"))
    assert run.run_id
    assert run.session_id
    assert run.model
    assert run.created_at > 1_600_000_000, run.created_at


@check
async def run_agent_counts_tokens(target):
    metrics = (await AgentOSClient(target.base_url).run_agent("echo-agent", "hello")).metrics
    assert metrics.input_tokens > 0
    assert metrics.output_tokens > 0
    equal(metrics.total_tokens, metrics.input_tokens + metrics.output_tokens)


@check
async def run_agent_returns_its_messages(target):
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", "hello")
    said = [(message.role, message.content) for message in run.messages if message.role != "system"]
    equal(said, [("user", "hello"), ("assistant", "Echo: hello")])


@check
async def run_agent_echoes_its_input(target):
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", "hello")
    equal(run.input.input_content, "hello")


@check
async def run_agent_keeps_ids_and_dictionaries(target):
    session = str(uuid4())
    run = await AgentOSClient(target.base_url).run_agent(
        "echo-agent",
        "hello",
        session_id=session,
        user_id="user-456",
        session_state={"k": 1, "nested": {"list": [1, 2]}},
        dependencies={"unit": "C"},
        metadata={"ticket": "T-1", "urgent": True},
    )
    equal((run.session_id, run.user_id), (session, "user-456"))
    equal(run.session_state["k"], 1)
    equal(run.session_state["nested"], {"list": [1, 2]})
    equal(run.metadata, {"ticket": "T-1", "urgent": True})


@check
async def run_agent_accepts_options_it_does_not_know(target):
    run = await AgentOSClient(target.base_url).run_agent(
        "echo-agent", "hello", add_history_to_context=True, num_history_runs=2, tags=["a", "b"], unheard_of="x"
    )
    equal(status_of(run), "COMPLETED")


@check
async def a_second_run_sees_the_first(target):
    client, session = AgentOSClient(target.base_url), str(uuid4())
    first = await client.run_agent("recall-agent", "my name is Ada", session_id=session)
    second = await client.run_agent("recall-agent", "who am I?", session_id=session)
    equal((first.content, second.content), ("Before: nothing", "Before: my name is Ada"))
    equal((await client.run_agent("recall-agent", "and here?")).content, "Before: nothing")


@check
async def runs_of_one_session_take_turns(target):
    client, session = AgentOSClient(target.base_url), str(uuid4())
    runs = await asyncio.gather(*(client.run_agent("recall-agent", "hi", session_id=session) for _ in range(3)))
    equal(sorted(run.content for run in runs), ["Before: hi", "Before: hi, hi", "Before: nothing"])


@check
async def a_session_of_another_user_is_404(target):
    client, session = AgentOSClient(target.base_url), str(uuid4())
    await client.run_agent("echo-agent", "hi", session_id=session, user_id="ada")
    body = await expect_status(404, client.run_agent("echo-agent", "hi", session_id=session, user_id="eve"))
    equal(body["detail"], "Session not found")


@check
async def run_agent_reports_tool_calls(target):
    run = await AgentOSClient(target.base_url).run_agent("weather-agent", "and in Oslo?")
    equal(run.content, "Report: Oslo: sunny")
    equal(
        [(tool.tool_name, tool.tool_args, tool.result) for tool in run.tools],
        [("get_weather", {"city": "Oslo"}, "Oslo: sunny")],
    )
    equal(bool(run.tools[0].tool_call_error), False)
    roles = [message.role for message in run.messages if message.role != "system"]
    equal(roles, ["user", "assistant", "tool", "assistant"])


@check
async def odd_characters_arrive_in_a_plain_answer(target):
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", ODD_TEXT)
    equal(run.content, f"Echo: {ODD_TEXT}")


@check
async def a_nul_character_arrives_in_a_plain_answer(target):
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", "a\0b")
    equal(run.content, "Echo: a\0b")


@check
async def a_message_of_two_mebibytes_is_answered(target):
    message = "x" * (2 * MEBIBYTE)
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", message)
    equal(len(run.content), len("Echo: ") + 2 * MEBIBYTE)


# --- streamed runs


@check
async def run_agent_stream_keeps_the_order_of_events(target):
    events = await streamed(AgentOSClient(target.base_url), "echo-agent", "tell me a story")
    equal(
        without_repetition(events),
        [
            "RunStarted",
            "ModelRequestStarted",
            "RunContent",
            "ModelRequestCompleted",
            "RunContentCompleted",
            "RunCompleted",
        ],
    )
    equal(len({event.run_id for event in events}), 1)
    equal({event.agent_id for event in events}, {"echo-agent"})
    equal(len({event.session_id for event in events}), 1)


@check
async def streamed_content_adds_up(target):
    events = await streamed(AgentOSClient(target.base_url), "echo-agent", "tell me a story")
    pieces = [event.content for event in events if isinstance(event, RunContentEvent)]
    assert len(pieces) > 1, pieces
    assert isinstance(events[-1], RunCompletedEvent)
    equal(("".join(pieces), events[-1].content), ("Echo: tell me a story", "Echo: tell me a story"))
    assert events[-1].metrics.total_tokens > 0


@check
async def run_agent_stream_keeps_ids(target):
    session = str(uuid4())
    events = await streamed(
        AgentOSClient(target.base_url), "echo-agent", "hi", session_id=session, user_id="u", session_state={"k": 1}
    )
    equal({event.session_id for event in events}, {session})
    equal(events[-1].session_state["k"], 1)


@check
async def a_streamed_run_sees_the_run_before_it(target):
    client, session = AgentOSClient(target.base_url), str(uuid4())
    await streamed(client, "recall-agent", "remember the milk", session_id=session)
    events = await streamed(client, "recall-agent", "what was it?", session_id=session)
    equal(events[-1].content, "Before: remember the milk")


@check
async def run_agent_stream_reports_tool_calls(target):
    events = await streamed(AgentOSClient(target.base_url), "weather-agent", "and in Oslo?")
    equal(
        without_repetition(events),
        [
            *("RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "ToolCallStarted", "ToolCallCompleted"),
            *("ModelRequestStarted", "RunContent", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
        ],
    )
    [started] = [event for event in events if isinstance(event, ToolCallStartedEvent)]
    [completed] = [event for event in events if isinstance(event, ToolCallCompletedEvent)]
    equal((started.tool.tool_name, started.tool.tool_args), ("get_weather", {"city": "Oslo"}))
    equal((started.tool.result, completed.tool.result), (None, "Oslo: sunny"))
    equal(started.tool.tool_call_id, completed.tool.tool_call_id)


@check
async def odd_characters_arrive_in_a_stream(target):
    events = await streamed(AgentOSClient(target.base_url), "echo-agent", ODD_TEXT)
    pieces = [event.content for event in events if isinstance(event, RunContentEvent)]
    equal("".join(pieces), f"Echo: {ODD_TEXT}")
    equal((events[-1].event, events[-1].content), ("RunCompleted", f"Echo: {ODD_TEXT}"))


@check
async def a_nul_character_arrives_in_a_stream(target):
    events = await streamed(AgentOSClient(target.base_url), "echo-agent", "a\0b")
    equal("".join(event.content for event in events if isinstance(event, RunContentEvent)), "Echo: a\0b")
    equal(events[-1].content, "Echo: a\0b")


@check
async def a_silent_stream_outlives_the_timeout_of_the_client(target):
    events = await streamed(AgentOSClient(target.base_url, timeout=0.6), "slow-agent", "take your time")
    equal(events[-1].content, "Echo: take your time")


@check
async def leaving_a_stream_early_does_not_spoil_the_client(target):
    client = AgentOSClient(target.base_url)
    stream = client.run_agent_stream("echo-agent", "one two three four")
    async for _ in stream:
        break
    await stream.aclose()
    equal((await client.run_agent("echo-agent", "still here?")).content, "Echo: still here?")


# --- failures inside a run


@check
async def a_raising_model_ends_in_error_status(target):
    run = await AgentOSClient(target.base_url).run_agent("broken-model-agent", "go")
    equal(status_of(run), "ERROR")
    assert "model exploded" in run.content, run.content


@check
async def a_raising_model_ends_a_stream_with_run_error(target):
    events = await streamed(AgentOSClient(target.base_url), "broken-model-agent", "go")
    equal(without_repetition(events), ["RunStarted", "ModelRequestStarted", "RunError"])
    assert isinstance(events[-1], RunErrorEvent)
    assert "model exploded" in events[-1].content, events[-1].content


@check
async def a_raising_tool_is_told_to_the_model(target):
    run = await AgentOSClient(target.base_url).run_agent("broken-tool-agent", "go")
    equal((status_of(run), run.content), ("COMPLETED", "The tool failed."))
    equal([(tool.tool_name, bool(tool.tool_call_error)) for tool in run.tools], [("explode", True)])


@check
async def a_raising_tool_is_seen_in_the_stream(target):
    events = await streamed(AgentOSClient(target.base_url), "broken-tool-agent", "go")
    names = without_repetition(events)
    at = names.index("ToolCallStarted")
    equal(names[at : at + 4], ["ToolCallStarted", "ToolCallCompleted", "ToolCallError", "ModelRequestStarted"])
    equal((names[-1], events[-1].content), ("RunCompleted", "The tool failed."))
    [completed] = [event for event in events if isinstance(event, ToolCallCompletedEvent)]
    [failed] = [event for event in events if isinstance(event, ToolCallErrorEvent)]
    equal(completed.tool.tool_call_error, True)
    assert "tool exploded" in failed.error, failed.error


# --- refused requests


@check
async def an_unknown_agent_is_404_and_the_client_goes_on(target):
    client = AgentOSClient(target.base_url)
    body = await expect_status(404, client.aget_agent("no-such-agent"))
    equal(body["detail"], "Agent not found")
    await expect_status(404, client.run_agent("no-such-agent", "hello"))
    await expect_status(404, streamed(client, "no-such-agent", "hello"))
    equal((await client.run_agent("echo-agent", "hello")).content, "Echo: hello")


@check
async def an_empty_message_is_422_and_the_client_goes_on(target):
    client = AgentOSClient(target.base_url)
    body = await expect_status(422, client.run_agent("echo-agent", ""))
    equal(body["detail"][0]["loc"], ["body", "message"])
    await expect_status(422, streamed(client, "echo-agent", ""))
    equal((await client.run_agent("echo-agent", "hello")).content, "Echo: hello")


@check
async def metadata_that_is_no_object_is_400(target):
    await expect_status(400, AgentOSClient(target.base_url).run_agent("echo-agent", "hello", metadata="[1]"))


@check
async def a_server_that_is_down_raises_remote_server_unavailable(_target):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    client = AgentOSClient(base_url)
    for call in (client.aget_config(), client.run_agent("echo-agent", "hi"), streamed(client, "echo-agent", "hi")):
        error = await raised(RemoteServerUnavailableError, call)
        equal(error.base_url, base_url)
        assert error.message


# --- the security key


@check
async def the_right_key_opens_the_server(target):
    client, headers = AgentOSClient(target.keyed_url), {"Authorization": f"Bearer {target.key}"}
    assert (await client.aget_config(headers=headers)).os_id
    equal((await client.run_agent("echo-agent", "hi", headers=headers)).content, "Echo: hi")
    events = [event async for event in client.run_agent_stream("echo-agent", "hi", headers=headers)]
    equal(events[-1].content, "Echo: hi")


@check
async def a_wrong_key_is_401(target):
    client, wrong = AgentOSClient(target.keyed_url), {"Authorization": "Bearer wrong"}
    equal((await expect_status(401, client.aget_config(headers=wrong)))["detail"], "Invalid authentication token")
    await expect_status(401, client.run_agent("echo-agent", "hi", headers=wrong))
    await expect_status(401, streamed(client, "echo-agent", "hi", headers=wrong))
    equal((await expect_status(401, client.list_agents()))["detail"], "Authorization header required")


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

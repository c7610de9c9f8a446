"""The scripted model: what it says, in which order, and that a replay hears the same."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from pydantic_ai import Agent, AgentRunResult, ModelHTTPError
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, PartDeltaEvent, PartStartEvent
from pydantic_ai.models.wrapper import WrapperModel

from serai.testing import Asked, Rule, ScriptedModel, ScriptError, ToolCall, Turn, provider_error


def calculator_agent(model: ScriptedModel) -> Agent[None, str]:
    agent = Agent(model, name="calc")

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b

    return agent


def parts_of(result: AgentRunResult[str], index: int) -> list[Any]:
    """Return the parts of one message of the run."""
    return list(result.all_messages()[index].parts)


async def stream_texts(agent: Agent[None, str], message: str) -> list[str]:
    async with agent.run_stream_events(message) as events:
        return [text async for event in events for text in texts_in(event)]


def texts_in(event: object) -> list[str]:
    """Return the piece of text an event brings, if it brings one."""
    if isinstance(event, PartStartEvent):
        return [getattr(event.part, "content", "")]
    if isinstance(event, PartDeltaEvent):
        return [getattr(event.delta, "content_delta", "")]
    return []


async def test_a_string_is_streamed_word_by_word_and_joins_to_itself():
    text = "  One two\n\nthree  four. "
    chunks = await stream_texts(Agent(ScriptedModel([text])), "hello")
    assert len(chunks) == 4
    assert "".join(chunks) == text


async def test_a_list_of_texts_gives_the_chunks_themselves():
    chunks = await stream_texts(Agent(ScriptedModel([Turn(["a", "b\u2028", "\x85c"])])), "hello")
    assert chunks == ["a", "b\u2028", "\x85c"]


async def test_thinking_comes_before_the_text():
    result = await Agent(ScriptedModel([Turn("yes", thinking="let me see")])).run("hello")
    assert [(part.part_kind, part.content) for part in parts_of(result, -1)] == [
        ("thinking", "let me see"),
        ("text", "yes"),
    ]


async def test_parallel_tool_calls_are_made_and_the_next_turn_answers():
    calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("add", {"a": 3, "b": 4}, id="mine")]
    result = await calculator_agent(ScriptedModel([Turn(tools=calls), "done"])).run("go")
    returns = [(part.content, part.tool_call_id) for part in parts_of(result, 2)]
    assert result.output == "done"
    assert [content for content, _ in returns] == [3, 7]
    assert returns[1][1] == "mine"
    assert returns[0][1] != returns[1][1]


async def test_the_turns_begin_anew_with_each_run_of_a_session():
    agent = calculator_agent(ScriptedModel([Turn(tools=[ToolCall("add", {"a": 1, "b": 2})]), "done"]))
    first = await agent.run("one")
    second = await agent.run("two", message_history=first.all_messages())
    assert second.output == "done"
    assert second.usage.tool_calls == 1


async def test_derived_call_ids_differ_between_runs_and_agree_within_a_replay():
    agent = calculator_agent(ScriptedModel([Turn(tools=[ToolCall("add", {"a": 1, "b": 2})]), "done"]))

    async def call_id(run_id: str) -> object:
        return parts_of(await agent.run("x", run_id=run_id), 1)[0].tool_call_id

    assert await call_id("run-1") == await call_id("run-1")
    assert await call_id("run-1") != await call_id("run-2")


async def test_a_conversation_script_goes_on_over_the_history():
    agent = Agent(ScriptedModel(conversation=["first", "second"]))
    first = await agent.run("a")
    second = await agent.run("b", message_history=first.all_messages())
    assert [first.output, second.output] == ["first", "second"]


async def test_another_process_continues_from_the_stored_messages():
    turns: list[Turn | str] = [Turn(tools=[ToolCall("add", {"a": 1, "b": 2})]), "the sum is 3"]
    stored = (await calculator_agent(ScriptedModel(turns)).run("go")).all_messages()[:3]
    restored = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(stored))
    resumed = await calculator_agent(ScriptedModel(turns)).run(message_history=restored)
    assert resumed.output == "the sum is 3"


@pytest.mark.parametrize("match", ["WEATHER", re.compile(r"wea\w+"), lambda message: message.startswith("weather")])
async def test_the_first_rule_that_fits_is_followed(match):
    agent = Agent(ScriptedModel(rules=[Rule(match, ["rain"]), Rule("", ["no idea"])]))
    assert (await agent.run("weather?")).output == "rain"
    assert (await agent.run("and you?")).output == "no idea"


async def test_a_function_sees_message_step_and_tool_results():
    seen: list[Asked] = []

    def script(asked: Asked) -> Turn | str:
        seen.append(asked)
        return Turn(tools=[ToolCall("add", {"a": 2, "b": 2})]) if not asked.tool_results else "4"

    await calculator_agent(ScriptedModel(script)).run("2 + 2?")
    assert [(asked.message, asked.step, asked.position, asked.tools) for asked in seen] == [
        ("2 + 2?", 0, 0, ("add",)),
        ("2 + 2?", 1, 1, ("add",)),
    ]
    assert [(result.name, result.content, result.outcome) for result in seen[1].tool_results] == [("add", 4, "success")]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_scripted_error_is_raised_again_and_again(streamed):
    agent = Agent(ScriptedModel([Turn(error=provider_error(503))]))
    for _ in range(2):
        with pytest.raises(ModelHTTPError, match="scripted failure"):
            await (stream_texts(agent, "hello") if streamed else agent.run("hello"))


async def test_an_error_in_mid_stream_follows_the_chunks_before_it():
    model = ScriptedModel([Turn(["a", "b", "c"], error=provider_error(500), error_after=2)])
    heard: list[str] = []

    class Tap(WrapperModel):
        async def request(self, messages, model_settings, model_request_parameters) -> ModelResponse:
            async with self.wrapped.request_stream(messages, model_settings, model_request_parameters) as stream:
                async for event in stream:
                    heard.extend(texts_in(event))
            return stream.get()

    with pytest.raises(ModelHTTPError):
        await Agent(Tap(model)).run("hello")
    assert heard == ["a", "b"]


async def test_a_gate_holds_the_model_until_the_test_opens_it():
    gate, reached = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await gate.wait()

    run = asyncio.create_task(Agent(ScriptedModel([Turn("a b", gate=wait, gate_after=1)])).run("hello"))
    await reached.wait()
    assert not run.done()
    gate.set()
    assert (await run).output == "a b"


async def test_delays_are_kept_in_plain_and_streamed_answers():
    loop = asyncio.get_running_loop()
    agent = Agent(ScriptedModel([Turn("a b c", delay_s=0.02, chunk_delay_s=0.01)]))
    for ask in (agent.run, lambda message: stream_texts(agent, message)):
        start = loop.time()
        await ask("hello")
        assert loop.time() - start >= 0.035


async def test_plain_and_streamed_answers_report_the_same_usage():
    agent = Agent(ScriptedModel([Turn("one two three", thinking="hm")]), instructions="Be brief.")
    plain = (await agent.run("four words are here")).usage
    async with agent.run_stream("four words are here") as stream:
        await stream.get_output()
    assert (plain.input_tokens, plain.output_tokens) == (14, 4)
    assert (stream.usage.input_tokens, stream.usage.output_tokens) == (14, 4)


async def test_the_model_names_itself_as_scripted():
    model = ScriptedModel(["hello"])
    response = (await Agent(model).run("x")).all_messages()[-1]
    assert (model.model_name, model.system) == ("scripted", "serai")
    assert isinstance(response, ModelResponse)
    assert (response.model_name, response.provider_name) == ("scripted", "serai")


async def test_a_script_that_is_used_up_says_so():
    with pytest.raises(ScriptError, match=r"1 turn\(s\) for a run and was asked for number 2"):
        await calculator_agent(ScriptedModel([Turn(tools=[ToolCall("add", {"a": 1, "b": 2})])])).run("go")


async def test_a_call_of_a_tool_the_agent_lacks_names_those_it_has():
    with pytest.raises(ScriptError, match="'subtract', which the agent lacks; it has: add"):
        await calculator_agent(ScriptedModel([Turn(tools=[ToolCall("subtract")])])).run("go")


async def test_a_message_that_no_rule_fits_is_an_error():
    with pytest.raises(ScriptError, match="No rule of the script fits the message 'hello'"):
        await Agent(ScriptedModel(rules=[Rule("weather", ["rain"])])).run("hello")


def test_a_model_takes_exactly_one_script():
    with pytest.raises(ScriptError, match="it got 0"):
        ScriptedModel()
    with pytest.raises(ScriptError, match="it got 2"):
        ScriptedModel(["a"], conversation=["b"])


def test_a_turn_that_says_nothing_is_refused():
    with pytest.raises(ScriptError, match="this one has none"):
        Turn()

"""The demo agent: what its script chooses, and that its calculator computes nothing but bounded arithmetic."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ToolDenied

from serai.demo.agent import build_agent, build_careful_agent, build_files_agent, clock
from serai.demo.calculator import evaluate
from serai.demo.script import NO_LLM, find_expression
from serai.errors import ConfigurationError


async def ask(message: str, *, session_state: dict[str, Any] | None = None) -> tuple[str, list[str]]:
    """Return the answer and the tools that were called."""
    deps = SimpleNamespace(session_state={} if session_state is None else session_state)
    result = await build_agent().run(message, deps=deps)
    calls = [
        part.tool_name for message in result.all_messages() for part in message.parts if part.part_kind == "tool-call"
    ]
    return result.output, calls


async def test_arithmetic_goes_through_the_calculator():
    assert await ask("What is 2 + 2?") == (f"2 + 2 = 4\n\n{NO_LLM}", ["calculate"])


async def test_two_questions_in_one_message_call_two_tools():
    text, calls = await ask("What time is it, and what is 3*(4-1)/2?")
    assert calls == ["calculate", "clock"]
    assert text.startswith("3*(4-1)/2 = 4.5\nIt is 20")


async def test_notes_live_in_the_session_state_and_are_kept_once():
    state: dict[str, Any] = {}
    await ask("Note: buy milk", session_state=state)
    await ask("Note: buy milk", session_state=state)
    await ask("please remember that Ada called", session_state=state)
    assert state == {"notes": ["buy milk", "Ada called"]}
    text, calls = await ask("Show my notes", session_state=state)
    assert calls == ["read_notes"]
    assert "- buy milk\n- Ada called" in text


async def test_anything_else_is_told_what_the_agent_is_and_echoed():
    text, calls = await ask("Tell me a story.")
    assert calls == []
    assert "no LLM" in text
    assert text.endswith("You said: Tell me a story.")


async def pending(agent: Agent[Any, Any], message: str) -> tuple[DeferredToolRequests, list[Any]]:
    """Return what an agent waits for, and its messages."""
    output_type: Any = [agent.output_type, DeferredToolRequests]
    result: Any = await agent.run(message, output_type=output_type, deps=SimpleNamespace(session_state={}))
    assert isinstance(result.output, DeferredToolRequests)
    return result.output, result.all_messages()


async def test_the_careful_agent_deletes_the_notes_it_was_told_to_after_a_yes():
    agent, state = build_careful_agent(), {"notes": ["buy milk", "Ada called"]}
    asked, _ = await pending(agent, "Delete my notes.")
    assert [(call.tool_name, call.args_as_dict()) for call in asked.approvals] == [("delete_notes", {})]
    asked, messages = await pending(agent, "Forget the note about Milk!")
    [call] = asked.approvals
    assert (call.tool_name, call.args_as_dict()) == ("delete_notes", {"containing": "Milk"})
    answers = DeferredToolResults(approvals={call.tool_call_id: True})
    deps = SimpleNamespace(session_state=state)
    result = await agent.run(message_history=messages, deferred_tool_results=answers, deps=deps)
    assert result.output == f"Deleted 1 of 2 notes.\n\n{NO_LLM}"
    assert state == {"notes": ["Ada called"]}


async def test_the_careful_agent_deletes_nothing_after_a_no():
    agent, state = build_careful_agent(), {"notes": ["buy milk"]}
    asked, messages = await pending(agent, "Delete my notes")
    answers = DeferredToolResults(approvals={asked.approvals[0].tool_call_id: ToolDenied("I need them.")})
    deps = SimpleNamespace(session_state=state)
    result = await agent.run(message_history=messages, deferred_tool_results=answers, deps=deps)
    assert result.output.startswith("Then I leave your notes as they are. (I need them.)")
    assert state == {"notes": ["buy milk"]}


async def test_the_careful_agent_keeps_and_reads_notes_without_asking():
    deps = SimpleNamespace(session_state={})
    await build_careful_agent().run("Note: buy milk", deps=deps)
    assert "- buy milk" in (await build_careful_agent().run("Show my notes", deps=deps)).output
    assert "no LLM" in (await build_careful_agent().run("Hello", deps=deps)).output


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("How long is /etc/hosts?", "/etc/hosts"),
        ("What is in notes.txt?", "notes.txt"),
        ("Read “my notes.txt”.", "my notes.txt"),
        ("Look at ~/a/b.md, please", "~/a/b.md"),
    ],
)
async def test_the_files_agent_asks_its_caller_for_the_file_that_is_named(message, path):
    asked, _ = await pending(build_files_agent(), message)
    assert [(call.tool_name, call.args_as_dict()) for call in asked.calls] == [("read_file", {"path": path})]


async def test_the_files_agent_says_how_long_the_file_is():
    agent = build_files_agent()
    asked, messages = await pending(agent, "How long is a.txt?")
    answers = DeferredToolResults(calls={asked.calls[0].tool_call_id: "one\ntwo\n"})
    result = await agent.run(message_history=messages, deferred_tool_results=answers)
    assert result.output.startswith("It has 2 lines and 8 characters. It begins: one")
    assert "no LLM" in (await agent.run("Hello")).output


async def test_an_impossible_sum_is_reported_and_the_run_ends_well():
    text, _ = await ask("What is 1 / 0?")
    assert "'1 / 0' divides by zero." in text


@pytest.mark.parametrize("message", ["hello", "there are 12 apples", "a-b", "call 555-", "v1.2.3"])
def test_messages_without_a_sum_have_no_expression(message):
    assert find_expression(message) is None


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.sampled_from("+-*"))
def test_integer_arithmetic_is_exact(left, right, sign):
    expected = {"+": left + right, "-": left - right, "*": left * right}[sign]
    assert evaluate(f"({left}) {sign} ({right})") == expected


@given(st.text(max_size=60))
def test_any_text_is_computed_or_refused(text):
    with suppress(ValueError):
        assert isinstance(evaluate(text), int | float)


@pytest.mark.parametrize(
    "expression",
    [
        "2**99999",
        "9**9**9",
        "(-8)**0.5",
        "1e308*10",
        "1/0",
        "5%0",
        "__import__('os')",
        "'a'*9",
        "True+1",
        "a",
        "",
        "(" * 150,
        "1+" * 101,
    ],
)
def test_what_is_no_bounded_arithmetic_is_refused(expression):
    with pytest.raises(ValueError, match=r"\w"):
        evaluate(expression)


def test_the_clock_knows_time_zones():
    assert clock("UTC").endswith("+00:00")


def test_a_model_without_its_key_is_a_configuration_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="'openai:gpt-5-mini'"):
        build_agent("openai:gpt-5-mini")


def test_an_unknown_model_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="'nonsense'"):
        build_agent("nonsense")

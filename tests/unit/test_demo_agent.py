"""The demo agent: what its script chooses, and that its calculator computes nothing but bounded arithmetic."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.demo.agent import build_agent, clock
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

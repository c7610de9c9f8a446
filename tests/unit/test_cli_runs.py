"""``serai runs`` without a server: what a paused run waits for, answers from flags and from the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from serai.cli.answer_view import AnswerView
from serai.cli.json_view import JsonView
from serai.cli.pause_answers import AnswerFlags, apply_flags
from serai.cli.pause_questions import ask_for
from serai.cli.pause_view import Waiting, continue_command, describe_pause
from serai.run.agent import (
    RunCompletedEvent,
    RunContentEvent,
    RunContinuedEvent,
    RunOutput,
    RunPausedEvent,
    StepRestartedEvent,
)
from serai.tools import ToolExecution

URL = "http://127.0.0.1:7777"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the user's shell find a program called serai."""
    monkeypatch.delenv("SERAI_URL", raising=False)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    (tmp_path / "serai").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def calls() -> list[ToolExecution]:
    """Return a call of each kind that waits, and one that does not."""
    data: list[dict[str, Any]] = [
        {"tool_call_id": "c0", "tool_name": "add", "tool_args": {"a": 1}, "result": "3"},
        {
            "tool_call_id": "c1",
            "tool_name": "delete",
            "tool_args": {"path": "/x\x1b", "deep": True},
            "requires_confirmation": True,
        },
        {"tool_call_id": "c2", "tool_name": "delete", "tool_args": {"path": "/y"}, "requires_confirmation": True},
        {"tool_call_id": "e=1", "tool_name": "run", "external_execution_required": True},
        {
            "tool_call_id": "m.1",
            "tool_name": "mail",
            "requires_user_input": True,
            "user_input_schema": [
                {"name": "subject", "field_type": "str", "value": "Hello"},
                {"name": "to", "field_type": "str", "description": "Who gets it."},
                {"name": "copies", "field_type": "int", "required": False},
            ],
        },
        {
            "tool_call_id": "q1",
            "tool_name": "ask",
            "user_feedback_schema": [
                {"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]},
                {"question": "How?", "options": [{"label": "fast"}, {"label": "red"}], "multi_select": True},
            ],
        },
    ]
    return [ToolExecution.model_validate(item) for item in data]


def by_id(answered: Sequence[Any]) -> dict[str, ToolExecution]:
    return {tool.tool_call_id or "": tool for tool in answered}


def pending() -> list[ToolExecution]:
    return [tool for tool in calls() if tool.needs]


def run() -> RunOutput:
    return RunOutput(run_id="r1", agent_id="a", status="PAUSED", content="Let me see.", tools=calls())


def test_a_pause_is_described_with_the_command_that_ends_it():
    assert describe_pause(run(), url=URL).splitlines() == [
        '  delete(path="/x\\u001b", deep=true) waits for a yes or no',
        '  delete(path="/y") waits for a yes or no',
        "  run() waits for its result",
        "  mail() waits for values: to, copies",
        "  ask() waits for a choice: Which? (red, blue); How? (fast, red)",
        "go on with:",
        f"  {continue_command(run(), url=URL)}",
        '  (to refuse: --reject instead of --confirm, and --note "why")',
    ]


def test_the_command_answers_each_call():
    assert continue_command(run(), url=URL) == (
        "serai runs continue a r1 --confirm c1 --confirm c2 --result e=1=TEXT --input m.1.to=VALUE "
        "--input m.1.copies=VALUE --select q1=LABEL --select q1=LABEL"
    )


def test_the_command_names_the_server_where_it_is_not_the_usual_one(monkeypatch):
    assert continue_command(run(), url="http://h:1").endswith(" --url http://h:1")
    monkeypatch.setenv("SERAI_URL", "http://h:1")
    assert "--url" not in continue_command(run(), url="http://h:1")


def test_flags_answer_the_calls_they_name():
    flags = AnswerFlags(
        confirm=["c1"],
        reject=["c2"],
        note="keep y",
        result=["e=1=a=b"],
        input=["m.1.to=Ada", "mail.copies=2"],
        select=["q1=blue", "ask.2=red", "q1=fast"],
    )
    answered = by_id(apply_flags(pending(), flags))
    assert list(answered) == ["c1", "c2", "e=1", "m.1", "q1"]
    assert (answered["c1"].confirmed, answered["c2"].confirmed) == (True, False)
    assert answered["c2"].confirmation_note == "keep y"
    assert answered["e=1"].result == "a=b"
    assert [field.value for field in answered["m.1"].user_input_schema or ()] == ["Hello", "Ada", 2]
    assert [one.selected_options for one in answered["q1"].user_feedback_schema or ()] == [["blue"], ["red", "fast"]]
    assert [tool.needs for tool in answered.values()] == [None] * 5


def test_some_of_the_answers_are_enough():
    assert list(by_id(apply_flags(pending(), AnswerFlags(result=["run=x"])))) == ["e=1"]


def test_a_result_may_come_from_a_file(tmp_path):
    (tmp_path / "out").write_text("two\nlines")
    answered = by_id(apply_flags(pending(), AnswerFlags(result_file=[f"run={tmp_path / 'out'}"])))
    assert answered["e=1"].result == "two\nlines"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (AnswerFlags(confirm=["nobody"]), r"no call or step 'nobody' waits.*c1 \(delete\), c2"),
        (AnswerFlags(confirm=["delete"]), "no call or step 'delete'"),
        (AnswerFlags(confirm=["run"]), "run is answered by --result"),
        (AnswerFlags(result=["c1=x"]), "c1 is answered by --confirm or --reject"),
        (AnswerFlags(confirm=["c1"], reject=["c1"]), "c1 is both confirmed and rejected"),
        (AnswerFlags(result_file=["run=/no/such"]), "/no/such cannot be read"),
        (AnswerFlags(input=["m.1.who=x"]), "has no field 'who'; it has: subject, to, copies"),
        (AnswerFlags(input=["m.1.copies=many"]), "copies: 'many' is no int; write it as JSON"),
        (AnswerFlags(select=["q1=green"]), "no question offers 'green'; they offer: red, blue; fast, red"),
        (AnswerFlags(select=["q1=red"]), "several questions offer 'red'"),
        (AnswerFlags(select=["q1.3=red"]), "has the questions 1 to 2"),
    ],
)
def test_a_wrong_flag_says_what_would_be_right(flags, said):
    with pytest.raises(ValueError, match=said):
        apply_flags(pending(), flags)


def test_a_terminal_is_asked_for_every_answer():
    said = "y\nn\nkeep y\na.txt\nAda\nmany\n2\ngreen\n2\n1, red\n"
    with CliRunner().isolation(input=said) as (out, *_):
        answered = by_id(ask_for([Waiting(item) for item in pending()]))
        shown = out.getvalue().decode()
    assert (answered["c1"].confirmed, answered["c2"].confirmed) == (True, False)
    assert answered["c2"].confirmation_note == "keep y"
    assert answered["e=1"].result == "a.txt"
    assert [field.value for field in answered["m.1"].user_input_schema or ()] == ["Hello", "Ada", 2]
    assert [one.selected_options for one in answered["q1"].user_feedback_schema or ()] == [["blue"], ["fast", "red"]]
    assert "to (Who gets it.)" in shown
    assert "copies: 'many' is no int" in shown


def show(*items: Any) -> tuple[str, int]:
    """Return what the view prints and the exit code."""
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=300, soft_wrap=True, highlight=False), url=URL)
    for item in items:
        view.show(item)
    view.close()
    return out.getvalue(), view.outcome.exit_code


PAUSE = RunPausedEvent(run_id="r1", agent_id="a", content="It waits.", tools=calls()[:2])


@pytest.mark.parametrize("items", [(RunContentEvent(run_id="r1", content="Let me see."), PAUSE), (run(),)])
def test_a_paused_run_says_what_it_waits_for_and_has_its_own_exit_code(items):
    text, code = show(*items)
    assert code == 5
    assert "Let me see.\npaused:\n  delete(" in text
    assert "  serai runs continue a r1 --confirm c1" in text


def test_a_pause_of_the_past_is_one_line():
    text, code = show(
        PAUSE,
        RunContinuedEvent(run_id="r1"),
        RunCompletedEvent(run_id="r1", content="Done."),
    )
    assert code == 0
    assert text.splitlines() == ["· paused, and continued", "Done.", "run r1"]


def test_an_answer_that_starts_anew_says_so():
    text, _ = show(RunContentEvent(run_id="r1", content="It is te"), StepRestartedEvent(run_id="r1", from_index=0))
    assert text.splitlines() == ["It is te", "· the server was interrupted; this answer starts anew"]


def test_a_paused_run_as_json_has_its_own_exit_code(capsys):
    view = JsonView()
    view.show(PAUSE)
    assert view.outcome.exit_code == 5
    view = JsonView()
    view.show(run())
    assert view.outcome.exit_code == 5
    assert len(capsys.readouterr().out.splitlines()) == 2

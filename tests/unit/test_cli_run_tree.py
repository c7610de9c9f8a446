"""How the terminal draws what goes on inside a run: members of teams, steps of workflows, one below the other."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from serai.cli.answer_view import AnswerView
from serai.cli.json_view import JsonView
from serai.run.team import TeamRunOutput
from serai.run.workflow import WorkflowRunOutput
from serai.wire.events import parse_event

TEAM: dict[str, Any] = {"run_id": "t", "team_id": "team", "team_name": "Team"}
FLOW: dict[str, Any] = {"run_id": "w", "workflow_id": "flow", "workflow_name": "Flow"}


def member(name: str, parent: str = "t") -> dict[str, Any]:
    return {"run_id": name, "agent_id": name, "agent_name": name, "parent_run_id": parent}


def in_step(name: str, step: str) -> dict[str, Any]:
    return {**member(name, "w"), "workflow_run_id": "w", "step_id": step, "step_name": step}


def step(name: str, **members: Any) -> dict[str, Any]:
    return {**FLOW, "step_id": f"id of {name}", "step_name": name, **members}


def call(call_id: str, name: str, **members: Any) -> dict[str, Any]:
    return {"tool": {"tool_call_id": call_id, "tool_name": name, "tool_args": {"task": "tea"}, **members}}


def show(*events: tuple[str, dict[str, Any]], is_live: bool = True) -> tuple[list[str], int]:
    """Return the lines that the view prints, durations as N, and the exit code."""
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False), is_live=is_live)
    for name, data in events:
        view.show(parse_event({"event": name, **data}))
    view.close()
    lines = re.sub(r"\d+ ms", "N ms", out.getvalue()).splitlines()
    return [line.rstrip() for line in lines], view.outcome.exit_code


def test_members_are_indented_below_the_call_that_asked_them():
    lines, code = show(
        ("TeamRunStarted", TEAM),
        ("TeamRunContent", {**TEAM, "content": "I ask."}),
        ("TeamToolCallStarted", {**TEAM, **call("c1", "ask")}),
        ("RunStarted", member("searcher")),
        ("RunContent", {**member("searcher"), "content": "Found: "}),
        ("RunContent", {**member("searcher"), "content": "tea\nand milk"}),
        ("ToolCallStarted", {**member("searcher"), **call("c2", "look")}),
        (
            "ToolCallCompleted",
            {**member("searcher"), **call("c2", "look", result="leaves", metrics={"duration": 1.25})},
        ),
        ("RunCompleted", {**member("searcher"), "content": "Found: tea\nand milk"}),
        ("TeamToolCallCompleted", {**TEAM, **call("c1", "ask", result="Found: tea\nand milk")}),
        ("TeamRunContent", {**TEAM, "content": "So it is."}),
        ("TeamRunCompleted", {**TEAM, "content": "So it is.", "metrics": {"input_tokens": 7, "output_tokens": 3}}),
    )
    assert code == 0
    assert lines == [
        "I ask.",
        '· ask(task="tea")',
        "  searcher │ Found: tea",
        "  searcher │ and milk",
        '  searcher · look(task="tea") → leaves  (1.2 s)',
        "So it is.",
        "7 tokens in, 3 out · run t",
    ]


def test_a_call_that_nobody_was_asked_in_is_shown_with_its_result():
    lines, _ = show(
        ("TeamToolCallStarted", {**TEAM, **call("c1", "ask")}),
        ("TeamToolCallCompleted", {**TEAM, **call("c1", "ask", result="no such member")}),
    )
    assert lines == ['· ask(task="tea") → no such member  (N ms)']


def test_a_failed_call_is_told_once():
    failed = call("c1", "ask", result="boom", tool_call_error=True)
    lines, _ = show(
        ("ToolCallStarted", {"run_id": "r", **call("c1", "ask")}),
        ("ToolCallCompleted", {"run_id": "r", **failed}),
        ("ToolCallError", {"run_id": "r", **failed, "error": "boom"}),
    )
    assert lines == ['· ask(task="tea") → failed: boom  (N ms)']


def test_members_that_speak_at_the_same_time_are_printed_by_lines_with_their_names():
    lines, _ = show(
        ("TeamRunStarted", TEAM),
        ("TeamToolCallStarted", {**TEAM, **call("c1", "ask")}),
        ("TeamToolCallStarted", {**TEAM, **call("c2", "ask")}),
        ("RunStarted", member("a")),
        ("RunStarted", member("b")),
        ("RunContent", {**member("a"), "content": "one "}),
        ("RunContent", {**member("b"), "content": "uno\ndos "}),
        ("RunContent", {**member("a"), "content": "two\nthree"}),
        ("RunContent", {**member("b"), "content": "y más"}),
        ("RunCompleted", {**member("b"), "content": "uno\ndos y más"}),
        ("RunContent", {**member("a"), "content": " four"}),
        ("RunCompleted", {**member("a"), "content": "one two\nthree four"}),
        ("TeamRunCompleted", {**TEAM, "content": "Both spoke."}),
    )
    assert lines == [
        '· ask(task="tea")',
        '· ask(task="tea")',
        "  b │ uno",
        "  a │ one two",
        "  b │ dos y más",
        "  a │ three four",
        "Both spoke.",
        "run t",
    ]


def test_an_answer_that_a_team_relays_is_not_repeated_below_it():
    lines, _ = show(
        ("TeamRunStarted", TEAM),
        ("TeamToolCallStarted", {**TEAM, **call("c1", "ask")}),
        ("RunStarted", member("writer")),
        ("TeamRunContent", {**TEAM, "content": "Written."}),
        ("RunCompleted", {**member("writer"), "content": "Written."}),
        ("TeamRunCompleted", {**TEAM, "content": "Written."}),
    )
    assert lines == ['· ask(task="tea")', "Written.", "run t"]


def test_a_team_in_a_team_is_indented_twice():
    inner = {"run_id": "i", "team_id": "inner", "parent_run_id": "t"}
    lines, _ = show(
        ("TeamRunStarted", TEAM),
        ("TeamRunStarted", inner),
        ("RunStarted", member("searcher", "i")),
        ("RunContent", {**member("searcher", "i"), "content": "Found."}),
        ("RunCompleted", {**member("searcher", "i"), "content": "Found."}),
        ("TeamRunCompleted", {**inner, "content": "They found it."}),
        ("TeamRunCompleted", {**TEAM, "content": "All is found."}),
    )
    assert lines == ["    searcher │ Found.", "  inner │ They found it.", "All is found.", "run t"]


@pytest.mark.parametrize(
    ("end", "members", "said"),
    [
        ("RunError", {"content": "model exploded"}, "  searcher ✗ model exploded"),
        ("RunCancelled", {"reason": "stop"}, "  searcher · cancelled"),
        ("RunPaused", {"tools": []}, "  searcher · paused"),
    ],
)
def test_how_a_member_ends_is_told_and_is_not_how_the_run_ends(end, members, said):
    lines, code = show(
        ("TeamRunStarted", TEAM),
        ("RunStarted", member("searcher")),
        (end, {**member("searcher"), **members}),
        ("TeamRunCompleted", {**TEAM, "content": "Never mind."}),
    )
    assert (lines, code) == ([said, "Never mind.", "run t"], 0)


def test_a_continued_run_may_begin_with_its_member():
    lines, code = show(
        ("RunContinued", member("asker")),
        ("RunContent", {**member("asker"), "content": "Deleted."}),
        ("RunCompleted", {**member("asker"), "content": "Deleted."}),
        ("TeamRunContinued", TEAM),
        ("TeamRunContent", {**TEAM, "content": "It is gone."}),
        ("TeamRunCompleted", {**TEAM, "content": "It is gone."}),
    )
    assert (lines, code) == (["  asker │ Deleted.", "It is gone.", "run t"], 0)


def test_a_member_whose_answer_starts_anew_says_so():
    lines, _ = show(
        ("TeamRunStarted", TEAM),
        ("RunStarted", member("a")),
        ("RunContent", {**member("a"), "content": "Fou"}),
        ("CustomEvent", {**member("a"), "name": "step_restarted", "from_index": 2}),
        ("RunContent", {**member("a"), "content": "Found."}),
        ("TeamRunCompleted", {**TEAM, "content": "Yes."}),
    )
    assert lines[:3] == [
        "  a │ Fou",
        "  a · the server was interrupted; this answer starts anew",
        "  a │ Found.",
    ]


def test_a_run_that_was_cancelled_stays_so_whatever_follows():
    _, code = show(("RunCancelled", {"run_id": "r", "reason": "stop"}), ("RunCompleted", {"run_id": "r"}))
    assert code == 1


def test_steps_have_a_line_each_and_agents_in_them_are_indented():
    lines, code = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", step("ask")),
        ("RunStarted", in_step("echo", "id of ask")),
        ("RunContent", {**in_step("echo", "id of ask"), "content": "Echo: tea"}),
        ("RunCompleted", {**in_step("echo", "id of ask"), "content": "Echo: tea"}),
        ("StepCompleted", step("ask", content="Echo: tea")),
        ("StepStarted", step("shout")),
        ("StepOutput", {**FLOW, "step_name": "shout", "step_output": {"content": "TEA"}}),
        ("StepCompleted", step("shout", content="TEA")),
        (
            "WorkflowCompleted",
            {
                **FLOW,
                "content": "TEA",
                "metrics": {"steps": {"ask": {"metrics": {"input_tokens": 7, "output_tokens": 3}}, "shout": {}}},
            },
        ),
    )
    assert code == 0
    assert lines == [
        "▸ ask",
        "  echo │ Echo: tea",
        "✓ ask N ms",
        "▸ shout ✓ N ms → TEA",
        "TEA",
        "7 tokens in, 3 out · run w",
    ]


def test_the_answer_of_a_workflow_is_not_repeated_when_its_last_agent_has_said_it():
    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", step("ask")),
        ("RunStarted", in_step("echo", "id of ask")),
        ("RunContent", {**in_step("echo", "id of ask"), "content": "Echo: tea"}),
        ("RunCompleted", {**in_step("echo", "id of ask"), "content": "Echo: tea"}),
        ("StepCompleted", step("ask", content="Echo: tea")),
        ("WorkflowCompleted", {**FLOW, "content": "Echo: tea"}),
    )
    assert lines == ["▸ ask", "  echo │ Echo: tea", "✓ ask N ms", "run w"]


def test_a_step_may_have_the_id_of_the_run_inside_it():
    own = {**in_step("echo", "s"), "run_id": "s"}
    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", {**FLOW, "step_id": "s", "step_name": "ask"}),
        ("RunStarted", own),
        ("RunContent", {**own, "content": "Echo"}),
    )
    assert lines == ["▸ ask", "  echo │ Echo"]


def test_constructs_say_what_they_do():
    def inner(name: str, parent: str) -> dict[str, Any]:
        return step(name, parent_step_id=f"id of {parent}", step_index=[0, 0])

    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("StepsExecutionStarted", step("prepare", steps_count=1)),
        ("ConditionExecutionStarted", {**inner("urgency", "prepare"), "condition_result": False}),
        ("StepStarted", inner("calm", "urgency")),
        ("StepCompleted", {**inner("calm", "urgency"), "content": "ok"}),
        ("ConditionExecutionCompleted", {**inner("urgency", "prepare"), "branch": "else"}),
        ("StepsExecutionCompleted", step("prepare", executed_steps=1)),
        ("LoopExecutionStarted", step("rounds", max_iterations=3)),
        ("LoopIterationStarted", step("rounds", iteration=1, max_iterations=3)),
        ("StepStarted", inner("count", "rounds")),
        ("StepCompleted", {**inner("count", "rounds"), "content": "1"}),
        ("LoopIterationCompleted", step("rounds", iteration=1, should_continue=False)),
        ("LoopExecutionCompleted", step("rounds", total_iterations=1)),
        ("RouterExecutionStarted", step("way", selected_steps=["left", "right"])),
        ("RouterExecutionCompleted", step("way", executed_steps=0)),
    )
    assert lines == [
        "▸ prepare",
        "  ▸ urgency: else",
        "    ▸ calm ✓ N ms → ok",
        "  ✓ urgency N ms",
        "✓ prepare N ms",
        "▸ rounds",
        "  round 1 of at most 3",
        "  ▸ count ✓ N ms → 1",
        "✓ rounds N ms in 1 round",
        "▸ way → left, right ✓ N ms",
    ]


def test_agents_in_parallel_branches_are_told_apart_by_their_steps():
    left, right = in_step("echo", "id of left"), {**in_step("echo", "id of right"), "run_id": "echo2"}
    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("ParallelExecutionStarted", step("both", parallel_step_count=2)),
        ("StepStarted", step("left", parent_step_id="id of both")),
        ("StepStarted", step("right", parent_step_id="id of both")),
        ("RunStarted", left),
        ("RunStarted", right),
        ("RunContent", {**left, "content": "one "}),
        ("RunContent", {**right, "content": "uno"}),
        ("RunContent", {**left, "content": "two"}),
        ("RunCompleted", {**left, "content": "one two"}),
        ("StepCompleted", step("left", content="one two")),
        ("RunCompleted", {**right, "content": "uno"}),
        ("StepCompleted", step("right", content="uno")),
        ("ParallelExecutionCompleted", step("both", parallel_step_count=2)),
    )
    assert lines == [
        "▸ both: 2 branches at a time",
        "  ▸ left",
        "  ▸ right",
        "    left: echo │ one two",
        "  ✓ left N ms",
        "    right: echo │ uno",
        "  ✓ right N ms",
        "✓ both N ms",
    ]


def test_a_workflow_in_a_step_is_that_step():
    inner = {"run_id": "i", "workflow_id": "inner", "nested_depth": 1, "parent_step_id": "id of outer"}
    inner_step = {**inner, "step_id": "s", "step_name": "ask"}
    agent = {**member("echo", "i"), "nested_depth": 1, "workflow_run_id": "w", "step_id": "s"}
    lines, code = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", step("outer")),
        ("WorkflowStarted", inner),
        ("StepStarted", inner_step),
        ("RunStarted", agent),
        ("RunContent", {**agent, "content": "Echo"}),
        ("RunCompleted", {**agent, "content": "Echo"}),
        ("StepCompleted", {**inner_step, "content": "Echo"}),
        ("WorkflowCompleted", {**inner, "content": "Echo"}),
        ("StepCompleted", step("outer", content="Echo")),
        ("WorkflowError", {**FLOW, "error": "boom"}),
    )
    assert code == 1
    assert lines == [
        "▸ outer",
        "  ▸ ask",
        "    echo │ Echo",
        "  ✓ ask N ms",
        "✓ outer N ms",
        "error: boom",
        "run w",
    ]


def test_failures_and_attempts_of_steps_are_told():
    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", step("fetch")),
        ("StepProgress", step("fetch", attempt=2, content="timed out")),
        ("StepError", step("fetch", error="boom")),
        ("StepExecutorContinued", step("act")),
        ("StepError", step("act", error="boom")),
    )
    assert lines == ["▸ fetch", "· fetch: attempt 2, timed out", "✗ fetch: boom", "▸ act goes on ✗ boom"]


def test_the_past_tells_durations_by_the_servers_clock():
    lines, _ = show(
        ("WorkflowStarted", FLOW),
        ("StepStarted", step("slow", created_at=100)),
        ("StepCompleted", step("slow", created_at=107, content="x")),
        ("StepStarted", step("fast", created_at=107)),
        ("StepCompleted", step("fast", created_at=107, content="y")),
        is_live=False,
    )
    assert lines == ["▸ slow ✓ 7 s → x", "▸ fast ✓ → y"]


def test_results_that_were_not_streamed_are_drawn_the_same_way():
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False))
    view.show(
        WorkflowRunOutput.model_validate(
            {
                **FLOW,
                "status": "COMPLETED",
                "content": "done",
                "step_results": [
                    {"step_name": "both", "steps": [{"step_name": "left", "content": "one"}]},
                    {"step_name": "skipped", "success": False, "error": "boom"},
                ],
            }
        )
    )
    view.close()
    assert out.getvalue().splitlines() == ["✓ both", "  ✓ left → one", "✗ skipped → boom", "done", "run w"]
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False))
    answered = {**member("searcher"), "status": "COMPLETED", "content": "Found."}
    view.show(
        TeamRunOutput.model_validate({**TEAM, "status": "COMPLETED", "content": "So.", "member_responses": [answered]})
    )
    view.close()
    assert out.getvalue().splitlines() == ["  searcher │ Found.", "So.", "run t"]


@pytest.mark.parametrize(("end", "code"), [("Completed", 0), ("Error", 1), ("Paused", 5)])
def test_json_lines_end_with_the_code_of_the_run_that_was_asked_for(capsys, end, code):
    view = JsonView()
    for name, data in [
        ("RunContinued", member("a")),
        ("TeamRunContinued", TEAM),
        ("RunCompleted", member("a")),
        (f"TeamRun{end}", TEAM),
        ("RunError", member("a")),
    ]:
        view.show(parse_event({"event": name, **data}))
    assert (view.outcome.exit_code, view.outcome.run_id) == (code, "t")
    assert len(capsys.readouterr().out.splitlines()) == 5

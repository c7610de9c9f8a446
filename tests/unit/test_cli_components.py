"""Commands about agents, teams and workflows of a scripted server: whom an id names, and how paused runs go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner, Result

from serai.cli import app
from serai.cli.pause_answers import AnswerFlags, apply_flags, requirements_of
from serai.cli.pause_questions import ask_for
from serai.cli.pause_view import continue_command, describe_pause, pending_of, waiting_of
from serai.run.team import TeamRunOutput
from serai.run.workflow import WorkflowRunOutput

URL = "http://127.0.0.1:7777"
CONFIG = {
    "os_id": "os",
    "agents": [{"id": "helper"}, {"id": "twin"}],
    "teams": [{"id": "research"}, {"id": "twin"}],
    "workflows": [{"id": "qa"}, {"id": "a:b"}],
}
CONFIRMATION = {"tool_call_id": "c1", "tool_name": "delete", "tool_args": {"path": "/x"}, "requires_confirmation": True}
EXTERNAL = {"tool_call_id": "c2", "tool_name": "run", "external_execution_required": True}
TEAM_RUN: dict[str, Any] = {
    "run_id": "r1",
    "team_id": "research",
    "session_id": "s1",
    "status": "PAUSED",
    "tools": [{"tool_call_id": "d1", "tool_name": "delegate_task_to_member"}],
    "requirements": [
        {"id": "q1", "member_agent_id": "asker", "member_run_id": "m1", "tool_execution": CONFIRMATION},
        {"id": "q2", "tool_execution": EXTERNAL},
    ],
}
WORKFLOW_RUN: dict[str, Any] = {
    "run_id": "r1",
    "workflow_id": "qa",
    "session_id": "s1",
    "status": "PAUSED",
    "step_requirements": [
        {"step_id": "s1", "step_name": "guard", "requires_confirmation": True, "confirmation_message": "Go on?"},
        {
            "step_id": "s2",
            "step_name": "order",
            "requires_confirmation": True,
            "requires_user_input": True,
            "user_input_schema": [
                {"name": "size", "field_type": "int"},
                {"name": "colour", "field_type": "str", "allowed_values": ["red", "blue"]},
            ],
        },
        {
            "step_id": "s3",
            "step_name": "way",
            "requires_route_selection": True,
            "available_choices": ["left", "right"],
            "allow_multiple_selections": True,
        },
        {
            "step_id": "s4",
            "step_name": "draft",
            "requires_confirmation": True,
            "requires_output_review": True,
            "step_output": {"content": "good"},
        },
        {
            "step_id": "s5",
            "step_name": "act",
            "requires_executor_input": True,
            "executor_name": "asker",
            "executor_requirements": [{"id": "q1", "tool_execution": CONFIRMATION}],
        },
    ],
    "error_requirements": [{"step_id": "s6", "step_name": "fetch", "error_message": "timed out"}],
}


class Scripted(BaseHTTPRequestHandler):
    """Has components, and one run of each that is paused; answers what continues it with its end."""

    asked: list[tuple[str, dict[str, str]]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/config":
            self._answer(CONFIG)
        elif self.path.startswith("/teams/research"):
            self._answer(TEAM_RUN)
        else:
            self._answer(WORKFLOW_RUN)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.asked.append((self.path, {name: values[0] for name, values in parse_qs(body).items()}))
        self._answer({"run_id": "r1", "status": "COMPLETED", "content": "Done."})

    def _answer(self, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    Scripted.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", Scripted.asked
        http.shutdown()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the user's shell find a program called serai."""
    monkeypatch.delenv("SERAI_URL", raising=False)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    (tmp_path / "serai").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def invoke(url: str, *line: str) -> Result:
    return CliRunner().invoke(app, [*line, "--url", url])


@pytest.mark.parametrize(
    ("component", "path"),
    [
        ("helper", "/agents/helper/runs"),
        ("research", "/teams/research/runs"),
        ("qa", "/workflows/qa/runs"),
        ("a:b", "/workflows/a:b/runs"),
        ("agent:twin", "/agents/twin/runs"),
        ("team:twin", "/teams/twin/runs"),
        ("workflow:new", "/workflows/new/runs"),
    ],
)
def test_an_id_says_what_is_run(server, component, path):
    url, asked = server
    result = invoke(url, "run", component, "hello", "--no-stream")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Done.")
    assert [(path.replace("%3A", ":"), form["message"]) for path, form in asked] == [(path, "hello")]


def test_an_id_of_several_says_how_to_name_one(server):
    result = invoke(server[0], "run", "twin", "hello")
    assert result.exit_code == 4
    assert result.stderr == "serai: 'twin' may be several: write agent:twin or team:twin.\n"


def test_an_unknown_id_says_what_there_is(server):
    result = invoke(server[0], "runs", "list", "nobody", "--session", "s")
    assert result.exit_code == 4
    assert result.stderr == (
        "serai: There is no agent, team or workflow 'nobody' on this server. "
        "It has: agents helper, twin; teams research, twin; workflows qa, a:b.\n"
    )


def test_the_pause_of_a_team_names_its_members_and_the_command_that_ends_it():
    run = TeamRunOutput.model_validate(TEAM_RUN)
    assert describe_pause(run, url=URL).splitlines() == [
        '  asker: delete(path="/x") waits for a yes or no',
        "  run() waits for its result",
        "go on with:",
        "  serai runs continue research r1 --confirm c1 --result c2=TEXT",
        '  (to refuse: --reject instead of --confirm, and --note "why")',
    ]
    assert "runs continue team:research r1 " in continue_command(run, url=URL, component="team:research")


def test_the_pause_of_a_workflow_names_its_steps_and_the_command_that_ends_it():
    run = WorkflowRunOutput.model_validate(WORKFLOW_RUN)
    assert describe_pause(run, url=URL).splitlines() == [
        "  step guard waits for a yes or no (Go on?)",
        "  step order waits for a yes or no, and for values: size, colour (red, blue)",
        "  step way waits for a choice: left, right",
        "  step draft waits for a yes or no to its answer: good",
        '  asker: delete(path="/x") waits for a yes or no',
        "  step fetch waits for a retry or a skip: timed out",
        "go on with:",
        f"  {continue_command(run, url=URL)}",
        '  (to refuse: --reject instead of --confirm, and --note "why")',
        "  (to go on with another answer: --edit STEP=TEXT)",
        "  (to go on without a step: --skip instead of --retry)",
    ]


def test_the_command_answers_each_step():
    assert continue_command(WorkflowRunOutput.model_validate(WORKFLOW_RUN), url=URL) == (
        "serai runs continue qa r1 --confirm guard --confirm order --input order.size=VALUE "
        "--input order.colour=VALUE --select way=STEP --confirm draft --confirm c1 --retry fetch"
    )


def test_steps_of_the_same_name_are_named_by_their_ids():
    steps = [{"step_id": f"id{n}", "step_name": "ask", "requires_confirmation": True} for n in (1, 2)]
    run = WorkflowRunOutput(run_id="r", workflow_id="w", step_requirements=steps)
    assert continue_command(run, url=URL).endswith("--confirm id1 --confirm id2")
    [one] = apply_flags(pending_of(run), AnswerFlags(confirm=["id2"]))
    assert one is (run.step_requirements or [])[1]


def test_a_pause_that_does_not_say_for_what_leads_to_the_run():
    run = WorkflowRunOutput(run_id="r", workflow_id="w", status="PAUSED")
    assert describe_pause(run, url=URL) == "  its event does not say for what; see: serai runs show w r"


def test_a_team_is_continued_from_the_terminal(server):
    url, asked = server
    flags = ["--confirm", "delete", "--result", "run=a=b"]
    result = invoke(url, "runs", "continue", "research", "r1", *flags, "--no-stream")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Done.")
    [(path, form)] = asked
    assert (path, form["session_id"]) == ("/teams/research/runs/r1/continue", "s1")
    first, second = json.loads(form["requirements"])
    assert (first["id"], first["confirmation"], first["tool_execution"]["confirmed"]) == ("q1", True, True)
    assert (second["external_execution_result"], second["tool_execution"]["result"]) == ("a=b", "a=b")


FLAGS = ["--reject", "guard", "--note", "not now", "--confirm", "order", "--input", "order.size=3"]
FLAGS += ["--input", "s2.colour=red", "--select", "way=left", "--select", "s3=right", "--edit", "draft=better"]
FLAGS += ["--confirm", "c1", "--skip", "fetch"]


def test_a_workflow_is_continued_from_the_terminal(server):
    url, asked = server
    result = invoke(url, "runs", "continue", "workflow:qa", "r1", *FLAGS, "--no-stream")
    assert result.exit_code == 0, result.stderr
    sent = {one["step_id"]: one for one in json.loads(asked[0][1]["step_requirements"])}
    assert (sent["s1"]["confirmed"], sent["s1"]["rejection_feedback"]) == (False, "not now")
    assert (sent["s2"]["confirmed"], sent["s2"]["user_input"]) == (True, {"size": 3, "colour": "red"})
    assert sent["s3"]["selected_choices"] == ["left", "right"]
    assert (sent["s4"]["confirmed"], sent["s4"]["edited_output"]) == (True, "better")
    assert sent["s5"]["executor_requirements"][0]["tool_execution"]["confirmed"] is True
    assert sent["s6"]["decision"] == "skip"


def test_what_is_not_answered_is_not_sent():
    run = WorkflowRunOutput.model_validate(WORKFLOW_RUN)
    answered = apply_flags(pending_of(run), AnswerFlags(confirm=["guard"]))
    assert [one.step_id for one in requirements_of(run, answered)] == ["s1"]
    team_run = TeamRunOutput.model_validate(TEAM_RUN)
    answered = apply_flags(pending_of(team_run), AnswerFlags(confirm=["c1"]))
    assert [one.id for one in requirements_of(team_run, answered)] == ["q1"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (AnswerFlags(confirm=["nobody"]), r"no call or step 'nobody' waits for an answer; these do: s1 \(guard\)"),
        (AnswerFlags(confirm=["way"]), "way is answered by --select"),
        (AnswerFlags(select=["guard=x"]), "guard is answered by --confirm or --reject"),
        (AnswerFlags(edit=["guard=x"]), "guard is answered by --confirm or --reject"),
        (AnswerFlags(edit=["draft"]), "'draft' gives no answer; write STEP=TEXT"),
        (AnswerFlags(retry=["guard"]), "guard is answered by --confirm or --reject"),
        (AnswerFlags(confirm=["fetch"]), "fetch is answered by --retry or --skip"),
        (AnswerFlags(retry=["fetch"], skip=["s6"]), "s6 is both retried and skipped"),
        (AnswerFlags(confirm=["guard"], reject=["s1"]), "s1 is both confirmed and rejected"),
        (AnswerFlags(input=["order.size=big"]), "size: 'big' is no int; write it as JSON"),
        (AnswerFlags(input=["order.colour=green"]), "colour: 'green' is not allowed; one of these is: red, blue"),
        (AnswerFlags(input=["order.shape=round"]), "s2 has no field 'shape'; it has: size, colour"),
        (AnswerFlags(select=["way=up"]), "has no choice 'up'; it has: left, right"),
    ],
)
def test_a_wrong_flag_about_a_step_says_what_would_be_right(flags, said):
    with pytest.raises(ValueError, match=said):
        apply_flags(pending_of(WorkflowRunOutput.model_validate(WORKFLOW_RUN)), flags)


def test_a_terminal_is_asked_about_steps_and_members():
    run = WorkflowRunOutput.model_validate(WORKFLOW_RUN)
    said = ["y", "y", "3", "green", "red", "1, right", "n", "too short", "y", "y"]
    answers, shown = answer(run, said)
    steps = run.step_requirements or []
    assert requirements_of(run, answers) == [*steps, *(run.error_requirements or ())]
    guard, order, way, draft, act = steps
    assert (guard.confirmed, order.confirmed, order.user_input) == (True, True, {"size": 3, "colour": "red"})
    assert (way.selected_choices, draft.confirmed, draft.rejection_feedback) == (["left", "right"], False, "too short")
    assert (act.is_resolved, [one.decision for one in run.error_requirements or ()]) == (True, ["retry"])
    assert "colour: 'green' is not allowed" in shown
    assert 'asker: delete(path="/x") waits for a yes or no' in shown


def test_a_step_that_is_refused_is_asked_for_nothing_else():
    run = WorkflowRunOutput.model_validate({**WORKFLOW_RUN, "error_requirements": None})
    run.step_requirements = (run.step_requirements or [])[1:2]
    answer(run, ["n", "no stock"])
    [order] = run.step_requirements
    assert (order.confirmed, order.user_input, order.is_resolved) == (False, None, True)


def test_a_step_without_a_schema_takes_an_object():
    asked = {"step_id": "s", "step_name": "any", "requires_user_input": True}
    run = WorkflowRunOutput.model_validate({**WORKFLOW_RUN, "step_requirements": [asked], "error_requirements": None})
    assert "--input any.NAME=VALUE" in continue_command(run, url=URL)
    _, shown = answer(run, ["[1]", "nonsense", '{"k": 1}'])
    assert (run.step_requirements or [])[0].user_input == {"k": 1}
    assert shown.count("Values, as a JSON object") == 3


def answer(run: Any, said: Sequence[str]) -> tuple[list[Any], str]:
    """Return what a person's answers at the terminal make of a run's requirements, and what was shown."""
    with CliRunner().isolation(input="".join(f"{line}\n" for line in said)) as (out, *_):
        answered = ask_for(waiting_of(run))
        return answered, out.getvalue().decode()

"""The command line with arguments that cannot be sent, answers that cannot be printed, and outputs that are full."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console
from typer.testing import CliRunner

from serai.cli import app
from serai.cli.answer_view import AnswerView
from serai.cli.json_view import JsonView
from serai.cli.output import json_line
from serai.cli.pause_answers import AnswerFlags, apply_flags
from serai.cli.runs_work import show_runs
from serai.run.agent import RunContentEvent, RunErrorEvent, RunOutput, RunSchema, ToolCallCompletedEvent
from serai.tools import ToolExecution

HALF = "a\ud800b"
NOWHERE = "http://127.0.0.1:9"
CONFIG = {"os_id": "os", "agents": [{"id": "a"}]}
COMPLETED = {"run_id": "r1", "status": "COMPLETED", "content": HALF}


class Answers(BaseHTTPRequestHandler):
    """Has an agent a with a run r1 without events that is completed, and a run p1 that is paused."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        is_stream = self.path.endswith("/events")
        run = COMPLETED | ({"run_id": "p1", "status": "PAUSED"} if "/p1" in self.path else {})
        answer = CONFIG if self.path == "/config" else run
        self._answer(b"" if is_stream else json.dumps(answer).encode(), is_stream=is_stream)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(json.dumps(COMPLETED).encode(), is_stream=False)

    def _answer(self, body: bytes, *, is_stream: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["run", "", "hi"], "COMPONENT must not be empty"),
        (["run", "agent:", "hi"], "agent_id must not be ''"),
        (["run", "team:", "hi"], "team_id must not be ''"),
        (["runs", "list", "workflow:..", "--session", "x"], "workflow_id must not be '..'"),
        (["runs", "show", "a", ""], "run_id must not be ''"),
        (["runs", "show", "", "x"], "COMPONENT must not be empty"),
        (["runs", "follow", "a", ""], "run_id must not be ''"),
        (["runs", "continue", "a", "", "--confirm", "x"], "run_id must not be ''"),
        (["runs", "cancel", "a", "."], "run_id must not be '.'"),
        (["run", "a", "\udcff\udcfe"], "message is no valid Unicode"),
        (["run", "a", "hi", "--session", "\udcff"], "session_id is no valid Unicode"),
        (["run", "a", "hi", "--user", "\ud800"], "user_id is no valid Unicode"),
        (["runs", "list", "a", "--session", "\udcff"], "session_id is no valid Unicode"),
        (["runs", "list", "a", "--session", "s" * 100_000], "The arguments make no URL that can be sent"),
        (["runs", "show", "a", "\udcff"], "run_id is no valid Unicode"),
        (["run", "a", "hi", "--key", "é"], "--key: A key must be printable ASCII"),
        (["run", "a", "hi", "--key", "a\nb"], "--key: A key must be printable ASCII"),
        (["run", "a", "hi", "--key", ""], "--key: A key must not be empty"),
        (["records", "collections", "--key", "é"], "--key: The header authorization must be printable ASCII"),
    ],
)
def test_an_argument_that_cannot_be_sent_is_one_line_and_exit_code_2(url, line, said):
    result = CliRunner().invoke(app, [*line, "--url", url])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"serai: {said}")
    assert result.stderr.count("\n") == 1


def test_standard_input_that_is_no_text_is_one_line_and_exit_code_2():
    result = CliRunner().invoke(app, ["run", "a", "-", "--url", NOWHERE], input=b"\xff\xfe")
    assert result.exit_code == 2
    assert result.stderr == "serai: What standard input holds is no text in UTF-8.\n"


def test_an_answer_with_half_a_character_is_shown(url):
    result = CliRunner().invoke(app, ["run", "a", "hi", "--no-stream", "--url", url])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "a\ufffdb"


def test_half_characters_are_replaced_wherever_they_are_shown():
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False))
    view.show(RunContentEvent(run_id="r1", content=HALF))
    tool = ToolExecution(tool_call_id=HALF, tool_name=HALF, tool_args={HALF: HALF}, result=HALF)
    view.show(ToolCallCompletedEvent(run_id="r1", tool=tool))
    asked = ToolExecution(tool_call_id=HALF, tool_name="t", requires_confirmation=True)
    view.show(RunOutput(run_id="r1", status="PAUSED", tools=[asked]))
    view.show(RunErrorEvent(run_id="r1", content=HALF))
    view.close()
    out.flush()
    shown = out.buffer.getvalue().decode()
    assert '· a\ufffdb(a\ufffdb="a\ufffdb") → a\ufffdb' in shown
    assert "--confirm 'a\ufffdb'" in shown
    assert "error: a\ufffdb" in shown


def test_json_has_half_characters_as_escapes(capsys):
    view = JsonView()
    view.show(RunContentEvent(run_id="r1", content=HALF))
    show_runs([RunSchema(run_id="r1", run_input=HALF)], as_json=True)
    first, second = capsys.readouterr().out.splitlines()
    assert '"a\\ud800b"' in first
    assert (json.loads(first)["content"], json.loads(second)["run_input"]) == (HALF, HALF)
    assert json.loads(json_line(RunContentEvent(content={HALF: b"\x00"}), exclude_none=True))["content"] == {
        HALF: "AA=="
    }


def test_a_table_of_runs_replaces_half_characters(capsys):
    show_runs([RunSchema(run_id="r1", run_input=HALF, content=HALF)], as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ["r1", "a\ufffdb", "a\ufffdb"]


@pytest.mark.parametrize(
    ("line", "unbuffered"),
    [(["run", "a", "hi"], ""), (["run", "a", "hi", "--json"], "1"), (["runs", "cancel", "a", "r1"], "")],
)
def test_a_full_disk_is_one_line_and_a_closed_pipe_is_silent(url, line, unbuffered):
    command = [sys.executable, "-m", "serai", *line, "--url", url]
    if line[0] == "run":
        command.append("--no-stream")
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - not a path of ours
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment)
    assert told.stderr == b"serai: Cannot write to standard output: No space left on device.\n"
    assert told.returncode == 1
    reading, writing = os.pipe()
    os.close(reading)
    silent = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, env=environment)
    os.close(writing)
    assert (silent.returncode, silent.stderr) == (1, b"")


def test_characters_that_the_terminal_lacks_are_replaced_and_json_is_escaped(url):
    command = [sys.executable, "-m", "serai", "run", "a", "hi", "--no-stream", "--url", url]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    plain = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (plain.returncode, plain.stdout.splitlines()[0]) == (0, b"a?b")
    as_json = subprocess.run([*command, "--json"], capture_output=True, check=False, env=environment)
    assert json.loads(as_json.stdout)["content"] == HALF


@pytest.mark.parametrize(("run", "code", "status"), [("r1", 0, "completed"), ("p1", 5, "paused")])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_following_after_the_last_event_ends_with_the_code_of_the_run(url, run, code, status, more):
    result = CliRunner().invoke(app, ["runs", "follow", "a", run, "--after", "99999", "--url", url, *more])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"There are no further events; the run is {status}.\n"


@pytest.mark.parametrize("after", ["-5", str(2**31)])
def test_a_number_that_no_event_has_is_a_wrong_argument(after):
    result = CliRunner().invoke(app, ["runs", "follow", "a", "r", "--after", after, "--url", NOWHERE])
    assert result.exit_code == 2
    assert "--after" in result.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (AnswerFlags(result=["k2"]), "'k2' gives no answer; write CALL=TEXT"),
        (AnswerFlags(result_file=["k2"]), "'k2' gives no answer; write CALL=PATH"),
        (AnswerFlags(input=["k3.to"]), r"--input k3\.to gives no value; write CALL\.FIELD=VALUE"),
        (AnswerFlags(input=["k3"]), r"'k3' gives no answer; write CALL\.FIELD=VALUE"),
        (AnswerFlags(select=["q1"]), "'q1' gives no answer; write CALL=LABEL"),
        (AnswerFlags(result=["k2=\udcff"]), "An answer is no valid Unicode"),
    ],
)
def test_a_flag_without_its_answer_says_how_to_write_it(flags, said):
    pending = [
        ToolExecution(tool_call_id="k2", tool_name="ext", external_execution_required=True),
        ToolExecution.model_validate(
            {"tool_call_id": "k3", "requires_user_input": True, "user_input_schema": [{"name": "to"}]}
        ),
        ToolExecution.model_validate({"tool_call_id": "q1", "user_feedback_schema": [{"question": "Which?"}]}),
    ]
    with pytest.raises(ValueError, match=said):
        apply_flags(pending, flags)


def test_a_call_that_was_approved_and_not_made_shows_no_result():
    approved = ToolExecution(tool_name="confirm", requires_confirmation=True, confirmed=True)
    filled = ToolExecution(tool_name="mail", requires_user_input=True, answered=True)
    waiting = ToolExecution(tool_name="ext", external_execution_required=True)
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False))
    view.show(RunOutput(run_id="r1", agent_id="a", status="PAUSED", tools=[approved, filled, waiting]))
    view.close()
    assert out.getvalue().splitlines()[:2] == [
        "· confirm() → approved, not made yet",
        "· mail() → answered, not made yet",
    ]

"""How the command line shows traces: the drawing, the conditions of a search, and following what goes on."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from serai.cli import app
from serai.cli.trace_filters import read_filter
from serai.cli.trace_view import trace_lines
from serai.traces import TraceDetail
from tests.unit.scripted_server import Behaviour, Received, answer, scripted_server

BEGIN = datetime(2026, 11, 20, 23, 16, 20, tzinfo=UTC)
ID = "bc01c7cdd66cd44f0cd18ac8ddb0795c"


def span(name: str, kind: str, begin_ms: int, end_ms: int, *inner: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "id": f"{begin_ms:016x}",
        "name": name,
        "type": kind,
        "status": "OK",
        "duration": f"{end_ms - begin_ms}ms",
        "start_time": (BEGIN + timedelta(milliseconds=begin_ms)).isoformat(),
        "end_time": (BEGIN + timedelta(milliseconds=end_ms)).isoformat(),
        "spans": list(inner) or None,
        **members,
    }


def trace(*tree: dict[str, Any], **members: Any) -> dict[str, Any]:
    known = {"trace_id": ID, "total_spans": 3, "duration": "100ms", "input": "Tea?", "run_id": "r-1"}
    return {**span("team", "TEAM", 0, 100), **known, "tree": list(tree), **members}


TREE = span(
    "team",
    "TEAM",
    0,
    100,
    span("gpt", "LLM", 0, 50, metadata={"input_tokens": 1210, "output_tokens": 32, "cost": 0.0012}),
    span("search", "TOOL", 50, 75, status="ERROR", error="no\nanswer", input='{"q": 1}'),
    span("say", "TOOL", 75, 100, duration_ms=25, is_running=True, output="spoken"),
    metadata={"total_input_tokens": 1210, "total_output_tokens": 32},
)


def drawn(members: dict[str, Any], *, encoding: str = "utf-8", width: int = 0, with_texts: bool = False) -> list[str]:
    """Return the lines of a drawing; of a terminal when it has a width."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width or None, force_terminal=width > 0, highlight=False)
    return [line.plain for line in trace_lines(TraceDetail.model_validate(members), console, with_texts=with_texts)]


def test_a_trace_is_drawn_as_a_tree_with_bars_tokens_costs_and_errors() -> None:
    lines = drawn(trace(TREE, status="ERROR", error_count=1, output="Tea.", cost=0.0012, total_tokens=1242), width=70)
    assert lines == [
        "team  ERROR  100ms  3 spans  1 failed  1,242 tokens  $0.0012",
        f"trace {ID}  run r-1  2026-11-20 23:16:20 UTC",
        "asked: Tea?",
        "answer: Tea.",
        "",
        "team       TEAM  ███████████████████████████  100ms  1,210+32",
        "├─ gpt     LLM   ██████████████·············   50ms  1,210+32  $0.0012",
        "├─ search  TOOL  ·············███████·······   25ms",
        "│     no answer",
        "└─ say     TOOL  ····················███████   25ms",
    ]


def test_bars_share_the_time_of_what_goes_on_and_a_trace_that_only_waits_says_so() -> None:
    waiting = span("wait", "WAIT", 100, 400, duration_ms=300, is_running=True)
    lines = drawn(trace(span("agent", "AGENT", 0, 100, waiting), status="UNSET"), encoding="ascii")
    assert lines[0].startswith("team  WAITING  ")
    assert lines[4:] == [
        f"agent    AGENT  {'#' * 15}{'.' * 45}  100ms",
        f"`- wait  WAIT   {'.' * 15}{'#' * 45}  300ms",
    ]


def test_a_plain_drawing_takes_the_characters_that_there_are_and_all_texts_where_they_are_wanted() -> None:
    assert drawn(trace(TREE), encoding="ascii", with_texts=True)[4:] == [
        f"team       TEAM  {'#' * 60}  100ms  1,210+32",
        f"|- gpt     LLM   {'#' * 30}{'.' * 30}   50ms  1,210+32  $0.0012",
        f"|- search  TOOL  {'.' * 30}{'#' * 15}{'.' * 15}   25ms",
        '|     input: {"q": 1}',
        "|     error: no",
        "|            answer",
        f"`- say     TOOL  {'.' * 45}{'#' * 15}   25ms",
        "      output: spoken",
    ]


@pytest.mark.parametrize("width", [10, 40, 81])
def test_a_narrow_terminal_cuts_names_and_not_bars(width: int) -> None:
    deep = span("a" * 90, "AGENT", 0, 100, span("工具" * 30, "TOOL", 10, 10))
    for line in drawn(trace(deep), width=width)[4:]:
        assert "…" in line
        assert max(line.count("█"), line.count("·")) >= 4


def test_a_trace_without_spans_or_time_is_drawn_too() -> None:
    assert drawn(trace(), width=70)[-1] == ""
    assert drawn(trace(span("quick", "AGENT", 0, 0), duration="0ms", end_time=BEGIN.isoformat()))[-1].startswith(
        "quick"
    )


@pytest.mark.parametrize(
    ("conditions", "text", "wanted"),
    [
        ([], None, None),
        (["status=ERROR"], None, {"op": "EQ", "key": "status", "value": "ERROR"}),
        (["user_id!=a=b"], None, {"op": "NEQ", "key": "user_id", "value": "a=b"}),
        (["agent_id=a,b"], None, {"op": "IN", "key": "agent_id", "values": ["a", "b"]}),
        (["duration_ms>=1500"], None, {"op": "GTE", "key": "duration_ms", "value": 1500}),
        (
            ["name~tea", "trace_id^=bc"],
            '{"op": "EQ", "key": "run_id", "value": "r"}',
            {
                "op": "AND",
                "conditions": [
                    {"op": "CONTAINS", "key": "name", "value": "tea"},
                    {"op": "STARTSWITH", "key": "trace_id", "value": "bc"},
                    {"op": "EQ", "key": "run_id", "value": "r"},
                ],
            },
        ),
    ],
)
def test_conditions_become_one_filter(conditions: list[str], text: str | None, wanted: Any) -> None:
    assert read_filter(conditions, text) == wanted


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["status"], "'status' is no condition; write one as status=ERROR"),
        (["duration_ms>long"], "duration_ms must be compared with a number, not with 'long'"),
        (["--filter", "{"], "--filter is no JSON"),
        (["--filter", "[]"], "--filter must be a JSON object such as"),
        (["--by-session", "--all"], "--all lists traces"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused_before_it_is_sent(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["traces", "search", *arguments, "--url", "http://127.0.0.1:1"])
    assert done.exit_code == 2
    assert told in done.stderr


async def told(*arguments: str, script: list[Behaviour], env: dict[str, str] | None = None) -> Result:
    """Return what a command prints when the server answers as scripted, and nothing else."""
    async with scripted_server(*script) as server:
        command = ["traces", *arguments, "--url", server.base_url]
        done = await asyncio.to_thread(CliRunner().invoke, app, command, env=env)
        assert len(server.received) == len(script), [one.target for one in server.received]
        return done


def page(*rows: dict[str, Any]) -> Behaviour:
    return answer(200, json.dumps({"data": rows, "meta": {"page": 1, "total_pages": 1, "limit": 20}}).encode())


def one(**members: Any) -> Behaviour:
    return answer(200, json.dumps(trace(TREE, **members)).encode())


async def silence(_: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until the caller has gone."""
    await reader.read()
    writer.close()


MISSING = answer(404, b'{"detail": "Trace not found"}')


async def test_the_latest_trace_one_of_a_run_and_one_by_its_beginning_are_shown() -> None:
    for arguments, script in (
        ([], [page(trace()), one()]),
        (["r-1"], [page(trace()), one()]),
        (["BC01c7"], [page(), page(trace()), one()]),
        ([ID], [one(), one()]),
        ([ID], [MISSING, page(trace()), one()]),
    ):
        done = await told("show", *arguments, script=script)
        assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "team  OK  100ms  3 spans")


async def test_what_no_trace_or_more_than_one_is_called_is_said() -> None:
    none = await told("show", "r-2", script=[page()])
    assert (none.exit_code, none.stdout) == (4, "")
    assert none.stderr.startswith("serai: No trace and no run with a trace is called r-2; see them with: ")
    several = await told("show", "bc01", script=[page(), page(trace(), trace(trace_id="bc01" + 28 * "0"))])
    assert several.exit_code == 2
    assert "Several traces begin with bc01" in several.stderr


async def test_a_span_is_shown_with_all_that_it_was_given() -> None:
    whole = {
        **span("search", "TOOL", 0, 5),
        "input": "line 1\nline 2",
        "output": "found",
        "metadata": {"tool_name": "s"},
    }
    done = await told("show", ID, "--span", "0" * 16, script=[one(), answer(200, json.dumps(whole).encode())])
    lines = done.stdout.splitlines()
    assert lines[:3] == ["search", "span: 0000000000000000", "type: TOOL"]
    assert lines[-8:] == ["tool_name: s", "", "input:", "line 1", "line 2", "", "output:", "found"]


async def test_a_followed_trace_is_drawn_as_it_grows_and_ends_with_the_whole() -> None:
    script = [page(trace()), one(is_running=True), one()]
    plain = await told("show", "--follow", script=script)
    assert [line[:15] for line in plain.stdout.splitlines() if line.startswith("team ")] == [
        "team  OK  100ms",
        "team       TEAM",
    ]
    drawn_live = await told("show", "--follow", script=script, env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert drawn_live.stdout.index("RUNNING") < drawn_live.stdout.rindex("\x1b[2K") < drawn_live.stdout.rindex("OK")


async def test_a_followed_list_says_each_trace_once_when_it_has_ended_until_ctrl_c() -> None:
    first, later = trace(trace_id="1" * 32), trace(trace_id="2" * 32, name="late")
    script = [
        page({**later, "is_running": True}, first),
        page(later, first),
        silence,
    ]
    async with scripted_server(*script) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "serai", "traces", "list", "--follow", "--url", server.base_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, stderr = await process.communicate()
    assert [line.split()[:2] for line in lines] == [["TRACE", "NAME"], ["1" * 32, "team"], ["2" * 32, "late"]]
    assert (process.returncode, rest, stderr) == (130, b"", b"serai: Stopped watching.\n")

"""``serai sessions``, ``memories``, ``metrics``, ``evals``, ``retention`` and ``users``, as typed.

The server gives the protocol's answers and keeps what it was asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner, Result

from serai.cli import app
from tests.hosting import serving

SESSION = {
    "session_id": "s-1",
    "session_name": "Trip\x1b to Oslo",
    "team_id": "research-team",
    "user_id": "ada",
    "session_state": {"city": "Oslo"},
    "total_tokens": 1234,
    "created_at": "2026-11-20T23:16:12Z",
    "updated_at": 1795216573,
}
PREVIEW = {"run_id": "r-1", "status": "COMPLETED", "run_input": "Where to?", "content_preview": "To\nOslo"}
MEMORY = {
    "memory_id": "m-1",
    "memory": "Prefers dark mode",
    "topics": ["ui"],
    "user_id": "ada",
    "origin": "extraction",
    "updated_at": "2026-11-20T23:14:07Z",
}
CHANGE = {"change_id": "c-1", "action": "created", "memory_id": "m-1", "after": MEMORY, "at": "2026-11-20T23:14:07Z"}
UNDONE = {"change_id": "c-2", "action": "deleted", "memory_id": "m-1", "before": MEMORY, "undoes": "c-1"}
AUDIT = {
    "total": 3,
    "checked": 3,
    "automatic": 1,
    "without_source": 2,
    "exact_duplicates": [["m-1", "m-2"]],
    "near_duplicates": [],
}
OPTIMIZED = {
    "memories": [MEMORY],
    "memories_before": 3,
    "memories_after": 1,
    "tokens_before": 40,
    "tokens_after": 12,
    "tokens_saved": 28,
    "reduction_percentage": 70.0,
}
DAY = {
    "id": "d",
    "date": "2026-11-20T00:00:00Z",
    "users_count": 2,
    "agent_runs_count": 1234,
    "token_metrics": {"input_tokens": 526, "output_tokens": 26},
    "model_metrics": [{"model_id": "echo-1", "model_provider": "Fake", "count": 4}],
}
EVAL = {
    "id": "e-1",
    "agent_id": "echo-agent",
    "eval_type": "accuracy",
    "eval_data": {"avg_score": 8.5, "results": [{"input": "i", "output": "o", "score": 8, "reason": "close"}]},
    "status": "COMPLETED",
    "created_at": "2026-11-20T23:14:07Z",
}
RUNNING = {**EVAL, "eval_data": {}, "status": "RUNNING", "progress": {"finished": 2, "of": 5}}
FAILED = {**EVAL, "eval_data": {}, "status": "ERROR", "error": "no model"}


def page(*items: dict[str, Any], pages: int = 1) -> dict[str, Any]:
    meta = {"page": 1, "limit": len(items), "total_pages": pages, "total_count": pages * len(items)}
    return {"data": items, "meta": meta}


ANSWERS: dict[str, Any] = {
    "GET /sessions": page(SESSION, pages=3),
    "GET /sessions/s-1": SESSION,
    "GET /sessions/s-1/run-previews": [PREVIEW],
    "POST /sessions/s-1/rename": {**SESSION, "session_name": "Oslo"},
    "DELETE /sessions/s-1": None,
    "DELETE /sessions/s-2": None,
    "GET /memories": page(MEMORY),
    "GET /memories/m-1": MEMORY,
    "POST /memories": MEMORY,
    "PATCH /memories/m-1": MEMORY,
    "DELETE /memories": None,
    "GET /memory_topics": ["ui", "pets"],
    "GET /user_memory_stats": page({"user_id": "ada", "total_memories": 1234}),
    "POST /optimize-memories": OPTIMIZED,
    "GET /memories/changes": page(CHANGE),
    "POST /memories/changes/c-1/undo": {"data": [UNDONE]},
    "GET /memories/audit": AUDIT,
    "GET /metrics": {"metrics": [DAY], "updated_at": None},
    "POST /metrics/refresh": [DAY],
    "GET /eval-runs": page(EVAL, RUNNING),
    "GET /eval-runs/e-1": EVAL,
    "POST /eval-runs": EVAL,
    "DELETE /eval-runs": None,
    "POST /eval-runs/e-1/cancel": {**RUNNING, "status": "CANCELLED"},
    "GET /retention": {
        "rules": {"events": 30, "sessions": None},
        "last": {"status": "COMPLETED", "removed": {"events": 5}, "started_at": "2026-11-20T23:14:07Z"},
    },
    "POST /retention/apply": {"dry_run": True, "removed": {"events": 1234, "sessions": 0}},
    "DELETE /users/ada": {"user_id": "ada", "removed": {"sessions": 1, "memories": 2}},
}


class Server:
    """Answers by method and path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers = dict(ANSWERS)
        self.asked: list[tuple[str, dict[str, Any], Any]] = []

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        name = f"{request.method} {request.url.path}"
        query = {key: values[0] if len(values) == 1 else values for key, values in _lists(request).items()}
        self.asked.append((name, query, json.loads(body) if body else None))
        if name not in self.answers:
            return JSONResponse({"detail": f"{name} is not there"}, 404)
        answer = self.answers[name]
        return Response(status_code=204) if answer is None else JSONResponse(answer)


def _lists(request: Request) -> dict[str, list[str]]:
    return {key: request.query_params.getlist(key) for key in request.query_params}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERAI_URL", "SERAI_SECURITY_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    methods = ["GET", "POST", "PATCH", "DELETE"]
    async with serving(Starlette(routes=[Route("/{path:path}", server.answer, methods=methods)])) as server.url:
        yield server


async def typed(server: Server, *arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*arguments, "--url", server.url]))


async def printed(server: Server, *arguments: str) -> str:
    result = await typed(server, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_sessions_are_a_table_and_the_next_page_is_named(server: Server) -> None:
    result = await typed(
        server, "sessions", "list", "--user", "ada", "--type", "team", "--name", "oslo", "--limit", "1"
    )
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["SESSION", "TYPE", "COMPONENT", "USER", "NAME", "TOKENS", "UPDATED", "(UTC)"]
    assert row == "s-1      team  research-team  ada   Trip\ufffd to Oslo   1,234  2026-11-20 23:16:13"
    assert result.stderr == "1 of 3; the next: --page 2\n"
    [(_, query, _)] = server.asked
    wanted = {"user_id": "ada", "type": "team", "session_name": "oslo", "limit": "1", "page": "1"}
    assert wanted.items() <= query.items()


async def test_all_sessions_are_json_lines(server: Server) -> None:
    server.answers["GET /sessions"] = page(SESSION, {**SESSION, "session_id": "s-2"})
    lines = [json.loads(line) for line in (await printed(server, "sessions", "list", "--all", "--json")).splitlines()]
    assert [line["session_id"] for line in lines] == ["s-1", "s-2"]
    assert lines[0]["session_name"] == SESSION["session_name"]


async def test_a_session_is_shown_with_its_runs(server: Server) -> None:
    shown = await printed(server, "sessions", "show", "s-1")
    facts, _, runs = shown.partition("\n\n")
    assert [line.split(maxsplit=1) for line in facts.splitlines()] == [
        ["session:", "s-1"],
        ["name:", "Trip\ufffd to Oslo"],
        ["team:", "research-team"],
        ["user:", "ada"],
        ["created:", "2026-11-20 23:16:12"],
        ["updated:", "2026-11-20 23:16:13"],
        ["tokens:", "1,234"],
        ["state:", '{"city": "Oslo"}'],
    ]
    assert runs.splitlines()[1].split() == ["r-1", "COMPLETED", "Where", "to?", "To", "Oslo"]
    lines = [json.loads(line) for line in (await printed(server, "sessions", "show", "s-1", "--json")).splitlines()]
    assert [line.get("run_id") for line in lines] == [None, "r-1"]


async def test_sessions_are_renamed_and_removed(server: Server) -> None:
    assert await printed(server, "sessions", "rename", "s-1", "Oslo") == "Session s-1 is called 'Oslo' now.\n"
    assert await printed(server, "sessions", "rm", "s-1", "s-2", "--user", "ada") == (
        "Removed, if they were there: s-1, s-2\n"
    )
    assert server.asked == [
        ("POST /sessions/s-1/rename", {}, {"session_name": "Oslo"}),
        ("DELETE /sessions/s-1", {"user_id": "ada"}, None),
        ("DELETE /sessions/s-2", {"user_id": "ada"}, None),
    ]


async def test_memories_are_listed_and_shown(server: Server) -> None:
    listed = await printed(server, "memories", "list", "--topic", "ui", "--topic", "pets", "--search", "dark")
    assert listed.splitlines()[1] == "m-1     ada   Prefers dark mode  ui      2026-11-20 23:14:07"
    assert server.asked[0][1]["topics"] == ["ui", "pets"]
    shown = await printed(server, "memories", "show", "m-1")
    assert "origin:   extraction\n" in shown
    assert shown.endswith("\n\nPrefers dark mode\n")
    assert json.loads(await printed(server, "memories", "show", "m-1", "--json"))["topics"] == ["ui"]


async def test_memories_are_added_changed_and_removed(server: Server) -> None:
    assert await printed(server, "memories", "add", "Likes tea", "--user", "ada", "--topic", "ui") == (
        "Memory m-1 is stored.\n"
    )
    assert await printed(server, "memories", "update", "m-1", "Likes tea") == "Memory m-1 is changed.\n"
    await printed(server, "memories", "rm", "m-1", "--user", "ada")
    whole = {"memory": "Likes tea", "user_id": "ada", "topics": ["ui"]}
    assert [(name, body) for name, _, body in server.asked] == [
        ("POST /memories", whole),
        ("GET /memories/m-1", None),
        ("PATCH /memories/m-1", whole),
        ("DELETE /memories", {"memory_ids": ["m-1"], "user_id": "ada"}),
    ]
    refused = await typed(server, "memories", "add", "x" * 5001, "--user", "ada")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "serai: memory must have at most 5,000 characters, and has 5,001.\n",
    )


async def test_topics_and_statistics_of_memories(server: Server) -> None:
    assert await printed(server, "memories", "topics") == "pets\nui\n"
    assert (await printed(server, "memories", "stats")).splitlines()[1].split() == ["ada", "1,234"]
    optimized = await printed(server, "memories", "optimize", "--user", "ada", "--preview")
    assert optimized.endswith("\n\n3 memories would become 1, 40 tokens 12 (70 % less).\n")
    assert server.asked[-1][2] == {"user_id": "ada", "apply": False}


async def test_changes_of_memories_are_listed_and_undone(server: Server) -> None:
    listed = (await printed(server, "memories", "changes", "--run", "r-1")).splitlines()
    assert listed[1].split() == ["c-1", "2026-11-20", "23:14:07", "created", "Prefers", "dark", "mode"]
    assert server.asked[0][1]["run_id"] == "r-1"
    assert await printed(server, "memories", "undo", "c-1", "--together") == "Memory m-1 is gone again\n"
    assert server.asked[1][1] == {"together": "true"}


async def test_an_audit_of_memories_names_duplicates(server: Server) -> None:
    facts, _, groups = (await printed(server, "memories", "audit", "--user", "ada")).partition("\n\n")
    assert facts.splitlines()[0].split() == ["memories:", "3"]
    assert groups.splitlines()[1].split() == ["exact", "m-1", "m-2"]


async def test_metrics_are_a_table_of_days(server: Server) -> None:
    rows = (await printed(server, "metrics", "--from", "2026-11-01", "--to", "2026-11-30")).splitlines()
    assert rows[1].split() == ["2026-11-20", "2", "1,234", *"00000", "526", "26", "echo-1", "4"]
    assert server.asked[0][1] == {"starting_date": "2026-11-01", "ending_date": "2026-11-30"}
    assert json.loads(await printed(server, "metrics", "refresh", "--json"))["users_count"] == 2
    wrong = await typed(server, "metrics", "refresh", "--user", "ada")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert (await typed(server, "metrics", "--from", "yesterday")).exit_code == 2


async def test_evals_are_listed_with_their_outcome(server: Server) -> None:
    rows = (await printed(server, "evals", "list", "--type", "accuracy", "--type", "performance")).splitlines()
    assert rows[1].split() == ["e-1", "accuracy", "echo-agent", "COMPLETED", "8.5", "score", "2026-11-20", "23:14:07"]
    assert "RUNNING, 2 of 5" in rows[2]
    assert server.asked[0][1]["eval_types"] == "accuracy,performance"


async def test_an_eval_is_shown_with_its_results(server: Server) -> None:
    shown = await printed(server, "evals", "show", "e-1")
    assert "avg_score:  8.5\n" in shown
    assert shown.splitlines()[-1].split() == ["i", "o", "8", "close"]
    assert "CANCELLED" in await printed(server, "evals", "cancel", "e-1")
    await printed(server, "evals", "rm", "e-1", "e-2")
    assert server.asked[-1][2] == {"eval_run_ids": ["e-1", "e-2"]}


async def test_an_eval_is_run(server: Server) -> None:
    flags = ["--agent", "echo-agent", "--tool", "add", "--tool-arguments", '{"add": {"a": 1}}', "--model", "openai:m"]
    await printed(server, "evals", "run", "reliability", "What is 1 + 1?", *flags, "--background", "--json")
    [(_, query, body)] = server.asked
    assert query == {"background": "true"}
    assert body == {
        "eval_type": "reliability",
        "input": "What is 1 + 1?",
        "agent_id": "echo-agent",
        "model_provider": "openai",
        "model_id": "m",
        "expected_tool_calls": ["add"],
        "expected_tool_call_arguments": {"add": {"a": 1}},
        "allow_additional_tool_calls": False,
        "num_iterations": 1,
    }
    server.answers["POST /eval-runs"] = RUNNING
    waited_for = await printed(server, "evals", "run", "accuracy", "i", "--agent", "a", "--expected", "o")
    assert "COMPLETED" in waited_for
    assert [name for name, _, _ in server.asked[1:]] == ["POST /eval-runs", "GET /eval-runs/e-1"]
    server.answers["POST /eval-runs"] = FAILED
    failed = await typed(server, "evals", "run", "accuracy", "i", "--agent", "a", "--expected", "o")
    assert (failed.exit_code, "no model" in failed.stdout) == (1, True)
    for wrong in (["--model", "gpt"], ["--tool-arguments", "{"], ["--tool-arguments", "[]"]):
        assert (await typed(server, "evals", "run", "reliability", "i", *wrong)).exit_code == 2


async def test_retention_is_shown_and_applied(server: Server) -> None:
    rules, _, last = (await printed(server, "retention", "show")).partition("\n\n")
    assert [row.split() for row in rules.splitlines()[1:]] == [["events", "30", "days"], ["sessions", "for", "ever"]]
    assert last.splitlines()[0].split(maxsplit=3)[-1] == "2026-11-20 23:14:07"
    _, *applied = (await printed(server, "retention", "apply", "--dry-run")).splitlines()
    assert [row.split() for row in applied] == [["events", "1,234"]]
    server.answers["POST /retention/apply"] = {"status": "RUNNING", "removed": {}}
    assert "goes on in the background" in (await typed(server, "retention", "apply")).stderr
    server.answers["POST /retention/apply"] = {"status": "ERROR", "removed": {}, "error": "no room"}
    failed = await typed(server, "retention", "apply", "--json")
    assert (failed.exit_code, failed.stderr) == (1, "serai: It failed: no room\n")
    assert [query for name, query, _ in server.asked if name.startswith("POST")] == [
        {"dry_run": "true"},
        {"dry_run": "false"},
        {"dry_run": "false"},
    ]


async def test_a_user_is_erased_only_when_that_is_said(server: Server) -> None:
    refused = await typed(server, "users", "erase", "ada")
    assert (refused.exit_code, server.asked) == (2, [])
    assert "say --yes" in refused.stderr
    counted = await printed(server, "users", "erase", "ada", "--dry-run")
    assert "WOULD BE REMOVED" in counted
    erased = json.loads(await printed(server, "users", "erase", "ada", "--yes", "--json"))
    assert erased["removed"] == {"sessions": 1, "memories": 2}
    assert [query["dry_run"] for _, query, _ in server.asked] == ["true", "false"]


@pytest.mark.parametrize(("said", "code", "asked"), [("n", 1, ["true"]), ("y", 0, ["true", "false"])])
async def test_a_terminal_is_asked_before_a_user_is_erased(
    server: Server, said: str, code: int, asked: list[str]
) -> None:
    ended, text = await asyncio.to_thread(in_a_terminal, said, "users", "erase", "ada", "--url", server.url)
    assert "Remove all 3 rows about ada for good? [y/N]:" in text
    assert ended == code
    assert [query["dry_run"] for _, query, _ in server.asked] == asked


def in_a_terminal(said: str, *arguments: str) -> tuple[int, str]:
    """Run a command in a terminal of its own, answer its question, and return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "serai", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = "".join(_until_question(ours))
    os.write(ours, f"{said}\n".encode())
    code = process.wait(timeout=20)
    os.close(ours)
    return code, text


def _until_question(terminal: int) -> Iterator[str]:
    text = ""
    while "[y/N]:" not in text:
        readable, _, _ = select.select([terminal], [], [], 20)
        assert readable, text
        piece = os.read(terminal, 1000).decode()
        text += piece
        yield piece


async def test_failures_have_their_exit_codes(server: Server) -> None:
    missing = await typed(server, "sessions", "show", "s-9")
    assert (missing.exit_code, missing.stderr) == (
        4,
        "serai: The server refused: 404, GET /sessions/s-9 is not there\n",
    )
    server.answers["GET /memories"] = page()
    nothing = await typed(server, "memories", "list")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "There are no such memories.\n")
    server.url = "http://127.0.0.1:9"
    assert (await typed(server, "evals", "list")).exit_code == 3

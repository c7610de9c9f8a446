"""``serai sessions``, ``memories``, ``metrics``, ``evals``, ``retention`` and ``users``, as typed, against a server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import SecretStr
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner, Result

from serai import AgentComponent, AgentOS, Memory, SyncAgentOSClient, Team
from serai.cli import app
from serai.sessions import SessionType
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn, serving
from tests import hosting
from tests.hosting import shared_database
from tests.postgres import PostgresServer

pytestmark = pytest.mark.one_postgres


def answer(asked: Asked) -> Turn | str:
    """Remember what is to be remembered, judge, condense memories, take long; or say what was asked."""
    if "final_result" in asked.tools:
        given = json.loads(asked.message)
        if isinstance(given, list):
            return Turn(tools=[ToolCall("final_result", {"memories": [{"memory": "All in one"}]})])
        if "mute" in given["output"]:
            return Turn("No verdict.")
        return Turn(tools=[ToolCall("final_result", {"score": 8, "reason": "close"})])
    if asked.message.startswith("Remember ") and not asked.tool_results:
        return Turn(tools=[ToolCall("remember", {"memory": asked.message.removeprefix("Remember ")})])
    if asked.message.startswith("Note ") and not asked.tool_results:
        return Turn(tools=[ToolCall("note", {"text": asked.message.removeprefix("Note ")})])
    return Turn("At last.", delay_s=30) if asked.message == "wait" else f"You said: {asked.message}"


def note(text: str) -> str:
    """Write something down."""
    return f"Noted {text}"


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[str]:
    helper = Agent(ScriptedModel(answer), name="helper")
    helper.tool_plain(note)
    member = Agent(ScriptedModel("Hi."), name="member")
    with shared_database(postgres_server) as dsn:
        os_ = AgentOS(
            agents=[AgentComponent(helper, memory=Memory(extract=False))],
            teams=[Team("pair", members=[member], model=ScriptedModel(lambda _: "To\nOslo"))],
            settings=Settings(database_url=SecretStr(dsn), keep_sessions_days=30),
        )
        with serving(os_) as served:
            yield served


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[SyncAgentOSClient]:
    with SyncAgentOSClient(url) as client:
        yield client


@pytest.fixture
def user() -> str:
    return f"u-{uuid4()}"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERAI_URL", "SERAI_SECURITY_KEY"):
        monkeypatch.delenv(name, raising=False)


def typed(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--url", url])


def printed(url: str, *arguments: str) -> str:
    result = typed(url, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_sessions_are_a_table_and_the_next_page_is_named(url: str, client: SyncAgentOSClient, user: str) -> None:
    ids = [f"{user}-{number}" for number in range(3)]
    for session_id in ids:
        client.create_session(
            SessionType.TEAM, session_id=session_id, user_id=user, team_id="pair", session_name="Trip\x1b to Oslo"
        )
    client.create_session(user_id=user, agent_id="helper", session_name="Oslo")
    result = typed(url, "sessions", "list", "--user", user, "--type", "team", "--name", "oslo", "--limit", "1")
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["SESSION", "TYPE", "COMPONENT", "USER", "NAME", "TOKENS", "UPDATED", "(UTC)"]
    assert row.split()[:7] == [ids[2], "team", "pair", user, "Trip\ufffd", "to", "Oslo"]
    assert result.stderr == "1 of 3; the next: --page 2\n"
    lines = printed(url, "sessions", "list", "--user", user, "--type", "team", "--all", "--json").splitlines()
    assert [json.loads(line)["session_id"] for line in lines] == ids[::-1]
    assert json.loads(lines[0])["session_name"] == "Trip\x1b to Oslo"


def test_a_session_is_shown_with_its_runs(url: str, client: SyncAgentOSClient, user: str) -> None:
    run = client.run_team("pair", "Where to?", session_id=user, user_id="ada", session_state={"city": "Oslo"})
    facts, _, runs = printed(url, "sessions", "show", user).partition("\n\n")
    told = dict(line.split(maxsplit=1) for line in facts.splitlines())
    assert (told["session:"], told["name:"], told["team:"], told["user:"]) == (user, "Where to?", "pair", "ada")
    assert told["state:"] == '{"city": "Oslo"}'
    assert {"created:", "updated:", "tokens:"} <= told.keys()
    row = runs.splitlines()[1].split()
    assert (row[:2], row[-4:]) == ([run.run_id, "COMPLETED"], ["Where", "to?", "To", "Oslo"])
    lines = [json.loads(line) for line in printed(url, "sessions", "show", user, "--json").splitlines()]
    assert [line.get("run_id") for line in lines] == [None, run.run_id]


def test_sessions_are_renamed_and_removed(url: str, client: SyncAgentOSClient, user: str) -> None:
    client.create_session(session_id=user, user_id=user)
    assert printed(url, "sessions", "rename", user, "Oslo") == f"Session {user} is called 'Oslo' now.\n"
    printed(url, "sessions", "rm", user, "--user", "somebody else")
    assert client.get_session(user).session_name == "Oslo"
    assert printed(url, "sessions", "rm", user, "gone", "--user", user) == (
        f"Removed, if they were there: {user}, gone\n"
    )
    missing = typed(url, "sessions", "show", user)
    assert (missing.exit_code, missing.stderr) == (
        4,
        f"serai: The server refused: 404, Session with id '{user}' not found\n",
    )


def test_memories_are_added_listed_shown_changed_and_removed(url: str, client: SyncAgentOSClient, user: str) -> None:
    added = printed(url, "memories", "add", "Likes tea", "--user", user, "--topic", "ui", "--topic", "pets")
    memory_id = added.split()[1]
    assert added == f"Memory {memory_id} is stored.\n"
    flags = ["--topic", "ui", "--topic", "pets", "--search", "TEA", "--user", user]
    row = printed(url, "memories", "list", *flags).splitlines()[1]
    assert row.split()[:6] == [memory_id, user, "Likes", "tea", "ui,", "pets"]
    assert printed(url, "memories", "update", memory_id, "Likes coffee") == f"Memory {memory_id} is changed.\n"
    shown = printed(url, "memories", "show", memory_id)
    assert "origin:   caller\n" in shown
    assert shown.endswith("\n\nLikes coffee\n")
    assert json.loads(printed(url, "memories", "show", memory_id, "--json"))["topics"] == ["ui", "pets"]
    refused = typed(url, "memories", "add", "x" * 5001, "--user", user)
    assert (refused.exit_code, refused.stderr) == (
        2,
        "serai: memory must have at most 5,000 characters, and has 5,001.\n",
    )
    printed(url, "memories", "rm", memory_id, "--user", user)
    nothing = typed(url, "memories", "list", "--user", user)
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "There are no such memories.\n")


def test_topics_statistics_and_duplicates_of_memories(url: str, client: SyncAgentOSClient, user: str) -> None:
    same = [client.create_memory(text, user, ["ui", "pets"]).memory_id for text in ("Likes tea", "likes  TEA")]
    client.create_memory("Lives in Rome", user)
    assert printed(url, "memories", "topics", "--user", user) == "pets\nui\n"
    assert printed(url, "memories", "stats", "--user", user).splitlines()[1].split()[:2] == [user, "3"]
    facts, _, groups = printed(url, "memories", "audit", "--user", user).partition("\n\n")
    assert facts.splitlines()[0].split() == ["memories:", "3"]
    how, *ids = groups.splitlines()[1].split()
    assert (how, sorted(ids)) == ("exact", sorted(same))
    optimized = printed(url, "memories", "optimize", "--user", user, "--preview")
    assert "3 memories would become 1, " in optimized
    assert client.list_memories(user).meta.total_count == 3
    assert "3 memories became 1, " in printed(url, "memories", "optimize", "--user", user)


def test_changes_of_memories_are_listed_and_undone(url: str, client: SyncAgentOSClient, user: str) -> None:
    run = client.run_agent("helper", "Remember Prefers dark mode", user_id=user)
    assert run.run_id is not None
    (row,) = printed(url, "memories", "changes", "--run", run.run_id).splitlines()[1:]
    change_id, *_, mode, origin = row.split()
    assert "created" in row
    assert (mode, origin) == ("mode", run.run_id)
    undone = printed(url, "memories", "undo", change_id, "--together")
    assert undone.endswith(" is gone again\n")
    assert client.list_memories(user).data == []


def test_metrics_are_a_table_of_days(url: str, client: SyncAgentOSClient, user: str) -> None:
    client.run_agent("helper", "count me", user_id=user)
    today = datetime.now(UTC).date().isoformat()
    row = printed(url, "metrics", "--from", today, "--to", today, "--user", user).splitlines()[1].split()
    assert row[0] == today
    assert "1" in row[1:]
    assert printed(url, "metrics", "refresh", "--json")
    wrong = typed(url, "metrics", "refresh", "--user", "ada")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert typed(url, "metrics", "--from", "yesterday").exit_code == 2


def test_an_eval_is_run_listed_shown_and_removed(url: str, client: SyncAgentOSClient) -> None:
    shown = printed(url, "evals", "run", "accuracy", "hi", "--agent", "helper", "--expected", "You said: hi")
    assert "COMPLETED" in shown
    assert ["avg_score:", "8"] in [line.split() for line in shown.splitlines()]
    assert shown.splitlines()[-1].split() == ["hi", "You", "said:", "hi", "8", "close"]
    flags = ["--agent", "helper", "--tool", "note", "--tool-arguments", '{"note": {"text": "x"}}']
    made = json.loads(printed(url, "evals", "run", "reliability", "Note x", *flags, "--json"))
    assert made["eval_data"]["eval_status"] == "PASSED"
    rows = printed(url, "evals", "list", "--type", "accuracy", "--type", "reliability").splitlines()[1:]
    assert [row.split()[1] for row in rows] == ["reliability", "accuracy"]
    assert rows[1].replace("8.0", "8").split()[4:6] == ["8", "score"]
    ids = [row.split()[0] for row in rows]
    assert printed(url, "evals", "rm", *ids) == f"Removed, if they were there: {', '.join(ids)}\n"
    assert typed(url, "evals", "show", ids[0]).exit_code == 4


def test_an_eval_in_the_background_is_cancelled(url: str) -> None:
    begun = printed(url, "evals", "run", "performance", "wait", "--agent", "helper", "--background", "--json")
    assert json.loads(begun)["status"] in ("PENDING", "RUNNING")
    assert "CANCELLED" in printed(url, "evals", "cancel", json.loads(begun)["id"])


def test_an_eval_that_failed_ends_the_command_so_and_what_is_mistyped_is_told(url: str) -> None:
    failed = typed(url, "evals", "run", "accuracy", "mute", "--agent", "helper", "--expected", "o")
    assert (failed.exit_code, "gave no verdict" in failed.stdout) == (1, True)
    for wrong in (["--model", "gpt"], ["--tool-arguments", "{"], ["--tool-arguments", "[]"]):
        assert typed(url, "evals", "run", "reliability", "i", *wrong).exit_code == 2


def test_an_eval_below_what_is_asked_of_it_ends_the_command_so(url: str) -> None:
    accuracy = ["evals", "run", "accuracy", "hi", "--agent", "helper", "--expected", "You said: hi"]
    assert [typed(url, *accuracy, "--at-least", least).exit_code for least in ("8", "8.5")] == [0, 1]
    reliability = ["evals", "run", "reliability", "Note x", "--agent", "helper", "--tool", "note"]
    assert typed(url, *reliability).exit_code == 0
    missed = typed(url, *reliability, "--tool", "absent")
    assert (missed.exit_code, "FAILED" in missed.stdout) == (1, True)
    assert typed(url, *reliability, "--tool", "absent", "--at-least", "0").exit_code == 0
    for wrong in (["performance", "hi"], ["accuracy", "hi", "--background"]):
        refused = typed(url, "evals", "run", *wrong, "--agent", "helper", "--at-least", "1")
        assert (refused.exit_code, "--at-least" in refused.stderr) == (2, True)


def test_retention_is_shown_and_applied(url: str) -> None:
    rows = [row.split() for row in printed(url, "retention", "show").partition("\n\n")[0].splitlines()[1:]]
    assert ["sessions", "30", "days"] in rows
    assert all(row[2] in ("day", "days", "ever") for row in rows), rows
    for flags in ((), ("--dry-run",)):
        result = typed(url, "retention", "apply", *flags)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There is nothing to remove.\n")
    assert "COMPLETED" in printed(url, "retention", "show")


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ({"status": "RUNNING", "removed": {"events": 1234}}, 0, "goes on in the background"),
        ({"status": "ERROR", "removed": {}, "error": "no room"}, 1, "serai: It failed: no room\n"),
    ],
)
async def test_a_clearing_that_takes_long_or_failed_is_told(report: dict[str, object], code: int, said: str) -> None:
    async def apply(_: Request) -> JSONResponse:
        return JSONResponse(report)

    async with hosting.serving(Starlette(routes=[Route("/retention/apply", apply, methods=["POST"])])) as url:
        line = [sys.executable, "-m", "serai", "retention", "apply", "--url", url]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert ("1,234" in done.stdout) == (code == 0)


def test_a_user_is_erased_only_when_that_is_said(url: str, client: SyncAgentOSClient, user: str) -> None:
    client.create_memory("Likes tea", user)
    refused = typed(url, "users", "erase", user)
    assert refused.exit_code == 2
    assert "say --yes" in refused.stderr
    assert "WOULD BE REMOVED" in printed(url, "users", "erase", user, "--dry-run")
    assert client.list_memories(user).data
    erased = json.loads(printed(url, "users", "erase", user, "--yes", "--json"))
    assert erased["removed"]["memories"] == 1


@pytest.mark.parametrize(("said", "code", "left"), [("n", 1, 1), ("y", 0, 0)])
def test_a_terminal_is_asked_before_a_user_is_erased(
    url: str, client: SyncAgentOSClient, user: str, said: str, code: int, left: int
) -> None:
    client.create_memory("Likes tea", user)
    ended, text = in_a_terminal(said, "users", "erase", user, "--url", url)
    assert f"rows about {user} for good? [y/N]:" in text
    assert ended == code
    assert len(client.list_memories(user).data) == left


def in_a_terminal(said: str, *arguments: str) -> tuple[int, str]:
    """Run a command in a terminal of its own, answer its question, and return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "serai", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = _until(ours, "[y/N]:")
    os.write(ours, f"{said}\n".encode())
    code = process.wait(timeout=20)
    os.close(ours)
    return code, text


def _until(terminal: int, end: str) -> str:
    text = ""
    while end not in text:
        readable, _, _ = select.select([terminal], [], [], 20)
        assert readable, text
        text += os.read(terminal, 1000).decode()
    return text


def test_without_a_server_that_is_told() -> None:
    assert typed("http://127.0.0.1:9", "evals", "list").exit_code == 3
    assert typed("http://127.0.0.1:9", "top", "--once").exit_code == 3


def test_a_server_is_looked_at_once(url: str, client: SyncAgentOSClient) -> None:
    client.run_agent("helper", "Note tea")
    shown = typed(url, "top", "--once")
    assert (shown.exit_code, "No run is under way." in shown.stdout, "note" in shown.stdout) == (0, True, True)
    status = json.loads(typed(url, "top", "--once", "--json").stdout)
    assert (status["database"], status["nodes"][0]["id"]) == ("up", status["node"])


def test_a_server_is_watched_until_q_is_pressed(url: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "serai", "top", "--url", url, "--interval", "600"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    _until(ours, "under way")
    os.write(ours, b"q")
    assert process.wait(timeout=20) == 0
    os.close(ours)

"""The commands as people use them: real processes, a real server, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from serai.client import SyncAgentOSClient
from tests.node_process import NodeProcess
from tests.nursery import Launch, launch, run_command
from tests.postgres import data_folder

SLOW_OS = str(Path(__file__).parent / "slow_os.py")
WHOLE_ANSWER = "".join(f"{i} " for i in range(30))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder that the tests of this module use one after the other."""
    with data_folder() as made:
        yield made


def serve(folder: Path, *arguments: str, launch: Launch = launch) -> NodeProcess:
    return NodeProcess(["serve", *arguments, "--port", "0", "--data-dir", str(folder)], launch=launch)


def ask(*arguments: str, url: str, launch: Launch = launch) -> subprocess.CompletedProcess[str]:
    """Run ``serai run``."""
    return command("run", *arguments, url=url, launch=launch)


def command(*arguments: str, url: str, launch: Launch = launch) -> subprocess.CompletedProcess[str]:
    """Run a command that speaks to a server."""
    return run_command([*arguments, "--url", url], launch=launch)


def copied(text: str, *, url: str) -> list[str]:
    """Return the command that the terminal offers to continue a run, without what names the program."""
    [line] = [line.strip() for line in text.splitlines() if " runs continue " in line]
    return shlex.split(line.partition("serai ")[2].removesuffix(f" --url {url}"))


def test_serve_alone_says_what_it_runs_and_answers_with_its_tools(folder):
    with serve(folder) as node:
        url = node.wait_until_listening()
        node.wait_for("print(client.run_agent(")
        banner = "\n".join(node.lines)
        assert "my-agent on serai:scripted-demo (a script, no LLM" in banner
        assert f"{folder} (own PostgreSQL)" in banner
        assert re.search(r"started in \d+\.\d s", banner)

        answered = ask("my-agent", "What is 2 + 2?", url=url)
        assert answered.returncode == 0
        assert re.match(r'· calculate\(expression="2 \+ 2"\) → 4  \(\d+ ms\)\n2 \+ 2 = 4\n', answered.stdout)
        assert re.search(r"\d+ tokens in, \d+ out · run \S+\n$", answered.stdout)

        as_json = ask("my-agent", "What is 3 * 4?", "--json", url=url)
        events = [json.loads(line) for line in as_json.stdout.splitlines()]
        assert [events[0]["event"], events[-1]["event"]] == ["RunStarted", "RunCompleted"]
        assert events[-1]["content"].startswith("3 * 4 = 12")

        plain = ask("my-agent", "Note: buy milk", "--no-stream", "--session", "s1", url=url)
        assert "Noted: buy milk" in plain.stdout
        assert "- buy milk" in ask("my-agent", "Show my notes", "--session", "s1", url=url).stdout

        unknown = ask("nobody", "hello", url=url)
        assert unknown.returncode == 4
        assert "There is no agent, team or workflow 'nobody' on this server. It has: agents " in unknown.stderr


def test_a_paused_run_goes_on_by_the_command_it_offers(folder, launcher):
    with serve(folder, launch=launcher) as node:
        url = node.wait_until_listening()
        session = str(uuid4())
        command("run", "careful-agent", "Note: buy milk", "--session", session, url=url, launch=launcher)
        paused = command("run", "careful-agent", "Delete my notes", "--session", session, url=url, launch=launcher)
        assert paused.returncode == 5
        assert "delete_notes() waits for a yes or no" in paused.stdout
        offered = copied(paused.stdout, url=url)
        run_id = offered[3]

        listed = command(
            "runs", "list", "careful-agent", "--session", session, "--status", "paused", url=url, launch=launcher
        )
        assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [[run_id, "PAUSED"]]
        shown = command("runs", "show", "careful-agent", run_id, url=url, launch=launcher)
        assert shown.returncode == 0
        assert copied(shown.stdout, url=url) == offered
        unanswered = command("runs", "continue", "careful-agent", run_id, url=url, launch=launcher)
        assert unanswered.returncode == 2
        assert "--confirm" in unanswered.stderr
        wrong = command("runs", "continue", "careful-agent", run_id, "--confirm", "nobody", url=url, launch=launcher)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)

        done = command(*offered, url=url, launch=launcher)
        assert done.returncode == 0, done.stderr
        assert "Deleted 1 of 1 notes." in done.stdout
        again = command(*offered, url=url, launch=launcher)
        assert again.returncode == 4
        assert f"Run {run_id} is not paused, it is COMPLETED." in again.stderr
        followed = command("runs", "follow", "careful-agent", run_id, url=url, launch=launcher)
        assert followed.returncode == 0
        assert "· paused, and continued" in followed.stdout
        as_json = command("runs", "follow", "careful-agent", run_id, "--json", "--after", "3", url=url, launch=launcher)
        assert next(json.loads(line)["event_index"] for line in as_json.stdout.splitlines()) == 4


def test_a_team_and_a_workflow_are_drawn_and_reviewed_in_the_terminal(folder, launcher):
    with serve(folder, launch=launcher) as node:
        url = node.wait_until_listening()
        team = ask("research-team", "Research the latest AI trends", url=url, launch=launcher)
        assert team.returncode == 0, team.stderr
        assert '· delegate_task_to_member(member_id="searcher"' in team.stdout
        assert "\n  searcher │ " in team.stdout
        assert "\n  writer │ Report on " in team.stdout

        paused = ask("qa-workflow", "What are AI agents? Let me review the answer.", url=url, launch=launcher)
        assert paused.returncode == 5, paused.stderr
        assert re.search(r"^▸ gather: 2 branches at a time$", paused.stdout, re.MULTILINE)
        assert re.search(r"^✓ write \d+ ms in \d rounds?$", paused.stdout, re.MULTILINE)
        assert "\n  step review waits for a yes or no to its answer: " in paused.stdout
        offered = copied(paused.stdout, url=url)
        done = command(*offered[:-2], "--edit", "review=They call tools.", url=url, launch=launcher)
        assert done.returncode == 0, done.stderr
        assert "\nThey call tools." in done.stdout
        followed = command("runs", "follow", "workflow:qa-workflow", offered[3], url=url, launch=launcher)
        assert followed.returncode == 0, followed.stderr
        assert "· paused, and continued" in followed.stdout


def test_a_terminal_is_asked_what_a_paused_run_waits_for(folder, launcher):
    with serve(folder, launch=launcher) as node:
        url = node.wait_until_listening()
        run = json.loads(
            ask("careful-agent", "Delete my notes", "--json", "--no-stream", url=url, launch=launcher).stdout
        )
        typed, terminal = pty.openpty()
        os.write(typed, b"n\nnot today\n")
        line = [sys.executable, "-m", "serai", "runs", "continue", "careful-agent", run["run_id"], "--url", url]
        done = subprocess.run(line, stdin=terminal, capture_output=True, text=True, timeout=60, check=False)
        os.close(typed)
        os.close(terminal)
        assert done.returncode == 0, done.stderr
        assert "delete_notes()" in done.stdout
        assert "Then I leave your notes as they are. (not today)" in done.stdout


def test_the_caller_executes_a_tool_and_cancels_from_the_terminal(folder, tmp_path, launcher):
    with serve(folder, launch=launcher) as node:
        url = node.wait_until_listening()
        (tmp_path / "hosts").write_text("one\ntwo\n")
        paused = ask(
            "files-agent", f"How long is {tmp_path / 'hosts'}?", "--json", "--no-stream", url=url, launch=launcher
        )
        assert paused.returncode == 5
        run = json.loads(paused.stdout)
        from_file = f"read_file={run['tools'][0]['tool_args']['path']}"
        done = command(
            "runs", "continue", "files-agent", run["run_id"], "--result-file", from_file, url=url, launch=launcher
        )
        assert done.returncode == 0, done.stderr
        assert "It has 2 lines" in done.stdout

        run = json.loads(
            ask("files-agent", "How long is a.txt?", "--json", "--no-stream", url=url, launch=launcher).stdout
        )
        for said in ("is cancelled", "is cancelled"):
            cancelled = command("runs", "cancel", "files-agent", run["run_id"], url=url, launch=launcher)
            assert (cancelled.returncode, said in cancelled.stdout) == (0, True)
        followed = command("runs", "follow", "files-agent", run["run_id"], url=url, launch=launcher)
        assert followed.returncode == 1
        unknown = command("runs", "show", "files-agent", "nobody", url=url, launch=launcher)
        assert (unknown.returncode, "Run not found" in unknown.stderr) == (4, True)


def test_what_the_banner_offers_to_copy_works_as_it_is_printed(folder):
    with serve(folder) as node:
        node.wait_for("print(client.run_agent(")
        start = next(index for index, line in enumerate(node.lines) if "from serai.client" in line)
        curl = next(line.strip() for line in node.lines if line.startswith("  curl "))
        python = "\n".join(line.strip() for line in node.lines[start:])
        by_curl = subprocess.run(["bash", "-c", f"{curl} --silent"], capture_output=True, text=True, check=True)
        by_python = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert json.loads(by_curl.stdout)["content"].startswith("2 + 2 = 4")
    assert by_python.stdout.startswith("2 + 2 = 4")


def test_a_model_or_database_that_cannot_be_used_is_one_clear_line(folder, launcher):
    missing_key = ["serve", "--model", "openai:gpt-5-mini", "--data-dir", str(folder)]
    unreachable = ["serve", "--port", "0", "--database-url", "postgresql://ann:secret@127.0.0.1:1/x"]
    for arguments, said in (
        (missing_key, "The model 'openai:gpt-5-mini'"),
        (unreachable, "PostgreSQL cannot be reached"),
    ):
        with NodeProcess(arguments, launch=launcher) as node:
            assert node.wait() == 1
        assert len(node.lines) == 1
        assert node.lines[0].startswith(f"serai: {said}")
        assert "secret" not in node.lines[0]


def test_a_signal_while_starting_ends_it_cleanly():
    with data_folder() as fresh, serve(fresh) as node:
        while not fresh.exists():
            assert node.process.poll() is None
            time.sleep(0.01)
        node.send(signal.SIGTERM)
        assert node.wait() == 0


def test_run_without_a_server_says_how_to_start_one(launcher):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    done = ask("my-agent", "hello", url=url, launch=launcher)
    assert done.returncode == 3
    assert re.search(r"Start one with: (uv run )?serai serve", done.stderr)


def test_a_port_that_is_taken_is_one_clear_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with NodeProcess(["serve", "--port", port, "--data-dir", str(folder)]) as node:
            assert node.wait() == 1
        said = [line for line in node.lines if line.startswith("serai: ")]
        assert len(said) == 1
        assert said[0].startswith(f"serai: Cannot listen on 127.0.0.1:{port}: Address already in use. Give another")


def test_other_addresses_need_a_key_or_the_word_insecure(folder):
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(folder)]
    with NodeProcess(arguments) as node:
        assert node.wait() == 1
    assert "Refusing to listen on 0.0.0.0 without a security key" in "\n".join(node.lines)
    with NodeProcess(arguments, env={"SERAI_SECURITY_KEY": "a-key-for-tests"}) as node:
        port = node.wait_until_listening().rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/agents").status_code == 401
        with SyncAgentOSClient(f"http://127.0.0.1:{port}", security_key="a-key-for-tests") as client:
            agents = [agent.id for agent in client.list_agents()]
            assert agents == ["my-agent", "careful-agent", "files-agent", "serai-guide"]


def test_one_signal_lets_a_stream_run_to_its_end(folder, launcher):
    with serve(folder, SLOW_OS, launch=launcher) as node, SyncAgentOSClient(node.wait_until_listening()) as client:
        told = ""
        for event in client.run_agent_stream("slow", "count"):
            if event.event == "RunContent":
                if not told:
                    node.send(signal.SIGTERM)
                told += event.content
        assert told == WHOLE_ANSWER
        assert event.event == "RunCompleted"
        assert node.wait() == 0


def test_a_second_signal_hands_the_run_over_and_a_worker_finishes_it(folder, launcher):
    with serve(folder, SLOW_OS, launch=launcher) as node, SyncAgentOSClient(node.wait_until_listening()) as client:
        events = client.run_agent_stream("slow", "count")
        run_id = next(str(event.run_id) for event in events if event.event == "RunContent")
        began = time.monotonic()
        node.send(signal.SIGTERM)
        node.send(signal.SIGTERM)
        assert node.wait() == 0
        assert time.monotonic() - began < 5
    with NodeProcess(["worker", SLOW_OS, "--data-dir", str(folder)], launch=launcher) as worker:
        worker.wait_for("working")
        asyncio.run(wait_until_completed(database_of(folder), run_id))
        worker.send(signal.SIGINT)
        assert worker.wait() == 0
    with serve(folder, SLOW_OS, launch=launcher) as later, SyncAgentOSClient(later.wait_until_listening()) as client:
        assert client.get_agent_run("slow", run_id).content == WHOLE_ANSWER


def database_of(folder: Path) -> str:
    """Return the URL that ``serai db url`` prints."""
    command = [sys.executable, "-m", "serai", "db", "url", "--data-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


async def wait_until_completed(database_url: str, run_id: str) -> None:
    """Look at the database until the run has ended well."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(30):
            while await connection.fetchval("select status from runs where id = $1", run_id) != "COMPLETED":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await connection.close()

"""``serai knowledge add`` where a server changes its mind; the rest is tested against a real one."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from serai.cli import app
from tests.unit.scripted_server import Behaviour, Received, answer, scripted_server


async def added(*arguments: str, script: list[Behaviour]) -> Result:
    async with scripted_server(*script) as server:
        command = ["knowledge", "add", *arguments, "--url", server.base_url]
        return await asyncio.to_thread(CliRunner().invoke, app, command, input=b"text")


def content(status: str, **members: object) -> bytes:
    return json.dumps({"id": "c", "name": "n", "status": status, **members}).encode()


async def test_waiting_goes_on_until_the_content_is_done() -> None:
    script = [
        answer(202, content("processing")),
        answer(200, content("processing", phase="embedding", done=3, total=7)),
        answer(200, content("completed", chunks=7)),
    ]
    result = await added("-", "--wait", script=script)
    assert (result.exit_code, result.stdout) == (0, "c  n  can be found, 7 chunks\n")


async def test_a_content_that_goes_while_it_is_waited_for_is_told() -> None:
    result = await added("-", "--wait", script=[answer(202, content("processing")), answer(404, b"{}")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "serai: standard input was removed, or replaced by another of its name.\n"


async def test_what_would_hit_all_documents_ends_the_command(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        await asyncio.to_thread((tmp_path / name).write_text, name)
    script = [answer(200, b'{"readersForType": {".md": ["markdown"]}}'), answer(401, b'{"detail": "who?"}')]
    result = await added(str(tmp_path), script=script)
    assert (result.exit_code, result.stderr) == (4, "serai: The server refused: 401, who?\n")


async def interrupted(*arguments: str, script: list[Behaviour]) -> tuple[int, str]:
    """Type a command, press Ctrl-C once its server has got all of the script's requests; return the code and output."""
    async with scripted_server(*script) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "serai", "knowledge", *arguments, "--url", server.base_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        while len(server.received) < len(script):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()


async def silence(_: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until the caller has gone."""
    await reader.read()
    writer.close()


async def test_ctrl_c_ends_the_waiting_and_says_that_the_server_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    await asyncio.to_thread(path.write_text, "a")
    processing = content("processing")
    waits = [answer(202, processing), answer(200, processing), silence]
    of_add = await interrupted("add", str(path), "--wait", script=waits)
    of_status = await interrupted("status", "c", "--wait", script=[answer(200, processing), silence])
    for code, printed in (of_add, of_status):
        (line,) = printed.splitlines()
        assert (code, line[:49]) == (130, "serai: Stopped waiting; the server goes on. See: ")
        assert line.endswith("serai knowledge status c")


async def test_ctrl_c_between_uploads_says_how_many_there_are(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        await asyncio.to_thread((tmp_path / name).write_text, name)
    config = answer(200, b'{"readersForType": {".md": ["markdown"]}}')
    code, printed = await interrupted(
        "add", str(tmp_path), script=[config, answer(202, content("processing")), silence]
    )
    told, stopped = printed.splitlines()
    assert (code, told) == (130, "c  n  is being taken in")
    assert stopped.startswith("serai: Stopped after 1 of 2 documents; the server goes on with these. See: ")

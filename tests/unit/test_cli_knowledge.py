"""``serai knowledge add`` where a server changes its mind; the rest is tested against a real one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner, Result

from serai.cli import app
from tests.unit.scripted_server import Behaviour, answer, scripted_server


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

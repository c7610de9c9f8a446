"""Pages about what a server does: each example is served as it stands there, used as they say, and does that."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from serai import Condition, Knowledge, Loop, Memory, Parallel, Router, Step, Steps, Team, Workflow
from serai.cli import app
from serai.cli.call_text import content_text
from serai.cli.pause_view import pending_of
from serai.cli.target import load_target
from serai.client import AgentOSClient
from serai.run.workflow import StepOutput
from serai.settings import Settings
from tests.documented_examples import ClientCode, Command, Example, examples_of, text_of
from tests.hosting import serving

PAGES: Final = (
    *("build-a-team", "build-a-workflow", "ask-people-in-workflows", "evaluate-agents", "look-at-sessions"),
    *("give-agents-memory", "give-agents-knowledge", "follow-what-runs-do"),
)
EXIT_CODES: Final = {"completed": 0, "failed": 1, "cancelled": 1, "refused": 4, "paused": 5}
STATUSES: Final = {"failed": "error"}
RUN_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("example", [example for page in PAGES for example in examples_of(page)], ids=str)
async def test_an_example_does_what_its_page_says(
    example: Example,
    shared_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert example.uses, "the page does not say how to use it"
    (tmp_path / "my_os.py").write_text(example.with_model("from tests.obedient_model import MODEL"))
    monkeypatch.setenv("SERAI_DATABASE_URL", shared_url)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "my_os", sys)  # so that this example's is gone afterwards
    os = load_target(str(tmp_path / "my_os.py"), settings=Settings())
    async with serving(os.app) as url:
        monkeypatch.setenv("SERAI_URL", url)
        run_id = ""
        for use in example.uses:
            if isinstance(use, Command):
                run_id = await _check_command(use, url, run_id)
            else:
                await _check_client(use, url, capsys)


@pytest.mark.parametrize("page", PAGES)
def test_examples_name_their_model_so_that_another_can_take_its_place(page: str):
    assert [example.title for example in examples_of(page) if "openai:" in example.with_model("")] == []


@pytest.mark.parametrize("kind", [Team, Workflow, Step, Steps, Parallel, Condition, Loop, Router, Memory, Knowledge])
def test_every_option_is_on_a_page(kind: type):
    pages = "".join(text_of(page) for page in PAGES)
    options = [name for name in inspect.signature(kind).parameters if name not in ("name", "steps", "id")]
    assert [name for name in options if not re.search(rf"\b{name}\b", pages)] == []


async def _check_command(command: Command, url: str, run_id: str) -> str:
    """Run a command, compare what came of it with what the page says, and return its run's id."""
    args = [run_id if word == "RUN" else word for word in command.args]
    result = await asyncio.to_thread(CliRunner().invoke, app, args)
    assert result.exit_code == EXIT_CODES[command.status], result.output
    if command.status == "refused":
        assert command.content is not None
        assert command.content in result.output
        return run_id
    run_id = RUN_ID.findall(result.output)[-1]
    run = await _read_run(url, args[1] if args[0] == "run" else args[2], run_id)
    assert run.status == STATUSES.get(command.status, command.status)
    assert _names(run) == command.names
    assert command.content is None or content_text(run.content) == command.content
    return run_id


async def _check_client(client: ClientCode, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code = compile(client.code.replace("http://127.0.0.1:7777", url), "client.py", "exec")
    await asyncio.to_thread(exec, code, {"__name__": "__main__"})
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in client.printed if line not in printed] == [], printed


async def _read_run(url: str, component_id: str, run_id: str) -> Any:
    async with AgentOSClient(base_url=url) as client:
        config = await client.aget_config()
        if component_id in [agent.id for agent in config.agents or ()]:
            return await client.get_agent_run(component_id, run_id)
        is_team = component_id in [team.id for team in config.teams or ()]
        return await (client.get_team_run if is_team else client.get_workflow_run)(component_id, run_id)


def _names(run: Any) -> list[str]:
    """Return the names that a page tells of a run: what it waits for, or else who or what it was done by, or with."""
    if run.is_paused:
        return [str(getattr(one, "tool_name", None) or getattr(one, "step_name", None)) for one in pending_of(run)]
    if hasattr(run, "member_responses"):
        return [getattr(one, "agent_name", None) or one.team_name for one in run.member_responses or ()]
    if hasattr(run, "agent_id"):
        return [tool.tool_name for tool in run.tools or ()]
    return [step.step_name or "" for step in _done(run.step_results or ())]


def _done(results: Iterable[StepOutput]) -> Iterator[StepOutput]:
    """Yield the steps that were done, those inside constructs among them."""
    for result in results:
        if result.steps:
            yield from _done(result.steps)
        elif result.success:
            yield result

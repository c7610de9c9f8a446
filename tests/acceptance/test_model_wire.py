"""A real model wire: the demo agent on pydantic-ai's OpenAI models, over HTTP, against a mock of OpenAI's server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from platformdirs import user_cache_path

from serai.client import SyncAgentOSClient
from serai.run.agent import ToolCallCompletedEvent
from tests.node_process import NodeProcess
from tests.nursery import Launch
from tests.postgres import data_folder
from tests.suites import not_run

VERSION = "1.43.0"
FIXTURES = Path(__file__).parent / "model_wire" / "fixtures.json"
QUESTION = "What is 2 + 2?"
ANSWER = "The calculator says 4. That is what the tool returned, told in many small pieces."


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """The base URL of a running mock of OpenAI's API; without node the suite is not run."""
    node = shutil.which("node")
    if node is None:
        not_run("model wire", "node is absent")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-p", str(port), "-f", str(FIXTURES), "-c", "8", "--strict", "--log-level", "warn"]
    with subprocess.Popen([node, str(install_mock()), *options]) as process:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder that the tests of this module use one after the other."""
    with data_folder() as made:
        yield made


def serve(model: str, model_url: str, folder: Path, launch: Launch) -> NodeProcess:
    arguments = ["serve", "--model", model, "--port", "0", "--data-dir", str(folder)]
    return NodeProcess(arguments, env={"OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "none"}, launch=launch)


@pytest.mark.parametrize("model", ["openai-chat:gpt-5-mini", "openai-responses:gpt-5-mini"])
def test_a_streamed_run_with_a_tool_call_over_the_wire(model, model_url, folder, launcher):
    with serve(model, model_url, folder, launcher) as node, SyncAgentOSClient(node.wait_until_listening()) as client:
        events = list(client.run_agent_stream("my-agent", QUESTION))
        names = [event.event for event in events]
        pieces = [event.content for event in events if event.event == "RunContent"]
        tools = [event.tool for event in events if isinstance(event, ToolCallCompletedEvent)]
        assert "".join(pieces) == ANSWER
        assert len(pieces) > 5, "it was streamed, not sent at once"
        assert [(tool.tool_call_id, tool.tool_args, tool.result) for tool in tools if tool] == [
            ("call_wire_1", {"expression": "2 + 2"}, "4")
        ]
        assert names.index("ToolCallStarted") < names.index("ToolCallCompleted") < names.index("RunContent")
        assert (events[-1].event, events[-1].content) == ("RunCompleted", ANSWER)
        assert client.run_agent("my-agent", QUESTION).content == ANSWER


def test_a_provider_that_refuses_ends_the_run_with_its_reason(model_url, folder, launcher):
    with serve("openai-chat:gpt-5-mini", model_url, folder, launcher) as node:
        with SyncAgentOSClient(node.wait_until_listening()) as client:
            *_, last = client.run_agent_stream("my-agent", "please fail")
        assert last.event == "RunError"
        assert "The wire says no." in str(last.content)


def install_mock() -> Path:
    """Return the mock's program; install it into the user's cache the first time."""
    folder = user_cache_path("serai-tests", appauthor=False) / f"aimock-{VERSION}"
    program = folder / "node_modules" / ".bin" / "llmock"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            not_run("model wire", "npm is absent")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"@copilotkit/aimock@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode != 0:
            not_run("model wire", f"npm cannot install @copilotkit/aimock: {done.stderr.strip()[-200:]}")
    return program


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the mock did not start")

"""Importing the clients is cheap: what is heavy comes with the first call, what is the server's never."""

from __future__ import annotations

import subprocess
import sys

import pytest

import serai
from serai.exceptions import RemoteServerUnavailableError
from serai.media import Audio, File, Image, Video
from serai.run.agent import RunOutput
from serai.run.team import TeamRunOutput
from serai.run.workflow import WorkflowRunOutput
from serai.sessions import SessionType
from serai.tools import ToolExecution

SERVER_PACKAGES = {"asyncpg", "fastapi", "msgspec", "pydantic_ai", "rich", "starlette", "structlog", "typer", "uvloop"}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_clients_loads_neither_httpx_nor_pydantic():
    assert {"httpx", "pydantic", "asyncio", *SERVER_PACKAGES} & modules_after("import serai.client") == set()


def test_constructing_a_client_loads_neither_httpx_nor_pydantic():
    loaded = modules_after("import serai.client; serai.client.SyncAgentOSClient('http://127.0.0.1:7777')")
    assert {"httpx", "pydantic", "asyncio"} & loaded == set()


def test_importing_agent_data_loads_nothing_of_the_server():
    assert {"httpx", *SERVER_PACKAGES} & modules_after("import serai.agent_data") == set()


def test_importing_the_package_loads_none_of_its_parts():
    assert {name for name in modules_after("import serai") if name.startswith("serai.")} == set()


def test_every_documented_import_path_leads_somewhere():
    named = [RemoteServerUnavailableError, Audio, File, Image, Video, RunOutput, TeamRunOutput, WorkflowRunOutput]
    assert all(isinstance(value, type) for value in [*named, ToolExecution])
    assert SessionType("agent") is SessionType.AGENT


def test_the_package_gives_its_public_names_and_no_others():
    assert serai.AgentOSClient.__module__ == "serai.client.aio"
    assert serai.SyncAgentOSClient.__module__ == "serai.client.sync"
    assert serai.AsyncAgentDataClient.__module__ == "serai.agent_data.aio"
    assert serai.AgentDataClient.__module__ == "serai.agent_data.sync"
    assert serai.__version__.count(".") == 2
    assert set(serai.__all__) <= set(dir(serai))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = serai.Nonsense

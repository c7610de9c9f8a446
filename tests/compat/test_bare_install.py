"""The package without its extra: the clients alone, in an environment that has nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_USE = """
import json, sys
from serai.agent_data import AgentDataClient
from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.run.agent import RunContentEvent

said = {}
try:
    SyncAgentOSClient(base_url="http://127.0.0.1:9").get_config()
except RemoteServerUnavailableError as error:
    said["unavailable"] = error.base_url
try:
    from serai import AgentOS
except ImportError as error:
    said["server"] = str(error)
said["modules"] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of an environment into which only the built package was installed."""
    folder = tmp_path_factory.mktemp("bare")
    for command in (
        ["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)],
        ["uv", "venv", "--quiet", str(folder / "environment")],
    ):
        subprocess.run(command, check=True)
    python = folder / "environment" / "bin" / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), str(wheel)], check=True)
    return python


def ask(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment)


def test_the_clients_need_httpx_and_pydantic_alone(bare_python: Path):
    ran = ask([str(bare_python), "-W", "error", "-c", _USE])
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["unavailable"] == "http://127.0.0.1:9"
    assert not {"fastapi", "asyncpg", "pydantic_ai", "typer", "uvicorn"} & set(said["modules"])


def test_what_needs_the_server_says_how_to_install_it(bare_python: Path):
    assert "pip install 'serai[server]'" in json.loads(ask([str(bare_python), "-c", _USE]).stdout)["server"]
    command = ask([str(bare_python.with_name("serai")), "serve"])
    assert command.returncode == 1
    assert command.stderr.strip().startswith("serai: this command needs 'typer'")
    assert "Traceback" not in command.stderr

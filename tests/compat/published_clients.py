"""The published clients we promise to serve, and how their scripts are run. Not a test itself."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from benchmarks.environments import EnvironmentUnavailableError, clean_environment, locked_python
from tests.compat.clients.checklist import Target, check_names
from tests.suites import not_run

_CLIENTS = Path(__file__).parent / "clients"
SCRIPT_TIMEOUT_S = 100


@dataclass(frozen=True)
class PublishedClient:
    """One released client: the folder of its lock, its script of checks, its major version where that matters."""

    name: str
    script: str
    generation: int | None = None

    @property
    def lock(self) -> Path:
        """The file that pins the client's environment."""
        return _CLIENTS / self.name / "requirements.txt"

    def check_names(self) -> list[str]:
        """Names of the checks the client has to pass."""
        return check_names((_CLIENTS / self.script).read_text(), self.generation)


@dataclass(frozen=True)
class Outcome:
    """What became of one check; ``detail`` is the traceback of a failed one."""

    ok: bool
    detail: str


CLIENTS = (
    PublishedClient("agno_3", "agno_runs.py", 3),
    PublishedClient("agno_2", "agno_runs.py", 2),
    PublishedClient("llama_cloud_services", "llama_cloud_services_records.py"),
    PublishedClient("llama_cloud", "llama_cloud_records.py"),
)


@cache
def outcomes(client: PublishedClient, target: Target) -> dict[str, Outcome]:
    """Run a client's script once in its own environment and return the outcome of each check."""
    python = python_or_not_run(client.lock)
    command = [str(python), str(_CLIENTS / client.script), target.base_url, target.keyed_url, target.key]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=SCRIPT_TIMEOUT_S, check=False
    )
    # Clients log to the same stream.
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name": ')]
    found = {line["name"]: Outcome(line["ok"], line["detail"]) for line in lines}
    if done.returncode != 0:
        pytest.fail(f"{client.name}: the script of checks crashed:\n{done.stderr[-4000:]}", pytrace=False)
    return found


def python_or_not_run(lock: Path) -> Path:
    """Return the interpreter of a locked environment; without one the suite is reported as not run, or fails on CI."""
    found = _find_python(lock)
    if isinstance(found, str):
        if os.environ.get("CI"):
            pytest.fail(found, pytrace=False)
        not_run(f"published client {lock.parent.name}", found)
    return found


@cache
def _find_python(lock: Path) -> Path | str:
    # Cached with its failure: without a network each attempt takes as long as uv is patient.
    try:
        return locked_python(lock)
    except EnvironmentUnavailableError as error:
        return f"the environment {lock.parent.name} cannot be made: {error}"

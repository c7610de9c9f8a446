"""How the scripts of the published clients are run, each in its own locked environment. Not a test itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks.environments import EnvironmentUnavailableError, clean_environment, locked_node, locked_python
from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import FOLDER, PublishedClient
from tests.compat.script_launcher import Launcher
from tests.compat.sent_fields import Fields, read_fields, write_recorded
from tests.suites import not_run

SCRIPT_TIMEOUT_S = 100
LOGS: dict[str, Path] = {}
"""The files to which servers write what they are sent, by their URL."""

SENT_BY: dict[tuple[str, str], Fields] = {}
"""What was made of the fields that a client's script has sent."""

_LAUNCHERS: dict[str, Launcher] = {}
"""By environment."""


@dataclass(frozen=True)
class Outcome:
    """What became of one check; ``detail`` is the traceback of a failed one."""

    ok: bool
    detail: str


@cache
def outcomes(client: PublishedClient, script: str, target: Target) -> dict[str, Outcome]:
    """Return the outcome of each check of a client's script, which is run once."""
    with _noting_fields(client, script, target):
        done = run_script(client, script, target.base_url, target.keyed_url, target.key)
    # Clients log to the same stream.
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name":')]
    if done.returncode != 0:
        pytest.fail(f"{client.name}: {script} crashed:\n{done.stderr[-4000:]}", pytrace=False)
    return {line["name"]: Outcome(line["ok"], line["detail"]) for line in lines}


@contextmanager
def _noting_fields(client: PublishedClient, script: str, target: Target) -> Iterator[None]:
    """Note what the server is sent in the block as that of a client's script."""
    log = LOGS.get(target.base_url)
    before = log.stat().st_size if log and log.exists() else 0
    yield
    if log is None:
        return
    with log.open("rb") as file:
        file.seek(before)
        fields = read_fields(file.read().decode().splitlines())
    SENT_BY[client.name, script] = fields
    if os.environ.get("SERAI_WRITE_SENT_FIELDS"):
        write_recorded(client.name, script, fields)


def run_script(client: PublishedClient, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the folder of clients in a client's environment; without one the suite is not run."""
    if script.endswith(".mjs"):
        return _run_node(client, script, arguments)
    python = python_or_not_run(FOLDER / client.environment / "requirements.txt")
    if client.environment not in _LAUNCHERS:
        _LAUNCHERS[client.environment] = Launcher(python)
    return _LAUNCHERS[client.environment].run(FOLDER / script, arguments, timeout_s=SCRIPT_TIMEOUT_S)


@contextmanager
def launching() -> Iterator[None]:
    """Stop the processes that run scripts when the block ends."""
    try:
        yield
    finally:
        while _LAUNCHERS:
            _LAUNCHERS.popitem()[1].stop()


def _run_node(client: PublishedClient, script: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    packages = _packages_or_not_run(FOLDER / client.environment / "package-lock.json")
    # Node looks for packages in the folders above a script.
    with tempfile.TemporaryDirectory(prefix="serai-node-") as folder:
        for source in [*FOLDER.glob("*.mjs"), *FOLDER.glob("*.json")]:
            shutil.copy(source, folder)
        (Path(folder) / "node_modules").symlink_to(packages, target_is_directory=True)
        return subprocess.run(
            ["node", str(Path(folder) / script), *arguments],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )


def python_or_not_run(lock: Path) -> Path:
    """Return the interpreter of a locked environment; without one the suite is reported as not run, or fails on CI."""
    found = _find(lock)
    return found if isinstance(found, Path) else _unavailable(lock, found)


def _packages_or_not_run(lock: Path) -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            not_run(f"published clients of {lock.parent.name}", f"{program} is not installed")
    found = _find(lock)
    return found / "node_modules" if isinstance(found, Path) else _unavailable(lock, found)


def _unavailable(lock: Path, reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    not_run(f"published client {lock.parent.name}", reason)


@cache
def _find(lock: Path) -> Path | str:
    # Cached with its failure: without a network each attempt takes as long as the installers are patient.
    try:
        return locked_node(lock) if lock.name == "package-lock.json" else locked_python(lock)
    except EnvironmentUnavailableError as error:
        return f"the environment {lock.parent.name} cannot be made: {error}"

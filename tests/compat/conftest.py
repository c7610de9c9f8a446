"""The servers that the published clients are pointed at: real processes, started once for the suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.environments import clean_environment
from benchmarks.processes import ServerProcess
from tests.compat.clients.checklist import Target
from tests.compat.published_clients import python_or_not_run
from tests.postgres import data_folder

KEY = "a-key-for-tests"
_SERVE = [sys.executable, "-m", "serai", "serve", "--port", "{port}"]
_HERE = Path(__file__).parent
_PEERS_LOCK = _HERE.parent.parent / "benchmarks" / "peers" / "requirements.txt"


@pytest.fixture(scope="session")
def serai_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Serai with the components of serai_os.py, twice on one data folder: open, and behind a security key."""
    with data_folder() as folder:
        command = [*_SERVE, "--data-dir", str(folder), "tests.compat.serai_os"]
        yield from _serve_both(
            command,
            command,
            key_name="SERAI_SECURITY_KEY",
            logs=tmp_path_factory.mktemp("serai"),
            PYTHONPATH=str(_HERE.parent.parent),
        )


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serai as a newcomer starts it: the demo."""
    with data_folder() as folder:
        logs = tmp_path_factory.mktemp("demo")
        command = [*_SERVE, "--data-dir", str(folder)]
        server = ServerProcess(command, env=clean_environment(), log=logs / "demo.log", folder=logs)
        try:
            server.start()
            yield server.base_url
        finally:
            server.stop()


@pytest.fixture(scope="session")
def reference_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The reference server twice, each with a database of its own: open, and behind a security key."""
    serve = [str(python_or_not_run(_PEERS_LOCK)), str(_HERE / "reference_os.py")]
    open_one, keyed_one = ([*serve, str(tmp_path_factory.mktemp("reference")), "{port}"] for _ in range(2))
    logs = tmp_path_factory.mktemp("reference-logs")
    yield from _serve_both(open_one, keyed_one, key_name="OS_SECURITY_KEY", logs=logs)


def _serve_both(
    open_one: list[str], keyed_one: list[str], *, key_name: str, logs: Path, **shared: str
) -> Iterator[Target]:
    servers = [
        ServerProcess(
            open_one, env=clean_environment(SERAI_HEARTBEAT_S="0.2", **shared), log=logs / "open.log", folder=logs
        ),
        ServerProcess(
            keyed_one, env=clean_environment(**{key_name: KEY}, **shared), log=logs / "keyed.log", folder=logs
        ),
    ]
    try:
        for server in servers:
            server.start()
        yield Target(servers[0].base_url, servers[1].base_url, KEY)
    finally:
        for server in reversed(servers):
            server.stop()

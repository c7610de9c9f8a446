"""The servers that the published clients are pointed at: real processes, started once for the suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.environments import clean_environment
from benchmarks.processes import ServerProcess
from tests.compat.clients.checklist import Target
from tests.compat.published_clients import LOGS, launching, python_or_not_run
from tests.compat.sent_fields import LOG_VARIABLE
from tests.nursery import Launch, LaunchedServer
from tests.postgres import data_folder

KEY = "a-key-for-tests"
_SERVE = [sys.executable, "-m", "serai", "serve", "--port", "{port}"]
_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_PEERS_LOCK = _ROOT / "benchmarks" / "peers" / "requirements.txt"


@pytest.fixture(scope="session", autouse=True)
def launchers() -> Iterator[None]:
    """The processes that run the clients' scripts, until the last test."""
    with launching():
        yield


@pytest.fixture(scope="session")
def serai_target(tmp_path_factory: pytest.TempPathFactory, launcher: Launch) -> Iterator[Target]:
    """Serai with the components of serai_os.py, twice on one data folder: open, and behind a security key."""
    logs = tmp_path_factory.mktemp("serai")
    with data_folder() as folder:

        def server(name: str, **variables: str) -> ServerProcess:
            return LaunchedServer(
                ["--data-dir", str(folder), "tests.compat.serai_os"],
                launch=launcher,
                env=clean_environment(**variables),
                log=logs / f"{name}.log",
                folder=_ROOT,
            )

        sent = {LOG_VARIABLE: str(logs / "sent.jsonl")}
        open_one = server("open", SERAI_HEARTBEAT_S="0.2", **sent)
        for target in _serve_both(open_one, server("keyed", SERAI_SECURITY_KEY=KEY, **sent)):
            LOGS[target.base_url] = logs / "sent.jsonl"
            yield target


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
    python = str(python_or_not_run(_PEERS_LOCK))
    logs = tmp_path_factory.mktemp("reference-logs")

    def server(name: str, **variables: str) -> ServerProcess:
        return ServerProcess(
            [python, str(_HERE / "reference_os.py"), str(tmp_path_factory.mktemp("reference")), "{port}"],
            env=clean_environment(**variables),
            log=logs / f"{name}.log",
            folder=logs,
        )

    yield from _serve_both(server("open"), server("keyed", OS_SECURITY_KEY=KEY))


def _serve_both(open_one: ServerProcess, keyed_one: ServerProcess) -> Iterator[Target]:
    try:
        open_one.start()
        keyed_one.start()
        yield Target(open_one.base_url, keyed_one.base_url, KEY)
    finally:
        keyed_one.stop()
        open_one.stop()

"""The servers that are measured side by side, each with the store it is run on."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from benchmarks.environments import clean_environment, locked_python
from benchmarks.processes import ServerProcess, postgres_pid, tree_cpu_s
from serai.storage.embedded import EmbeddedPostgres

_HERE = Path(__file__).parent
PEERS_LOCK = _HERE / "peers" / "requirements.txt"
SERAI = "Serai"
PEER_ON_SQLITE = "agno 3.1.10, SQLite"
PEER_ON_POSTGRES = "agno 3.1.10, PostgreSQL"


@dataclass(frozen=True)
class CpuTime:
    """CPU seconds, user and system; None where they cannot be measured or there is no such process."""

    server_s: float | None
    database_s: float | None

    def since(self, earlier: CpuTime) -> CpuTime:
        """Return what was used between two readings."""
        return CpuTime(_minus(self.server_s, earlier.server_s), _minus(self.database_s, earlier.database_s))


@dataclass(frozen=True)
class Subject:
    """One server under one configuration.

    Attributes:
        name: its name in tables.
        server: its process; may be stopped and started again.
        run_path: the path to which runs are posted.
        postgres_folder: data folder of the PostgreSQL it uses.
    """

    name: str
    server: ServerProcess
    run_path: str
    postgres_folder: Path | None = None

    def cpu(self) -> CpuTime:
        """Read how much CPU time the running server and its database have used so far."""
        database = postgres_pid(self.postgres_folder) if self.postgres_folder else None
        return CpuTime(tree_cpu_s(self.server.pid, without=database), self.database_cpu_s())

    def database_cpu_s(self) -> float | None:
        """Read how much CPU time the database has used so far; None when it does not run."""
        database = postgres_pid(self.postgres_folder) if self.postgres_folder else None
        return tree_cpu_s(database) if database else None


@contextmanager
def all_subjects(*, peers: bool) -> Iterator[list[Subject]]:
    """Yield the subjects, stopped; what they leave behind is removed afterwards.

    Args:
        peers: also those that need the peer's environment.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(_work_folder())
        subjects = [_serai(folder)]
        if peers:
            postgres = EmbeddedPostgres(folder / "peer-postgres")
            stack.callback(postgres.stop)
            subjects += [_peer_on_sqlite(folder), _peer_on_postgres(folder, postgres)]
        for subject in subjects:
            stack.callback(subject.server.stop)
        yield subjects


def _serai(folder: Path) -> Subject:
    data = folder / "serai"
    serve = [sys.executable, "-m", "serai", "serve", str(_HERE / "serai_os.py"), "--log-level", "warning"]
    command = [*serve, "--port", "{port}", "--data-dir", str(data)]
    server = ServerProcess(command, env=clean_environment(), log=folder / "serai.log", folder=folder)
    return Subject(SERAI, server, "/agents/instant/runs", data)


def _peer_on_sqlite(folder: Path) -> Subject:
    return Subject(PEER_ON_SQLITE, _peer_server(folder, f"sqlite:///{folder / 'peer.db'}"), "/agents/instant/runs")


def _peer_on_postgres(folder: Path, postgres: EmbeddedPostgres) -> Subject:
    url = postgres.start().replace("postgresql://", "postgresql+psycopg://", 1)
    return Subject(PEER_ON_POSTGRES, _peer_server(folder, url), "/agents/instant/runs", folder / "peer-postgres")


def _peer_server(folder: Path, database_url: str) -> ServerProcess:
    command = [str(locked_python(PEERS_LOCK)), str(_HERE / "peers" / "agno_os.py"), database_url, "{port}"]
    log = folder / f"peer-{database_url.partition(':')[0]}.log"
    return ServerProcess(command, env=clean_environment(), log=log, folder=folder)


@contextmanager
def _work_folder() -> Iterator[Path]:
    # PostgreSQL drops root's rights and must still reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="serai-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def _minus(later: float | None, earlier: float | None) -> float | None:
    return None if later is None else later - (earlier or 0.0)

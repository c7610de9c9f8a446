"""The servers that are measured side by side, each with the store it is run on."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from benchmarks.database import Server
from benchmarks.environments import clean_environment, locked_python
from benchmarks.load import Load, Seen, post_form, send_apart
from benchmarks.processes import ApartError, ServerProcess, postgres_pid, tree_cpu_s, tree_rss_mb
from serai.storage.embedded import EmbeddedPostgres

_HERE = Path(__file__).parent
PEERS_LOCK = _HERE / "peers" / "requirements.txt"
SERAI = "Serai"
PEER_ON_SQLITE = "agno 3.1.10, SQLite"
PEER_ON_POSTGRES = "agno 3.1.10, PostgreSQL"
PEER_ON_QUEUE = "agno 3.1.10, durable queue"
SIDE_BY_SIDE = (SERAI, PEER_ON_SQLITE, PEER_ON_POSTGRES)


class SubjectError(Exception):
    """A server answered something that cannot be measured."""


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
        postgres_folder: data folder of the PostgreSQL it uses.
    """

    name: str
    server: ServerProcess
    postgres_folder: Path | None = None

    def run_request(self, component: str, **fields: str) -> bytes:
        """Return the request that runs a component, such as ``agents/instant``."""
        return post_form(self.server.port, f"/{component}/runs", fields)

    def send(
        self,
        requests: list[bytes],
        *,
        most: int,
        concurrency: int,
        expect: str,
        count: str = "",
        seconds: float = math.inf,
        by: Callable[[Load], Seen] = send_apart,
    ) -> Seen:
        """Send requests, one after the other and again from the first, from another process.

        Raises:
            SubjectError: an answer lacks what is expected, or none comes; nothing is measured then.
        """
        load = Load(self.server.port, requests, True, concurrency, most, seconds, expect.encode(), count.encode())
        try:
            seen = by(load)
        except ApartError as error:
            raise SubjectError(f"{self.name}: {error}\n{self.server.output()}") from error
        if seen.failures:
            what = f"{self.name}: {seen.failures} of {seen.requests} requests failed"
            raise SubjectError(f"{what}:\n{seen.failed}\n{self.server.output()}")
        return seen

    def cpu(self) -> CpuTime:
        """Read how much CPU time the running server and its database have used so far."""
        database = postgres_pid(self.postgres_folder) if self.postgres_folder else None
        return CpuTime(tree_cpu_s(self.server.pid, without=database), self.database_cpu_s())

    def memory_mb(self) -> float | None:
        """Read the resident memory of the running server, without its database."""
        database = postgres_pid(self.postgres_folder) if self.postgres_folder else None
        return tree_rss_mb(self.server.pid, without=database)

    def database_cpu_s(self) -> float | None:
        """Read how much CPU time the database has used so far; None when it does not run."""
        database = postgres_pid(self.postgres_folder) if self.postgres_folder else None
        return tree_cpu_s(database) if database else None


@contextmanager
def all_subjects(names: Sequence[str], **settings: str) -> Iterator[list[Subject]]:
    """Yield the named subjects, stopped; what they leave behind is removed afterwards.

    Args:
        names: who; the peers need the peers' environment.
        settings: Serai's, without ``SERAI_`` and in lower case.

    Raises:
        EnvironmentUnavailableError: the peers' environment cannot be had.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        subjects = []
        if SERAI in names:
            subjects.append(_serai(folder, settings))
        if PEER_ON_SQLITE in names:
            server = peer_server(folder, "sqlite", f"sqlite:///{folder / 'peer.db'}")
            subjects.append(Subject(PEER_ON_SQLITE, server))
        if PEER_ON_POSTGRES in names or PEER_ON_QUEUE in names:
            subjects += _peers_on_postgres(folder, names, stack)
        for subject in subjects:
            stack.callback(subject.server.stop)
        yield subjects


def serai_server(folder: Path, flags: Sequence[str], settings: Mapping[str, str], *, name: str) -> ServerProcess:
    """Return a `serai serve` of the agents that are measured, not yet started."""
    serve = [sys.executable, "-m", "serai", "serve", str(_HERE / "serai_os.py"), "--log-level", "warning"]
    variables = {f"SERAI_{setting.upper()}": value for setting, value in settings.items()}
    environment = clean_environment(**variables)
    return ServerProcess(
        [*serve, "--port", "{port}", *flags], env=environment, log=folder / f"{name}.log", folder=folder
    )


def _serai(folder: Path, settings: Mapping[str, str]) -> Subject:
    data = folder / "serai"
    return Subject(SERAI, serai_server(folder, ["--data-dir", str(data)], settings, name="serai"), data)


def _peers_on_postgres(folder: Path, names: Sequence[str], stack: ExitStack) -> Iterator[Subject]:
    data = folder / "peer-postgres"
    postgres = EmbeddedPostgres(data)
    stack.callback(postgres.stop)
    databases = Server(postgres.start())
    for name, database, flags in ((PEER_ON_POSTGRES, "plain", ()), (PEER_ON_QUEUE, "queued", ("--durable-queue",))):
        if name in names:
            yield Subject(name, peer_server(folder, database, psycopg_url(databases.create(database)), *flags), data)


def peer_server(folder: Path, name: str, database_url: str, *flags: str) -> ServerProcess:
    """Return agno's server on a database, not yet started.

    Args:
        folder: for its log.
        name: of the log.
        database_url: SQLAlchemy's.
        flags: of `benchmarks/peers/agno_os.py`.

    Raises:
        EnvironmentUnavailableError: its environment cannot be had.
    """
    command = [str(locked_python(PEERS_LOCK)), str(_HERE / "peers" / "agno_os.py"), database_url, "{port}", *flags]
    return ServerProcess(command, env=clean_environment(), log=folder / f"peer-{name}.log", folder=folder)


def psycopg_url(dsn: str) -> str:
    """Return SQLAlchemy's URL of a PostgreSQL database, by the driver that agno uses."""
    return dsn.replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield a folder that is removed afterwards."""
    # PostgreSQL drops root's rights and must still reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="serai-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def _minus(later: float | None, earlier: float | None) -> float | None:
    return None if later is None else later - (earlier or 0.0)

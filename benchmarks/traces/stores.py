"""Servers with traces in their databases: started, filled, and looked at before they are measured."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from benchmarks.database import Server, execute, fetchval
from benchmarks.requests import Request, call
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI, Subject, peer_server, psycopg_url, serai_server
from benchmarks.traces.asks import FAILED_OF, ask, trace_id
from benchmarks.traces.filling import fill_ours, fill_theirs
from benchmarks.traces.operations import Operation

_PATIENCE_S = 20.0
_RUN = Request(
    "POST",
    "/agents/tooled/runs",
    urlencode({"message": "What is 2 + 2?", "stream": "false", "session_id": "template"}).encode(),
    (("Content-Type", "application/x-www-form-urlencoded"),),
)
_TEMPLATE_OF_PEER = "select trace_id from ai.agno_spans group by trace_id order by count(*) desc limit 1"


class StoreError(Exception):
    """A server does not answer as it should with what was loaded."""


@dataclass(frozen=True)
class Store:
    """One server on one database.

    Attributes:
        subject: the server.
        dsn: of the database.
        traces: that it is to hold.
        maker: a server on the same database that traces its runs, where this one does not: agno's would trace each
            question that it is asked, too.
    """

    subject: Subject
    dsn: str
    traces: int
    maker: Subject | None = None

    def load(self) -> None:
        """Store the traces in the running server's database.

        Raises:
            StoreError: the server does not find them.
        """
        if self.maker is None:
            fill_ours(self.dsn, str(UUID(_make_trace(self.subject))), self.traces)
        else:
            self.maker.server.start()
            try:
                call(self.maker.server, _RUN)
            finally:
                self.maker.server.stop()
            fill_theirs(self.dsn, fetchval(self.dsn, _TEMPLATE_OF_PEER), self.traces)
        execute(self.dsn, "vacuum analyze", "checkpoint")
        self._check()

    def ask(self, operation: Operation, index: int = 0) -> Any:
        """Send one request of an operation and return the JSON that comes back."""
        return json.loads(call(self.subject.server, ask(operation, index, self.traces)).body)

    def requests(self, operation: Operation, most: int) -> list[bytes]:
        """Return requests of an operation, as they go over the connection."""
        host = f"127.0.0.1:{self.subject.server.port}"
        return [ask(operation, number, self.traces).encode(host) for number in range(most)]

    def _check(self) -> None:
        for operation, expected in ((Operation.NEWEST, self.traces), (Operation.FAILED, self.traces // FAILED_OF)):
            answer = self.ask(operation)
            total = answer["meta"]["total_count"]
            if total != expected:
                raise StoreError(f"{self.subject.name} has {total} of {operation.value} instead of {expected}")
        shown = self.ask(Operation.DETAIL)
        if shown["trace_id"] != trace_id(1) or not shown["tree"][0]["spans"]:
            raise StoreError(f"{self.subject.name} shows no tree of a trace: {shown}")


def make_store(kind: str, traces: int, folder: Path, postgres: Server, postgres_folder: Path) -> Store:
    """Return a server on a new database, not yet started."""
    database = f"{'serai' if kind == SERAI else 'peer'}_{traces}"
    place = (folder, postgres, postgres_folder)
    subject, dsn = make_subject(kind, database, *place, name=kind, traced=kind == SERAI)
    if kind == SERAI:
        return Store(subject, dsn, traces)
    maker = peer_server(folder, f"{database}_maker", psycopg_url(dsn), "--tracing")
    return Store(subject, dsn, traces, Subject(kind, maker))


def _make_trace(subject: Subject) -> str:
    """Have a server run its agent, and return the id of the trace once all of that is stored."""
    call(subject.server, _RUN)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        listed = json.loads(call(subject.server, Request("GET", "/traces?session_id=template")).body)["data"]
        if listed and listed[0]["status"] == "OK":
            return str(listed[0]["trace_id"])
        time.sleep(0.1)
    raise StoreError(f"{subject.name} never showed the trace of a run:\n{subject.server.output()}")


def make_subject(
    kind: str, database: str, folder: Path, postgres: Server, postgres_folder: Path, *, name: str, traced: bool
) -> tuple[Subject, str]:
    """Return a server that traces runs or does not, on a new database, not yet started; and the database's URL.

    Args:
        kind: `SERAI` or `PEER_ON_POSTGRES`.
        database: to be made.
        folder: for logs.
        postgres: where the database is made.
        postgres_folder: of its data.
        name: of the server in tables.
        traced: whether it traces.
    """
    dsn = postgres.create(database)
    if kind == PEER_ON_POSTGRES:
        server = peer_server(folder, database, psycopg_url(dsn), *(["--tracing"] if traced else []))
    else:
        settings: Mapping[str, str] = {"traces": str(traced).lower()}
        server = serai_server(folder, ["--database-url", dsn], settings, name=database)
    return Subject(name, server, postgres_folder), dsn

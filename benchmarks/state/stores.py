"""A server with the dataset in its database: started, loaded, and looked at before it is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.database import Server, execute, run
from benchmarks.requests import Request, RequestError, call
from benchmarks.state import agno_rows, serai_rows
from benchmarks.state.asks import ask, make_memory, make_session
from benchmarks.state.copies import Connection, make_template, remove_template
from benchmarks.state.dataset import Dataset, Session, long_sessions
from benchmarks.state.operations import LISTS, Operation, Place, Sizes
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI, Subject, peer_server, psycopg_url, serai_server
from serai.storage.session_lists import MOST_COUNTED

_OWN = ("session_id", "agent_session_id", "memory_id", "created_at", "updated_at")
# Days have no total; and the list of big sessions must be new to a server when its memory is watched.
_UNCOUNTED = (Operation.METRICS, Operation.HEAVY)
_SEARCHES = (Operation.FIND_MANY, Operation.MEMORY_FIND_MANY, Operation.MEMORY_OF_TOPIC)


class StoreError(Exception):
    """A server does not hold what was loaded, or does not answer as it would had it written that itself."""


@dataclass
class Store:
    """One server on one database.

    Attributes:
        subject: the server.
        place: which of its databases.
        dsn: of the database.
        data: what is in it.
        more: sessions beside these.
        sizes: how much is measured.
        deleted: how many of the oldest sessions, and memories, are there no more.
    """

    subject: Subject
    place: Place
    dsn: str
    data: Dataset
    more: Sequence[Session]
    sizes: Sizes
    deleted: dict[Operation, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many sessions there are at first."""
        return self.data.rows + len(self.more)

    def load(self) -> None:
        """Store the dataset in the running server's database."""
        server = self.subject.server
        has_big = any(session.is_big for session in self.more)
        templates = [make_template(server, is_big=is_big) for is_big in ((False, True) if has_big else (False,))]
        if self.subject.name == PEER_ON_POSTGRES:  # it makes a table when it is needed
            call(server, make_memory(self.data.memory(1)))
            execute(self.dsn, "truncate ai.agno_memories")

        async def act(connection: Connection) -> None:
            load = serai_rows.load if self.subject.name == SERAI else agno_rows.load
            await load(connection, self.data, self.more, templates)

        run(self.dsn, act)
        for template in templates:
            remove_template(server, template)
        if self.subject.name == SERAI:
            serai_rows.settle(server)
        execute(self.dsn, "vacuum analyze")

    def check(self) -> None:
        """See that the server reads what was loaded, and reads it as what it has written itself.

        Raises:
            StoreError: it does not.
        """
        for operation, expected in ((Operation.NEWEST, self.rows), (Operation.MEMORY_NEWEST, self.data.rows)):
            if (total := self.total(operation)) != expected:
                raise StoreError(f"{self.subject.name} has {total} in {operation.value} instead of {expected}")
        for number in (1, self.data.rows // 2, self.data.rows - 1, self.data.rows):
            self._check_session(self.data.session(number))
            self._check_memory(number)

    def total(self, operation: Operation) -> int:
        """Return how many there are in all of what an operation lists."""
        answer = self.ask(operation)
        return len(answer) if isinstance(answer, list) else int(answer["meta"]["total_count"])

    def totals(self) -> dict[Operation, int]:
        """Return how many there are of what each list lists; of what is searched, as many as every server counts."""
        totals = {one: self.total(one) for one in LISTS if one not in _UNCOUNTED}
        return totals | {one: min(totals[one], MOST_COUNTED) for one in _SEARCHES}

    def ask(self, operation: Operation) -> Any:
        """Send one request of an operation and return the JSON that comes back."""
        return self._json(ask(operation, 0, self.data, self.sizes))

    def requests(self, operation: Operation, most: int) -> list[bytes]:
        """Return requests of an operation, as they go over the connection; deletes begin where the last ones ended."""
        first = self.deleted.get(operation, 0)
        host = f"127.0.0.1:{self.subject.server.port}"
        return [ask(operation, first + nr, self.data, self.sizes).encode(host) for nr in range(most)]

    def _check_session(self, session: Session) -> None:
        path = f"/sessions/copy-of-{session.id}"
        self._json(make_session(session, session_id=path.rpartition("/")[2]))
        loaded, made = self._json(Request("GET", f"/sessions/{session.id}")), self._json(Request("GET", path))
        call(self.subject.server, Request("DELETE", path))
        if session.runs:
            if not loaded["chat_history"] or loaded["total_tokens"] <= 0:
                raise StoreError(f"{self.subject.name} has no run in session {session.id}: {loaded}")
            made |= {name: loaded[name] for name in ("chat_history", "total_tokens", "metrics")}
        self._compare(loaded, made)

    def _check_memory(self, number: int) -> None:
        memory = self.data.memory(number)
        made = self._json(make_memory(memory))
        loaded = self._json(Request("GET", f"/memories/{memory.id}"))
        call(self.subject.server, Request("DELETE", f"/memories/{made['memory_id']}"))
        self._compare(loaded, made)

    def _compare(self, loaded: dict[str, Any], made: dict[str, Any]) -> None:
        shown = [{name: value for name, value in one.items() if name not in _OWN} for one in (loaded, made)]
        if shown[0] != shown[1]:
            raise StoreError(f"{self.subject.name} reads {shown[0]} of what it writes as {shown[1]}")

    def _json(self, request: Request) -> Any:
        try:
            return json.loads(call(self.subject.server, request).body)
        except RequestError as error:
            raise StoreError(f"{self.subject.name}: {error}\n{self.subject.server.output()}") from error


def make_store(
    name: str, place: Place, *, sizes: Sizes, folder: Path, postgres: Server, postgres_folder: Path, data: Dataset
) -> Store:
    """Return a server on a new database, not yet started."""
    database = f"{'serai' if name == SERAI else 'peer'}_{place}"
    dsn = postgres.create(database)
    if name == SERAI:
        server = serai_server(folder, ["--database-url", dsn], {}, name=database)
    else:
        server = peer_server(folder, database, psycopg_url(dsn))
    more = list(long_sessions(sizes, data.until)) if place is Place.MEDIUM else []
    return Store(Subject(name, server, postgres_folder), place, dsn, data, more, sizes)

"""Sessions by themselves: made, read, changed, removed, and the runs in them.

Order of locks as everywhere: session, then run, then the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from serai.domain.runs import RunRecord
from serai.domain.search_text import fold, pieces_of
from serai.domain.sessions import (
    NewSession,
    RunFilter,
    SessionChanges,
    SessionDetail,
    SessionPage,
    SessionQuestion,
    SessionRecord,
)
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import RequestKey
from serai.storage.metrics import keep_totals
from serai.storage.runs import RECORD_COLUMNS, Answer, read_answer, read_record
from serai.storage.session_creates import Created, SessionCreator
from serai.storage.session_lists import COLUMNS, SessionLists
from serai.storage.trace_removal import remove_traces_of_sessions

_READ_AT_A_TIME: Final = 50

# What the runs of a session have left; no run is looked for in one that never had any.
_LEFT = """
left join lateral (
    select array_agg(messages order by position) filter (where messages is not null) as messages,
           string_agg(usage::text, ',' order by position) as usage
    from runs
    where sessions.first_run_key is not null and runs.project_id = sessions.project_id
      and runs.session_id = sessions.id and runs.parent_key is null
) as told on true"""

_GET = f"""
select {COLUMNS}, told.messages, told.usage
from sessions{_LEFT}
where sessions.project_id = $1 and sessions.id = $2 and ($3::text is null or sessions.user_id = $3)"""  # noqa: S608

# The same of several. PostgreSQL plans this anew each time.
_GET_ALL = f"""
select wanted.nr, {COLUMNS}, told.messages, told.usage
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted(of_project, session_id, of_user, nr)
join sessions on sessions.project_id = wanted.of_project and sessions.id = wanted.session_id
    and (wanted.of_user is null or sessions.user_id = wanted.of_user){_LEFT}"""  # noqa: S608 - our own text

# Replaces what is given; a new name is found at once.
_UPDATE = f"""
with changed as (
    update sessions set name = coalesce($4, name), state = coalesce($5, state), metadata = coalesce($6, metadata),
                        summary = coalesce($7, summary), updated_at = now()
    where project_id = $1 and id = $2 and ($3::text is null or user_id = $3)
    returning *
), named as (
    insert into session_names (project_id, session_id, user_id, folded, pieces)
    select project_id, id, user_id, $8, $9::text[] from changed where $8::text is not null
    on conflict (project_id, session_id) do update set folded = excluded.folded, pieces = excluded.pieces
)
select {COLUMNS}, told.messages, told.usage from changed as sessions{_LEFT}"""  # noqa: S608 - our own text

_LOCK_MESSAGE = "select first_message from sessions where project_id = $1 and id = $2 for update"

_LOCK = """
select id, first_run_key is not null as has_runs from sessions
where project_id = $1 and id = any($2::text[]) and ($3::text is null or user_id = $3) order by id for update"""

# Removes sessions that never had a run, all at once.
_REMOVE_EMPTY = """
with found as materialized (
    select sessions.project_id, id, created_at, sessions.user_id, kind, component_id
    from unnest($1::text[], $2::text[], $3::text[]) as wanted(project_id, session_id, of_user)
    join sessions on sessions.project_id = wanted.project_id and id = session_id
    where first_run_key is null and (of_user is null or sessions.user_id = of_user)
    order by sessions.project_id, id for update of sessions
), counted as (
    insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed, is_kept)
    select project_id, created_at::date, user_id, kind, component_id, 1, -1, true from found
), names as (
    delete from session_names using found
    where session_names.project_id = found.project_id and session_names.session_id = found.id
)
delete from sessions using found where sessions.project_id = found.project_id and sessions.id = found.id
returning sessions.project_id, sessions.id"""

# Whoever writes to a run's log, or makes runs inside it, holds its root's row: once we have it, all that is whole.
_LOCK_ROOTS = """
select from runs where project_id = $1 and session_id = any($2::text[]) and parent_key is null
order by key for update"""

_REMOVE_RUNS = """
with gone as (
    delete from runs where project_id = $1 and session_id = any($2::text[]) returning key, id
), cancels as (
    delete from run_cancellations where project_id = $1 and run_id = any(array(select id from gone))
), events as (
    delete from run_events where run_key = any(array(select key from gone))
)
delete from run_steps where run_key = any(array(select key from gone))"""

_REMOVE = """
with names as (
    delete from session_names where project_id = $1 and session_id = any($2::text[])
)
delete from sessions where project_id = $1 and id = any($2::text[])"""

_HAS = """
select first_run_key is not null from sessions
where project_id = $1 and id = $2 and ($3::text is null or user_id = $3)"""

_RUNS = f"""
select {RECORD_COLUMNS}, runs.output, {{messages}} as messages, runs.carried
from runs
where project_id = $1 and session_id = $2 and parent_key is null
  and ($3::timestamptz is null or created_at >= $3) and ($4::timestamptz is null or created_at < $4)
  and ($5::text[] is null or status = any($5))
order by position"""  # noqa: S608 - our own text

_RUN = f"""
select {RECORD_COLUMNS}, runs.output, runs.messages, runs.carried
from runs where project_id = $1 and session_id = $2 and id = $3"""  # noqa: S608 - our own text


class _Wanted(NamedTuple):
    project_id: str
    session_id: str
    user_id: str | None


class SessionStore:
    """The statements about sessions. With a user, the sessions of others are not there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._creator = SessionCreator(database)
        self._lists = SessionLists(database)
        self._gets: Batcher[_Wanted, SessionDetail | None] = Batcher(self._read, max_items=_READ_AT_A_TIME)
        self._removals: Batcher[_Wanted, bool] = Batcher(self._remove_empty)

    async def create(self, new: NewSession, *, key: RequestKey | None = None) -> Created:
        """Make a session; see `SessionCreator.create`."""
        return await self._creator.create(new, key=key)

    async def get(self, project_id: str, session_id: str, *, user_id: str | None = None) -> SessionDetail | None:
        """Return a session and what its runs have left. O(its runs); shares a statement with others that wait."""
        return await self._gets.submit(_Wanted(project_id, session_id, user_id))

    async def page(self, question: SessionQuestion) -> SessionPage:
        """Return a page of sessions; see `SessionLists.page`."""
        return await self._lists.page(question)

    async def update(
        self,
        project_id: str,
        session_id: str,
        changes: SessionChanges,
        *,
        user_id: str | None = None,
        connection: Connection | None = None,
    ) -> SessionDetail | None:
        """Change a session, and return it as `get` does; None when it is not there.

        Args:
            project_id: whose.
            session_id: which.
            changes: what takes the place of what; a run at work lays the members that it has changed over a new
                state when it ends.
            user_id: of whom it must be.
            connection: of the caller's transaction, if there is one.
        """
        if connection is None and changes.name == "":  # it is called by a message that we must hold
            async with self._database.transaction() as own:
                return await self.update(project_id, session_id, changes, user_id=user_id, connection=own)
        source = connection or self._database
        title = changes.name
        if connection is not None and title == "":
            title = await connection.fetchval(_LOCK_MESSAGE, project_id, session_id) or ""
        folded = None if title is None else fold(title)
        row = await source.fetchrow(
            _UPDATE,
            *(project_id, session_id, user_id),
            *(changes.name, changes.state, changes.metadata, changes.summary),
            *(folded, None if folded is None else list(pieces_of(folded))),
        )
        return None if row is None else _read_detail(row)

    async def delete(self, project_id: str, session_ids: Sequence[str], *, user_id: str | None = None) -> None:
        """Remove sessions with their runs; those that are not there, or another user's, are passed over."""
        if len(session_ids) == 1 and await self._removals.submit(_Wanted(project_id, session_ids[0], user_id)):
            return
        async with self._database.transaction() as connection:
            await remove_sessions(connection, project_id, session_ids, user_id=user_id)

    async def has_runs(self, project_id: str, session_id: str, *, user_id: str | None = None) -> bool | None:
        """Return whether a session ever had runs; None when it is not there."""
        found: bool | None = await self._database.fetchval(_HAS, project_id, session_id, user_id)
        return found

    async def list_runs(
        self, project_id: str, session_id: str, wanted: RunFilter, *, with_messages: bool = True
    ) -> list[tuple[RunRecord, Answer]]:
        """Return a session's runs, oldest first; those inside them are in their answers."""
        rows = await self._database.fetch(
            _RUNS.format(messages="runs.messages" if with_messages else "null::bytea"),
            *(project_id, session_id, wanted.since, wanted.until, wanted.statuses),
        )
        return [(read_record(row), read_answer(row)) for row in rows]

    async def find_run(self, project_id: str, session_id: str, run_id: str) -> tuple[RunRecord, Answer] | None:
        """Return a run of a session, or one inside such a run, by its id."""
        row = await self._database.fetchrow(_RUN, project_id, session_id, run_id)
        return None if row is None else (read_record(row), read_answer(row))

    async def _read(self, items: list[_Wanted]) -> list[SessionDetail | Exception | None]:
        if len(items) == 1:
            row = await self._database.fetchrow(_GET, *items[0])
            return [None if row is None else _read_detail(row)]
        wanted = list(dict.fromkeys(items))
        columns: list[Iterable[Any]] = list(zip(*wanted, strict=True))
        found = {wanted[row[0] - 1]: _read_detail(row[1:]) for row in await self._database.fetch(_GET_ALL, *columns)}
        return [found.get(item) for item in items]

    async def _remove_empty(self, items: list[_Wanted]) -> list[bool | Exception]:
        first: dict[tuple[str, str], _Wanted] = {}
        for item in items:
            first.setdefault((item.project_id, item.session_id), item)
        columns: list[Iterable[Any]] = list(zip(*first.values(), strict=True))
        gone = {(row["project_id"], row["id"]) for row in await self._database.fetch(_REMOVE_EMPTY, *columns)}
        return [(place := item[:2]) in gone and first[place] == item for item in items]


async def remove_sessions(
    connection: Connection, project_id: str, session_ids: Sequence[str], *, user_id: str | None = None
) -> list[str]:
    """Remove sessions with all that their runs have written; return the ids of those there were.

    Args:
        connection: of a transaction.
        project_id: whose.
        session_ids: which; those that are not there, or another user's, are passed over.
        user_id: of whom they must be; None is of anybody.

    What they have added to the totals of days stays. A node that works on one of the runs is refused its next write.
    """
    rows = await connection.fetch(_LOCK, project_id, session_ids, user_id)
    if not (found := [row["id"] for row in rows]):
        return []
    if with_runs := [row["id"] for row in rows if row["has_runs"]]:
        await connection.execute(_LOCK_ROOTS, project_id, with_runs)
    await keep_totals(connection, project_id, found)
    if with_runs:
        await connection.execute(_REMOVE_RUNS, project_id, with_runs)
        await remove_traces_of_sessions(connection, project_id, with_runs)
    await connection.execute(_REMOVE, project_id, found)
    return found


def _read_detail(row: Iterable[Any]) -> SessionDetail:
    *session, messages, usage = row
    return SessionDetail(SessionRecord(*session), messages or (), usage or "")

"""Taking one user's runs out of a session that is others', too: it goes on as if they had never been there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from serai.domain.runs import message_of
from serai.domain.search_text import fold, pieces_of, title_of
from serai.storage.connection import Connection, count_of
from serai.storage.metrics import keep_run_totals
from serai.storage.run_moves import PROMOTE_NEXT

_LOCK = "select id, active_run_key, first_run_key, name from sessions where project_id = $1 and id = $2 for update"

_IS_SHARED = """
select exists(select from runs where project_id = $1 and session_id = $2 and parent_key is null
              and user_id is distinct from $3)"""

_LOCK_RUNS = """
select key, id from runs where project_id = $1 and session_id = $2 and user_id = $3 and parent_key is null
order by key for update"""

_TAKE_TOKENS = """
update sessions set input_tokens = greatest(input_tokens - gone.input, 0),
                    output_tokens = greatest(output_tokens - gone.output, 0)
from (
    select coalesce(sum((item->>'input_tokens')::bigint), 0) as input,
           coalesce(sum((item->>'output_tokens')::bigint), 0) as output
    from runs cross join lateral jsonb_array_elements(usage) as item where key = any($3::uuid[])
) as gone
where project_id = $1 and id = $2"""

_REMOVE_RUNS = """
delete from runs where key in (
    select unnest($1::uuid[]) union all
    select key from runs where root_key = any($1::uuid[]) and parent_key is not null)
returning key"""
_REMOVE_LOGS: Final = {
    "run_events": "delete from run_events where run_key = any($1::uuid[])",
    "run_steps": "delete from run_steps where run_key = any($1::uuid[])",
}
_REMOVE_CANCELS = "delete from run_cancellations where project_id = $1 and run_id = any($2::text[])"

_NEXT_FIRST = """
select key, input from runs where project_id = $1 and session_id = $2 and parent_key is null
order by position limit 1"""
_SET_FIRST = "update sessions set first_run_key = $3, first_message = $4 where project_id = $1 and id = $2"
_SET_NAME = "update session_names set folded = $3, pieces = $4 where project_id = $1 and session_id = $2"


async def lock_shared(
    connection: Connection, project_id: str, session_id: str, *, user_id: str
) -> dict[str, Any] | None:
    """Lock a session in which a user has runs, and return its row; None when nobody else has runs in it.

    Of a session that is there no more the row says nothing: its runs are left.
    """
    row = await connection.fetchrow(_LOCK, project_id, session_id)
    if row is None:
        return {"id": session_id, "first_run_key": None, "active_run_key": None}
    is_shared = await connection.fetchval(_IS_SHARED, project_id, session_id, user_id)
    return dict(row) if is_shared else None


async def leave_session(
    connection: Connection, project_id: str, session: Mapping[str, Any], *, user_id: str
) -> dict[str, int]:
    """Remove a user's runs from a session, and return how many rows of each table went.

    Args:
        connection: of the transaction in which the session was locked.
        project_id: whose.
        session: as `lock_shared` has found it.
        user_id: of whom no run is to be left; others have some.

    Its tokens, its first message and whose turn it is are those of the runs that stay.
    """
    session_id = session["id"]
    rows = await connection.fetch(_LOCK_RUNS, project_id, session_id, user_id)
    roots = [row["key"] for row in rows]
    await keep_run_totals(connection, project_id, roots)
    await connection.execute(_TAKE_TOKENS, project_id, session_id, roots)
    await connection.execute(_REMOVE_CANCELS, project_id, [row["id"] for row in rows])
    keys: list[UUID] = [row["key"] for row in await connection.fetch(_REMOVE_RUNS, roots)]
    removed = {"runs": len(roots)}
    for table, sql in _REMOVE_LOGS.items():
        removed[table] = count_of(await connection.execute(sql, keys))
    if session["first_run_key"] in roots:
        await _begin_with_next(connection, project_id, session)
    if session["active_run_key"] in roots:
        await connection.fetchval(PROMOTE_NEXT, project_id, session_id)
    return removed


async def _begin_with_next(connection: Connection, project_id: str, session: Mapping[str, Any]) -> None:
    """Have a session begin with the first run that it has now, and be called by its message."""
    first = await connection.fetchrow(_NEXT_FIRST, project_id, session["id"])
    assert first is not None  # others have runs in it
    title = title_of(message_of(first["input"]))
    await connection.execute(_SET_FIRST, project_id, session["id"], first["key"], title)
    if not session["name"]:
        folded = fold(title)
        await connection.execute(_SET_NAME, project_id, session["id"], folded, list(pieces_of(folded)))

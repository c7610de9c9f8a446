"""The totals of each day and of the lists of sessions: folded from deltas, read, recomputed, kept.

Sessions and runs write their deltas with themselves; nobody waits for a row that all of them count in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from serai.domain.json_text import dump_json
from serai.domain.usage import Usage
from serai.storage.connection import Connection, Database, count_of

TOKENS: Final = (
    *("input_tokens", "output_tokens", "total_tokens", "audio_input_tokens", "audio_output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
)
COUNTS: Final = (*("agent_sessions", "team_sessions", "workflow_sessions", "agent_runs", "team_runs", "workflow_runs"),)
FOLDED_AT_A_TIME: Final = 10_000
_MANY: Final = 1000
_NUMBERS: Final = (*COUNTS, *TOKENS)
_COLUMNS: Final = ", ".join((*_NUMBERS, "cost"))

# Folds, refreshes and removals come one after the other: each sees what the one before it has left.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('serai-metrics', 0))"
_TRY_LOCK = "select pg_try_advisory_xact_lock(hashtextextended('serai-metrics', 0))"
_IS_PENDING = "select exists(select from usage_deltas)"

# Lists read all deltas that there are: what is gone must not be passed each time.
_VACUUM = "vacuum usage_deltas"

# What a source of sessions and runs tells of each day: of each user, and of all together.
_NUMBER_OF = "coalesce(sum({noun}) filter (where kind = '{kind}'), 0) as {kind}_{noun}"
_TOKENS_OF = (
    "coalesce(sum((select sum((item->>'{name}')::bigint) from jsonb_array_elements(usage) as item)), 0) as {name}"
)
_COST = "sum((select sum((item->>'cost')::numeric) from jsonb_array_elements(usage) as item)) as cost"
_SUMMED = ",\n           ".join(
    [
        *(_NUMBER_OF.format(kind=kind, noun=noun) for kind, noun in (name.split("_") for name in COUNTS)),
        *(_TOKENS_OF.format(name=name) for name in TOKENS),
        _COST,
    ]
)
_DAYS = f"""
    select project_id, day, user_id,
           {_SUMMED}
    from {{source}} where sessions <> 0 or runs <> 0 or usage is not null
    group by project_id, day, rollup (user_id) having grouping(user_id) = 1 or user_id is not null"""  # noqa: S608
_MODELS = """
    select project_id, day, user_id, model_id, model_provider, sum(runs) as runs, sum(cost) as cost
    from (
        select project_id, day, user_id, coalesce(item->>'id', '') as model_id,
               coalesce(item->>'provider', '') as model_provider, runs, sum((item->>'cost')::numeric) as cost
        from {source} cross join lateral jsonb_array_elements(usage) as item where runs <> 0
        group by nr, project_id, day, user_id, model_id, model_provider, runs
    ) as used
    group by project_id, day, model_id, model_provider, rollup (user_id)
    having grouping(user_id) = 1 or user_id is not null"""

# How lists grow and shrink: those of sessions by each of their filters, all of them day by day.
_COUNTED = """
counted as (
    insert into session_counts as kept (project_id, user_id, kind, component_id, sessions)
    select project_id, user_id, kind, component_id, sum(listed) from taken where listed <> 0
    group by project_id, cube (user_id, kind, component_id)
    having (grouping(user_id) = 1 or user_id is not null) and (grouping(component_id) = 1 or component_id is not null)
    on conflict (project_id, user_id, kind, component_id) do update set sessions = kept.sessions + excluded.sessions
), counted_days as (
    insert into session_days as kept (project_id, kind, component_id, day, sessions)
    select project_id, kind, component_id, day, sum(listed) from taken where listed <> 0
    group by project_id, day, cube (kind, component_id) having grouping(component_id) = 1 or component_id is not null
    on conflict (project_id, kind, component_id, day) do update set sessions = kept.sessions + excluded.sessions
), counted_memories as (
    insert into memory_counts as kept (project_id, memories, users)
    select project_id, sum(memories), sum(memory_users) from taken where memories <> 0 or memory_users <> 0
    group by project_id
    on conflict (project_id) do update
    set memories = kept.memories + excluded.memories, users = kept.users + excluded.users
), counted_memory_days as (
    insert into memory_days as kept (project_id, day, memories)
    select project_id, day, sum(memories) from taken where memories <> 0 group by project_id, day
    on conflict (project_id, day) do update set memories = kept.memories + excluded.memories
)"""

_ADDED_COST = "cost = coalesce(kept.cost + excluded.cost, kept.cost, excluded.cost)"
_ADDED = ", ".join((*(f"{name} = kept.{name} + excluded.{name}" for name in _NUMBERS), _ADDED_COST))
_ADDED_MODELS = f"runs = kept.runs + excluded.runs, {_ADDED_COST}"
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in (*_NUMBERS, "cost", "users"))

# Adds what no session or run tells of to what is kept.
_KEPT = f"""
gone as materialized (
    select row_number() over () as nr, * from taken where is_kept
), gone_days as ({_DAYS.format(source="gone")}
), gone_models as ({_MODELS.format(source="gone")}
), kept_days as (
    insert into metrics_kept_days as kept (project_id, day, user_id, {_COLUMNS})
    select * from gone_days
    on conflict (project_id, day, user_id) do update set {_ADDED}, updated_at = now()
), kept_models as (
    insert into metrics_kept_models as kept (project_id, day, user_id, model_id, model_provider, runs, cost)
    select * from gone_models
    on conflict (project_id, day, user_id, model_id, model_provider) do update set {_ADDED_MODELS}
)"""  # noqa: S608 - our own text

# Moves deltas into the totals; a user who is new to a day counts among its users. What was counted when it happened
# and is there no more is in them already; tokens outside of runs are not.
_FOLD = f"""
with taken as materialized (
    delete from usage_deltas where ctid = any (array(select ctid from usage_deltas limit $1)) returning *
), {_COUNTED}, {_KEPT}, fresh as materialized (
    select row_number() over () as nr, * from taken where not is_kept or (sessions = 0 and runs = 0)
), summed as ({_DAYS.format(source="fresh")}
), newcomers as (
    select project_id, day, count(*) as users from summed
    where user_id is not null and not exists (
        select from metrics_days where (metrics_days.project_id, metrics_days.day, metrics_days.user_id)
                                     = (summed.project_id, summed.day, summed.user_id))
    group by project_id, day
), added as (
    insert into metrics_days as kept (project_id, day, user_id, {_COLUMNS}, users)
    select project_id, day, user_id, {_COLUMNS}, case when user_id is null then coalesce(users, 0) else 0 end
    from summed left join newcomers using (project_id, day)
    on conflict (project_id, day, user_id) do update
    set {_ADDED}, users = kept.users + excluded.users, updated_at = now()
), modelled as (
    insert into metrics_models as kept (project_id, day, user_id, model_id, model_provider, runs, cost)
    select * from ({_MODELS.format(source="fresh")}) as used
    on conflict (project_id, day, user_id, model_id, model_provider) do update set {_ADDED_MODELS}
)
select count(*) from taken"""  # noqa: S608 - our own text

# Computes days anew from what there is and what was kept of the rest. Deltas commit with what they tell of, so this
# one statement sees either both or none.
_REFRESH = f"""
with taken as materialized (
    delete from usage_deltas where project_id = $1 and day between $2 and $3 returning *
), {_COUNTED}, {_KEPT}, existing as materialized (
    select row_number() over () as nr, *
    from (
        select project_id, created_at::date as day, user_id, kind, 1 as sessions, 0 as runs, null::jsonb as usage
        from sessions where project_id = $1 and created_at::date between $2 and $3
        union all
        select project_id, ended_at::date, user_id, kind, 0, 1, usage from runs
        where project_id = $1 and parent_key is null and ended_at::date between $2 and $3
    ) as rows
), parts as (
    select *, 0 as users from ({_DAYS.format(source="existing")}) as existing
    union all
    select *, 0 from gone_days
    union all
    select project_id, day, user_id, {_COLUMNS}, users from metrics_kept_days
    where project_id = $1 and day between $2 and $3
), summed as (
    select project_id, day, user_id, {", ".join(f"sum({name}) as {name}" for name in (*_NUMBERS, "cost", "users"))}
    from parts group by project_id, day, user_id
), put as (
    insert into metrics_days (project_id, day, user_id, {_COLUMNS}, users)
    select project_id, day, user_id, {_COLUMNS},
           case when user_id is null
                then users + (select count(*) from summed as other where other.day = summed.day and user_id is not null)
                else 0 end
    from summed
    on conflict (project_id, day, user_id) do update set {_REPLACED}, updated_at = now()
), modelled as (
    insert into metrics_models (project_id, day, user_id, model_id, model_provider, runs, cost)
    select project_id, day, user_id, model_id, model_provider, sum(runs), sum(cost)
    from (
        select * from ({_MODELS.format(source="existing")}) as existing
        union all
        select * from gone_models
        union all
        select project_id, day, user_id, model_id, model_provider, runs, cost from metrics_kept_models
        where project_id = $1 and day between $2 and $3
    ) as models
    group by project_id, day, user_id, model_id, model_provider
    on conflict (project_id, day, user_id, model_id, model_provider) do update
    set runs = excluded.runs, cost = excluded.cost
)
select distinct day from summed order by day"""  # noqa: S608 - our own text

# Of a user who has no session any more the name is left out: it may just have been erased.
_KEEP_USAGE = """
insert into usage_deltas (project_id, day, user_id, kind, component_id, usage, is_kept)
values ($1, now()::date, case when exists(select from sessions where project_id = $1 and user_id = $2) then $2 end,
        $3, $4, $5::text::jsonb, true)"""

# Has what sessions and their runs were stay counted, and counts the sessions out of the lists.
_KEEP_SESSIONS = """
insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed, runs, usage, is_kept)
select project_id, created_at::date, user_id, kind, component_id, 1, -1, 0, null::jsonb, true from sessions
where project_id = $1 and id = any($2::text[])
union all
select project_id, ended_at::date, user_id, kind, component_id, 0, 0, 1, usage, true from runs
where project_id = $1 and session_id = any($2::text[]) and parent_key is null and ended_at is not null"""
_KEEP_RUNS = """
insert into usage_deltas (project_id, day, user_id, kind, component_id, runs, usage, is_kept)
select project_id, ended_at::date, user_id, kind, component_id, 1, usage, true from runs
where project_id = $1 and key = any($2::uuid[]) and ended_at is not null"""

# The totals of all days lose a user's name; how many users there were stays.
_FORGET_USER = (
    """
    insert into metrics_kept_days as kept (project_id, day, users)
    select project_id, day, 1 from metrics_days where project_id = $1 and user_id = $2 order by day
    on conflict (project_id, day, user_id) do update set users = kept.users + 1""",
    *(
        f"delete from {table} where project_id = $1 and user_id = $2"  # noqa: S608 - our own text
        for table in ("metrics_kept_models", "metrics_kept_days", "metrics_models", "session_counts", "metrics_days")
    ),
)

# Of all users together, or of one.
_WHOSE: Final = {False: "$4::text is null and user_id is null", True: "user_id = $4"}
_READ_DAYS: Final = {
    is_of_user: f"""
select day, {_COLUMNS}, users, created_at, updated_at from metrics_days
where project_id = $1 and day between $2 and $3 and {whose} order by day"""  # noqa: S608 - our own text
    for is_of_user, whose in _WHOSE.items()
}
_READ_MODELS: Final = {
    is_of_user: f"""
select day, model_id, model_provider, runs, cost from metrics_models
where project_id = $1 and day between $2 and $3 and {whose}
order by day, runs desc, model_id, model_provider"""  # noqa: S608 - our own text
    for is_of_user, whose in _WHOSE.items()
}


@dataclass(frozen=True, slots=True)
class ModelTotals:
    """A model on a day: how many runs used it, and their cost in US dollars, where its price is known."""

    id: str
    provider: str
    runs: int
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """The totals of a day in UTC.

    Attributes:
        counts: the members of `COUNTS`.
        users: how many users had sessions or runs.
        tokens: the members of `TOKENS`.
        cost: US dollars, of the models whose prices are known; None: of none.
        models: those that runs used.
    """

    day: date
    counts: dict[str, int]
    users: int
    tokens: dict[str, int]
    cost: float | None
    models: list[ModelTotals]
    created_at: datetime
    updated_at: datetime


class MetricsStore:
    """The statements about the totals of a project's days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fold(self) -> int:
        """Fold the deltas that there are into the totals and return how many; waits for whoever else folds.

        Those that come meanwhile may be left: on a busy server there are always some.
        """
        folded = 0
        some = FOLDED_AT_A_TIME
        while some == FOLDED_AT_A_TIME and await self._database.fetchval(_IS_PENDING):
            async with self._database.transaction() as connection:
                await connection.execute(_LOCK)
                some = await connection.fetchval(_FOLD, FOLDED_AT_A_TIME)
            folded += some
        return folded

    async def fold_some(self) -> int:
        """Fold some thousand deltas, if there are any and nobody else folds; return how many."""
        if not await self._database.fetchval(_IS_PENDING):
            return 0
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_TRY_LOCK):
                return 0
            folded: int = await connection.fetchval(_FOLD, FOLDED_AT_A_TIME)
        if folded >= _MANY:
            await self._database.execute(_VACUUM)
        return folded

    async def read_days(
        self, project_id: str, *, first: date = date.min, last: date = date.max, user_id: str | None = None
    ) -> list[DayTotals]:
        """Return the days with activity, oldest first; all that has happened is in them.

        Args:
            project_id: whose.
            first: from which day on.
            last: to which day, itself included.
            user_id: of this user alone; None is of all.
        """
        await self.fold()
        return await self._read_days(project_id, first, last, user_id)

    async def refresh(self, project_id: str, *, first: date = date.min, last: date = date.max) -> list[DayTotals]:
        """Compute days anew from the sessions and runs there are and from what was kept of the rest; return them.

        Cost: reads a small part of each session and run of the project.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            days = [row["day"] for row in await connection.fetch(_REFRESH, project_id, first, last)]
        return await self._read_days(project_id, days[0], days[-1], None) if days else []

    async def add_usage(
        self, project_id: str, usage: Usage, *, kind: str, component_id: str | None, user_id: str | None = None
    ) -> None:
        """Count tokens that a model used outside of runs, on behalf of a component, in the totals of today."""
        if usage:
            text = dump_json(usage).decode()
            await self._database.execute(_KEEP_USAGE, project_id, user_id, kind, component_id, text)
            self._database.meter.usage_counted(usage)

    async def _read_days(self, project_id: str, first: date, last: date, user_id: str | None) -> list[DayTotals]:
        models: dict[date, list[ModelTotals]] = {}
        is_of_user = user_id is not None
        for row in await self._database.fetch(_READ_MODELS[is_of_user], project_id, first, last, user_id):
            model = ModelTotals(row["model_id"], row["model_provider"], row["runs"], _dollars(row["cost"]))
            models.setdefault(row["day"], []).append(model)
        return [
            DayTotals(
                day=row["day"],
                counts={name: row[name] for name in COUNTS},
                users=1 if is_of_user else row["users"],
                tokens={name: row[name] for name in TOKENS},
                cost=_dollars(row["cost"]),
                models=models.get(row["day"], []),
                created_at=row["created_at"],
                updated_at=row["updated_at"],
            )
            for row in await self._database.fetch(_READ_DAYS[is_of_user], project_id, first, last, user_id)
        ]


def _dollars(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)


async def keep_totals(connection: Connection, project_id: str, session_ids: Sequence[str]) -> None:
    """Keep what sessions and their runs have added to the totals, in the transaction that removes them after this.

    Args:
        connection: of the transaction; the sessions' rows are locked.
        project_id: whose.
        session_ids: which there are.
    """
    await connection.execute(_KEEP_SESSIONS, project_id, session_ids)


async def keep_run_totals(connection: Connection, project_id: str, keys: Sequence[UUID]) -> None:
    """Do the same for single runs that go before their session; `keys` are of roots."""
    await connection.execute(_KEEP_RUNS, project_id, keys)


async def fold_all(connection: Connection) -> None:
    """Fold the deltas that there are into the totals.

    Args:
        connection: of a transaction; until it ends nobody else folds.
    """
    await connection.execute(_LOCK)
    while await connection.fetchval(_FOLD, FOLDED_AT_A_TIME) == FOLDED_AT_A_TIME:
        pass


async def forget_user(connection: Connection, project_id: str, user_id: str) -> dict[str, int]:
    """Take a user's name out of the totals, which stay; return how many rows went from each table.

    Args:
        connection: of a transaction that has folded all deltas, and seen no session and no run of the user since.
        project_id: whose.
        user_id: of whom nothing is to be left.
    """
    removed: dict[str, int] = {}
    for sql in _FORGET_USER:
        tag = await connection.execute(sql, project_id, user_id)
        if tag.startswith("DELETE"):
            table = sql.split()[2]
            removed[table] = count_of(tag)
    return removed

"""The nodes of the cluster: their rows, their locks, and what becomes of a dead one's runs and jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serai.storage.connection import Connection

# Registers a node, or renews the row of one whose connection was lost.
_REGISTER = """
insert into nodes (id, name, lock_key, lease_until)
values ($1, $2, $3, now() + make_interval(secs => $4))
on conflict (id) do update set lease_until = excluded.lease_until"""

_RENEW = "update nodes set lease_until = now() + make_interval(secs => $2) where id = $1"

# The other nodes. A lock that we can share for the length of this statement is held by nobody: its process is gone.
_WATCH = """
select id, lease_until < now() as is_expired, pg_try_advisory_xact_lock_shared(lock_key) as is_lock_free
from nodes where id <> $1"""

# Nodes that own running runs or jobs and have no row: a claim that was under way when they died.
_ORPHANS = """
select distinct node_id from (
    select node_id from runs where status = 'RUNNING' and node_id is not null
    union all select node_id from jobs where status = 'RUNNING' and node_id is not null
) as owner
where not exists (select from nodes where nodes.id = owner.node_id)"""

# Makes the running runs of nodes claimable, oldest key first as every statement that locks runs.
_RELEASE = """
with held as (
    select key from runs where node_id = any($1::text[]) and status = 'RUNNING' order by key for update
)
update runs set status = 'PENDING', node_id = null, takeovers = takeovers + $2
from held where runs.key = held.key returning runs.key"""

# Makes the running jobs of nodes claimable; an attempt that its node gave up of its own accord does not count.
_RELEASE_JOBS = """
with held as (
    select id from jobs where node_id = any($1::text[]) and status = 'RUNNING' order by id for update
)
update jobs set status = 'PENDING', node_id = null, attempts = attempts - 1 + $2
from held where jobs.id = held.id returning jobs.id"""

_REMOVE = "delete from nodes where id = any($1::text[])"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node as seen just now."""

    id: str
    is_expired: bool
    is_lock_free: bool


async def hold_lock(connection: Connection, lock_key: int) -> None:
    """Take the node's lock for as long as the connection lives, waiting for a lost connection of ours to be noticed."""
    await connection.execute("select pg_advisory_lock($1)", lock_key)


async def register_node(connection: Connection, node_id: str, *, name: str, lock_key: int, lease_s: float) -> None:
    """Write the node's row with a fresh lease."""
    await connection.execute(_REGISTER, node_id, name, lock_key, lease_s)


async def renew_lease(connection: Connection, node_id: str, *, lease_s: float) -> None:
    """Push the end of the lease out."""
    await connection.execute(_RENEW, node_id, lease_s)


async def list_peers(connection: Connection, node_id: str) -> list[Peer]:
    """Return the other nodes and whether each one's lock and lease hold."""
    return [Peer(*row.values()) for row in await connection.fetch(_WATCH, node_id)]


async def list_orphans(connection: Connection) -> list[str]:
    """Return the ids of nodes that own running runs or jobs and are not registered."""
    return [row["node_id"] for row in await connection.fetch(_ORPHANS)]


async def release_runs_of(connection: Connection, node_ids: Sequence[str], *, is_takeover: bool) -> int:
    """Make the running runs and jobs of nodes claimable again; a takeover counts towards the bound of each.

    Returns:
        How many there were.
    """
    runs = await connection.fetch(_RELEASE, list(node_ids), int(is_takeover))
    jobs = await connection.fetch(_RELEASE_JOBS, list(node_ids), int(is_takeover))
    return len(runs) + len(jobs)


async def remove_nodes(connection: Connection, node_ids: Sequence[str]) -> None:
    """Delete the rows of nodes that are gone."""
    await connection.execute(_REMOVE, list(node_ids))

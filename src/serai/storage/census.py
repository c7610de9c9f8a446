"""What is under way on all nodes now: counts for gauges, and the runs, nodes and jobs themselves. Reads only."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from serai.storage.connection import Database

KINDS: Final = ("agent", "team", "workflow")
STATUSES: Final = ("PENDING", "RUNNING", "PAUSED")
KEPT_S: Final = 3.0

# Runs and jobs by kind and state, the queue, and the nodes. Each part reads an index of what has not ended.
_COUNT = """
select 'run' as what, kind, status, count(*) as number, null::float8 as seconds from runs
where status = 'PENDING' and parent_key is null group by kind, status
union all
select 'run', kind, status, count(*), null from runs
where status = 'RUNNING' and parent_key is null group by kind, status
union all
select 'run', kind, status, count(*), null from runs
where status = 'PAUSED' and parent_key is null group by kind, status
union all
select 'job', kind, status, count(*), null from jobs where status = 'PENDING' group by kind, status
union all
select 'job', kind, status, count(*), null from jobs where status = 'RUNNING' group by kind, status
union all
select 'queue', '', '', count(*), extract(epoch from now() - min(created_at)) from runs
where status = 'PENDING' and ready
union all
select 'nodes', '', '', count(*), null from nodes where lease_until >= now()"""

# What has not ended, what runs first; with the last step that each one has written.
_LIST_RUNS = """
with listed as (
    (select * from runs where status = 'RUNNING' and parent_key is null order by created_at limit $1)
    union all
    (select * from runs where status = 'PENDING' and parent_key is null order by created_at limit $1)
)
select listed.id, kind, component_id, session_id, listed.user_id, status, listed.created_at,
       coalesce(listed.started_at, listed.created_at) as since, takeovers, nodes.name as node,
       step.operation as last_step
from listed
left join nodes on nodes.id = listed.node_id
left join lateral (
    select operation from run_steps where run_key = listed.key and segment = listed.segment
    order by run_steps.created_at desc limit 1
) as step on true
order by status desc, listed.created_at limit $1"""

# The nodes that are alive, and how many runs each works on.
_LIST_NODES = """
select id, name, started_at,
       (select count(*) from runs where node_id = nodes.id and status = 'RUNNING' and parent_key is null) as runs
from nodes where lease_until >= now() order by started_at, id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How much is under way on all nodes.

    Attributes:
        runs: runs that have not ended, by kind and status.
        jobs: background jobs that have not ended, by kind and status.
        queued: runs whose turn has come and that no node has taken.
        oldest_s: seconds that the oldest of them waits.
        nodes: nodes that are alive.
    """

    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    jobs: dict[tuple[str, str], int] = field(default_factory=dict)
    queued: int = 0
    oldest_s: float = 0.0
    nodes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run that waits or is at work, somewhere."""

    id: str
    kind: str
    component_id: str
    session_id: str
    user_id: str | None
    status: str
    created_at: datetime
    since: datetime
    takeovers: int
    node: str | None
    last_step: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNode:
    """A node that is alive."""

    id: str
    name: str
    started_at: datetime
    runs: int


class CensusTaker:
    """Asks the database what is under way; however many ask, once in three seconds.

    Of all projects and users: it is for those who watch the server.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._kept: tuple[float, Census] | None = None

    async def take(self, *, kept_s: float = KEPT_S) -> Census:
        """Return the counts, at most so old.

        Raises:
            DatabaseUnavailableError: it does not answer.
        """
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] >= kept_s:
                self._kept = time.monotonic(), await self._count()
            return self._kept[1]

    async def list_runs(self, *, limit: int) -> list[LiveRun]:
        """Return runs that wait or are at work, those at work first, then the oldest."""
        return [LiveRun(**row) for row in await self._database.fetch(_LIST_RUNS, limit)]

    async def list_nodes(self) -> list[LiveNode]:
        """Return the nodes that are alive, the oldest first."""
        return [LiveNode(**row) for row in await self._database.fetch(_LIST_NODES)]

    async def _count(self) -> Census:
        runs = {(kind, status): 0 for kind in KINDS for status in STATUSES}
        jobs: dict[tuple[str, str], int] = {}
        queued, oldest_s, nodes = 0, 0.0, 0
        for what, kind, status, number, seconds in await self._database.fetch(_COUNT):
            match what:
                case "run":
                    runs[kind, status] = number
                case "job":
                    jobs[kind, status] = number
                case "queue":
                    queued, oldest_s = number, max(0.0, seconds or 0.0)
                case _:
                    nodes = number
        return Census(runs=runs, jobs=jobs, queued=queued, oldest_s=oldest_s, nodes=nodes)

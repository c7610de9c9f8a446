"""What stores build in the PostgreSQL that they share."""

from __future__ import annotations

import time

from benchmarks.database import fetchval

_SETTLED_S = 6.0
_POLL_S = 0.5

# What a store has built by itself so far: its valid indexes, and those under way.
_INDEXES = """
select coalesce(array_agg(c.relname || case when i.indisvalid then '' else ' (building)' end order by c.relname), '{}')
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'pg_toast')
"""

# Statements other than this one that run now, and so may be building.
_BUSY = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()
"""


def indexes(dsn: str) -> list[str]:
    """Return the names of all indexes in a database."""
    found: list[str] = fetchval(dsn, _INDEXES)
    return found


def wait_until_built(dsn: str, *, settled_s: float = _SETTLED_S, timeout_s: float = 600) -> float:
    """Wait until no index has come or gone, and nothing has run, for a while; returns the seconds that took."""
    began = changed = time.monotonic()
    before = indexes(dsn)
    while time.monotonic() - changed < settled_s and time.monotonic() - began < timeout_s:
        time.sleep(_POLL_S)
        now = indexes(dsn)
        if now != before or any("(building)" in name for name in now) or fetchval(dsn, _BUSY):
            before, changed = now, time.monotonic()
    return changed - began

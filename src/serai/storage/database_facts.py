"""What an operator wants to know of a database: its size and who is connected. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from serai.storage.migrate import connected

_READ_SIZE = "select pg_database_size(current_database())"
_READ_SESSIONS = """
select coalesce(nullif(application_name, ''), 'unnamed') as program, count(*) as sessions
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
group by 1 order by 1
"""


@dataclass(frozen=True)
class DatabaseFacts:
    """Facts of one database.

    Attributes:
        size_bytes: what it takes on the server's disk.
        sessions: open connections by the name that each program gives itself, without our own.
    """

    size_bytes: int
    sessions: dict[str, int]


async def read_facts(dsn: str) -> DatabaseFacts:
    """Read the facts.

    Raises:
        ConfigurationError: the database cannot be reached, refuses us or is too old.
    """
    async with connected(dsn) as connection:
        size_bytes = await connection.fetchval(_READ_SIZE)
        sessions = {row["program"]: row["sessions"] for row in await connection.fetch(_READ_SESSIONS)}
        return DatabaseFacts(size_bytes, sessions)

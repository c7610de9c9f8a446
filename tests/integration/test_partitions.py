"""Weekly partitions of the event log on a real PostgreSQL: made ahead, once, and never in the way of a start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from serai.domain.ids import first_key_at, new_key
from serai.storage.connection import Database
from serai.storage.partitions import WEEKS_AHEAD, create_partitions
from serai.storage.run_log import Append, RunLog
from serai.storage.runs import RunStore
from tests.run_values import begin, content, open_database

NEW_YEAR = datetime(2026, 12, 30, 15, 0, tzinfo=UTC)  # the Wednesday of 2026's last ISO week, the 53rd


async def partition_of(database: Database, at: datetime) -> str:
    """Store an event of a run that began at a moment and return the partition it is in."""
    key = first_key_at(int(at.timestamp() * 1000))
    sql = "insert into run_events values ($1, 0, 1, 'p', null, 'RunContent', 'x') returning tableoid::regclass::text"
    name: str = await database.fetchval(sql, key)
    return name


async def test_this_week_and_the_next_ones_are_made(database: Database):
    assert await create_partitions(database, today=NEW_YEAR) == [
        *("run_events_2026w53", "run_events_2027w01", "run_events_2027w02", "run_events_2027w03")
    ]


async def test_what_is_there_is_not_made_again(database: Database):
    await create_partitions(database, today=NEW_YEAR)
    assert await create_partitions(database, today=NEW_YEAR + timedelta(days=1)) == []
    assert await create_partitions(database, today=NEW_YEAR + timedelta(weeks=1)) == ["run_events_2027w04"]


async def test_the_weeks_leave_no_gap_and_start_on_monday(database: Database):
    await create_partitions(database, today=NEW_YEAR)
    monday = datetime(2027, 1, 4, tzinfo=UTC)
    assert await partition_of(database, monday) == "run_events_2027w01"
    assert await partition_of(database, monday - timedelta(milliseconds=1)) == "run_events_2026w53"
    assert await partition_of(database, monday + timedelta(weeks=2, milliseconds=-1)) == "run_events_2027w02"


async def test_the_events_of_a_run_lie_in_one_partition(database: Database):
    await create_partitions(database)
    record = await begin(RunStore(database))
    await RunLog(database).append([Append(record, content(0, 5))], node_id="node")
    rows = await database.fetch("select distinct tableoid::regclass::text as name from run_events")
    assert [row["name"] for row in rows] == [f"run_events_{datetime.now(UTC):%Gw%V}"]


async def test_events_outside_the_weeks_are_kept_too(database: Database):
    await create_partitions(database, today=NEW_YEAR)
    assert await partition_of(database, NEW_YEAR + timedelta(weeks=WEEKS_AHEAD + 1)) == "run_events_default"


async def test_a_week_that_has_events_in_the_default_partition_stays_there(database: Database):
    """As after weeks without upkeep, or with a clock that ran ahead; the server must start all the same."""
    await partition_of(database, NEW_YEAR + timedelta(weeks=1))
    assert await create_partitions(database, today=NEW_YEAR) == [
        *("run_events_2026w53", "run_events_2027w02", "run_events_2027w03")
    ]
    assert await partition_of(database, NEW_YEAR + timedelta(weeks=1, hours=1)) == "run_events_default"


async def test_a_busy_log_is_left_for_another_time(database: Database):
    async with open_database(database.dsn) as other, other.transaction() as connection:
        await connection.fetch("select from run_events")
        assert await asyncio.wait_for(create_partitions(database, today=NEW_YEAR), 5) == []
    assert len(await create_partitions(database, today=NEW_YEAR)) == WEEKS_AHEAD


async def test_nodes_that_start_together_make_each_partition_once(database_url: str):
    async with open_database(database_url) as first, open_database(database_url) as second:
        sql = "select relname from pg_class where relname like 'run_events_2%' and relkind = 'r'"
        before = {row["relname"] for row in await first.fetch(sql)}
        made = await asyncio.gather(*(create_partitions(database, today=NEW_YEAR) for database in (first, second)))
        names = {row["relname"] for row in await first.fetch(sql)} - before
    assert len(names) == WEEKS_AHEAD
    assert {name for some in made for name in some} == names


async def test_a_partition_is_dropped_whole(database: Database):
    await create_partitions(database, today=NEW_YEAR)
    await partition_of(database, NEW_YEAR)
    await partition_of(database, NEW_YEAR + timedelta(weeks=1))
    await database.execute("drop table run_events_2026w53")
    assert await database.fetchval("select count(*) from run_events") == 1
    assert await RunLog(database).read_events(new_key(), after=-1) == []

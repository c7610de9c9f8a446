"""What ended runs leave behind goes in its time, each run once; what has not ended is left and looked at again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from serai.domain.ids import first_key_at
from serai.domain.json_text import load_json
from serai.domain.runs import Event, RunRecord
from serai.storage.blob_sweeping import sweep_blobs
from serai.storage.blobs import Blob, BlobStore
from serai.storage.connection import Database
from serai.storage.partitions import create_partitions, drop_partitions
from serai.storage.run_tidying import RunTidying, Tidied
from serai.storage.runs import RunStore
from tests.run_values import finish_of, new_run, open_database

NODE = "n"
NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=1)


@asynccontextmanager
async def stores(dsn: str) -> AsyncIterator[tuple[Database, RunStore, RunTidying]]:
    async with open_database(dsn) as database:
        await database.execute(
            "truncate runs, sessions, run_events, run_steps, retention_marks, retention_left, usage_deltas, blobs"
        )
        yield database, RunStore(database), RunTidying(database)


async def begin(store: RunStore, session_id: str) -> RunRecord:
    submitted = (await store.submit([new_run(session_id, node_id=NODE)]))[0]
    assert submitted is not None
    return submitted.record


async def end(store: RunStore, record: RunRecord, *, pieces: int = 3) -> None:
    data = b'{"run_id":"%b","content":"%d","reasoning_content":"","event_index":%d}'
    events = [Event(seq=n, name="RunContent", data=data % (record.id.encode(), n, n)) for n in range(pieces)]
    last = Event(seq=pieces, name="RunCompleted", data=b"{}")
    await store.finish([finish_of(record, events=[*events, last])], node_id=NODE)


async def add_step(database: Database, record: RunRecord) -> None:
    await database.execute(
        """insert into run_steps (run_key, segment, operation, call, epoch, project_id, fingerprint, result)
           values ($1, 0, 'ask', '1', 1, 'p', '', '')""",
        record.key,
    )


async def tidy(tidying: RunTidying, kind: Tidied, *, before: datetime = SOON) -> int:
    rows = 0
    while (chunk := await tidying.tidy_some(kind, before=before)).has_more:
        rows += chunk.rows
    return rows


async def test_journals_of_ended_runs_go_and_of_others_stay(database_url: str):
    async with stores(database_url) as (database, store, tidying):
        ended, running = await begin(store, "a"), await begin(store, "b")
        for record in (ended, running):
            await add_step(database, record)
        await end(store, ended)
        assert await tidying.count(Tidied.STEPS, before=SOON) == 1
        assert await tidy(tidying, Tidied.STEPS) == 1
        assert await database.fetchval("select run_key from run_steps") == running.key
        await end(store, running)
        assert await tidying.count(Tidied.STEPS, before=SOON) == 1
        assert await tidy(tidying, Tidied.STEPS) == 1
        assert await database.fetchval("select count(*) from run_steps") == 0
        assert await database.fetchval("select count(*) from retention_left") == 0


async def test_runs_that_ended_lately_are_left(database_url: str):
    async with stores(database_url) as (database, store, tidying):
        record = await begin(store, "a")
        await add_step(database, record)
        await end(store, record)
        assert await tidy(tidying, Tidied.STEPS, before=NOW - timedelta(days=1)) == 0
        assert await tidy(tidying, Tidied.STEPS) == 1


async def test_pieces_of_an_ended_runs_answer_become_one_event(database_url: str):
    async with stores(database_url) as (database, store, tidying):
        record = await begin(store, "a")
        await end(store, record, pieces=4)
        assert await tidying.count(Tidied.TOKEN_DELTAS, before=SOON) == 3
        assert await tidy(tidying, Tidied.TOKEN_DELTAS) == 3
        rows = await database.fetch("select seq, name, event from run_events order by seq")
        assert [(row["seq"], row["name"]) for row in rows] == [(3, "RunContent"), (4, "RunCompleted")]
        assert load_json(rows[0]["event"])["content"] == "0123"
        assert await tidy(tidying, Tidied.TOKEN_DELTAS) == 0


async def test_old_logs_go_row_by_row_or_with_their_week(database_url: str):
    async with stores(database_url) as (database, store, tidying):
        record = await begin(store, "a")
        await end(store, record)
        assert await tidying.count(Tidied.EVENTS, before=SOON) == 4
        assert await tidy(tidying, Tidied.EVENTS) == 4
        assert await database.fetchval("select count(*) from run_events") == 0


async def test_a_week_goes_when_all_its_runs_have_ended(database_url: str):
    async with stores(database_url) as (database, store, _):
        long_ago = datetime(2020, 1, 8, tzinfo=UTC)
        await create_partitions(database, today=long_ago)
        weeks = "select relname from pg_class where relname like 'run_events_2020%' and relkind = 'r' order by 1"
        assert [row[0] for row in await database.fetch(weeks)] == [f"run_events_2020w0{n}" for n in range(2, 6)]
        key = first_key_at(int((long_ago + timedelta(weeks=1)).timestamp() * 1000))
        running = await begin(store, "a")
        await database.execute("update runs set key = $2, root_key = $2 where key = $1", running.key, key)
        await drop_partitions(database, before=datetime(2021, 1, 1, tzinfo=UTC))
        assert [row[0] for row in await database.fetch(weeks)] == ["run_events_2020w03"]
        await database.execute("update runs set ended_at = $1", long_ago)
        await drop_partitions(database, before=long_ago)
        assert len(await database.fetch(weeks)) == 1
        await drop_partitions(database, before=datetime(2021, 1, 1, tzinfo=UTC))
        assert await database.fetch(weeks) == []


async def test_blobs_that_no_run_refers_to_are_swept(database_url: str):
    async with stores(database_url) as (database, store, _):
        blobs = BlobStore(database)
        names = [
            await blobs.put("p", Blob("image/png", data)) for data in (b"asked", b"answered", b"said", b"nobody's")
        ]
        documents = {
            "input": b'{"message":"","media":[{"kind":"image","sha256":"%b"}]}' % names[0].encode(),
            "output": b'{"blobs":["%b"],"content":""}' % names[1].encode(),
            "messages": b'{"blobs":["%b"],"messages":[]}' % names[2].encode(),
        }
        record = await begin(store, "a")
        for column, document in documents.items():
            await database.execute(f"update runs set {column} = $2 where key = $1", record.key, document)
        assert await sweep_blobs(database, before=NOW - timedelta(days=1)) == 0
        assert await sweep_blobs(database, before=SOON, removes=False) == 1
        assert await sweep_blobs(database, before=SOON) == 1
        left = {row[0].hex() for row in await database.fetch("select sha256 from blobs")}
        assert left == set(names[:3])


async def test_a_blob_that_is_used_again_is_as_good_as_new(database_url: str):
    async with stores(database_url) as (database, _, __):
        blobs = BlobStore(database)
        blob = Blob("image/png", b"again")
        name = await blobs.put("p", blob)
        for use in (lambda: blobs.put("p", blob), lambda: blobs.put_all("p", {name: blob})):
            await database.execute("update blobs set created_at = now() - interval '2 days'")
            await use()
            assert await sweep_blobs(database, before=NOW - timedelta(days=1)) == 0

"""A node is killed in the middle of taking 200 files in: the next one takes in the rest, and none is there twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.acceptance.cluster import Cluster
from tests.run_values import open_database, until

FILES = 200
AT_ONCE = 20
DONE = "select count(*) filter (where status = 'completed') from knowledge_contents"


def text_of(number: int) -> bytes:
    return f"File {number}\n\nIt says that the code of room {number} is {number * 7919}.".encode()


async def upload(base_url: str, numbers: range) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as client:
        for number in numbers:
            file = (f"file-{number}.txt", text_of(number), "text/plain")
            answer = await client.post("/knowledge/content", files={"file": file}, data={"metadata": '{"tag": "room"}'})
            assert answer.status_code == 202, answer.text


async def test_files_that_a_killed_node_was_taking_in_are_all_there_once_after_a_restart(cluster: Cluster):
    cluster.os_file = Path(__file__).parent / "knowledge_os.py"
    doomed = cluster.start_node(lease_s="2")
    await asyncio.gather(
        *[upload(doomed.base_url, range(first, first + FILES // 4)) for first in range(0, FILES, FILES // 4)]
    )
    async with open_database(cluster.dsn) as database:
        before = await until(database, f"with done as ({DONE}) select count from done where count > {AT_ONCE}")
        doomed.kill()
        held = await database.fetchval("select count(*) from jobs where status = 'RUNNING'")
        assert before < FILES, "the kill was meant for the middle"
        next_one = cluster.start_node(lease_s="2")
        await until(database, f"select ({DONE}) = {FILES}", timeout_s=60)
        await until(database, "select count(*) = 0 from jobs where status <> 'COMPLETED'", timeout_s=20)
        row = await database.fetchrow("""
            select (select count(*) from knowledge_contents) as contents,
                   (select sum(chunks) from knowledge_contents) as told,
                   (select count(*) from knowledge_chunks) as chunks,
                   (select count(*) from knowledge_vectors) as vectors,
                   (select count(distinct name) from knowledge_contents) as names""")
    assert tuple(row or ()) == (FILES, FILES, FILES, FILES, FILES)
    asked = [line for line in cluster.ledger if line.startswith("File ")]
    assert FILES <= len(asked) <= FILES + held, "only what was not kept yet is asked for again"
    async with httpx.AsyncClient(base_url=next_one.base_url, timeout=20) as client:
        answer = await client.post("/knowledge/search", json={"query": "code of room 123", "filters": {"tag": "room"}})
    assert str(123 * 7919) in answer.json()["data"][0]["content"]

"""The knowledge benchmark runs whole with hardly any chunks; figures of such a run are not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.knowledge.__main__ import main
from benchmarks.knowledge.dataset import BASE, CHUNKS_OF_CONTENT, name_of, tag_of, text_of
from benchmarks.knowledge.filling import PROJECT, fill
from benchmarks.knowledge.kinds import FORMATS, LARGE, QUICK, Kind
from benchmarks.knowledge.results import EMPTY, read_result
from benchmarks.knowledge.serai_os import base
from benchmarks.knowledge.stores import BARE
from serai.engine.jobs import JobRunner
from serai.knowledge.bases import KnowledgeBases, Upload
from serai.knowledge.ingestion import Ingestion
from serai.storage.connection import Database
from tests.postgres import PostgresServer, fresh_database
from tests.run_values import open_database, until

_CHUNKS = """
select {columns} from knowledge_chunks join knowledge_vectors using (project_id, base_id, content_id, position)
order by position"""
_COLUMNS = """
select string_agg(distinct column_name::text, ', ') from information_schema.columns
where table_name in ('knowledge_chunks', 'knowledge_vectors') and column_name not in ('content_id', 'user_id')"""
_INDEXES = "select array_agg(indexdef order by indexdef) from pg_indexes where tablename like 'knowledge%'"


@pytest.mark.thorough
def test_knowledge_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    (chunks,) = QUICK.chunks
    searched = {(one.kind, one.subject, one.chunks) for one in result.samples}
    expected = {(kind, name, chunks) for kind in Kind for name in ("Serai", BARE)}
    assert searched == expected | {(EMPTY, "Serai", chunks)}
    assert all(one.requests > 0 and (one.found > 0 or one.kind == EMPTY) for one in result.samples)
    assert {one.format for one in result.uploads} == {*FORMATS, LARGE}
    assert all(one.chunks > 0 for one in result.uploads)


@pytest.mark.one_postgres
async def test_a_filled_base_is_as_one_that_took_the_same_texts_in(postgres_server: PostgresServer) -> None:
    async with fresh_database(postgres_server) as one, fresh_database(postgres_server) as other:
        await fill(one, CHUNKS_OF_CONTENT, report=print)
        async with open_database(one) as filled, open_database(other) as ingested:
            await take_in(ingested, [text_of(number) for number in range(1, CHUNKS_OF_CONTENT + 1)])
            (columns,) = await filled.fetchrow(_COLUMNS) or ("",)
            sql = _CHUNKS.format(columns=columns)
            stored = [tuple(row) for row in await filled.fetch(sql)]
            assert len(stored) == CHUNKS_OF_CONTENT
            assert stored == [tuple(row) for row in await ingested.fetch(sql)]
            assert await filled.fetchval(_INDEXES) == await ingested.fetchval(_INDEXES)


async def take_in(database: Database, texts: Sequence[str]) -> None:
    """Upload one document of which each text becomes a chunk."""
    bases = KnowledgeBases(database, [base])
    cut: dict[str, Any] = {"chunk_size": max(map(len, texts)), "chunk_overlap": 0}
    source = "\n\n".join(texts).encode()
    upload = Upload(project_id=PROJECT, data=source, name=name_of(range(1, 2)), metadata={"tag": tag_of(1)}, **cut)
    await bases.get(BASE).upload(upload)
    runner = JobRunner(database, "node", Ingestion(database, [base]).handlers)
    runner.start()
    try:
        await until(database, "select bool_and(ended_at is not null) from jobs", timeout_s=60)
    finally:
        await runner.stop()

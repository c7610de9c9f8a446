"""Questions that come often go on using the index on the payloads of their collection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from serai.records.indexes.builder import build
from serai.records.indexes.catalog import Catalog
from serai.records.indexes.requests import IndexRequest
from serai.records.paging import Page
from serai.records.paths import parse_path
from serai.records.place import Place
from serai.records.queries import RecordQueries
from serai.records.search import Search
from serai.records.shapes import Shape
from serai.storage.connection import Database

OFTEN = 12  # after five executions PostgreSQL may plan a statement for any values
ROWS = 20_000

INSERT = """
insert into records (id, project_id, deployment_name, collection, data, created_at, updated_at)
select 'r' || i, $1, $2, $3, jsonb_build_object('tags', jsonb_build_array('t' || i % 500, 'all')), now(), now()
from generate_series(1, $4::int) as i
"""
SCANS = "select idx_scan from pg_stat_user_indexes where indexrelname = (select name from record_indexes)"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, connections=1)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def no_report(progress: Mapping[str, Any]) -> None:
    pass


@pytest.mark.parametrize("collection", ["plain", "it's", "back\\slash", "\\'; select 1; --", '"ünï"'])
async def test_a_question_that_comes_often_goes_on_using_the_index(database: Database, collection: str):
    place = Place(project_id="it's", deployment_name='"_public"', collection=collection)
    await database.execute(INSERT, place.project_id, place.deployment_name, collection, ROWS)
    await database.execute("vacuum (analyze) records")
    shape = Shape(contains=(parse_path("tags"),))
    assert "was built" in await build(database.dsn, IndexRequest(place=place, shape=shape), no_report)
    catalog = Catalog(database)
    await catalog.read()
    queries = RecordQueries(database, catalog)
    question = Search(place=place, filter=b'{"tags": {"includes": ["t7"]}}', page=Page(size=0), include_total=True)
    for _ in range(OFTEN):
        assert json.loads(await queries.search(question))["total_size"] == ROWS // 500
    await catalog.close()
    await database.fetchval("select pg_stat_force_next_flush()")
    assert await database.fetchval(SCANS) >= OFTEN

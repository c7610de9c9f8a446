"""``serai records``, as typed, against a server with a real database."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from serai.agent_data import AsyncAgentDataClient
from serai.cli import app
from serai.storage.connection import connect
from tests.hosting import RecordsRuntime, make_os, serving

pytestmark = pytest.mark.one_postgres

KEY = "a-key-for-tests"
INDEXES = """
insert into record_indexes (name, project_id, deployment_name, collection, kind, shape, declared, state, error, uses,
                            created_at, built_at, last_used_at)
values ('slots_1', $1, '_public', 'people', 'shape',
        '{"equal": ["name"], "ranged": ["age"], "order": [["age", "desc"], ["created_at", "asc"]]}',
        false, 'ready', null, 1234, '2026-01-02Z', '2026-01-02Z', '2026-01-02 03:04:05Z'),
       ('gin_1', $1, '_public', 'people', 'gin', '{}', true, 'failed', E'no\\x1broom', 0, '2026-01-03Z', null, null)
"""


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERAI_URL", "SERAI_SECURITY_KEY", "LLAMA_DEPLOY_PROJECT_ID", "LLAMA_DEPLOY_DEPLOYMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def url(shared_url: str) -> AsyncIterator[str]:
    async with serving(make_os(RecordsRuntime(shared_url), settings={"security_key": KEY}).app) as url:
        yield url


@pytest.fixture
async def people(url: str) -> AsyncIterator[AsyncAgentDataClient[Person]]:
    """Ten people in a project of their own."""
    async with AsyncAgentDataClient(Person, "people", token=KEY, base_url=url, project_id=str(uuid4())) as client:
        await client.create_items([Person(name=f"p{n}, x", age=n) for n in range(10)])
        yield client


async def records(people: AsyncAgentDataClient[Person], *arguments: str, typed: str | None = None) -> Result:
    """Run ``serai records`` beside the server."""
    where = ["--url", people.client.base_url, "--key", KEY, "--project", str(people.project_id)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["records", *arguments, *where], input=typed))


async def printed(people: AsyncAgentDataClient[Person], *arguments: str) -> str:
    result = await records(people, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def count(people: AsyncAgentDataClient[Person]) -> int | None:
    return (await people.search(page_size=1, include_total=True)).total


async def test_collections_are_a_table(people):
    async with AsyncAgentDataClient(
        Person, deployment_name="d2", token=KEY, base_url=people.client.base_url, project_id=people.project_id
    ) as other:
        await other.create_item(Person(name="Ada", age=1))
    lines = (await printed(people, "collections")).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["DEPLOYMENT", "COLLECTION", "RECORDS"],
        ["_public", "people", "10"],
        ["d2", "default", "1"],
    ]
    assert lines[1].endswith("0  age, name")
    assert len({line.index(word) for line, word in zip(lines[:2], ("COLLECTION", "people"), strict=True)}) == 1
    only = (await printed(people, "collections", "--deployment", "d2", "--fields")).splitlines()
    assert [line.split() for line in only[2:]] == [
        [],
        ["DEPLOYMENT", "COLLECTION", "FIELD", "TYPES"],
        ["d2", "default", "age", "number"],
        ["d2", "default", "name", "string"],
    ]


async def test_collections_are_json(people):
    [found] = [json.loads(line) for line in (await printed(people, "collections", "--json")).splitlines()]
    assert (found["collection"], found["count"]) == ("people", 10)
    assert found["fields"][0] == {"path": "age", "types": ["number"]}


async def test_a_project_without_records_says_so(people):
    await people.delete({})
    for command, said in (("collections", "no collections"), ("indexes", "They come by themselves")):
        result = await records(people, command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert said in result.stderr


async def test_indexes_are_a_table_with_what_they_are_for(people, shared_url):
    connection = await connect(shared_url)
    await connection.execute(INDEXES, people.project_id)
    shown = await printed(people, "indexes")
    listed = [json.loads(line) for line in (await printed(people, "indexes", "--json")).splitlines()]
    collections = (await printed(people, "collections")).splitlines()
    await connection.execute("delete from record_indexes")
    await connection.close()

    first, second = shown.splitlines()[1:3]
    assert first.startswith(
        "slots_1  _public     people      shape  equal name; range age; order by age desc, created_at asc"
    )
    assert first.endswith("1,234  2026-01-02 03:04")
    assert "eq and includes of any field" in second
    assert "failed, declared" in second
    assert second.endswith("0  never")
    assert shown.endswith("gin_1 failed:\nno\ufffdroom\n")
    assert [(index["collection"], index["name"], index["uses"]) for index in listed] == [
        ("people", "slots_1", 1234),
        ("people", "gin_1", 0),
    ]
    assert collections[1].split()[-3] == "2"


async def test_an_export_goes_to_standard_output(people):
    text = await printed(people, "export", "people", "--filter", '{"age": {"lt": 3}}', "--order-by", "data.age desc")
    assert [json.loads(line)["data"]["age"] for line in text.splitlines()] == [2, 1, 0]
    table = await printed(people, "export", "people", "--format", "csv", "--field", "name", "--order-by", "age")
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == ["id", "created_at", "updated_at", "name"]
    assert [row[-1] for row in rows[1:]] == [f"p{n}, x" for n in range(10)]


async def test_an_export_to_a_file_is_there_when_it_is_whole(people, tmp_path: Path):
    file = tmp_path / "people.ndjson"
    result = await records(people, "export", "people", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr.startswith(f"Wrote {file}: 10 records, ")
    assert len(file.read_bytes().splitlines()) == 10
    assert files_in(tmp_path) == [file.name]


async def test_an_export_that_is_refused_leaves_the_file_as_it_was(people, tmp_path: Path):
    file = tmp_path / "people.csv"
    file.write_text("before")
    result = await records(people, "export", "people", "--order-by", "age sideways", "-o", str(file))
    assert result.exit_code == 4
    assert result.stderr.startswith("serai: The server refused: 422, body.order_by: ")
    assert file.read_text() == "before"
    assert files_in(tmp_path) == [file.name]


async def test_a_file_that_cannot_be_written_is_one_line(people, tmp_path: Path):
    result = await records(people, "export", "people", "-o", str(tmp_path / "none" / "x.csv"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"serai: Cannot write {tmp_path}/none/x.csv: No such file or directory.\n"


async def test_an_export_that_breaks_off_leaves_no_file(tmp_path: Path):
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 999\r\n\r\n{}\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        arguments = ["records", "export", "people", "--url", url, "-o", str(tmp_path / "x.ndjson")]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"serai: The connection to {url} was dropped")
    assert files_in(tmp_path) == []


async def test_progress_is_shown_on_a_terminal(people, tmp_path: Path):
    pty = pytest.importorskip("pty")
    await people.create_items([Person(name="x" * 1000, age=n) for n in range(3000)])
    terminal, end = pty.openpty()
    command = ["-m", "serai", "records", "export", "people", "-o", str(tmp_path / "x.ndjson")]
    where = ["--url", people.client.base_url, "--key", KEY, "--project", str(people.project_id)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, *where, stderr=end)
    assert await process.wait() == 0
    shown = os.read(terminal, 65536)
    os.close(terminal)
    os.close(end)
    assert b"\r\x1b[K" in shown
    assert b"Wrote" in shown.splitlines()[-1]
    assert b"3,010 records, " in shown.splitlines()[-1]


async def test_a_delete_asks_first(people):
    refused = await records(people, "delete", "people", "--filter", '{"age": {"lt": 3}}', typed="n\n")
    assert refused.exit_code == 1
    assert "Delete 3 records of people in _public? [y/N]" in refused.stderr
    assert "Nothing was deleted." in refused.stderr
    nobody = await records(people, "delete", "people", "--filter", "{}", typed="")
    assert nobody.exit_code == 1
    assert "Delete all 10 records of people" in nobody.stderr
    assert await count(people) == 10
    agreed = await records(people, "delete", "people", "--filter", '{"age": {"lt": 3}}', typed="y\n")
    assert agreed.exit_code == 0
    assert agreed.stdout.endswith("Deleted 3 records.\n")
    assert await count(people) == 7


async def test_a_delete_with_yes_does_not_ask(people):
    assert (
        await printed(people, "delete", "people", "--yes", "--filter", '{"age": {"gte": 3}}') == "Deleted 7 records.\n"
    )
    assert await printed(people, "delete", "people", "-y", "--filter", "{}") == "Deleted 3 records.\n"


@pytest.mark.parametrize("text", ["", "age=3", "[]", "3", "null", '{"age": {"eq": NaN}}', '{"age": {"eq": 1e999}}'])
async def test_a_filter_that_is_none_is_refused_before_anything_is_sent(people, text):
    for command in ("export", "delete"):
        result = await records(people, command, "people", "--filter", text, *(["--yes"] if command == "delete" else []))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("serai: --filter: must be a JSON object such as '{")
        assert result.stderr.count("\n") == 1
    assert await count(people) == 10


async def test_a_delete_without_a_filter_is_refused(people):
    assert (await records(people, "delete", "people", "--yes")).exit_code == 2
    assert await count(people) == 10


async def test_what_the_server_refuses_names_the_field(people):
    result = await records(people, "delete", "people", "--yes", "--filter", '{"age": {"equals": 3}}')
    assert result.exit_code == 4
    assert result.stderr.startswith("serai: The server refused: 422, body.filter.age.equals: ")


async def test_columns_are_for_tables(people):
    result = await records(people, "export", "people", "--field", "name")
    assert (result.exit_code, result.stderr) == (2, "serai: --field is for tables: give --format csv, too.\n")


def test_without_a_server_or_with_a_wrong_address_it_is_one_line():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    unreachable = CliRunner().invoke(app, ["records", "collections", "--url", nobody])
    assert unreachable.exit_code == 3
    assert unreachable.stderr.startswith(f"serai: No server answers at {nobody}")
    wrong = CliRunner().invoke(app, ["records", "indexes", "--url", "nowhere"])
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("serai: --url: 'nowhere' is no base URL")


async def test_a_wrong_key_is_refused(url):
    result = await asyncio.to_thread(CliRunner().invoke, app, ["records", "collections", "--url", url, "--key", "no"])
    assert result.exit_code == 4
    assert "401" in result.stderr

"""The least a server can do: bare ASGI and bare asyncpg, no checks, Serai's paths and answers.

``python -m benchmarks.records.bare PORT DSN [--batched]``. Batched: creates and gets that wait share a statement.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import uvicorn

from benchmarks.records.dataset import COLLECTION

PREFIX = "/api/v1/beta/agent-data/"
SCOPE = ("default", "_public", COLLECTION)
_COLUMNS = "id, data::text, created_at, updated_at"
GET = f"select {_COLUMNS} from records where project_id = $1 and id = $2"
GET_ALL = f"select {_COLUMNS} from records where project_id = $1 and id = any($2::text[])"
NEWEST = f"""
select {_COLUMNS} from records where project_id = $1 and deployment_name = $2 and collection = $3
order by created_at desc, id desc limit 50
"""
_INSERT = "insert into records (id, project_id, deployment_name, collection, data, created_at, updated_at)"
_STORED = "returning id, data::text, created_at, updated_at"
CREATE = f"{_INSERT} values ($1, $2, $3, $4, $5::text::jsonb, clock_timestamp(), clock_timestamp()) {_STORED}"
CREATE_ALL = f"""
{_INSERT} select id, $1, $2, $3, data::jsonb, clock_timestamp(), clock_timestamp()
from unnest($4::text[], $5::text[]) as new(id, data) {_STORED}
"""
HEADERS = [(b"content-type", b"application/json")]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Submit = Callable[[Any], Awaitable[asyncpg.Record]]


class CreateBody(msgspec.Struct):
    """The body of a create."""

    data: msgspec.Raw


_create_body = msgspec.json.Decoder(CreateBody)
_search_body = msgspec.json.Decoder()
_ids = itertools.count(time.time_ns())


def render(row: asyncpg.Record) -> bytes:
    """Return a record as JSON."""
    return (
        b'{"id":"%b","deployment_name":"_public","project_id":"default","collection":"%b","data":%b,'
        b'"created_at":"%bZ","updated_at":"%bZ"}'
    ) % (
        row[0].encode(),
        COLLECTION.encode(),
        row[1].encode(),
        row[2].isoformat(timespec="microseconds")[:26].encode(),
        row[3].isoformat(timespec="microseconds")[:26].encode(),
    )


class Bare:
    """The application. Connections are a plain stack."""

    def __init__(self, dsn: str, *, is_batched: bool) -> None:
        self._dsn = dsn
        self._free: list[asyncpg.Connection[asyncpg.Record]] = []
        self._slots = asyncio.Semaphore(8)
        self._get: Submit = batched(self._get_all) if is_batched else self._get_one
        self._create: Submit = batched(self._create_all) if is_batched else self._create_one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == "/health":
            answer = b"{}"
        elif scope["method"] == "GET":
            answer = render(await self._get(path.removeprefix(PREFIX)))
        elif path.endswith(":search"):
            _search_body.decode(await read(receive))
            rows = await self._fetch(NEWEST, *SCOPE)
            answer = b'{"items":[%b],"next_page_token":null,"total_size":null}' % b",".join(map(render, rows))
        else:
            data = bytes(_create_body.decode(await read(receive)).data).decode()
            answer = render(await self._create((f"{next(_ids):032x}", data)))
        size = str(len(answer)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, (b"content-length", size)]})
        await send({"type": "http.response.body", "body": answer})

    async def _fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        async with self._slots:
            connection = self._free.pop() if self._free else await self._connect()
            try:
                return await connection.fetch(sql, *args)
            finally:
                self._free.append(connection)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(self._dsn, server_settings={"jit": "off", "timezone": "UTC"})

    async def _get_one(self, record_id: str) -> asyncpg.Record:
        return (await self._fetch(GET, SCOPE[0], record_id))[0]

    async def _create_one(self, new: tuple[str, str]) -> asyncpg.Record:
        record_id, data = new
        return (await self._fetch(CREATE, record_id, *SCOPE, data))[0]

    async def _get_all(self, ids: list[str]) -> list[asyncpg.Record]:
        found = {row[0]: row for row in await self._fetch(GET_ALL, SCOPE[0], ids)}
        return [found[record_id] for record_id in ids]

    async def _create_all(self, new: list[tuple[str, str]]) -> list[asyncpg.Record]:
        ids, texts = map(list, zip(*new, strict=True))
        stored = {row[0]: row for row in await self._fetch(CREATE_ALL, *SCOPE, ids, texts)}
        return [stored[record_id] for record_id in ids]


def batched(act: Callable[[list[Any]], Awaitable[list[asyncpg.Record]]]) -> Submit:
    """Return a function whose calls share one act while another is under way."""
    waiting: list[tuple[Any, asyncio.Future[asyncpg.Record]]] = []
    writer: asyncio.Task[None] | None = None

    async def drain() -> None:
        nonlocal writer
        while waiting:
            now, waiting[:] = waiting[:], []
            for (_, future), row in zip(now, await act([item for item, _ in now]), strict=True):
                future.set_result(row)
        writer = None

    async def submit(item: Any) -> asyncpg.Record:
        nonlocal writer
        future: asyncio.Future[asyncpg.Record] = asyncio.get_running_loop().create_future()
        waiting.append((item, future))
        if writer is None:
            writer = asyncio.create_task(drain())
        return await future

    return submit


async def read(receive: Receive) -> bytes:
    """Return the body of a request."""
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("dsn")
    parser.add_argument("--batched", action="store_true")
    options = parser.parse_args()
    app = Bare(options.dsn, is_batched=options.batched)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()

"""parse-server 9 on the shared PostgreSQL, one node process; what it creates by itself, asked with the master key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from benchmarks.database import Server, execute
from benchmarks.environments import clean_environment, locked_node
from benchmarks.processes import ServerProcess
from benchmarks.records import dataset
from benchmarks.records.operations import GROUP_BY, LEAST_AMOUNT, PAGE_SIZE, Operation
from benchmarks.requests import Request, call

PARSE = "parse-server 9.10"
_HERE = Path(__file__).parent / "peers" / "parse"
LOCK = _HERE / "package-lock.json"
_CLASS = "/parse/classes/Invoice"
_HEADERS = (("X-Parse-Application-Id", "benchmarks"), ("X-Parse-Master-Key", "benchmarks"))

# A class is a table: the other collections are one class, which is not asked.
_FILL = """
insert into "{table}"
    ("objectId", "createdAt", "updatedAt", number, status, region, vendor, amount, priority, batch, tags, note)
{rows} select 'r' || lpad(number::text, 9, '0'), at, at, payload->>'number', payload->>'status', payload->>'region',
    payload->'vendor', (payload->>'amount')::float8, (payload->>'priority')::float8, payload->>'batch',
    payload->'tags', payload->>'note'
from rows where (collection = '{collection}') = {is_asked}
"""


class ParseStore:
    """parse-server as one node process."""

    def __init__(self, folder: Path, postgres: Server) -> None:
        """Install it; it makes its tables when it starts."""
        self.name = PARSE
        self.dsn = postgres.create("parse")
        self.lacks: Mapping[Operation, str] = {
            Operation.AGGREGATE: "count only, no first record",
            Operation.AFTER: "pages by offset only",
            Operation.DELETE: "no such operation",
        }
        self.rows = 0
        node = str(shutil.which("node"))
        arguments = [str(locked_node(LOCK)), "{port}", postgres.socket_folder, "parse"]
        self.server = ServerProcess(
            [node, str(_HERE / "server.mjs"), *arguments],
            env=clean_environment(NODE_ENV="production"),
            log=folder / "parse.log",
            folder=folder,
        )

    def load(self, rows: int) -> None:
        """Have it create its classes from one record each, then insert what the API would store."""
        self.rows = rows
        source = dataset.ROWS.format(rows=rows)
        for table, is_asked in (("Invoice", "true"), ("Other", "false")):
            call(self.server, Request("POST", f"/parse/classes/{table}", _body(0), _HEADERS))
            fill = _FILL.format(table=table, rows=source, collection=dataset.COLLECTION, is_asked=is_asked)
            execute(self.dsn, f'delete from "{table}"', fill)
        execute(self.dsn, "vacuum analyze")

    def count_open(self) -> int:
        """Ask for the total of the first page's filter."""
        found = call(self.server, _find({"status": "open", "region": "region-0"}, count=1, limit=0))
        return int(json.loads(found.body)["count"])

    def request(self, operation: Operation, index: int) -> Request | None:
        """Return a request of its API."""
        match operation:
            case Operation.GET:
                return Request("GET", f"{_CLASS}/{self._some_id(index)}", headers=_HEADERS)
            case Operation.NEWEST:
                return _find({}, order="-createdAt", limit=PAGE_SIZE)
            case Operation.PAGE:
                chosen = {"status": "open", "region": f"region-{index % dataset.REGIONS}"}
                return _find(chosen, order="-amount", limit=PAGE_SIZE)
            case Operation.DEEP:
                return _find({}, order="-createdAt", skip=self.rows // 10, limit=PAGE_SIZE)
            case Operation.TOTAL:
                return _find({"status": "open", "amount": {"$gte": LEAST_AMOUNT}}, count=1, limit=0)
            case Operation.INCLUDES:
                return _find({"tags": {"$all": [f"tag-{index % dataset.TAGS}"]}}, count=1, limit=0)
            case Operation.AGGREGATE:
                group = {"_id": {name: f"${name}" for name in GROUP_BY}, "count": {"$sum": 1}}
                pipeline = json.dumps([{"$group": group}])
                return Request("GET", f"/parse/aggregate/Invoice?pipeline={quote(pipeline)}", headers=_HEADERS)
            case Operation.CREATE:
                return Request("POST", _CLASS, _body(index), _HEADERS)
            case Operation.UPDATE:
                return Request("PUT", f"{_CLASS}/{self._some_id(index)}", _body(index), _HEADERS)
            case _:
                return None

    def _some_id(self, index: int) -> str:
        return f"r{dataset.some_number(index, self.rows):09d}"


def _find(where: Mapping[str, object], **parameters: object) -> Request:
    query = urlencode({"where": json.dumps(where), **parameters}, quote_via=quote)
    return Request("GET", f"{_CLASS}?{query}", headers=_HEADERS)


def _body(index: int) -> bytes:
    return json.dumps(dataset.new_payload(index)).encode()

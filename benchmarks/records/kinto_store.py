"""Kinto 26.5 on the shared PostgreSQL, configured as its documentation does for production."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from benchmarks.database import Server, execute, fetchval
from benchmarks.environments import clean_environment, locked_python
from benchmarks.processes import ServerProcess
from benchmarks.records import dataset
from benchmarks.records.operations import LEAST_AMOUNT, PAGE_SIZE, Operation
from benchmarks.requests import Request, call

KINTO = "Kinto 26.5"
_HERE = Path(__file__).parent / "peers" / "kinto"
LOCK = _HERE / "requirements.txt"
_BUCKET = "/v1/buckets/main"
_RECORDS = f"{_BUCKET}/collections/{dataset.COLLECTION}/records"
_PARENT = f"/buckets/main/collections/{dataset.COLLECTION}"

# What its API stores: the object, and who may write it. The trigger would only look for the time that is given anyway.
_FILL = """
insert into objects (id, parent_id, resource_name, last_modified, data, deleted)
{rows} select id, '/buckets/main/collections/' || collection, 'record', at at time zone 'UTC', payload, false from rows
"""
_PERMISSIONS = """
insert into access_control_entries (object_id, permission, principal)
select parent_id || '/records/' || id, 'write', 'system.Everyone' from objects where resource_name = 'record'
"""
_TIMESTAMPS = """
insert into timestamps select parent_id, resource_name, max(last_modified) from objects
where resource_name = 'record' group by 1, 2 on conflict (parent_id, resource_name) do nothing
"""
# Its documentation's advice for more than 100,000 records.
_INDEX = """
create index idx_objects_data_gin on objects using gin (data jsonb_path_ops)
where resource_name = 'record' and not deleted
"""
_AT = "select as_epoch(last_modified) from objects where parent_id = $1 and id = $2"


class KintoStore:
    """Kinto behind uWSGI with three processes."""

    def __init__(self, folder: Path, postgres: Server) -> None:
        """Install it and make its tables."""
        self.name = KINTO
        self.dsn = postgres.create("kinto")
        execute(self.dsn, "alter database kinto set timezone to 'UTC'")
        self.lacks: Mapping[Operation, str] = {
            Operation.DEEP: "pages by token only",
            Operation.AGGREGATE: "no such operation",
        }
        self.rows = 0
        self._deep = ""
        python = locked_python(LOCK)
        settings = folder / "kinto.ini"
        settings.write_text((_HERE / "kinto.ini").read_text().replace("DATABASE_URL", self.dsn.replace("%", "%%")))
        _migrate(python, settings)
        uwsgi = [str(python.with_name("pyuwsgi")), "--ini-paste", str(settings), "--http", "127.0.0.1:{port}"]
        self.server = ServerProcess(
            uwsgi, env=clean_environment(), log=folder / "kinto.log", folder=folder, ready_path="/v1/__lbheartbeat__"
        )

    def load(self, rows: int) -> None:
        """Insert what the API would store, and build the index that the documentation advises."""
        self.rows = rows
        for path in (_BUCKET, f"{_BUCKET}/collections/{dataset.COLLECTION}"):
            call(self.server, Request("PUT", path, b"{}"))
        execute(
            self.dsn,
            "alter table objects disable trigger user",
            _FILL.format(rows=dataset.ROWS.format(rows=rows)),
            "alter table objects enable trigger user",
            _PERMISSIONS,
            _TIMESTAMPS,
            _INDEX,
            "vacuum analyze",
        )
        self._deep = self._token(rows // 10)

    def count_open(self) -> int:
        """Ask for the total of the first page's filter."""
        found = call(self.server, _records("HEAD", status="open", region="region-0"))
        return int(found.headers["total-objects"])

    def request(self, operation: Operation, index: int) -> Request | None:
        """Return a request of its API."""
        match operation:
            case Operation.GET:
                return Request("GET", f"{_RECORDS}/{self._some_id(index)}")
            case Operation.NEWEST:
                return _records("GET", _limit=PAGE_SIZE)
            case Operation.PAGE:
                region = f"region-{index % dataset.REGIONS}"
                return _records("GET", status="open", region=region, _sort="-amount", _limit=PAGE_SIZE)
            case Operation.AFTER:
                return _records("GET", _limit=PAGE_SIZE, _token=self._deep)
            case Operation.TOTAL:
                return _records("HEAD", status="open", min_amount=LEAST_AMOUNT)
            case Operation.INCLUDES:
                return _records("HEAD", contains_tags=json.dumps([f"tag-{index % dataset.TAGS}"]))
            case Operation.CREATE:
                return Request("POST", _RECORDS, _body(index))
            case Operation.UPDATE:
                return Request("PUT", f"{_RECORDS}/{self._some_id(index)}", _body(index))
            case Operation.DELETE if index < dataset.batches(self.rows):
                return _records("DELETE", batch=dataset.batch_name(index + 1))
            case _:
                return None

    def _token(self, skipped: int) -> str:
        """Return the token of the page that ends there, as Kinto makes it: it has no offsets to get there with."""
        last = dataset.record_id(2 * (self.rows // 2 - skipped + 1))
        at = fetchval(self.dsn, _AT, _PARENT, last)
        content = {"last_object": {"last_modified": at}, "offset": skipped, "nonce": "pagination-token"}
        return base64.b64encode(json.dumps(content).encode()).decode()

    def _some_id(self, index: int) -> str:
        return dataset.record_id(dataset.some_number(index, self.rows))


def _records(method: str, **parameters: object) -> Request:
    return Request(method, f"{_RECORDS}?{urlencode(parameters, quote_via=quote)}")


def _body(index: int) -> bytes:
    return json.dumps({"data": dataset.new_payload(index)}).encode()


def _migrate(python: Path, settings: Path) -> None:
    command = [str(python.with_name("kinto")), "migrate", "--ini", str(settings)]
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True, timeout=120)

"""Serai: a real ``serai serve``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.database import execute
from benchmarks.environments import clean_environment
from benchmarks.processes import ServerProcess
from benchmarks.records import dataset
from benchmarks.records.operations import GROUP_BY, LEAST_AMOUNT, PAGE_SIZE, Operation
from benchmarks.records.stores import SERAI
from benchmarks.requests import Request, call

PREFIX = "/api/v1/beta/agent-data"
_FILL = """
insert into records (id, project_id, deployment_name, collection, data, created_at, updated_at)
{rows} select id, 'default', '_public', collection, payload, at, at from rows
"""


class SeraiStore:
    """Serai on a database of the shared PostgreSQL."""

    def __init__(self, folder: Path, dsn: str, *, name: str = SERAI, trace: Path | None = None) -> None:
        """Describe the server; nothing is started.

        Args:
            folder: for its log.
            dsn: its database.
            name: in tables.
            trace: file that gets every statement it sends.
        """
        self.name = name
        self.dsn = dsn
        self.lacks: Mapping[Operation, str] = {}
        self.rows = 0
        self._tokens: dict[str, str] = {}
        module = ["benchmarks.records.traced", str(trace)] if trace else ["serai"]
        flags = ["--port", "{port}", "--database-url", dsn, "--log-level", "warning"]
        self.server = ServerProcess(
            [sys.executable, "-m", *module, "serve", *flags],
            env=clean_environment(),
            log=folder / f"{name}.log",
            folder=Path(__file__).parent.parent.parent,
        )

    def load(self, rows: int) -> None:
        """Insert the rows past the server, which holds nothing of them in memory."""
        self.rows = rows
        execute(self.dsn, _FILL.format(rows=dataset.ROWS.format(rows=rows)), "vacuum analyze")

    def count_open(self) -> int:
        """Ask for the total of the first page's filter."""
        question = {**self._question(Operation.PAGE, 0), "page_size": 0, "include_total": True}
        return int(self._post(":search", question)["total_size"])

    def request(self, operation: Operation, index: int) -> Request | None:
        """Return a request of the protocol."""
        match operation:
            case Operation.GET:
                return Request("GET", f"{PREFIX}/{self._some_id(index)}")
            case Operation.CREATE:
                return _post("", {"deployment_name": "_public", "collection": dataset.COLLECTION, "data": _new(index)})
            case Operation.UPDATE:
                body = json.dumps({"data": _new(index)}).encode()
                return Request("PUT", f"{PREFIX}/{self._some_id(index)}", body)
            case Operation.DELETE:
                if index >= dataset.batches(self.rows):
                    return None
                return _post(":delete", self._question(operation, index))
            case Operation.AGGREGATE:
                return _post(":aggregate", self._question(operation, index))
            case _:
                return _post(":search", self._question(operation, index))

    def _question(self, operation: Operation, index: int) -> dict[str, Any]:
        place: dict[str, Any] = {"deployment_name": "_public", "collection": dataset.COLLECTION}
        chosen: dict[str, Any]
        deep = self.rows // 10
        match operation:
            case Operation.NEWEST:
                return {**place, "page_size": PAGE_SIZE}
            case Operation.PAGE:
                chosen = {"status": {"eq": "open"}, "region": {"eq": f"region-{index % dataset.REGIONS}"}}
                return {**place, "filter": chosen, "order_by": "amount desc", "page_size": PAGE_SIZE}
            case Operation.DEEP:
                return {**place, "offset": deep, "page_size": PAGE_SIZE}
            case Operation.AFTER:
                return {**place, "page_token": self._token(deep), "page_size": PAGE_SIZE}
            case Operation.TOTAL:
                chosen = {"status": {"eq": "open"}, "amount": {"gte": LEAST_AMOUNT}}
                return {**place, "filter": chosen, "page_size": 0, "include_total": True}
            case Operation.INCLUDES:
                chosen = {"tags": {"includes": [f"tag-{index % dataset.TAGS}"]}}
                return {**place, "filter": chosen, "page_size": 0, "include_total": True}
            case Operation.AGGREGATE:
                return {**place, "group_by": list(GROUP_BY), "count": True, "first": True}
            case Operation.DELETE:
                return {**place, "filter": {"batch": {"eq": dataset.batch_name(index + 1)}}}
            case _:
                raise ValueError(operation)

    def _token(self, skipped: int) -> str:
        # Bound to the collection, not to where it was asked for: the same one is good until records go.
        key = str(skipped)
        if key not in self._tokens:
            question = {"deployment_name": "_public", "collection": dataset.COLLECTION, "page_size": PAGE_SIZE}
            page = self._post(":search", {**question, "offset": skipped - PAGE_SIZE})
            self._tokens[key] = page["next_page_token"]
        return self._tokens[key]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return json.loads(call(self.server, _post(path, body)).body)

    def _some_id(self, index: int) -> str:
        return dataset.record_id(dataset.some_number(index, self.rows))


def _post(path: str, body: dict[str, Any]) -> Request:
    return Request("POST", f"{PREFIX}/{path}" if path else PREFIX, json.dumps(body).encode())


def _new(index: int) -> dict[str, object]:
    return dataset.new_payload(index)

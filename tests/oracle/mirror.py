"""A collection on a server beside the model of it: what is written goes to both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx

from tests.oracle.collection import Collection
from tests.oracle.record import Record
from tests.oracle.values import is_kept


@dataclass
class Mirror:
    """A new collection, and the model that follows it."""

    api: httpx.AsyncClient
    name: str = field(default_factory=lambda: uuid4().hex)
    model: Collection = field(default_factory=Collection)

    async def ask(self, operation: str, **members: Any) -> Any:
        """Return the answer to a question that the server must accept."""
        response = await self.post(operation, **members)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, operation: str, **members: Any) -> httpx.Response:
        """Send a question: ``:search``, ``:aggregate`` or ``:delete``."""
        body = {"deployment_name": "_public", "collection": self.name, **members}
        return await self.api.post(f"/{operation}", json=body)

    async def create(self, data: dict[str, Any]) -> None:
        """Add a record to both."""
        answer = await self._ask_about(
            "POST", "", {"deployment_name": "_public", "collection": self.name, "data": data}
        )
        assert is_kept(data, answer["data"])
        # The model keeps what was sent: what is read back later is compared with that.
        self.model.records.append(replace(Record.of(answer), data=data))

    async def update(self, position: int, data: dict[str, Any]) -> None:
        """Replace a record's payload in both."""
        before = self.model.records[position]
        answer = await self._ask_about("PUT", f"/{before.id}", {"data": data})
        after = replace(Record.of(answer), data=data)
        assert is_kept(data, answer["data"])
        assert (after.id, after.created_at) == (before.id, before.created_at)
        assert after.updated_at > before.updated_at
        self.model.records[position] = after

    async def delete(self, position: int) -> None:
        """Remove a record from both."""
        await self._ask_about("DELETE", f"/{self.model.records.pop(position).id}", None)

    async def _ask_about(self, method: str, path: str, body: Any) -> Any:
        response = await self.api.request(method, path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

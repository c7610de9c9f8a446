"""The Agent Data clients without their I/O: requests, how often to send them, and what their answers mean."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any, Generic
from urllib.parse import quote, urlencode
from uuid import uuid4

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from serai.agent_data.items import AgentDataT, InvalidAgentData, TypedAgentData, TypedAgentDataItems
from serai.wire.base_url import checked_base_url
from serai.wire.exchange import Flow, Request, exchange
from serai.wire.failures import raise_for_error
from serai.wire.records import BASE_PATH, AgentData, AgentDataPage
from serai.wire.retry import RetryPolicy

DEFAULT_DEPLOYMENT = "_public"

logger = logging.getLogger(__name__)


class Connection:
    """Where a server is, who asks, and how patiently: what every request has in common."""

    def __init__(self, base_url: str, token: str | None, policy: RetryPolicy) -> None:
        self.base_url = checked_base_url(base_url)
        self.policy = policy
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def ask(
        self, method: str, path: str, *, project_id: str | None, body: Mapping[str, Any] | None = None
    ) -> Flow[tuple[Any, bool]]:
        """Return the flow of one request; see `serai.wire.exchange.exchange`."""
        headers = dict(self._headers)
        url = f"{self.base_url}{BASE_PATH}{path}"
        if project_id is not None:
            # The header too, so that it overrides one of the caller's httpx client: a contradiction is an error.
            headers["project-id"] = project_id
            url += f"?{urlencode({'project_id': project_id})}"
        if method != "GET":
            headers["idempotency-key"] = str(uuid4())
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(to_jsonable_python(body), allow_nan=False).encode()
        return exchange(Request(method, url, headers, content), policy=self.policy, repeatable=True)


class AgentDataCore(Generic[AgentDataT]):
    """What both typed clients know: one collection of one deployment, and the type of its payloads."""

    def __init__(
        self, data_type: type[AgentDataT], collection: str, deployment_name: str | None, project_id: str | None
    ) -> None:
        self.type = data_type
        self.collection = collection
        self.deployment_name = deployment_name or os.environ.get("LLAMA_DEPLOY_DEPLOYMENT_NAME") or DEFAULT_DEPLOYMENT
        self.project_id = project_id

    def create(self, at: Connection, data: AgentDataT, project_id: str | None) -> Flow[TypedAgentData[AgentDataT]]:
        """Store a payload."""
        body = {"deployment_name": self.deployment_name, "collection": self.collection, "data": _payload(data)}
        answer, _ = yield from at.ask("POST", "", project_id=project_id or self.project_id, body=body)
        return self._typed(_record(answer))

    def untyped_get(self, at: Connection, item_id: str, project_id: str | None) -> Flow[AgentData]:
        """Read a record as it is."""
        answer, _ = yield from at.ask("GET", _item_path(item_id), project_id=project_id or self.project_id)
        return _record(answer)

    def get(self, at: Connection, item_id: str, project_id: str | None) -> Flow[TypedAgentData[AgentDataT]]:
        """Read a record."""
        return self._typed((yield from self.untyped_get(at, item_id, project_id)))

    def update(
        self, at: Connection, item_id: str, data: AgentDataT, project_id: str | None
    ) -> Flow[TypedAgentData[AgentDataT]]:
        """Replace a record's payload."""
        body = {"data": _payload(data)}
        answer, _ = yield from at.ask("PUT", _item_path(item_id), project_id=project_id or self.project_id, body=body)
        return self._typed(_record(answer))

    def delete(self, at: Connection, item_id: str, project_id: str | None) -> Flow[None]:
        """Delete a record."""
        answer, uncertain = yield from at.ask("DELETE", _item_path(item_id), project_id=project_id or self.project_id)
        if answer.status_code == 404 and uncertain:
            return  # an earlier attempt, whose answer was lost, has done it
        raise_for_error(answer)

    def untyped_search(self, at: Connection, search: Mapping[str, Any], project_id: str | None) -> Flow[AgentDataPage]:
        """Find records as they are."""
        scope = {"deployment_name": self.deployment_name, "collection": self.collection}
        body = scope | {name: value for name, value in search.items() if value is not None}
        answer, _ = yield from at.ask("POST", "/:search", project_id=project_id or self.project_id, body=body)
        raise_for_error(answer)
        return AgentDataPage.model_validate_json(answer.content)

    def search(
        self, at: Connection, search: Mapping[str, Any], project_id: str | None
    ) -> Flow[TypedAgentDataItems[AgentDataT]]:
        """Find records."""
        page = yield from self.untyped_search(at, search, project_id)
        items, invalid = self._sort_out(page.items)
        return TypedAgentDataItems.model_construct(
            items=items,
            total=page.total_size,
            has_more=page.next_page_token is not None,
            next_page_token=page.next_page_token,
            invalid_items=invalid,
        )

    def _typed(self, record: AgentData) -> TypedAgentData[AgentDataT]:
        return TypedAgentData.from_raw(record, self.type)

    def _sort_out(
        self, records: Iterable[AgentData]
    ) -> tuple[list[TypedAgentData[AgentDataT]], list[InvalidAgentData]]:
        items: list[TypedAgentData[AgentDataT]] = []
        invalid: list[InvalidAgentData] = []
        for record in records:
            try:
                items.append(self._typed(record))
            except ValidationError as error:
                logger.warning("Record %s does not fit %s: %s", record.id, self.type.__name__, error)
                invalid.append(InvalidAgentData(record, error))
        return items, invalid


def _payload(data: AgentDataT) -> dict[str, Any]:
    return data.model_dump(mode="json")


def _record(answer: Any) -> AgentData:
    raise_for_error(answer)
    return AgentData.model_validate_json(answer.content)


def _item_path(item_id: str) -> str:
    if item_id in {"", ".", ".."}:
        raise ValueError(f"item_id must not be {item_id!r}: it is part of the URL's path")
    return f"/{quote(item_id, safe='')}"

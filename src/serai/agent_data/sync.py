"""The blocking client of one collection of typed records."""

# ruff: noqa: A002 - the published interface has arguments named type and filter

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from serai.agent_data._queries import Filter, search_body
from serai.agent_data.items import AgentDataT, TypedAgentData, TypedAgentDataItems
from serai.agent_data.llama_cloud import DEFAULT_TIMEOUT_S, LlamaCloud
from serai.wire.records import AgentData, AgentDataPage

if TYPE_CHECKING:
    from serai.wire.retry import RetryPolicy


class AgentDataClient(Generic[AgentDataT]):
    """Stores and finds records of one type in one collection of one deployment; the twin of `AsyncAgentDataClient`.

    Requests that time out, find no connection, lose it, or are answered 408, 425, 429 or 5xx are sent again, three
    times in all. Each write carries an ``Idempotency-Key``, the same each time: on Serai a create whose
    answer was lost is stored once; a server that does not heed the key may store it twice. A delete whose answer was
    lost is answered 404 when it is sent again.

    All methods raise ``httpx.HTTPStatusError`` for an error answer and `RemoteServerUnavailableError` when there is
    none. Each takes ``project_id``, which overrides the client's.

    Attributes:
        type: the class of the payloads.
        collection: the collection.
        deployment_name: the deployment.
        client: the connections.
    """

    def __init__(  # noqa: PLR0913 - the published interface
        self,
        type: type[AgentDataT],
        collection: str = "default",
        deployment_name: str | None = None,
        client: LlamaCloud | None = None,
        token: str | None = None,
        base_url: str | None = None,
        agent_url_id: str | None = None,
        *,
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Prepare a client; the arguments are those of `AsyncAgentDataClient`."""
        from serai.agent_data._core import AgentDataCore  # noqa: PLC0415 - loads httpx

        self._is_own = client is None
        self.client = LlamaCloud(base_url, token, timeout=timeout, retry=retry) if client is None else client
        self.type = type
        self.collection = collection
        self._core = AgentDataCore(
            type, collection, deployment_name or agent_url_id, project_id or self.client.project_id
        )
        self.deployment_name = self._core.deployment_name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections for good, unless they were passed in."""
        if self._is_own:
            self.client.close()

    def create_item(self, data: AgentDataT, *, project_id: str | None = None) -> TypedAgentData[AgentDataT]:
        """Store a payload as a new record and return the record."""
        return self.client.converse(self._core.create(self.client.connection, data, project_id))

    def get_item(self, item_id: str, *, project_id: str | None = None) -> TypedAgentData[AgentDataT]:
        """Return a record; an unknown id is status 404."""
        return self.client.converse(self._core.get(self.client.connection, item_id, project_id))

    def untyped_get_item(self, item_id: str, *, project_id: str | None = None) -> AgentData:
        """Return a record with its payload as plain JSON."""
        return self.client.converse(self._core.untyped_get(self.client.connection, item_id, project_id))

    def update_item(
        self, item_id: str, data: AgentDataT, *, project_id: str | None = None
    ) -> TypedAgentData[AgentDataT]:
        """Replace a record's payload as a whole and return the record."""
        return self.client.converse(self._core.update(self.client.connection, item_id, data, project_id))

    def delete_item(self, item_id: str, *, project_id: str | None = None) -> None:
        """Delete a record; an unknown id is status 404."""
        self.client.converse(self._core.delete(self.client.connection, item_id, project_id))

    def search(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        include_total: bool = False,
        *,
        page_token: str | None = None,
        project_id: str | None = None,
    ) -> TypedAgentDataItems[AgentDataT]:
        """Return a page of the records that match; the arguments are those of `AsyncAgentDataClient.search`."""
        body = search_body(filter, order_by, offset, page_size, include_total, page_token)
        return self.client.converse(self._core.search(self.client.connection, body, project_id))

    def untyped_search(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        include_total: bool = False,
        *,
        page_token: str | None = None,
        project_id: str | None = None,
    ) -> AgentDataPage:
        """Return a page as `search` does, with the payloads as plain JSON."""
        body = search_body(filter, order_by, offset, page_size, include_total, page_token)
        return self.client.converse(self._core.untyped_search(self.client.connection, body, project_id))

    def search_all(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        *,
        page_size: int | None = None,
        project_id: str | None = None,
    ) -> Generator[TypedAgentData[AgentDataT], None, None]:
        """Yield every record that matches, page after page; those that do not fit the type are logged and left out."""
        page_token: str | None = None
        while True:
            page = self.search(filter, order_by, page_size=page_size, page_token=page_token, project_id=project_id)
            yield from page.items
            page_token = page.next_page_token
            if not page_token:
                return

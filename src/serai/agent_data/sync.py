"""The blocking client of one collection of typed records."""

# ruff: noqa: A002 - the published interface has arguments named type and filter

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from serai.agent_data._core import AgentDataCore
from serai.agent_data._methods import blocking, walked
from serai.agent_data.items import AgentDataT
from serai.agent_data.llama_cloud import DEFAULT_TIMEOUT_S, LlamaCloud, default_deployment

if TYPE_CHECKING:
    from serai.wire.retry import RetryPolicy


class AgentDataClient(Generic[AgentDataT]):
    """Stores and finds records of one type in one collection of one deployment; the twin of `AsyncAgentDataClient`.

    Requests that time out, find no connection, lose it, or are answered 408, 425, 429 or 5xx are sent again, three
    times in all. Each write carries an ``Idempotency-Key``, the same each time: on Serai it happens once, however often
    it is sent; a server that does not heed the key may store a record twice.

    All methods raise ``httpx.HTTPStatusError`` for an error answer and `RemoteServerUnavailableError` when there is
    none. Each takes ``project_id``, which overrides the client's.

    Attributes:
        type: the class of the payloads.
        collection: the collection.
        deployment_name: the deployment.
        project_id: the project of calls that name none; None leaves the choice to the HTTP client and the server.
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
        self._is_own = client is None
        self.client = LlamaCloud(base_url, token, timeout=timeout, retry=retry) if client is None else client
        self.type = type
        self.collection = collection
        self.deployment_name = default_deployment(deployment_name or agent_url_id)
        self.project_id = project_id or self.client.project_id

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

    @property
    def _core(self) -> AgentDataCore[AgentDataT]:
        return AgentDataCore(self.type, self.collection, self.deployment_name, self.project_id, self.client.connection)

    create_item = blocking(AgentDataCore.create_item)
    create_items = blocking(AgentDataCore.create_items)
    get_item = blocking(AgentDataCore.get_item)
    untyped_get_item = blocking(AgentDataCore.untyped_get_item)
    update_item = blocking(AgentDataCore.update_item)
    delete_item = blocking(AgentDataCore.delete_item)
    delete = blocking(AgentDataCore.delete)
    search = blocking(AgentDataCore.search)
    untyped_search = blocking(AgentDataCore.untyped_search)
    search_all = walked(AgentDataCore.search_all)
    aggregate = blocking(AgentDataCore.aggregate)
    untyped_aggregate = blocking(AgentDataCore.untyped_aggregate)
    aggregate_all = walked(AgentDataCore.aggregate_all)
    export = walked(AgentDataCore.export)
    export_items = walked(AgentDataCore.export_items)
    collections = blocking(AgentDataCore.collections)

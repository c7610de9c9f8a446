"""The asynchronous client of one collection of typed records."""

# ruff: noqa: A002 - the published interface has arguments named type and filter

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from serai.agent_data._core import AgentDataCore
from serai.agent_data._methods import awaited, walked_async
from serai.agent_data.items import AgentDataT
from serai.agent_data.llama_cloud import DEFAULT_TIMEOUT_S, AsyncLlamaCloud, default_deployment

if TYPE_CHECKING:
    from serai.wire.retry import RetryPolicy


class AsyncAgentDataClient(Generic[AgentDataT]):
    """Stores and finds records of one type in one collection of one deployment.

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
        client: AsyncLlamaCloud | None = None,
        token: str | None = None,
        base_url: str | None = None,
        agent_url_id: str | None = None,
        *,
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Prepare a client; the first call connects.

        Args:
            type: the pydantic class of the payloads.
            collection: any name; collections do not see each other.
            deployment_name: else ``LLAMA_DEPLOY_DEPLOYMENT_NAME``, else ``_public``.
            client: connections to share; it stays open, and the four arguments about connections are then unused.
            token: else ``LLAMA_CLOUD_API_KEY``.
            base_url: else ``LLAMA_CLOUD_BASE_URL``, else ``http://127.0.0.1:7777``.
            agent_url_id: an older name of ``deployment_name``.
            project_id: else the client's ``Project-Id`` header, else ``LLAMA_DEPLOY_PROJECT_ID``, else the server's.
            timeout: seconds of silence until an answer is given up.
            retry: how often to try, and the waits between.
        """
        self._is_own = client is None
        self.client = AsyncLlamaCloud(base_url, token, timeout=timeout, retry=retry) if client is None else client
        self.type = type
        self.collection = collection
        self.deployment_name = default_deployment(deployment_name or agent_url_id)
        self.project_id = project_id or self.client.project_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections for good, unless they were passed in."""
        if self._is_own:
            await self.client.close()

    @property
    def _core(self) -> AgentDataCore[AgentDataT]:
        return AgentDataCore(self.type, self.collection, self.deployment_name, self.project_id, self.client.connection)

    create_item = awaited(AgentDataCore.create_item)
    create_items = awaited(AgentDataCore.create_items)
    get_item = awaited(AgentDataCore.get_item)
    untyped_get_item = awaited(AgentDataCore.untyped_get_item)
    update_item = awaited(AgentDataCore.update_item)
    delete_item = awaited(AgentDataCore.delete_item)
    delete = awaited(AgentDataCore.delete)
    search = awaited(AgentDataCore.search)
    untyped_search = awaited(AgentDataCore.untyped_search)
    search_all = walked_async(AgentDataCore.search_all)
    aggregate = awaited(AgentDataCore.aggregate)
    untyped_aggregate = awaited(AgentDataCore.untyped_aggregate)
    aggregate_all = walked_async(AgentDataCore.aggregate_all)
    export = walked_async(AgentDataCore.export)
    export_items = walked_async(AgentDataCore.export_items)
    collections = awaited(AgentDataCore.collections)

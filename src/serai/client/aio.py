"""The asynchronous client of an AgentOS server; importing it loads neither httpx nor pydantic."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from serai.client import operations as table
from serai.client import schedule_operations as schedules
from serai.client._calls import Call, Result
from serai.client._methods import awaited, blocking, streamed_async
from serai.client._once import Once
from serai.client._options import Options

if TYPE_CHECKING:
    import httpx

    from serai.client._transport import AsyncTransport, Transport
    from serai.wire.retry import RetryPolicy


class AgentOSClient:
    """Speaks to a Serai server, or to any AgentOS server, from asynchronous code.

    Use it as a context manager or call `close`. A client keeps its connections open between calls and may be shared
    by any number of tasks.

    Attributes:
        base_url: the server, without a trailing slash.
        timeout: seconds of silence until an answer is given up.
    """

    def __init__(  # noqa: PLR0913 - each is a keyword with a default
        self,
        base_url: str,
        timeout: float = 60.0,
        *,
        headers: Mapping[str, str] | None = None,
        security_key: str | None = None,
        connect_timeout: float | None = None,
        stream_idle_timeout: float | None = None,
        run_timeout: float = 3600.0,
        retry: RetryPolicy | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """Prepare a client; the first call connects.

        Args:
            base_url: the server, for example ``http://localhost:7777``.
            timeout: seconds of silence until an answer is given up.
            headers: sent with every request.
            security_key: sent as ``Authorization: Bearer`` with every request.
            connect_timeout: seconds until a connection must stand; 10 or ``timeout``, whichever is less, by default.
            stream_idle_timeout: seconds of silence until a stream counts as broken; ``timeout`` by default.
            run_timeout: seconds to wait for a run's end when its answer was lost.
            retry: how often to try, and the waits between.
            http_client: sends the requests, with its own proxies and certificates; it is not closed by this client.

        Raises:
            ValueError: ``base_url`` is none, or the key or a header is nothing that a header can carry.
        """
        self._options = Options(
            base_url, timeout, headers, security_key, connect_timeout, stream_idle_timeout, run_timeout, retry
        )
        self.base_url = self._options.base_url
        self.timeout = timeout
        self._http_client = http_client
        self._transport = Once(self._make_transport)
        self._blocking_transport = Once(self._make_blocking_transport)

    aget_config = awaited(table.get_config)
    get_config = blocking(table.get_config)
    get_info = awaited(table.get_info)
    get_models = awaited(table.get_models)
    list_agents = awaited(table.list_agents)
    aget_agent = awaited(table.get_agent)
    get_agent = blocking(table.get_agent)
    run_agent = awaited(table.run_agent)
    run_agent_stream = streamed_async(table.run_agent_stream)
    continue_agent_run = awaited(table.continue_agent_run)
    continue_agent_run_stream = streamed_async(table.continue_agent_run_stream)
    cancel_agent_run = awaited(table.cancel_agent_run)
    list_agent_runs = awaited(table.list_agent_runs)
    get_agent_run = awaited(table.get_agent_run)
    follow_agent_run = streamed_async(table.follow_agent_run)

    list_teams = awaited(table.list_teams)
    aget_team = awaited(table.get_team)
    get_team = blocking(table.get_team)
    run_team = awaited(table.run_team)
    run_team_stream = streamed_async(table.run_team_stream)
    continue_team_run = awaited(table.continue_team_run)
    continue_team_run_stream = streamed_async(table.continue_team_run_stream)
    cancel_team_run = awaited(table.cancel_team_run)
    list_team_runs = awaited(table.list_team_runs)
    get_team_run = awaited(table.get_team_run)
    follow_team_run = streamed_async(table.follow_team_run)

    list_workflows = awaited(table.list_workflows)
    aget_workflow = awaited(table.get_workflow)
    get_workflow = blocking(table.get_workflow)
    run_workflow = awaited(table.run_workflow)
    run_workflow_stream = streamed_async(table.run_workflow_stream)
    continue_workflow_run = awaited(table.continue_workflow_run)
    continue_workflow_run_stream = streamed_async(table.continue_workflow_run_stream)
    cancel_workflow_run = awaited(table.cancel_workflow_run)
    list_workflow_runs = awaited(table.list_workflow_runs)
    get_workflow_run = awaited(table.get_workflow_run)
    follow_workflow_run = streamed_async(table.follow_workflow_run)

    list_schedules = awaited(schedules.list_schedules)
    create_schedule = awaited(schedules.create_schedule)
    get_schedule = awaited(schedules.get_schedule)
    update_schedule = awaited(schedules.update_schedule)
    delete_schedule = awaited(schedules.delete_schedule)
    pause_schedule = awaited(schedules.pause_schedule)
    resume_schedule = awaited(schedules.resume_schedule)
    fire_schedule = awaited(schedules.fire_schedule)
    list_schedule_runs = awaited(schedules.list_schedule_runs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections for good: a later call raises `RuntimeError`."""
        transport, blocking_transport = self._transport.close(), self._blocking_transport.close()
        if blocking_transport:
            blocking_transport.close()
        if transport:
            await transport.close()

    async def call(self, call: Call[Result]) -> Result:
        """Carry out a call made from a row of `serai.client.operations`."""
        return await self._transport.get().converse(self._options.core.converse(call))

    def call_blocking(self, call: Call[Result]) -> Result:
        """Carry a call out, blocking; for the few methods that are documented so."""
        return self._blocking_transport.get().converse(self._options.core.converse(call))

    def call_stream(self, call: Call[Result]) -> AsyncGenerator[Result, None]:
        """Carry out a call whose answer is a stream; stopping early closes the connection and leaves the run alone."""
        return self._transport.get().stream(self._options.core.stream(call))

    def _make_transport(self) -> AsyncTransport:
        from serai.client._transport import AsyncTransport  # noqa: PLC0415 - loads httpx

        return AsyncTransport(self.base_url, self._options.timeouts, self._http_client)

    def _make_blocking_transport(self) -> Transport:
        from serai.client._transport import Transport  # noqa: PLC0415 - loads httpx

        return Transport(self.base_url, self._options.timeouts)

"""The blocking client of an AgentOS server; importing it loads neither httpx nor pydantic."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from serai.client import operations as table
from serai.client import schedule_operations as schedules
from serai.client._calls import Call, Result
from serai.client._methods import blocking, streamed_blocking
from serai.client._once import Once
from serai.client._options import Options

if TYPE_CHECKING:
    import httpx

    from serai.client._transport import Transport
    from serai.wire.retry import RetryPolicy


class SyncAgentOSClient:
    """Speaks to a Serai server, or to any AgentOS server, from code that blocks; the twin of `AgentOSClient`.

    All methods block, those with a leading ``a`` too: these are the documented names of the same thing.
    Use it as a context manager or call `close`. It may be shared by threads.

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
        http_client: httpx.Client | None = None,
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

    aget_config = get_config = blocking(table.get_config)
    get_info = blocking(table.get_info)
    get_models = blocking(table.get_models)
    list_agents = blocking(table.list_agents)
    aget_agent = get_agent = blocking(table.get_agent)
    run_agent = blocking(table.run_agent)
    run_agent_stream = streamed_blocking(table.run_agent_stream)
    continue_agent_run = blocking(table.continue_agent_run)
    continue_agent_run_stream = streamed_blocking(table.continue_agent_run_stream)
    cancel_agent_run = blocking(table.cancel_agent_run)
    list_agent_runs = blocking(table.list_agent_runs)
    get_agent_run = blocking(table.get_agent_run)
    follow_agent_run = streamed_blocking(table.follow_agent_run)

    list_teams = blocking(table.list_teams)
    aget_team = get_team = blocking(table.get_team)
    run_team = blocking(table.run_team)
    run_team_stream = streamed_blocking(table.run_team_stream)
    continue_team_run = blocking(table.continue_team_run)
    continue_team_run_stream = streamed_blocking(table.continue_team_run_stream)
    cancel_team_run = blocking(table.cancel_team_run)
    list_team_runs = blocking(table.list_team_runs)
    get_team_run = blocking(table.get_team_run)
    follow_team_run = streamed_blocking(table.follow_team_run)

    list_workflows = blocking(table.list_workflows)
    aget_workflow = get_workflow = blocking(table.get_workflow)
    run_workflow = blocking(table.run_workflow)
    run_workflow_stream = streamed_blocking(table.run_workflow_stream)
    continue_workflow_run = blocking(table.continue_workflow_run)
    continue_workflow_run_stream = streamed_blocking(table.continue_workflow_run_stream)
    cancel_workflow_run = blocking(table.cancel_workflow_run)
    list_workflow_runs = blocking(table.list_workflow_runs)
    get_workflow_run = blocking(table.get_workflow_run)
    follow_workflow_run = streamed_blocking(table.follow_workflow_run)

    list_schedules = blocking(schedules.list_schedules)
    create_schedule = blocking(schedules.create_schedule)
    get_schedule = blocking(schedules.get_schedule)
    update_schedule = blocking(schedules.update_schedule)
    delete_schedule = blocking(schedules.delete_schedule)
    pause_schedule = blocking(schedules.pause_schedule)
    resume_schedule = blocking(schedules.resume_schedule)
    fire_schedule = blocking(schedules.fire_schedule)
    list_schedule_runs = blocking(schedules.list_schedule_runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections for good: a later call raises `RuntimeError`."""
        if transport := self._transport.close():
            transport.close()

    def call_blocking(self, call: Call[Result]) -> Result:
        """Carry out a call made from a row of `serai.client.operations`."""
        return self._transport.get().converse(self._options.core.converse(call))

    def call_stream(self, call: Call[Result]) -> Generator[Result, None, None]:
        """Carry out a call whose answer is a stream; stopping early closes the connection and leaves the run alone."""
        return self._transport.get().stream(self._options.core.stream(call))

    def _make_transport(self) -> Transport:
        from serai.client._transport import Transport  # noqa: PLC0415 - loads httpx

        return Transport(self.base_url, self._options.timeouts, self._http_client)

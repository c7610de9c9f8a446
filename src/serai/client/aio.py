"""The asynchronous client of an AgentOS server; importing it loads neither httpx nor pydantic."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from serai.client import data_operations as data
from serai.client import eval_operations as evals
from serai.client import knowledge_operations as knowledge
from serai.client import memory_operations as memories
from serai.client import metric_operations as metrics
from serai.client import operations as table
from serai.client import schedule_operations as schedules
from serai.client import session_operations as sessions
from serai.client import trace_operations as traces
from serai.client._calls import Call, Result
from serai.client._methods import awaited, blocking, paged_async, streamed_async
from serai.client._once import Once
from serai.client._options import Options
from serai.client._page_walk import PageWalk

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

    create_session = awaited(sessions.create_session)
    get_sessions = awaited(sessions.get_sessions)
    iter_sessions = paged_async(sessions.iter_sessions)
    get_session = awaited(sessions.get_session)
    get_session_runs = awaited(sessions.get_session_runs)
    get_session_run = awaited(sessions.get_session_run)
    aget_session_run_previews = awaited(sessions.get_session_run_previews)
    get_session_run_previews = blocking(sessions.get_session_run_previews)
    rename_session = awaited(sessions.rename_session)
    update_session = awaited(sessions.update_session)
    delete_session = awaited(sessions.delete_session)
    delete_sessions = awaited(sessions.delete_sessions)

    create_memory = awaited(memories.create_memory)
    list_memories = awaited(memories.list_memories)
    iter_memories = paged_async(memories.iter_memories)
    get_memory = awaited(memories.get_memory)
    update_memory = awaited(memories.update_memory)
    delete_memory = awaited(memories.delete_memory)
    delete_memories = awaited(memories.delete_memories)
    get_memory_topics = awaited(memories.get_memory_topics)
    get_user_memory_stats = awaited(memories.get_user_memory_stats)
    iter_user_memory_stats = paged_async(memories.iter_user_memory_stats)
    optimize_memories = awaited(memories.optimize_memories)
    list_memory_changes = awaited(memories.list_memory_changes)
    iter_memory_changes = paged_async(memories.iter_memory_changes)
    undo_memory_change = awaited(memories.undo_memory_change)
    audit_memories = awaited(memories.audit_memories)

    upload_knowledge_content = awaited(knowledge.upload_knowledge_content)
    upload_knowledge_folder = streamed_async(knowledge.upload_knowledge_folder)
    wait_for_knowledge_content = awaited(knowledge.wait_for_knowledge_content)
    list_knowledge_content = awaited(knowledge.list_knowledge_content)
    iter_knowledge_content = paged_async(knowledge.iter_knowledge_content)
    get_knowledge_content = awaited(knowledge.get_knowledge_content)
    get_knowledge_content_status = awaited(knowledge.get_knowledge_content_status)
    update_knowledge_content = awaited(knowledge.update_knowledge_content)
    delete_knowledge_content = awaited(knowledge.delete_knowledge_content)
    delete_all_knowledge_content = awaited(knowledge.delete_all_knowledge_content)
    search_knowledge = awaited(knowledge.search_knowledge)
    get_knowledge_config = awaited(knowledge.get_knowledge_config)

    get_metrics = awaited(metrics.get_metrics)
    refresh_metrics = awaited(metrics.refresh_metrics)
    get_metrics_refresh_status = awaited(metrics.get_metrics_refresh_status)

    run_eval = awaited(evals.run_eval)
    list_eval_runs = awaited(evals.list_eval_runs)
    iter_eval_runs = paged_async(evals.iter_eval_runs)
    get_eval_run = awaited(evals.get_eval_run)
    update_eval_run = awaited(evals.update_eval_run)
    cancel_eval_run = awaited(evals.cancel_eval_run)
    delete_eval_runs = awaited(evals.delete_eval_runs)

    get_traces = awaited(traces.get_traces)
    iter_traces = paged_async(traces.iter_traces)
    get_trace = awaited(traces.get_trace)
    get_trace_session_stats = awaited(traces.get_trace_session_stats)
    iter_trace_session_stats = paged_async(traces.iter_trace_session_stats)
    search_traces = awaited(traces.search_traces)
    iter_found_traces = paged_async(traces.iter_found_traces)
    get_trace_filter_schema = awaited(traces.get_trace_filter_schema)

    migrate_database = awaited(data.migrate_database)
    get_server_status = awaited(data.get_server_status)
    get_retention = awaited(data.get_retention)
    apply_retention = awaited(data.apply_retention)
    erase_user = awaited(data.erase_user)

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

    def call_pages(self, call: Call[Result]) -> AsyncGenerator[Result, None]:
        """Carry out a call page by page, and yield the items; what is wrong with its arguments is raised at once."""
        return self._walk(PageWalk(call))

    async def _walk(self, walk: PageWalk[Result]) -> AsyncGenerator[Result, None]:
        while (call := walk.next_call()) is not None:
            for item in walk.take(await self.call(call)):
                yield item

    def _make_transport(self) -> AsyncTransport:
        from serai.client._transport import AsyncTransport  # noqa: PLC0415 - loads httpx

        return AsyncTransport(self.base_url, self._options.timeouts, self._http_client)

    def _make_blocking_transport(self) -> Transport:
        from serai.client._transport import Transport  # noqa: PLC0415 - loads httpx

        return Transport(self.base_url, self._options.timeouts)

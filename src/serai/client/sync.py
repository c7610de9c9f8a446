"""The blocking client of an AgentOS server; importing it loads neither httpx nor pydantic."""

from __future__ import annotations

from collections.abc import Generator, Mapping
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
from serai.client._methods import blocking, paged_blocking, streamed_blocking
from serai.client._once import Once
from serai.client._options import Options
from serai.client._page_walk import PageWalk

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

    create_session = blocking(sessions.create_session)
    get_sessions = blocking(sessions.get_sessions)
    iter_sessions = paged_blocking(sessions.iter_sessions)
    get_session = blocking(sessions.get_session)
    get_session_runs = blocking(sessions.get_session_runs)
    get_session_run = blocking(sessions.get_session_run)
    aget_session_run_previews = get_session_run_previews = blocking(sessions.get_session_run_previews)
    rename_session = blocking(sessions.rename_session)
    update_session = blocking(sessions.update_session)
    delete_session = blocking(sessions.delete_session)
    delete_sessions = blocking(sessions.delete_sessions)

    create_memory = blocking(memories.create_memory)
    list_memories = blocking(memories.list_memories)
    iter_memories = paged_blocking(memories.iter_memories)
    get_memory = blocking(memories.get_memory)
    update_memory = blocking(memories.update_memory)
    delete_memory = blocking(memories.delete_memory)
    delete_memories = blocking(memories.delete_memories)
    get_memory_topics = blocking(memories.get_memory_topics)
    get_user_memory_stats = blocking(memories.get_user_memory_stats)
    iter_user_memory_stats = paged_blocking(memories.iter_user_memory_stats)
    optimize_memories = blocking(memories.optimize_memories)
    list_memory_changes = blocking(memories.list_memory_changes)
    iter_memory_changes = paged_blocking(memories.iter_memory_changes)
    undo_memory_change = blocking(memories.undo_memory_change)
    audit_memories = blocking(memories.audit_memories)

    upload_knowledge_content = blocking(knowledge.upload_knowledge_content)
    upload_knowledge_folder = streamed_blocking(knowledge.upload_knowledge_folder)
    wait_for_knowledge_content = blocking(knowledge.wait_for_knowledge_content)
    list_knowledge_content = blocking(knowledge.list_knowledge_content)
    iter_knowledge_content = paged_blocking(knowledge.iter_knowledge_content)
    get_knowledge_content = blocking(knowledge.get_knowledge_content)
    get_knowledge_content_status = blocking(knowledge.get_knowledge_content_status)
    update_knowledge_content = blocking(knowledge.update_knowledge_content)
    delete_knowledge_content = blocking(knowledge.delete_knowledge_content)
    delete_all_knowledge_content = blocking(knowledge.delete_all_knowledge_content)
    search_knowledge = blocking(knowledge.search_knowledge)
    get_knowledge_config = blocking(knowledge.get_knowledge_config)

    get_metrics = blocking(metrics.get_metrics)
    refresh_metrics = blocking(metrics.refresh_metrics)
    get_metrics_refresh_status = blocking(metrics.get_metrics_refresh_status)

    run_eval = blocking(evals.run_eval)
    list_eval_runs = blocking(evals.list_eval_runs)
    iter_eval_runs = paged_blocking(evals.iter_eval_runs)
    get_eval_run = blocking(evals.get_eval_run)
    update_eval_run = blocking(evals.update_eval_run)
    cancel_eval_run = blocking(evals.cancel_eval_run)
    delete_eval_runs = blocking(evals.delete_eval_runs)

    get_traces = blocking(traces.get_traces)
    iter_traces = paged_blocking(traces.iter_traces)
    get_trace = blocking(traces.get_trace)
    get_trace_session_stats = blocking(traces.get_trace_session_stats)
    iter_trace_session_stats = paged_blocking(traces.iter_trace_session_stats)
    search_traces = blocking(traces.search_traces)
    iter_found_traces = paged_blocking(traces.iter_found_traces)
    get_trace_filter_schema = blocking(traces.get_trace_filter_schema)

    migrate_database = blocking(data.migrate_database)
    get_server_status = blocking(data.get_server_status)
    get_retention = blocking(data.get_retention)
    apply_retention = blocking(data.apply_retention)
    erase_user = blocking(data.erase_user)

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

    def call_pages(self, call: Call[Result]) -> Generator[Result, None, None]:
        """Carry out a call page by page, and yield the items; what is wrong with its arguments is raised at once."""
        return self._walk(PageWalk(call))

    def _walk(self, walk: PageWalk[Result]) -> Generator[Result, None, None]:
        while (call := walk.next_call()) is not None:
            yield from walk.take(self.call_blocking(call))

    def _make_transport(self) -> Transport:
        from serai.client._transport import Transport  # noqa: PLC0415 - loads httpx

        return Transport(self.base_url, self._options.timeouts, self._http_client)

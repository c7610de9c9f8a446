"""Our clients, asynchronous and blocking, with traces: against Serai and agno's own server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from serai.cli import app
from serai.traces import TraceDetail, TraceNode, TraceSearchGroupBy
from serai.wire.failures import ServerStatusError
from tests.compat.clients.checklist import Target
from tests.compat.test_our_client import BOTH, SERAI, SERVERS, server
from tests.compat.test_our_client_state import Asked, client

__all__ = ["client", "server"]


async def rows_of(client: Asked, session: str, count: int) -> list[Any]:
    """Return the ended traces of a session, latest first, once there are so many."""
    async with asyncio.timeout(10):
        while True:
            rows = [row for row in (await client.get_traces(session_id=session)).data if row.status != "UNSET"]
            if len(rows) == count:
                return rows
            await asyncio.sleep(0.05)


@BOTH
@SERVERS
async def test_traces_are_listed_read_counted_and_searched(client: Asked) -> None:
    session, user = f"t-{uuid4()}", f"u-{uuid4()}"
    run = await client.run_agent("weather-agent", "How is it?", session_id=session, user_id=user)
    await client.run_agent("echo-agent", "hello", session_id=session, user_id=user)
    late, row = await rows_of(client, session, 2)
    assert (row.run_id, row.agent_id, row.user_id, row.input) == (run.run_id, "weather-agent", user, "How is it?")
    assert row.duration_ms > 0

    trace = await client.get_trace(row.trace_id)
    assert isinstance(trace, TraceDetail)
    assert (trace.output, len(trace.spans), trace.tree[0].type) == (run.content, trace.total_spans, "AGENT")
    [tool] = [span for span in trace.spans if span.type == "TOOL"]
    span = await client.get_trace(row.trace_id, tool.id)
    assert isinstance(span, TraceNode)
    assert (span.name, span.output, span.spans) == ("get_weather", "Oslo: sunny", None)
    with pytest.raises(ServerStatusError, match="Trace not found"):
        await client.get_trace("0" * 32)

    assert [one.trace_id for one in await client.iter_traces(session_id=session, page_size=1)] == [
        late.trace_id,
        row.trace_id,
    ]
    [stats] = (await client.get_trace_session_stats(user_id=user)).data
    assert (stats.session_id, stats.total_traces) == (session, 2)
    assert [one.session_id for one in await client.iter_trace_session_stats(user_id=user)] == [session]

    here = {"op": "EQ", "key": "session_id", "value": session}
    both = [here, {"op": "CONTAINS", "key": "agent_id", "value": "weather"}]
    [found] = (await client.search_traces({"op": "AND", "conditions": both})).data
    assert found.spans == trace.spans
    [by_session] = (await client.search_traces(here, TraceSearchGroupBy.SESSION)).data
    assert by_session == stats
    assert [one.trace_id for one in await client.iter_found_traces(here, page_size=1)] == [late.trace_id, row.trace_id]
    assert "status" in {field.key for field in (await client.get_trace_filter_schema()).fields}


@SERAI
def test_the_command_line_draws_the_trace_of_a_run_finds_it_again_and_searches(server: Target) -> None:
    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--url", server.base_url])
        assert done.exit_code == 0, done.output
        return done.output

    session = f"t-{uuid4()}"
    ran = call("run", "weather-agent", "How is it?", "--session", session, "--trace").splitlines()
    drawn = ran[next(n for n, line in enumerate(ran) if line.startswith("trace ")) - 1 :]
    assert "OK" in drawn[0]
    tool = next(line for line in drawn if "get_weather" in line)
    assert "TOOL" in tool
    assert "█" in tool
    assert sum(" LLM " in line for line in drawn) == 2
    trace_id = drawn[1].split()[1]
    assert call("traces", "show", trace_id).splitlines() == drawn
    assert call("traces", "show", trace_id[:20]).splitlines() == drawn
    assert '"tool_name":"get_weather"' in call("traces", "show", trace_id, "--json").replace('": "', '":"')
    assert trace_id in call("traces", "search", f"session_id={session}", "name~weather", "duration_ms>=0")
    assert session in call("traces", "stats", "--agent", "weather-agent")
    assert session in call("traces", "search", f"session_id={session}", "--by-session")
    listed = call("traces", "list", "--session", session, "--agent", "weather-agent", "--status", "ok")
    assert len(listed.splitlines()) == 2

"""What the published ``AgentOSClient`` of agno must be able to do with traces: lists, trees, spans, sessions, searches.

Runs in the locked environments of agno 3 and agno 2; the components are those of serai_os.py.
"""

import asyncio
import json
import re
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

import httpx
from agno.client import AgentOSClient
from agno.os.routers.traces.schemas import TraceDetail, TraceNode, TraceSearchGroupBy
from agno_calls import equal, expect_status, status_of, streamed
from checklist import check, main

COMES_WITHIN_S = 10


def new_id():
    return f"t-{uuid4()}"


async def trace_of(client, run):
    """Return the row of a run's trace, which comes a moment after the run."""
    deadline = time.monotonic() + COMES_WITHIN_S
    while True:
        rows = (await client.get_traces(run_id=run.run_id)).data
        if rows and rows[0].status != "UNSET":
            return rows[0]
        assert time.monotonic() < deadline, f"no trace of run {run.run_id}: {rows}"
        await asyncio.sleep(0.05)


async def traced(target, agent_id, message, **options):
    """Run an agent; return the client, the run and the row of its trace."""
    client = AgentOSClient(target.base_url)
    run = await client.run_agent(agent_id, message, **options)
    return client, run, await trace_of(client, run)


async def raw(target, method, path, **options):
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        return await http.request(method, path, **options)


def nodes_of(tree):
    for node in tree:
        yield node
        yield from nodes_of(node.spans or [])


def of_type(tree, kind):
    return [node for node in nodes_of(tree) if node.type == kind]


# --- one trace


@check
async def a_run_is_a_trace_that_says_whose_it_is(target):
    session, user = new_id(), new_id()
    before = datetime.now(UTC) - timedelta(seconds=1)
    _, run, trace = await traced(target, "weather-agent", "How is it?", session_id=session, user_id=user)
    assert re.fullmatch(r"[0-9a-f]{32}", trace.trace_id), trace.trace_id
    equal((trace.status, trace.error_count, trace.input), ("OK", 0, "How is it?"))
    equal((trace.run_id, trace.session_id, trace.user_id), (run.run_id, session, user))
    equal((trace.agent_id, trace.team_id, trace.workflow_id), ("weather-agent", None, None))
    assert trace.total_spans >= 2, trace.total_spans
    assert before < trace.start_time <= trace.end_time <= datetime.now(UTC) + timedelta(seconds=1)
    assert trace.created_at >= before
    assert trace.name


@check
async def a_streamed_run_is_a_trace_too(target):
    client, session = AgentOSClient(target.base_url), new_id()
    events = await streamed(client, "echo-agent", "hello", session_id=session)
    trace = await trace_of(client, events[-1])
    equal((trace.session_id, trace.agent_id, trace.input, trace.status), (session, "echo-agent", "hello", "OK"))


@check
async def a_trace_in_full_has_the_tree_of_its_spans(target):
    client, run, row = await traced(target, "weather-agent", "How is it?")
    trace = await client.get_trace(row.trace_id, run_id=run.run_id)
    assert isinstance(trace, TraceDetail)
    equal((trace.input, trace.output, trace.error), ("How is it?", run.content, None))
    [root] = trace.tree
    equal((root.type, root.status), ("AGENT", "OK"))
    equal((root.input, root.output, root.error), (None, None, None))
    [tool] = of_type(trace.tree, "TOOL")
    equal((tool.name, tool.status, tool.output, tool.spans), ("get_weather", "OK", "Oslo: sunny", None))
    equal(json.loads(tool.input), {"city": "Oslo"})
    equal(tool.metadata["tool_name"], "get_weather")
    equal(json.loads(tool.metadata["parameters"]), {"city": "Oslo"})
    assert root.start_time <= tool.start_time <= tool.end_time <= root.end_time
    for node in nodes_of(trace.tree):
        assert re.fullmatch(r"[0-9a-f]{16}", node.id), node.id
        starts = [inner.start_time for inner in node.spans or []]
        equal(starts, sorted(starts))
    equal(len(list(nodes_of(trace.tree))), trace.total_spans)


@check
async def durations_are_whole_milliseconds_or_seconds_with_two_places(target):
    client, _, row = await traced(target, "slow-agent", "hello")
    trace = await client.get_trace(row.trace_id)
    quick = (await traced(target, "weather-agent", "hello"))[2]
    for timed in (row, quick, trace, *nodes_of(trace.tree)):
        assert re.fullmatch(r"\d{1,3}ms|\d+\.\d\ds", timed.duration), timed.duration
    assert not row.duration.endswith("ms"), row.duration


@check
async def one_span_is_read_by_its_id_with_its_texts(target):
    client, _, row = await traced(target, "weather-agent", "How is it?")
    [root] = (await client.get_trace(row.trace_id)).tree
    [tool] = of_type([root], "TOOL")
    alone = await client.get_trace(row.trace_id, span_id=tool.id)
    assert isinstance(alone, TraceNode)
    equal((alone.id, alone.type, alone.name, alone.output), (tool.id, "TOOL", "get_weather", "Oslo: sunny"))
    equal(alone.metadata["tool_name"], "get_weather")
    top = await client.get_trace(row.trace_id, span_id=root.id)
    equal((top.id, top.spans, top.input), (root.id, None, "How is it?"))


@check
async def an_unknown_trace_or_span_is_404(target):
    client, _, row = await traced(target, "echo-agent", "one")
    unknown = "0" * 31 + "1"
    for call, detail in (
        (client.get_trace(unknown), "Trace not found"),
        (client.get_trace("trace-123"), "Trace not found"),
        (client.get_trace(row.trace_id, span_id="0" * 15 + "1"), "Span not found"),
    ):
        equal((await expect_status(404, call))["detail"], detail)


@check
async def a_span_of_another_trace_is_404(target):
    client, _, row = await traced(target, "echo-agent", "one")
    other = (await traced(target, "echo-agent", "two"))[2]
    elsewhere = (await client.get_trace(other.trace_id)).tree[0].id
    # Serai looks for spans in the trace only, and says "Span not found"; agno's server names the other trace's span.
    detail = (await expect_status(404, client.get_trace(row.trace_id, span_id=elsewhere)))["detail"]
    assert detail in ("Span not found", f"Span {elsewhere} does not belong to trace {row.trace_id}"), detail
    detail = (await expect_status(404, client.get_trace("0" * 31 + "1", span_id=elsewhere)))["detail"]
    equal(detail, "Trace not found")


@check
async def a_hint_at_another_run_is_passed_over(target):
    client, _, row = await traced(target, "echo-agent", "one")
    equal((await client.get_trace(row.trace_id, run_id="no-such")).trace_id, row.trace_id)


@check
async def members_of_a_team_are_in_its_tree(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_team("research-team", "tea", session_id=new_id())
    row = await trace_of(client, run)
    equal((row.team_id, row.agent_id, row.workflow_id), ("research-team", None, None))
    trace = await client.get_trace(row.trace_id)
    [root] = trace.tree
    equal((root.type, trace.output), ("TEAM", run.content))
    members = of_type(trace.tree, "AGENT")
    equal((members[0].input, members[0].output), ("tea", "Found: tea"))
    equal([member.metadata["run_id"] for member in members], [member.run_id for member in run.member_responses])
    equal([tool.name for tool in of_type(trace.tree, "TOOL")], ["delegate_task_to_member"] * 2)


@check
async def steps_of_a_workflow_are_in_its_tree(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_workflow("seq-workflow", "tea", session_id=new_id())
    row = await trace_of(client, run)
    equal((row.workflow_id, row.agent_id, row.team_id), ("seq-workflow", None, None))
    trace = await client.get_trace(row.trace_id)
    [root] = trace.tree
    equal((root.type, trace.output), ("WORKFLOW", run.content))
    equal((root.metadata["steps_count"], root.metadata["step_types"]), (2, ["Step", "Step"]))
    steps = [node for node in root.spans if node.type == "WORKFLOW"]
    equal([node.step_type for node in steps], ["Step", "Step"])
    equal(len(of_type(steps[:1], "AGENT")), 1)
    assert steps[1].output == run.content, steps[1].output


@check
async def a_failed_run_is_a_trace_with_an_error(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_agent("broken-model-agent", "x", session_id=new_id())
    equal(status_of(run), "ERROR")
    row = await trace_of(client, run)
    assert row.status == "ERROR"
    assert row.error_count >= 1
    trace = await client.get_trace(row.trace_id)
    equal((trace.output, trace.tree[0].status), (None, "ERROR"))
    assert trace.error


@check
async def the_error_of_a_failed_run_says_why(target):
    client, _, row = await traced(target, "broken-model-agent", "x", session_id=new_id())
    assert "model exploded" in (await client.get_trace(row.trace_id)).error


@check
async def a_failed_tool_is_a_span_with_an_error_in_a_trace_that_is_well(target):
    client, _, row = await traced(target, "broken-tool-agent", "x")
    equal((row.status, row.error_count), ("OK", 1))
    [tool] = of_type((await client.get_trace(row.trace_id)).tree, "TOOL")
    equal((tool.status, tool.output), ("ERROR", None))
    assert "tool exploded" in tool.error, tool.error


@check
async def members_that_are_null_are_left_out(target):
    _, _, row = await traced(target, "echo-agent", "hello")
    for path in (f"/traces?run_id={row.run_id}", f"/traces/{row.trace_id}"):
        answer = await raw(target, "GET", path)
        assert "null" not in answer.text, answer.text


# --- lists


@check
async def traces_are_listed_latest_first_by_all_that_they_belong_to(target):
    session, user = new_id(), new_id()
    client, first, _ = await traced(target, "echo-agent", "one", session_id=session, user_id=user)
    _, second, late = await traced(target, "weather-agent", "two", session_id=session, user_id=user)
    other = new_id()
    await traced(target, "echo-agent", "three", session_id=other, user_id=user)
    for filters, wanted in (
        ({"session_id": session}, [second.run_id, first.run_id]),
        ({"session_id": session, "agent_id": "echo-agent"}, [first.run_id]),
        ({"session_id": session, "status": "OK"}, [second.run_id, first.run_id]),
        ({"session_id": session, "status": "ERROR"}, []),
        ({"session_id": session, "status": "ok"}, []),
        ({"session_id": session, "start_time": late.start_time.isoformat()}, [second.run_id]),
        ({"session_id": session, "end_time": late.start_time.isoformat()}, [first.run_id]),
        ({"run_id": first.run_id}, [first.run_id]),
        ({"session_id": session, "team_id": "research-team"}, []),
        ({"session_id": session, "workflow_id": "seq-workflow"}, []),
        ({"session_id": session, "user_id": new_id()}, []),
    ):
        page = await client.get_traces(**filters)
        equal(([row.run_id for row in page.data], page.meta.total_count), (wanted, len(wanted)))
    equal({row.session_id for row in (await client.get_traces(user_id=user)).data}, {session, other})


@check
async def traces_come_in_pages(target):
    session = new_id()
    runs = [(await traced(target, "echo-agent", str(n), session_id=session))[1].run_id for n in range(3)]
    client = AgentOSClient(target.base_url)
    first = await client.get_traces(session_id=session, limit=2)
    second = await client.get_traces(session_id=session, limit=2, page=2)
    past = await client.get_traces(session_id=session, limit=2, page=3)
    equal([row.run_id for row in first.data + second.data], runs[::-1])
    equal((first.meta.page, first.meta.limit, first.meta.total_pages, first.meta.total_count), (1, 2, 2, 3))
    equal((past.data, past.meta.total_count), ([], 3))


@check
async def a_page_of_traces_that_cannot_be_is_422(target):
    client = AgentOSClient(target.base_url)
    for options in ({"page": 0}, {"limit": 0}, {"limit": 101}):
        await expect_status(422, client.search_traces(**options))


@check
async def page_zero_of_traces_is_422(target):
    client = AgentOSClient(target.base_url)
    await expect_status(422, client.get_traces(page=0))
    await expect_status(422, client.get_traces(limit=0))
    await expect_status(422, client.get_trace_session_stats(page=0))


@check
async def a_time_that_is_none_is_400(target):
    client = AgentOSClient(target.base_url)
    for call in (client.get_traces(start_time="yesterday"), client.get_trace_session_stats(end_time="soon")):
        await expect_status(400, call)


@check
async def an_unknown_database_of_traces_is_404(target):
    client = AgentOSClient(target.base_url)
    for call in (
        client.get_traces(db_id="no-such"),
        client.get_trace("0" * 32, db_id="no-such"),
        client.get_trace_session_stats(db_id="no-such"),
        client.search_traces(db_id="no-such"),
    ):
        equal((await expect_status(404, call))["detail"], "No database found with id 'no-such'")
    database = (await client.aget_config()).databases[0]
    await client.get_traces(db_id=database)
    await client.search_traces(db_id=database)


# --- sessions


@check
async def sessions_say_how_many_traces_they_have(target):
    user, session, other = new_id(), new_id(), new_id()
    client = AgentOSClient(target.base_url)
    firsts = [(await traced(target, "echo-agent", str(n), session_id=session, user_id=user))[2] for n in range(2)]
    await traced(target, "weather-agent", "x", session_id=other, user_id=user)
    stats = await client.get_trace_session_stats(user_id=user)
    equal([(one.session_id, one.total_traces) for one in stats.data], [(other, 1), (session, 2)])
    equal(stats.meta.total_count, 2)
    known = stats.data[1]
    equal((known.user_id, known.agent_id), (user, "echo-agent"))
    equal((known.first_trace_at, known.last_trace_at), (firsts[0].created_at, firsts[1].created_at))
    narrowed = await client.get_trace_session_stats(user_id=user, agent_id="weather-agent")
    equal([one.session_id for one in narrowed.data], [other])
    page = await client.get_trace_session_stats(user_id=user, limit=1, page=2)
    equal(([one.session_id for one in page.data], page.meta.total_pages), ([session], 2))
    none = await client.get_trace_session_stats(user_id=user, end_time="2001-01-01T00:00:00Z")
    equal((none.data, none.meta.total_count), ([], 0))


# --- search


async def found(client, *conditions, **options):
    """Return the runs whose traces fulfil all conditions."""
    page = await client.search_traces({"op": "AND", "conditions": list(conditions)}, **options)
    equal(page.meta.total_count, len(page.data))
    return [trace.run_id for trace in page.data]


def term(op, key, value):
    return {"op": op, "key": key, **({"values": value} if op == "IN" else {"value": value})}


@check
async def every_operator_finds_what_it_means(target):
    session, user = new_id(), f"U%{uuid4()}"
    client, first, early = await traced(target, "echo-agent", "one", session_id=session, user_id=user)
    _, second, late = await traced(target, "slow-agent", "two", session_id=f"{session}-2", user_id=f"{user}_b")
    both = [second.run_id, first.run_id]
    here = term("STARTSWITH", "session_id", session)
    for condition, wanted in (
        (term("EQ", "user_id", user), [first.run_id]),
        (term("NEQ", "user_id", user), [second.run_id]),
        (term("GT", "duration_ms", 1450), [second.run_id]),
        (term("LTE", "duration_ms", 1450), [first.run_id]),
        (term("GTE", "start_time", late.start_time.isoformat()), [second.run_id]),
        (term("LT", "start_time", late.start_time.isoformat()), [first.run_id]),
        (term("CONTAINS", "user_id", user[5:12].upper()), both),
        (term("CONTAINS", "user_id", f"{user[-4:]}_"), [second.run_id]),
        (term("STARTSWITH", "user_id", user[:9].lower()), both),
        (term("STARTSWITH", "agent_id", "echo"), [first.run_id]),
        (term("IN", "trace_id", [early.trace_id, "0" * 32]), [first.run_id]),
        (term("EQ", "status", "OK"), both),
        ({"op": "NOT", "condition": term("EQ", "run_id", first.run_id)}, [second.run_id]),
        ({"op": "OR", "conditions": [term("EQ", "run_id", each) for each in both]}, both),
        ({"op": "AND", "conditions": [term("EQ", "run_id", each) for each in both]}, []),
    ):
        equal((condition, await found(client, here, condition)), (condition, wanted))


@check
async def a_search_brings_traces_in_full_in_pages(target):
    session = new_id()
    client, first, _ = await traced(target, "weather-agent", "one", session_id=session)
    _, second, _ = await traced(target, "weather-agent", "two", session_id=session)
    here = term("EQ", "session_id", session)
    page = await client.search_traces(here, limit=1, page=2)
    equal((page.meta.total_count, page.meta.total_pages, page.meta.page), (2, 2, 2))
    [trace] = page.data
    assert isinstance(trace, TraceDetail)
    equal((trace.run_id, trace.output), (first.run_id, first.content))
    equal(len(of_type(trace.tree, "TOOL")), 1)
    equal([one.run_id for one in (await client.search_traces(here)).data], [second.run_id, first.run_id])
    assert (await client.search_traces(limit=1)).meta.total_count >= 2


@check
async def a_search_by_session_brings_their_numbers(target):
    session = new_id()
    client, _, _ = await traced(target, "echo-agent", "one", session_id=session)
    await traced(target, "echo-agent", "two", session_id=session)
    page = await client.search_traces(term("EQ", "session_id", session), group_by=TraceSearchGroupBy.SESSION)
    equal([(one.session_id, one.total_traces, one.agent_id) for one in page.data], [(session, 2, "echo-agent")])
    equal(page.meta.total_count, 1)


@check
async def a_filter_that_cannot_be_read_is_400(target):
    client = AgentOSClient(target.base_url)
    deep = term("EQ", "status", "OK")
    for _ in range(12):
        deep = {"op": "NOT", "condition": deep}
    for wrong in (
        {"op": "LIKE", "key": "status", "value": "OK"},
        {"op": "EQ", "key": "status"},
        {"op": "EQ", "value": "OK"},
        {"op": "NOT"},
        {"key": "status", "value": "OK"},
        deep,
    ):
        detail = (await expect_status(400, client.search_traces(wrong)))["detail"]
        assert detail.startswith("Invalid filter expression: "), detail


@check
async def a_filter_of_no_conditions_is_400(target):
    client = AgentOSClient(target.base_url)
    for op in ("AND", "OR"):
        await expect_status(400, client.search_traces({"op": op, "conditions": []}))


@check
async def a_filter_by_an_unknown_key_is_400(target):
    client = AgentOSClient(target.base_url)
    detail = (await expect_status(400, client.search_traces(term("EQ", "colour", "red"))))["detail"]
    assert "colour" in detail, detail


@check
async def what_can_be_searched_by_is_told(target):
    schema = (await raw(target, "GET", "/traces/filter-schema")).json()
    fields = {field["key"]: field for field in schema["fields"]}
    assert {"status", "user_id", "session_id", "run_id", "duration_ms", "start_time"} <= set(fields)
    assert {"EQ", "NEQ", "IN"} <= set(fields["status"]["operators"])
    assert {"GT", "GTE", "LT", "LTE"} <= set(fields["duration_ms"]["operators"])
    equal({"AND", "OR"} <= set(schema["logical_operators"]), True)
    client, _, _ = await traced(target, "echo-agent", "x")
    assert (await client.search_traces(term(fields["status"]["operators"][0], "status", "OK"), limit=1)).data


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]), at_once=4)

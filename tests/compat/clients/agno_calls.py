"""What the scripts of agno's client have in common: calls, and what is expected of their answers."""

import asyncio
import time

import httpx
from agno.client import AgentOSClient

ODD_TEXT = 'a\u0085b\u2028c\u2029d \U0001f600 \u00e9 "quoted" \\ \t tab\nline & = + % end'


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def status_of(run):
    return getattr(run.status, "value", run.status)


async def streamed(client, agent_id, message, **options):
    return [event async for event in client.run_agent_stream(agent_id, message, **options)]


async def streamed_team(client, team_id, message, **options):
    return [event async for event in client.run_team_stream(team_id, message, **options)]


async def streamed_workflow(client, workflow_id, message, **options):
    return [event async for event in client.run_workflow_stream(workflow_id, message, **options)]


def without_repetition(events):
    """Names of the events, a row of content events counted once."""
    names = []
    for event in events:
        if not (event.event in ("RunContent", "TeamRunContent") and names[-1:] == [event.event]):
            names.append(event.event)
    return names


def of_run(events, run_id):
    """The events of one run among those of the runs inside it."""
    return [event for event in events if event.run_id == run_id]


def said_in(events):
    """The text that content events of one run add up to."""
    return "".join(event.content for event in events if event.event in ("RunContent", "TeamRunContent"))


async def raised(kind, call):
    """Return the exception of this kind that the call raises."""
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but the call succeeded")


async def expect_status(status, call):
    response = (await raised(httpx.HTTPStatusError, call)).response
    equal(response.status_code, status)
    # The client closes a refused stream without reading it.
    return response.json() if response.is_stream_consumed else None


async def read(target, component_id, run, *, kind="agents"):
    """Return a run as plain HTTP shows it; the client has no call for that."""
    path = f"/{kind}/{component_id}/runs/{run.run_id}"
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        answer = await http.get(path, params={"session_id": run.session_id})
    equal(answer.status_code, 200)
    return answer.json()


async def listed(target, component_id, session_id, *, kind="agents", **query):
    """Return the runs of a session as plain HTTP lists them."""
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        answer = await http.get(f"/{kind}/{component_id}/runs", params={"session_id": session_id, **query})
    equal(answer.status_code, 200)
    return answer.json()


async def ended(target, component_id, run, *, kind="agents", patience_s=10):
    """Wait until a run in the background has ended; return it as plain HTTP shows it."""
    path, query = f"/{kind}/{component_id}/runs/{run.run_id}", {"session_id": run.session_id}
    deadline = time.monotonic() + patience_s
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        while True:
            answer = await http.get(path, params=query)
            if answer.status_code == 200 and answer.json()["status"] not in ("PENDING", "RUNNING"):
                return answer.json()
            assert time.monotonic() < deadline, answer.text
            await asyncio.sleep(0.1)


async def posted(target, path, **fields):
    """Send a form as it is and return the answer."""
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        return await http.post(path, data=fields)


async def paused(target, message, **options):
    """Start a run of the agent that pauses; return the client and the paused run."""
    client = AgentOSClient(target.base_url)
    run = await client.run_agent("pause-agent", message, **options)
    equal(status_of(run), "PAUSED")
    return client, run


async def proceed(client, run, tools=None, **options):
    """Continue a run with tools that were answered, by default all of its own."""
    return await client.continue_agent_run(
        "pause-agent", run.run_id, run.tools if tools is None else tools, run.session_id, **options
    )


async def proceed_streamed(client, run, tools=None):
    """Continue a run likewise; return the events."""
    answered = run.tools if tools is None else tools
    stream = client.continue_agent_run_stream("pause-agent", run.run_id, answered, run.session_id)
    return [event async for event in stream]

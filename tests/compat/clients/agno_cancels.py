"""What the published ``AgentOSClient`` of agno must be able to do with runs that it cancels.

Runs in the locked environments of agno 3 and agno 2; the agents are those of serai_os.py.
"""

import asyncio
import time
from importlib.metadata import version
from types import SimpleNamespace
from uuid import uuid4

from agno.client import AgentOSClient
from agno.run.agent import RunCancelledEvent
from agno_calls import equal, expect_status, paused, proceed, read, status_of
from checklist import check, main

SOON_S = 2.0


def begin(client, agent_id, message, **options):
    """Start a plain run whose id is known before; return it with the task that waits for it."""
    run = SimpleNamespace(run_id=str(uuid4()), session_id=options.pop("session_id", None) or str(uuid4()))
    call = client.run_agent(agent_id, message, session_id=run.session_id, run_id=run.run_id, **options)
    return run, asyncio.create_task(call)


async def cancelled_soon(target, agent_id, message, *, after_s):
    """Cancel a plain run when it is under way; return what it answers."""
    client = AgentOSClient(target.base_url)
    run, waiting = begin(client, agent_id, message)
    await asyncio.sleep(after_s)
    began = time.monotonic()
    await client.cancel_agent_run(agent_id, run.run_id)
    answer = await waiting
    took_s = time.monotonic() - began
    equal((status_of(answer), answer.run_id), ("CANCELLED", run.run_id))
    equal((await read(target, agent_id, run))["status"], "CANCELLED")
    assert took_s < SOON_S, took_s
    return answer


@check
async def a_stream_is_cancelled_and_keeps_what_was_said(target):
    client, said, events = AgentOSClient(target.base_url), "", []
    async for event in client.run_agent_stream("talk-agent", "talk"):
        events.append(event)
        if event.event == "RunContent":
            said += event.content
            if "w9 " in said:
                await client.cancel_agent_run("talk-agent", event.run_id)
    [end] = [event for event in events if isinstance(event, RunCancelledEvent)]
    assert said.startswith("w0 w1 ")
    assert len(said.split()) < 60, said
    assert end.content.startswith(said), end.content
    equal((await read(target, "talk-agent", end))["status"], "CANCELLED")


@check
async def nothing_follows_the_cancelled_event(target):
    client, events = AgentOSClient(target.base_url), []
    async for event in client.run_agent_stream("talk-agent", "talk"):
        events.append(event)
        if event.event == "RunContent" and event.content == "w3 ":
            await client.cancel_agent_run("talk-agent", event.run_id)
    equal(events[-1].event, "RunCancelled")


@check
async def a_plain_run_is_cancelled_in_the_model_call(target):
    await cancelled_soon(target, "talk-agent", "talk", after_s=0.7)


@check
async def a_plain_run_is_cancelled_in_a_tool(target):
    await cancelled_soon(target, "nap-agent", "nap", after_s=0.7)


@check
async def a_paused_run_is_cancelled_and_cannot_go_on(target):
    client, run = await paused(target, "delete")
    await client.cancel_agent_run("pause-agent", run.run_id)
    equal((await read(target, "pause-agent", run))["status"], "CANCELLED")
    run.tools[0].confirmed = True
    await expect_status(409, proceed(client, run))


@check
async def a_run_that_waits_for_its_turn_is_cancelled(target):
    client = AgentOSClient(target.base_url)
    first, running = begin(client, "nap-agent", "nap")
    await asyncio.sleep(0.5)
    second, waiting = begin(client, "nap-agent", "nap", session_id=first.session_id)
    await asyncio.sleep(0.5)
    await client.cancel_agent_run("nap-agent", second.run_id)
    equal(status_of(await waiting), "CANCELLED")
    assert not running.done()
    equal(status_of(await running), "COMPLETED")


@check
async def a_run_is_cancelled_before_it_comes(target):
    client, run_id = AgentOSClient(target.base_url), str(uuid4())
    await client.cancel_agent_run("echo-agent", run_id)
    equal(status_of(await client.run_agent("echo-agent", "hello", run_id=run_id)), "CANCELLED")


@check
async def a_run_that_has_ended_stays_as_it_is_however_often_it_is_cancelled(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_agent("echo-agent", "hello")
    for _ in range(3):
        await client.cancel_agent_run("echo-agent", run.run_id)
    equal((await read(target, "echo-agent", run))["status"], "COMPLETED")


@check
async def the_session_of_a_cancelled_run_goes_on(target):
    client = AgentOSClient(target.base_url)
    run, waiting = begin(client, "talk-agent", "talk")
    await asyncio.sleep(0.5)
    await client.cancel_agent_run("talk-agent", run.run_id)
    await waiting
    equal((await client.run_agent("echo-agent", "still here?", session_id=run.session_id)).content, "Echo: still here?")


@check
async def a_run_of_an_unknown_agent_is_404(target):
    await expect_status(404, AgentOSClient(target.base_url).cancel_agent_run("no-such-agent", str(uuid4())))


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]), at_once=6)

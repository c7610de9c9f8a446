"""What the published ``AgentOSClient`` of agno must be able to do with teams and workflows that it cancels.

Runs in the locked environments of agno 3 and agno 2; the components are those of serai_teams.py and serai_workflows.py.
"""

import asyncio
import time
from importlib.metadata import version
from types import SimpleNamespace
from uuid import uuid4

from agno.client import AgentOSClient
from agno_calls import equal, expect_status, read, said_in, status_of, streamed_team, streamed_workflow
from checklist import check, check_generation, main

SOON_S = 2.0


def calls(client, kind):
    """Return the client's methods that run, stream and cancel components of this kind."""
    if kind == "teams":
        return client.run_team, client.run_team_stream, client.cancel_team_run
    return client.run_workflow, client.run_workflow_stream, client.cancel_workflow_run


async def cancelled_stream(target, kind, component_id, message, *, at):
    """Cancel a streamed run at its first event of this name; return all its events."""
    _, stream, cancel = calls(AgentOSClient(target.base_url), kind)
    events, asked = [], False
    async for event in stream(component_id, message):
        events.append(event)
        if event.event == at and not asked:
            asked = True
            await cancel(component_id, events[0].run_id)
    assert asked, [event.event for event in events]
    run = SimpleNamespace(run_id=events[0].run_id, session_id=events[0].session_id)
    equal((await read(target, component_id, run, kind=kind))["status"], "CANCELLED")
    return events


def end_of(events, name):
    """Return the one event of this name, which ends a run."""
    [end] = [event for event in events if event.event == name]
    return end


async def cancelled_soon(target, kind, component_id, message="go", *, after_s=0.7):
    """Cancel a plain run when it is under way; return what it answers."""
    start, _, cancel = calls(AgentOSClient(target.base_url), kind)
    run_id, session_id = str(uuid4()), str(uuid4())
    waiting = asyncio.create_task(start(component_id, message, session_id=session_id, run_id=run_id))
    await asyncio.sleep(after_s)
    began = time.monotonic()
    await cancel(component_id, run_id)
    answer = await waiting
    took_s = time.monotonic() - began
    equal((status_of(answer), answer.run_id), ("CANCELLED", run_id))
    equal((await read(target, component_id, answer, kind=kind))["status"], "CANCELLED")
    assert took_s < SOON_S, took_s
    return answer


# --- teams


@check
async def a_streamed_team_is_cancelled_in_its_members_answer(target):
    events = await cancelled_stream(target, "teams", "slow-team", "go", at="RunContent")
    member = [event for event in events if getattr(event, "agent_id", None)]
    end, last = end_of(events, "TeamRunCancelled"), end_of(member, "RunCancelled")
    equal((end.run_id, last.parent_run_id), (events[0].run_id, events[0].run_id))
    assert said_in(member).startswith("w0 ")
    assert last.content.startswith("w0 "), last.content
    assert len(said_in(member).split()) < 60
    assert events.index(last) < events.index(end)
    equal([event.event for event in events].count("TeamToolCallCompleted"), 0)


@check
async def a_streamed_team_is_cancelled_in_its_leaders_answer(target):
    events = await cancelled_stream(target, "teams", "slow-team", "leader", at="TeamRunContent")
    end = end_of(events, "TeamRunCancelled")
    assert said_in(events).startswith(end.content) or end.content.startswith(said_in(events)), end.content
    assert len(said_in(events).split()) < 60


@check
async def nothing_follows_the_cancelled_event_of_a_team(target):
    events = await cancelled_stream(target, "teams", "slow-team", "go", at="RunContent")
    equal(events[-1].event, "TeamRunCancelled")
    member = [event.event for event in events if getattr(event, "agent_id", None)]
    equal(member[-1], "RunCancelled")


@check
async def a_plain_team_is_cancelled_in_its_members_answer(target):
    answer = await cancelled_soon(target, "teams", "slow-team")
    equal([status_of(member) for member in answer.member_responses], ["CANCELLED"])


@check
async def a_plain_team_is_cancelled_in_its_leaders_answer(target):
    await cancelled_soon(target, "teams", "slow-team", "leader")


@check
async def a_team_is_cancelled_before_it_comes(target):
    client, run_id = AgentOSClient(target.base_url), str(uuid4())
    await client.cancel_team_run("research-team", run_id)
    equal(status_of(await client.run_team("research-team", "tea", run_id=run_id)), "CANCELLED")


@check
async def a_team_run_that_has_ended_stays_as_it_is(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_team("route-team", "tea")
    await client.cancel_team_run("route-team", run.run_id)
    equal((await read(target, "route-team", run, kind="teams"))["status"], "COMPLETED")


@check_generation(3)
async def a_paused_team_is_cancelled_and_cannot_go_on(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_team("asking-team", "delete")
    await client.cancel_team_run("asking-team", run.run_id)
    equal((await read(target, "asking-team", run, kind="teams"))["status"], "CANCELLED")
    run.requirements[0].confirm()
    await expect_status(409, client.continue_team_run("asking-team", run.run_id, run.requirements, run.session_id))


@check
async def the_session_of_a_cancelled_team_goes_on(target):
    events = await cancelled_stream(target, "teams", "slow-team", "go", at="RunContent")
    done = await AgentOSClient(target.base_url).run_team("route-team", "tea", session_id=events[0].session_id)
    equal(done.content, "Written: tea")


@check
async def a_run_of_an_unknown_team_is_404(target):
    await expect_status(404, AgentOSClient(target.base_url).cancel_team_run("no-such-team", str(uuid4())))


# --- workflows


@check
async def a_streamed_workflow_is_cancelled_in_an_agents_answer(target):
    events = await cancelled_stream(target, "workflows", "slow-workflow", "go", at="RunContent")
    agent = [event for event in events if getattr(event, "agent_id", None)]
    end, last = end_of(events, "WorkflowCancelled"), end_of(agent, "RunCancelled")
    assert events.index(last) < events.index(end)
    assert last.content.startswith("w0 "), last.content
    assert len(said_in(agent).split()) < 60
    equal([event.step_name for event in events if event.event == "StepCompleted"], ["note"])


@check
async def nothing_follows_the_cancelled_event_of_a_workflow(target):
    events = await cancelled_stream(target, "workflows", "slow-workflow", "go", at="RunContent")
    equal(events[-1].event, "WorkflowCancelled")


@check
async def a_streamed_workflow_is_cancelled_in_a_function(target):
    began = time.monotonic()
    events = await cancelled_stream(target, "workflows", "nap-workflow", "go", at="StepCompleted")
    end_of(events, "WorkflowCancelled")
    assert time.monotonic() - began < SOON_S


@check
async def a_plain_workflow_is_cancelled_in_an_agents_answer(target):
    answer = await cancelled_soon(target, "workflows", "slow-workflow")
    equal((answer.step_results[0].step_name, answer.step_results[0].content), ("note", "noted go"))


@check
async def a_plain_workflow_is_cancelled_in_a_function(target):
    await cancelled_soon(target, "workflows", "nap-workflow")


@check
async def a_workflow_is_cancelled_before_it_comes(target):
    client, run_id = AgentOSClient(target.base_url), str(uuid4())
    await client.cancel_workflow_run("seq-workflow", run_id)
    equal(status_of(await client.run_workflow("seq-workflow", "tea", run_id=run_id)), "CANCELLED")


@check
async def a_workflow_run_that_has_ended_stays_as_it_is(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_workflow("seq-workflow", "tea")
    await client.cancel_workflow_run("seq-workflow", run.run_id)
    equal((await read(target, "seq-workflow", run, kind="workflows"))["status"], "COMPLETED")


@check_generation(3)
async def a_paused_workflow_is_cancelled_and_cannot_go_on(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_workflow("review-workflow", "Tea")
    await client.cancel_workflow_run("review-workflow", run.run_id)
    equal((await read(target, "review-workflow", run, kind="workflows"))["status"], "CANCELLED")
    run.step_requirements[0].confirm()
    call = client.continue_workflow_run("review-workflow", run.run_id, run.step_requirements, run.session_id)
    await expect_status(409, call)


@check
async def the_session_of_a_cancelled_workflow_goes_on(target):
    events = await cancelled_stream(target, "workflows", "slow-workflow", "go", at="RunContent")
    done = await AgentOSClient(target.base_url).run_workflow("seq-workflow", "tea", session_id=events[0].session_id)
    equal(done.content, "ECHO: TEA")


@check
async def a_run_of_an_unknown_workflow_is_404(target):
    await expect_status(404, AgentOSClient(target.base_url).cancel_workflow_run("no-such-workflow", str(uuid4())))


@check
async def another_stream_is_not_disturbed_by_a_cancel(target):
    client = AgentOSClient(target.base_url)
    other, _, workflow = await asyncio.gather(
        streamed_team(client, "research-team", "tea"),
        cancelled_stream(target, "teams", "slow-team", "go", at="RunContent"),
        streamed_workflow(client, "seq-workflow", "tea"),
    )
    equal((other[-1].event, workflow[-1].event), ("TeamRunCompleted", "WorkflowCompleted"))


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]), at_once=6)

"""What the scripts of agno's client have in common for workflows that pause."""

from agno.client import AgentOSClient
from agno_calls import equal, status_of

A_FUNCTION = ["StepStarted", "StepOutput", "StepCompleted"]


async def paused(target, workflow_id, message="Tea", **options):
    """Start a run of a workflow that pauses; return the client and the paused run."""
    client = AgentOSClient(target.base_url)
    run = await client.run_workflow(workflow_id, message, **options)
    equal((status_of(run), run.workflow_id), ("PAUSED", workflow_id))
    return client, run


async def paused_at(target, workflow_id, message="Tea"):
    """Start such a run; return the client, the run and what it asks for."""
    client, run = await paused(target, workflow_id, message)
    [requirement] = run.step_requirements
    return client, run, requirement


async def proceed(client, run, requirements=None):
    """Continue a run with requirements that were resolved, by default all of its own."""
    resolved = run.step_requirements if requirements is None else requirements
    return await client.continue_workflow_run(run.workflow_id, run.run_id, resolved, run.session_id)


async def proceed_streamed(client, run, requirements=None):
    resolved = run.step_requirements if requirements is None else requirements
    stream = client.continue_workflow_run_stream(run.workflow_id, run.run_id, resolved, run.session_id)
    events = [event async for event in stream]
    own = [event for event in events if not (getattr(event, "agent_id", None) or getattr(event, "team_id", None))]
    equal({event.run_id for event in own}, {run.run_id})
    return events


def ended(run, before, content):
    """Expect that a continued run has ended with this answer, under the id that it had."""
    equal((status_of(run), run.run_id, run.session_id), ("COMPLETED", before.run_id, before.session_id))
    equal(run.content, content)

"""What the published ``AgentOSClient`` of agno must be able to do with workflows whose agents pause in their steps.

Runs in the locked environment of agno 3 (the client of agno 2 does not know such pauses); the workflows are those of
serai_workflows.py.
"""

from importlib.metadata import version

from agno.client import AgentOSClient
from agno_calls import equal, expect_status, of_run, read, status_of, streamed_workflow, without_repetition
from agno_workflow_calls import A_FUNCTION, ended, paused_at, proceed, proceed_streamed
from checklist import check_generation, main

CONTINUED_AGENT = [
    *("ModelRequestStarted", "RunContent", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
]


@check_generation(3)
async def a_workflow_pauses_with_its_agent(target):
    _, run, requirement = await paused_at(target, "executor-pause-workflow", "delete")
    equal((requirement.step_name, requirement.requires_executor_input), ("act", True))
    equal(
        (requirement.executor_id, getattr(requirement.executor_type, "value", requirement.executor_type)),
        ("asker", "agent"),
    )
    [inner] = run.step_executor_runs
    equal((inner.run_id, status_of(inner)), (requirement.executor_run_id, "PAUSED"))
    [asked] = requirement.executor_requirements
    equal(asked["tool_execution"]["tool_name"], "delete_file")


@check_generation(3)
async def a_streamed_workflow_pauses_with_its_agent(target):
    events = await streamed_workflow(AgentOSClient(target.base_url), "executor-pause-workflow", "delete")
    equal(without_repetition(events)[-3:], ["RunPaused", "StepExecutorPaused", "WorkflowPaused"])
    inner, pause, end = events[-3:]
    equal((pause.executor_id, pause.executor_run_id, pause.executor_type), ("asker", inner.run_id, "agent"))
    equal((len(pause.executor_requirements), end.pause_kind), (1, "executor"))


def resolved(requirement, **answer):
    """Return the requirement with this answer to what its agent asked for."""
    asked = [
        {**one, "tool_execution": {**one["tool_execution"], **answer}} for one in requirement["executor_requirements"]
    ]
    return {**requirement, "executor_requirements": asked}


@check_generation(3)
async def a_confirmed_call_of_an_agent_in_a_step_is_made(target):
    client, run, requirement = await paused_at(target, "executor-pause-workflow", "delete")
    done = await proceed(client, run, [resolved(requirement.to_dict(), confirmed=True)])
    ended(done, run, "finished: Report: deleted /tmp/x")
    equal({inner.run_id for inner in done.step_executor_runs}, {requirement.executor_run_id})


@check_generation(3)
async def a_rejected_call_of_an_agent_in_a_step_is_not_made(target):
    client, run, requirement = await paused_at(target, "executor-pause-workflow", "delete")
    answer = resolved(requirement.to_dict(), confirmed=False, confirmation_note="not that one")
    ended(await proceed(client, run, [answer]), run, "finished: Report: not that one")


@check_generation(3)
async def an_agent_in_a_step_goes_on_as_a_stream(target):
    client, run, requirement = await paused_at(target, "executor-pause-workflow", "delete")
    events = await proceed_streamed(client, run, [resolved(requirement.to_dict(), confirmed=True)])
    equal(
        without_repetition(events),
        [
            *("StepExecutorContinued", "RunContinued", "ToolCallStarted", "ToolCallCompleted"),
            *(*CONTINUED_AGENT, "StepCompleted", *A_FUNCTION, "WorkflowCompleted"),
        ],
    )
    equal(of_run(events, requirement.executor_run_id)[0].event, "RunContinued")


@check_generation(3)
async def an_agent_in_a_step_pauses_again(target):
    client, run, requirement = await paused_at(target, "executor-pause-workflow", "delete, then command")
    events = await proceed_streamed(client, run, [resolved(requirement.to_dict(), confirmed=True)])
    equal(without_repetition(events)[-3:], ["RunPaused", "StepExecutorPaused", "WorkflowPaused"])
    again = events[-1].step_requirements[-1]
    done = await proceed(client, run, [resolved(again, result="a.txt")])
    ended(done, run, "finished: Report: deleted /tmp/x; a.txt")


# --- other runs that pause in a step


@check_generation(3)
async def a_workflow_pauses_with_a_member_of_its_team(target):
    client, run, requirement = await paused_at(target, "team-pause-workflow", "delete")
    equal(
        (requirement.executor_id, getattr(requirement.executor_type, "value", requirement.executor_type)),
        ("asking-team", "team"),
    )
    [asked] = requirement.executor_requirements
    equal((asked["member_agent_id"], asked["tool_execution"]["tool_name"]), ("asker", "delete_file"))
    events = await proceed_streamed(client, run, [resolved(requirement.to_dict(), confirmed=True)])
    names = without_repetition(events)
    equal(names[:2], ["StepExecutorContinued", "RunContinued"])
    equal(names[-5:], ["StepCompleted", *A_FUNCTION, "WorkflowCompleted"])
    team = without_repetition(of_run(events, requirement.executor_run_id))
    equal((team[0], team[-1]), ("TeamRunContinued", "TeamRunCompleted"))
    assert "Report: deleted /tmp/x" in events[-1].content, events[-1].content


@check_generation(3)
async def a_workflow_pauses_with_the_workflow_in_its_step(target):
    client, run, requirement = await paused_at(target, "nested-pause-workflow", "Tea")
    equal((requirement.step_name, requirement.requires_confirmation), ("guarded", True))
    requirement.confirm()
    ended(await proceed(client, run), run, "finished: finished: NOTED TEA")


# --- refused


@check_generation(3)
async def an_unanswered_agent_in_a_step_is_400(target):
    client, run, _ = await paused_at(target, "executor-pause-workflow", "delete")
    await expect_status(400, proceed(client, run))
    equal((await read(target, "executor-pause-workflow", run, kind="workflows"))["status"], "PAUSED")


# --- a branch that pauses; last, for agno's own server drops the connection after it


@check_generation(3)
async def a_workflow_pauses_with_one_of_its_branches(target):
    client, run, requirement = await paused_at(target, "parallel-pause-workflow", "delete")
    equal((requirement.step_name, requirement.requires_executor_input), ("act", True))
    done = await proceed(client, run, [resolved(requirement.to_dict(), confirmed=True)])
    ended(done, run, done.content)
    equal(
        [(step.step_name, step.content) for step in done.step_results[0].steps],
        [("act", "Report: deleted /tmp/x"), ("right", "DELETE")],
    )


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

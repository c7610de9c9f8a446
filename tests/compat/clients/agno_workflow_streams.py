"""What the published ``AgentOSClient`` of agno must be able to do with streams of workflows.

Runs in the locked environments of agno 3 and agno 2; the workflows are those of serai_workflows.py.
"""

from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno.run.workflow import StepOutputEvent, WorkflowCompletedEvent, WorkflowErrorEvent
from agno_calls import ODD_TEXT, equal, of_run, said_in, streamed_workflow, without_repetition
from checklist import check, check_generation, main

OF_AN_AGENT = [
    *("RunStarted", "ModelRequestStarted", "RunContent"),
    *("ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
]
A_FUNCTION = ["StepStarted", "StepOutput", "StepCompleted"]
INSIDE = ["StepStarted", "StepCompleted"]


async def stream(target, workflow_id, message, **options):
    """Stream a workflow; its first and its last event are those of a run that went well."""
    events = await streamed_workflow(AgentOSClient(target.base_url), workflow_id, message, **options)
    equal((events[0].event, events[-1].event), ("WorkflowStarted", "WorkflowCompleted"))
    equal((events[0].run_id, events[0].workflow_id), (events[-1].run_id, workflow_id))
    return events


def named(events, name):
    return [event for event in events if event.event == name]


def index_of(event):
    """Return a step's index as a list, however deep it is."""
    return event.step_index if isinstance(event.step_index, list) else [event.step_index]


def part(step_output, name):
    """Return a member of a step's output, which the client of agno 2 leaves as a dictionary."""
    return step_output[name] if isinstance(step_output, dict) else getattr(step_output, name)


def own_names(events):
    """Names of the workflow's own events."""
    return without_repetition(of_run(events, events[0].run_id))


@check
async def run_workflow_stream_keeps_the_order_of_events(target):
    events = await stream(target, "seq-workflow", "tea")
    equal(
        without_repetition(events),
        ["WorkflowStarted", "StepStarted", *OF_AN_AGENT, "StepCompleted", *A_FUNCTION, "WorkflowCompleted"],
    )


@check
async def the_events_of_a_workflow_and_of_its_agents_carry_their_ids(target):
    events = await stream(target, "seq-workflow", "tea", session_id="a-session")
    own = of_run(events, events[0].run_id)
    inner = [event for event in events if event.run_id != events[0].run_id]
    equal({event.workflow_id for event in own}, {"seq-workflow"})
    equal({event.session_id for event in events}, {"a-session"})
    equal(({event.agent_id for event in inner}, len({event.run_id for event in inner})), ({"echo-agent"}, 1))
    [step, _] = named(own, "StepStarted")
    for event in inner:
        equal((event.workflow_id, event.workflow_run_id), ("seq-workflow", events[0].run_id))
        equal((event.step_id, event.step_name, event.step_index), (step.step_id, "ask", 0))


@check
async def steps_are_told_apart_by_id_name_and_index(target):
    events = await stream(target, "seq-workflow", "tea")
    started, completed = named(events, "StepStarted"), named(events, "StepCompleted")
    equal([(step.step_name, step.step_index) for step in started], [("ask", 0), ("shout", 1)])
    equal([step.step_id for step in started], [step.step_id for step in completed])
    equal([step.content for step in completed], ["Echo: tea", "ECHO: TEA"])
    [output] = [event for event in events if isinstance(event, StepOutputEvent)]
    equal((output.step_name, part(output.step_output, "content")), ("shout", "ECHO: TEA"))


@check
async def the_end_of_a_workflow_carries_the_results_of_its_steps(target):
    end = (await stream(target, "seq-workflow", "tea"))[-1]
    assert isinstance(end, WorkflowCompletedEvent)
    equal(end.content, "ECHO: TEA")
    equal([part(step, "step_name") for step in end.step_results], ["ask", "shout"])


@check_generation(3)
async def the_end_of_a_workflow_carries_the_runs_of_its_agents_and_usage(target):
    end = (await stream(target, "seq-workflow", "tea"))[-1]
    [inner] = end.step_executor_runs
    equal((inner["agent_id"], inner["content"]), ("echo-agent", "Echo: tea"))
    assert end.metrics.steps["ask"].metrics.total_tokens > 0


@check
async def odd_characters_of_a_workflow_arrive_in_a_stream(target):
    events = await stream(target, "seq-workflow", ODD_TEXT)
    inner = [event for event in events if event.run_id != events[0].run_id]
    equal(said_in(inner), f"Echo: {ODD_TEXT}")
    equal(events[-1].content, f"Echo: {ODD_TEXT}".upper())


@check
async def a_silent_step_outlives_the_timeout_of_the_client(target):
    client = AgentOSClient(target.base_url, timeout=0.6)
    events = await streamed_workflow(client, "nap-workflow", "take your time")
    equal(events[-1].content, "finished: slept")


@check
async def a_team_in_a_step_streams_its_members_as_well(target):
    events = await stream(target, "team-workflow", "tea")
    [team] = named(events, "TeamRunStarted")
    equal({event.step_name for event in events if event.run_id != events[0].run_id}, {"research"})
    members = {event.run_id: event.parent_run_id for event in events if getattr(event, "agent_id", None)}
    equal((len(members), set(members.values())), (2, {team.run_id}))
    equal(own_names(events), ["WorkflowStarted", *INSIDE, *A_FUNCTION, "WorkflowCompleted"])
    team_names = without_repetition(of_run(events, team.run_id))
    equal((team_names[0], team_names[-1]), ("TeamRunStarted", "TeamRunCompleted"))


@check
async def steps_in_a_row_are_framed(target):
    events = await stream(target, "steps-workflow", "tea")
    equal(
        own_names(events),
        [
            *("WorkflowStarted", "StepsExecutionStarted", *INSIDE, *INSIDE),
            *("StepsExecutionCompleted", *A_FUNCTION, "WorkflowCompleted"),
        ],
    )
    [started], [completed] = named(events, "StepsExecutionStarted"), named(events, "StepsExecutionCompleted")
    equal((started.step_name, started.steps_count, completed.executed_steps), ("prepare", 2, 2))
    equal([index_of(step) for step in named(events, "StepStarted")], [[0, 0], [0, 1], [1]])
    equal({step.parent_step_id for step in named(events, "StepStarted")[:2]}, {started.step_id})


@check
async def branches_are_framed_and_told_apart(target):
    events = await stream(target, "parallel-workflow", "Tea")
    own = of_run(events, events[0].run_id)
    equal((own[1].event, own[1].step_name, own[1].parallel_step_count), ("ParallelExecutionStarted", "both", 2))
    equal(own_names(events)[-5:], ["ParallelExecutionCompleted", *A_FUNCTION, "WorkflowCompleted"])
    started = {step.step_name: step for step in named(own, "StepStarted")}
    equal((index_of(started["left"]), index_of(started["right"])), ([0, 0], [0, 1]))
    equal({started[name].parent_step_id for name in ("left", "right")}, {own[1].step_id})
    completed = {step.step_name: step.content for step in named(own, "StepCompleted")}
    equal((completed["left"], completed["right"]), ("Echo: Tea", "TEA"))


@check
async def a_condition_tells_its_branch(target):
    for message, result, branch, step in (("urgent tea", True, "if", "shout"), ("Tea", False, "else", "whisper")):
        events = await stream(target, "condition-workflow", message)
        equal(
            own_names(events),
            [
                *("WorkflowStarted", "ConditionExecutionStarted", *INSIDE, "ConditionExecutionCompleted"),
                *(*A_FUNCTION, "WorkflowCompleted"),
            ],
        )
        started, completed = events[1], named(events, "ConditionExecutionCompleted")[0]
        equal((started.step_name, started.condition_result, events[2].step_name), ("urgency", result, step))
        equal((completed.executed_steps, completed.branch), (1, branch))


@check
async def a_loop_counts_its_rounds(target):
    events = await stream(target, "loop-workflow", "tea")
    equal(
        own_names(events),
        [
            *("WorkflowStarted", "LoopExecutionStarted"),
            *("LoopIterationStarted", *INSIDE, "LoopIterationCompleted") * 2,
            *("LoopExecutionCompleted", *A_FUNCTION, "WorkflowCompleted"),
        ],
    )
    rounds = named(events, "LoopIterationCompleted")
    equal([(one.iteration, one.max_iterations, one.should_continue) for one in rounds], [(1, 3, True), (2, 3, False)])
    equal(named(events, "LoopExecutionCompleted")[0].total_iterations, 2)


@check
async def a_loop_ends_at_its_limit(target):
    events = await stream(target, "endless-workflow", "tea")
    equal([one.iteration for one in named(events, "LoopIterationStarted")], [1, 2, 3])
    equal(named(events, "LoopExecutionCompleted")[0].total_iterations, 3)
    equal(events[-1].content, "finished: count is 3")


@check
async def a_router_tells_its_choice(target):
    events = await stream(target, "router-workflow", "right Tea")
    equal(
        own_names(events),
        [
            *("WorkflowStarted", "RouterExecutionStarted", *INSIDE, "RouterExecutionCompleted"),
            *(*A_FUNCTION, "WorkflowCompleted"),
        ],
    )
    equal((events[1].step_name, events[1].selected_steps), ("way", ["right"]))
    equal(named(events, "RouterExecutionCompleted")[0].executed_steps, 1)


@check
async def a_workflow_in_a_step_has_a_run_of_its_own(target):
    events = await stream(target, "nested-workflow", "tea")
    equal(own_names(events), ["WorkflowStarted", *INSIDE, *A_FUNCTION, "WorkflowCompleted"])
    outer, inner = named(events, "WorkflowStarted")
    names = without_repetition(of_run(events, inner.run_id))
    equal(names, ["WorkflowStarted", *INSIDE, *A_FUNCTION, "WorkflowCompleted"])
    equal((inner.workflow_id, outer.nested_depth, inner.nested_depth), ("inner-workflow", 0, 1))
    agent = [event for event in events if getattr(event, "agent_id", None)]
    equal((without_repetition(agent), {event.nested_depth for event in agent}), (OF_AN_AGENT, {1}))


@check
async def constructs_in_constructs_nest_their_indexes(target):
    events = await stream(target, "deep-workflow", "urgent tea")
    frames = {event.step_id for event in events if event.event.endswith("ExecutionStarted")}
    inner = [event for event in named(events, "StepStarted") if event.step_name != "finish"]
    assert all(len(index_of(step)) > 1 for step in inner), [step.step_index for step in inner]
    equal({step.parent_step_id for step in inner} <= frames, True)
    names = own_names(events)
    for construct in ("Steps", "Parallel", "Loop", "Condition"):
        began = names.count(f"{construct}ExecutionStarted")
        equal((began > 0, names.count(f"{construct}ExecutionCompleted")), (True, began))
    equal(events[-1].content, "finished: noted urgent tea")


@check
async def a_step_ends_a_streamed_workflow_early(target):
    events = await stream(target, "stop-workflow", "stop")
    equal(own_names(events)[:3], ["WorkflowStarted", "StepStarted", "StepOutput"])
    equal((len(named(events, "StepStarted")), part(events[2].step_output, "stop")), (1, True))
    equal(events[-1].content, "checked")


@check
async def a_failed_step_is_tried_again_in_the_stream(target):
    message = str(uuid4())
    events = await stream(target, "retry-workflow", message)
    equal(len(named(events, "StepCompleted")), 2)
    equal(events[-1].content, f"finished: at last: {message}")


@check
async def a_skipped_step_does_not_end_the_stream(target):
    events = await stream(target, "skip-workflow", "tea")
    completed = [step.step_name for step in named(events, "StepCompleted")]
    equal((completed[0], completed[-1]), ("note", "finish"))


@check
async def a_failing_step_ends_a_stream_with_workflow_error(target):
    events = await streamed_workflow(AgentOSClient(target.base_url), "error-workflow", "tea")
    equal(
        without_repetition(events),
        ["WorkflowStarted", *A_FUNCTION, "StepStarted", "StepError", "WorkflowError"],
    )
    assert isinstance(events[-1], WorkflowErrorEvent)
    equal(events[-2].step_name, "fail")
    assert "step exploded" in events[-2].error
    assert "step exploded" in events[-1].error


@check
async def a_failing_agent_ends_a_streamed_workflow(target):
    events = await streamed_workflow(AgentOSClient(target.base_url), "broken-agent-workflow", "tea")
    equal(without_repetition(events)[-3:], ["RunError", "StepError", "WorkflowError"])
    assert "model exploded" in events[-1].error


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

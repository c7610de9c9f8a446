"""What the published ``AgentOSClient`` of agno must be able to do with workflows that pause.

Runs in the locked environments of agno 3 and agno 2, which cannot continue a workflow; the workflows are those of
serai_workflows.py.
"""

from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno_calls import equal, expect_status, posted, read, status_of, streamed_workflow, without_repetition
from agno_workflow_calls import A_FUNCTION, ended, paused, paused_at, proceed, proceed_streamed
from checklist import check, check_generation, main


def names_without(events, optional):
    """Names of the events but for one that a server may leave out."""
    return [name for name in without_repetition(events) if name != optional]


# --- a step that needs a yes


@check
async def a_workflow_pauses_before_a_step(target):
    _, run, requirement = await paused_at(target, "review-workflow")
    equal((requirement.step_name, requirement.step_index), ("guarded", 1))
    equal((requirement.requires_confirmation, requirement.confirmation_message), (True, "Go on?"))
    equal((run.paused_step_index, run.paused_step_name), (1, "guarded"))
    equal([(step.step_name, step.content) for step in run.step_results], [("note", "noted Tea")])
    equal((await read(target, "review-workflow", run, kind="workflows"))["status"], "PAUSED")


@check
async def a_streamed_workflow_pauses_before_a_step(target):
    events = await streamed_workflow(AgentOSClient(target.base_url), "review-workflow", "Tea")
    names = names_without(events, "WorkflowPaused")  # which the client of agno 2 does not know
    equal(names, ["WorkflowStarted", *A_FUNCTION, "StepPaused"])
    [pause] = [event for event in events if event.event == "StepPaused"]
    equal((pause.step_name, pause.step_index, pause.requires_confirmation), ("guarded", 1, True))
    equal(pause.confirmation_message, "Go on?")


@check_generation(3)
async def a_streamed_pause_carries_what_it_asks_for(target):
    pause = (await streamed_workflow(AgentOSClient(target.base_url), "review-workflow", "Tea"))[-1]
    equal((pause.event, pause.paused_step_index, pause.paused_step_name), ("WorkflowPaused", 1, "guarded"))
    equal(pause.pause_kind, "step")
    [requirement] = pause.step_requirements
    equal((requirement["step_name"], requirement["requires_confirmation"]), ("guarded", True))
    assert requirement["step_id"]


@check_generation(3)
async def a_confirmed_step_is_done(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    requirement.confirm()
    done = await proceed(client, run)
    ended(done, run, "finished: NOTED TEA")
    equal([step.step_name for step in done.step_results], ["note", "guarded", "finish"])
    equal((await read(target, "review-workflow", run, kind="workflows"))["status"], "COMPLETED")


@check_generation(3)
async def a_confirmed_step_goes_on_as_a_stream(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    requirement.confirm()
    events = await proceed_streamed(client, run)
    equal(without_repetition(events), ["StepContinued", *A_FUNCTION, *A_FUNCTION, "WorkflowCompleted"])
    equal((events[0].step_name, events[0].step_id), ("guarded", requirement.step_id))
    equal((events[1].step_id, events[1].step_index), (requirement.step_id, 1))
    equal((events[-1].content, len(events[-1].step_results)), ("finished: NOTED TEA", 3))


@check_generation(3)
async def the_id_of_a_step_and_a_yes_are_enough(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    done = await proceed(client, run, [{"step_id": requirement.step_id, "confirmed": True}])
    ended(done, run, "finished: NOTED TEA")


@check_generation(3)
async def a_rejected_step_is_skipped(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    requirement.reject()
    events = await proceed_streamed(client, run)
    equal(names_without(events, "StepContinued"), [*A_FUNCTION, "WorkflowCompleted"])
    equal(events[-1].content, "finished: noted Tea")


@check_generation(3)
async def a_rejected_step_cancels_its_workflow(target):
    client, run, requirement = await paused_at(target, "cancel-review-workflow")
    requirement.reject()
    events = await proceed_streamed(client, run)
    equal(names_without(events, "StepContinued"), ["WorkflowCancelled"])
    assert "guarded" in events[-1].reason, events[-1].reason
    equal((await read(target, "cancel-review-workflow", run, kind="workflows"))["status"], "CANCELLED")


@check_generation(3)
async def a_condition_is_decided_by_a_person(target):
    for answer, content in (("confirm", "finished: TEA"), ("reject", "finished: tea")):
        client, run, requirement = await paused_at(target, "else-review-workflow")
        equal(
            (requirement.step_name, getattr(requirement.step_type, "value", requirement.step_type)),
            ("urgency", "Condition"),
        )
        getattr(requirement, answer)()
        ended(await proceed(client, run), run, content)


# --- input and choices of a person


@check
async def a_workflow_asks_for_values(target):
    _, run, requirement = await paused_at(target, "input-workflow")
    equal((requirement.step_name, requirement.requires_user_input), ("order", True))
    equal(requirement.user_input_message, "What shall it be?")
    fields = {field.name: field for field in requirement.user_input_schema}
    equal({name: field.field_type for name, field in fields.items()}, {"size": "int", "colour": "str"})
    equal((fields["size"].required, fields["colour"].required), (True, False))
    equal(run.paused_step_name, "order")


@check_generation(3)
async def a_stream_asks_for_values(target):
    events = await streamed_workflow(AgentOSClient(target.base_url), "input-workflow", "Tea")
    [pause] = [event for event in events if event.event == "StepPaused"]
    equal((pause.requires_user_input, pause.user_input_message), (True, "What shall it be?"))
    equal([field["name"] for field in pause.user_input_schema], ["size", "colour"])


@check_generation(3)
async def values_of_a_person_reach_the_step(target):
    client, run, requirement = await paused_at(target, "input-workflow")
    requirement.set_user_input(size=3, colour="red")
    ended(await proceed(client, run), run, "finished: ordered 3 of red")


@check_generation(3)
async def optional_values_may_be_left_out(target):
    client, run, requirement = await paused_at(target, "input-workflow")
    requirement.set_user_input(size=3)
    ended(await proceed(client, run), run, "finished: ordered 3 of any colour")


@check_generation(3)
async def values_that_do_not_fit_are_400_and_change_nothing(target):
    client, run, requirement = await paused_at(target, "input-workflow")
    for values, field in (
        ({"size": "big"}, "size"),
        ({"colour": "red"}, "size"),
        ({"size": 3, "colour": "green"}, "colour"),
    ):
        body = await expect_status(400, proceed(client, run, [{**requirement.to_dict(), "user_input": values}]))
        assert field in str(body["detail"]), body
    requirement.set_user_input(size=3)
    ended(await proceed(client, run), run, "finished: ordered 3 of any colour")


@check
async def a_router_asks_for_the_way(target):
    _, run, requirement = await paused_at(target, "choice-workflow")
    equal((requirement.requires_route_selection, requirement.available_choices), (True, ["left", "right"]))
    equal((requirement.allow_multiple_selections, run.paused_step_name), (False, "way"))
    events = await streamed_workflow(AgentOSClient(target.base_url), "choice-workflow", "Tea")
    [pause] = [event for event in events if event.event == "RouterPaused"]
    equal(
        (pause.step_name, pause.available_choices, pause.user_input_message), ("way", ["left", "right"], "Which way?")
    )


@check_generation(3)
async def the_chosen_way_is_taken(target):
    client, run, requirement = await paused_at(target, "choice-workflow")
    requirement.select("right")
    events = await proceed_streamed(client, run)
    equal(
        names_without(events, "StepContinued"),
        [
            *("RouterExecutionStarted", "StepStarted", "StepCompleted", "RouterExecutionCompleted"),
            *(*A_FUNCTION, "WorkflowCompleted"),
        ],
    )
    [started] = [event for event in events if event.event == "RouterExecutionStarted"]
    equal((started.selected_steps, events[-1].content), (["right"], "finished: tea"))


@check_generation(3)
async def an_unknown_way_is_400_and_changes_nothing(target):
    client, run, requirement = await paused_at(target, "choice-workflow")
    await expect_status(400, proceed(client, run, [{**requirement.to_dict(), "selected_choices": ["nowhere"]}]))
    requirement.select("left")
    ended(await proceed(client, run), run, "finished: TEA")


# --- the review of an output


@check
async def a_workflow_pauses_after_a_step(target):
    _, run, requirement = await paused_at(target, "output-review-workflow")
    equal((requirement.step_name, requirement.requires_output_review), ("draft", True))
    equal((requirement.is_post_execution, requirement.output_review_message), (True, "Good?"))
    equal((requirement.step_output.content, run.paused_step_name), ("noted Tea", "draft"))
    equal(requirement.step_input.input, "Tea")
    events = await streamed_workflow(AgentOSClient(target.base_url), "output-review-workflow", "Tea")
    names = names_without(events, "WorkflowPaused")
    equal(names, ["WorkflowStarted", *A_FUNCTION, "StepOutputReview"])


@check_generation(3)
async def a_confirmed_output_is_passed_on(target):
    client, run, requirement = await paused_at(target, "output-review-workflow")
    requirement.confirm()
    ended(await proceed(client, run), run, "finished: noted Tea")


@check_generation(3)
async def an_edited_output_is_passed_on(target):
    client, run, requirement = await paused_at(target, "output-review-workflow")
    requirement.edit("a better note")
    ended(await proceed(client, run), run, "finished: a better note")


@check_generation(3)
async def a_rejected_output_is_made_again(target):
    client, run, requirement = await paused_at(target, "output-review-workflow")
    requirement.reject("once more")
    events = await proceed_streamed(client, run)
    equal(without_repetition(events), ["StepContinued", *A_FUNCTION, "StepOutputReview", "WorkflowPaused"])
    again = events[-1].step_requirements[-1]
    equal((again["retry_count"], again["step_id"]), (1, requirement.step_id))
    ended(await proceed(client, run, [{**again, "confirmed": True}]), run, "finished: noted Tea")


# --- a step that failed


@check
async def a_workflow_asks_what_to_do_about_a_failed_step(target):
    _, run = await paused(target, "error-pause-workflow", str(uuid4()))
    [failure] = run.error_requirements
    equal((failure.step_name, failure.step_index, failure.error_message), ("fail_once", 1, "not yet"))
    equal((failure.error_type, run.paused_step_name), ("ValueError", "fail_once"))
    equal([step.step_name for step in run.step_results], ["note"])


@check_generation(3)
async def a_failed_step_is_tried_again_when_a_person_says_so(target):
    message = str(uuid4())
    client, run = await paused(target, "error-pause-workflow", message)
    run.error_requirements[0].retry()
    ended(await proceed(client, run, run.error_requirements), run, f"finished: at last: {message}")


@check_generation(3)
async def a_failed_step_is_skipped_when_a_person_says_so(target):
    client, run = await paused(target, "error-pause-workflow", str(uuid4()))
    run.error_requirements[0].skip()
    done = await proceed(client, run, run.error_requirements)
    equal((status_of(done), done.run_id, done.step_results[-1].step_name), ("COMPLETED", run.run_id, "finish"))


# --- refused


@check_generation(3)
async def an_unanswered_step_is_400_and_changes_nothing(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    body = await expect_status(400, proceed(client, run))
    equal(body["detail"], "Cannot continue run - unresolved step requirements: ['guarded']")
    requirement.confirm()
    ended(await proceed(client, run), run, "finished: NOTED TEA")


@check_generation(3)
async def an_answer_to_an_unknown_step_is_400(target):
    client, run, _ = await paused_at(target, "review-workflow")
    await expect_status(400, proceed(client, run, [{"step_id": "nobody", "confirmed": True}]))
    equal((await read(target, "review-workflow", run, kind="workflows"))["status"], "PAUSED")


@check_generation(3)
async def a_workflow_run_that_has_ended_is_not_continued(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    requirement.confirm()
    await proceed(client, run)
    body = await expect_status(409, proceed(client, run))
    assert "completed" in body["detail"].lower(), body


@check
async def step_requirements_that_are_no_list_of_objects_are_400(target):
    _, run = await paused(target, "review-workflow")
    path = f"/workflows/review-workflow/runs/{run.run_id}/continue"
    for requirements in ("{", "[3]"):
        answer = await posted(target, path, step_requirements=requirements, stream="false", session_id=run.session_id)
        equal(answer.status_code, 400)


# --- without a session; last, for agno's own server drops the connection after it


@check_generation(3)
async def a_workflow_is_continued_by_its_run_id_alone(target):
    client, run, requirement = await paused_at(target, "review-workflow")
    requirement.confirm()
    done = await client.continue_workflow_run("review-workflow", run.run_id, run.step_requirements)
    ended(done, run, "finished: NOTED TEA")


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

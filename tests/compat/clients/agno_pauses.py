"""What the published ``AgentOSClient`` of agno must be able to do with runs that pause, and with odd requests.

Runs in the locked environments of agno 3 and agno 2; the agents are those of serai_os.py.
"""

from importlib.metadata import version
from uuid import uuid4

import httpx
from agno.client import AgentOSClient
from agno.models.response import ToolExecution
from agno.run.agent import RunPausedEvent
from agno_calls import (
    ODD_TEXT,
    equal,
    expect_status,
    listed,
    paused,
    posted,
    proceed,
    proceed_streamed,
    read,
    status_of,
    streamed,
    without_repetition,
)
from checklist import check, main

MEBIBYTE = 1024 * 1024


def ended(run, before, content):
    """Expect that a continued run has ended with this answer, under the id that it had."""
    equal((status_of(run), run.run_id, run.session_id), ("COMPLETED", before.run_id, before.session_id))
    equal(run.content, content)


# --- confirmation


@check
async def a_call_that_needs_a_yes_pauses_the_run(target):
    _, run = await paused(target, "delete")
    [tool] = run.tools
    equal((tool.tool_name, tool.tool_args), ("delete_file", {"path": "/tmp/x"}))
    equal((tool.requires_confirmation, tool.confirmed, tool.result), (True, None, None))
    [requirement] = run.requirements
    equal(requirement.tool_execution.tool_call_id, tool.tool_call_id)
    equal((requirement.needs_confirmation, requirement.is_resolved()), (True, False))
    equal(run.content, "Let me see. ")


@check
async def a_confirmed_call_is_made(target):
    client, run = await paused(target, "delete")
    run.tools[0].confirmed = True
    done = await proceed(client, run)
    ended(done, run, "Report: deleted /tmp/x")
    equal([(tool.tool_name, tool.result) for tool in done.tools], [("delete_file", "deleted /tmp/x")])
    roles = [message.role for message in done.messages if message.role != "system"]
    equal(roles, ["user", "assistant", "tool", "assistant"])
    assert done.metrics.total_tokens > 0


@check
async def a_rejected_call_is_not_made_and_the_model_is_told_why(target):
    client, run = await paused(target, "delete")
    run.tools[0].confirmed = False
    run.tools[0].confirmation_note = "not that one"
    ended(await proceed(client, run), run, "Report: not that one")


@check
async def a_requirement_is_confirmed_by_its_own_method(target):
    client, run = await paused(target, "delete")
    for requirement in run.active_requirements:
        requirement.confirm()
    tools = [requirement.tool_execution for requirement in run.requirements]
    ended(await proceed(client, run, tools), run, "Report: deleted /tmp/x")


@check
async def a_streamed_run_pauses_and_goes_on_as_a_stream(target):
    client = AgentOSClient(target.base_url)
    events = await streamed(client, "pause-agent", "delete")
    equal(
        without_repetition(events),
        [
            *("RunStarted", "ModelRequestStarted", "RunContent"),
            *("ModelRequestCompleted", "RunContentCompleted", "RunPaused"),
        ],
    )
    pause = events[-1]
    assert isinstance(pause, RunPausedEvent)
    equal([tool.tool_name for tool in pause.tools], ["delete_file"])
    equal(len(pause.requirements), 1)
    pause.tools[0].confirmed = True
    more = await proceed_streamed(client, pause)
    equal(
        without_repetition(more),
        [
            *("RunContinued", "ToolCallStarted", "ToolCallCompleted", "ModelRequestStarted", "RunContent"),
            *("ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
        ],
    )
    equal({event.run_id for event in more}, {pause.run_id})
    equal(more[2].tool.result, "deleted /tmp/x")
    equal(more[-1].content, "Report: deleted /tmp/x")


@check
async def two_calls_are_answered_together(target):
    client, run = await paused(target, "delete twice")
    equal([tool.tool_args["path"] for tool in run.tools], ["/tmp/x", "/tmp/y"])
    run.tools[0].confirmed, run.tools[1].confirmed = True, False
    run.tools[1].confirmation_note = "keep y"
    ended(await proceed(client, run), run, "Report: deleted /tmp/x; keep y")


@check
async def two_calls_are_answered_one_after_the_other(target):
    client, run = await paused(target, "delete twice")
    first, second = run.tools
    between = await proceed(client, run, [ToolExecution(tool_call_id=first.tool_call_id, confirmed=True)])
    equal(status_of(between), "PAUSED")
    done = await proceed(client, run, [ToolExecution(tool_call_id=second.tool_call_id, confirmed=True)])
    ended(done, run, "Report: deleted /tmp/x; deleted /tmp/y")


@check
async def a_run_pauses_again(target):
    client, run = await paused(target, "delete, then command")
    run.tools[0].confirmed = True
    again = await proceed(client, run)
    equal((status_of(again), again.run_id), ("PAUSED", run.run_id))
    equal([tool.tool_name for tool in again.tools], ["delete_file", "run_command"])
    again.tools[1].result = "a.txt"
    ended(await proceed(client, again), run, "Report: deleted /tmp/x; a.txt")


# --- results from outside, values and choices of a person


@check
async def a_result_from_outside_is_taken(target):
    client, run = await paused(target, "command")
    [tool] = run.tools
    equal((tool.external_execution_required, tool.tool_args), (True, {"command": "ls"}))
    tool.result = "a.txt"
    ended(await proceed(client, run), run, "Report: a.txt")


@check
async def the_documented_answer_of_an_id_and_a_result_is_enough(target):
    client, run = await paused(target, "command")
    answer = ToolExecution(tool_call_id=run.tools[0].tool_call_id, result="Tool result here")
    done = await client.continue_agent_run(agent_id="pause-agent", run_id=run.run_id, tools=[answer])
    ended(done, run, "Report: Tool result here")


@check
async def a_result_from_outside_goes_on_as_a_stream(target):
    client, run = await paused(target, "command")
    run.tools[0].result = "a.txt"
    more = await proceed_streamed(client, run)
    equal((more[0].event, more[-1].event), ("RunContinued", "RunCompleted"))
    equal([event.event for event in more if event.event.startswith("ToolCall")], [])
    equal(more[-1].content, "Report: a.txt")


@check
async def odd_characters_arrive_in_results_from_outside(target):
    client, run = await paused(target, "command")
    run.tools[0].result = ODD_TEXT
    ended(await proceed(client, run), run, f"Report: {ODD_TEXT}")


@check
async def odd_characters_of_results_from_outside_arrive_in_a_stream(target):
    client, run = await paused(target, "command")
    run.tools[0].result = ODD_TEXT
    more = await proceed_streamed(client, run)
    pieces = [event.content for event in more if event.event == "RunContent"]
    equal("".join(pieces), f"Report: {ODD_TEXT}")
    equal(more[-1].event, "RunCompleted")


@check
async def a_result_of_three_mebibytes_is_taken(target):
    client, run = await paused(target, "command")
    run.tools[0].result = "x" * (3 * MEBIBYTE)
    ended(await proceed(client, run), run, f"Report: {run.tools[0].result}")


@check
async def values_of_a_person_are_taken(target):
    client, run = await paused(target, "mail")
    [tool] = run.tools
    equal(tool.requires_user_input, True)
    fields = {field.name: field for field in tool.user_input_schema}
    equal({name: field.value for name, field in fields.items()}, {"subject": "Hello", "to": None})
    fields["to"].value = "Ada"
    tool.answered = True
    ended(await proceed(client, run), run, "Report: sent Hello to Ada")


@check
async def values_are_given_to_a_requirement_by_its_own_method(target):
    client, run = await paused(target, "mail")
    [requirement] = run.active_requirements
    equal(requirement.needs_user_input, True)
    requirement.provide_user_input({"to": "Ada"})
    more = await proceed_streamed(client, run, [requirement.tool_execution])
    equal(more[-1].content, "Report: sent Hello to Ada")


@check
async def a_choice_of_a_person_is_taken(target):
    client, run = await paused(target, "choose")
    [requirement] = run.active_requirements
    equal(requirement.needs_user_feedback, True)
    [question] = requirement.user_feedback_schema
    equal((question.question, [option.label for option in question.options]), ("Which colour?", ["red", "blue"]))
    requirement.provide_user_feedback({"Which colour?": ["blue"]})
    done = await proceed(client, run, [requirement.tool_execution])
    equal(status_of(done), "COMPLETED")
    assert "Which colour?" in done.content, done.content
    assert "blue" in done.content, done.content


# --- what is stored


@check
async def a_paused_run_is_listed_and_read(target):
    session = str(uuid4())
    client, run = await paused(target, "delete", session_id=session)
    equal((await read(target, "pause-agent", run))["status"], "PAUSED")
    [row] = await listed(target, "pause-agent", session, status="PAUSED")
    equal((row["run_id"], row["run_input"], row["status"]), (run.run_id, "delete", "PAUSED"))
    run.tools[0].confirmed = True
    done = await proceed(client, run)
    stored = await read(target, "pause-agent", run)
    equal((stored["status"], stored["content"]), ("COMPLETED", done.content))
    equal(await listed(target, "pause-agent", session, status="PAUSED"), [])
    [row] = await listed(target, "pause-agent", session)
    equal((row["status"], row["created_at"][:3]), ("COMPLETED", "202"))


@check
async def the_runs_of_an_unknown_session_are_404(target):
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        equal((await http.get("/agents/echo-agent/runs", params={"session_id": str(uuid4())})).status_code, 404)
        equal((await http.get("/agents/echo-agent/runs")).status_code, 422)
        equal((await http.get("/agents/echo-agent/runs/nobody", params={"session_id": "s"})).status_code, 404)


# --- refused


@check
async def an_unknown_run_cannot_be_continued(target):
    client, answer = AgentOSClient(target.base_url), [ToolExecution(tool_call_id="c", confirmed=True)]
    call = client.continue_agent_run("pause-agent", "nobody", answer, "s")
    equal((await expect_status(404, call))["detail"], "No runs found for run ID nobody")
    await expect_status(404, client.continue_agent_run("no-such-agent", "nobody", answer, "s"))


@check
async def an_answer_to_no_pending_call_is_400_and_changes_nothing(target):
    client, run = await paused(target, "delete")
    await expect_status(400, proceed(client, run, [ToolExecution(tool_call_id="nobody", confirmed=True)]))
    await expect_status(400, proceed(client, run, []))
    equal((await read(target, "pause-agent", run))["status"], "PAUSED")
    run.tools[0].confirmed = True
    ended(await proceed(client, run), run, "Report: deleted /tmp/x")


@check
async def tools_that_are_no_list_of_objects_are_400(target):
    _, run = await paused(target, "delete")
    path = f"/agents/pause-agent/runs/{run.run_id}/continue"
    for tools in ("{", "[3]"):
        answer = await posted(target, path, tools=tools, stream="false", session_id=run.session_id)
        equal(answer.status_code, 400)


@check
async def a_run_that_has_ended_is_not_continued(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_agent("echo-agent", "hello")
    answer = [ToolExecution(tool_call_id="c", confirmed=True)]
    await expect_status(409, client.continue_agent_run("echo-agent", run.run_id, answer, run.session_id))


@check
async def fields_of_a_wrong_form_are_422(target):
    path = "/agents/echo-agent/runs"
    for field, text in (("stream", "banana"), ("background", "perhaps")):
        answer = await posted(target, path, **{"message": "hello", "stream": "false", field: text})
        equal(answer.status_code, 422)
        equal(answer.json()["detail"][0]["loc"], ["body", field])


@check
async def fields_of_three_mebibytes_arrive(target):
    text = "x" * (3 * MEBIBYTE)
    run = await AgentOSClient(target.base_url).run_agent("echo-agent", "hello", metadata={"text": text})
    equal(len(run.metadata["text"]), len(text))


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

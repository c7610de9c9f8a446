"""What the published ``AgentOSClient`` of agno must be able to do with teams that pause.

Runs in the locked environments of agno 3 and agno 2, which cannot continue a team; the teams are those of
serai_teams.py.
"""

from importlib.metadata import version

from agno.client import AgentOSClient
from agno.run.requirement import RunRequirement
from agno_calls import equal, expect_status, of_run, posted, read, status_of, streamed_team, without_repetition
from checklist import check, check_generation, main

CONTINUED_MEMBER = [
    *("ModelRequestStarted", "RunContent", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
]
CONTINUED_TEAM = [
    *("TeamRunContinued", "TeamModelRequestStarted", "TeamRunContent", "TeamModelRequestCompleted"),
    *("TeamRunContentCompleted", "TeamRunCompleted"),
]


async def paused(target, team_id, message, **options):
    """Start a run of a team that pauses; return the client and the paused run."""
    client = AgentOSClient(target.base_url)
    run = await client.run_team(team_id, message, **options)
    equal((status_of(run), run.team_id), ("PAUSED", team_id))
    return client, run


async def proceed(client, run, requirements=None, **options):
    """Continue a run with requirements that were resolved, by default all of its own."""
    resolved = run.requirements if requirements is None else requirements
    return await client.continue_team_run(run.team_id, run.run_id, resolved, run.session_id, **options)


async def proceed_streamed(client, run):
    stream = client.continue_team_run_stream(run.team_id, run.run_id, run.requirements, run.session_id)
    return [event async for event in stream]


def ended(run, before, *parts):
    """Expect that a continued run has ended under the id that it had, with these texts in its answer."""
    equal((status_of(run), run.run_id, run.session_id), ("COMPLETED", before.run_id, before.session_id))
    for part in parts:
        assert part in run.content, run.content


@check
async def a_team_pauses_when_its_member_needs_a_yes(target):
    _, run = await paused(target, "asking-team", "delete")
    [requirement] = run.requirements
    equal(requirement.needs_confirmation, True)
    tool = requirement.tool_execution
    equal((tool.tool_name, tool.tool_args, tool.confirmed), ("delete_file", {"path": "/tmp/x"}, None))
    equal((requirement.member_agent_id, requirement.member_agent_name), ("asker", "asker"))
    [member] = run.member_responses
    equal((status_of(member), member.run_id), ("PAUSED", requirement.member_run_id))


@check
async def a_streamed_team_pauses_after_its_member(target):
    events = await streamed_team(AgentOSClient(target.base_url), "asking-team", "delete")
    member = [event for event in events if getattr(event, "agent_id", None) == "asker"]
    equal(
        without_repetition(member),
        [
            *("RunStarted", "ModelRequestStarted", "RunContent"),
            *("ModelRequestCompleted", "RunContentCompleted", "RunPaused"),
        ],
    )
    pause = events[-1]
    equal((pause.event, pause.run_id), ("TeamRunPaused", events[0].run_id))
    [requirement] = pause.requirements
    equal((requirement.member_run_id, requirement.tool_execution.tool_name), (member[0].run_id, "delete_file"))


@check_generation(3)
async def a_confirmed_call_of_a_member_is_made(target):
    client, run = await paused(target, "asking-team", "delete")
    run.requirements[0].confirm()
    done = await proceed(client, run)
    ended(done, run, "Summary: ", "Report: deleted /tmp/x")
    [member] = done.member_responses
    equal((status_of(member), member.content), ("COMPLETED", "Report: deleted /tmp/x"))
    equal(member.run_id, run.requirements[0].member_run_id)
    equal((await read(target, "asking-team", run, kind="teams"))["status"], "COMPLETED")


@check_generation(3)
async def a_rejected_call_of_a_member_is_not_made(target):
    client, run = await paused(target, "asking-team", "delete")
    run.requirements[0].reject("not that one")
    ended(await proceed(client, run), run, "Summary: ", "Report: not that one")


@check_generation(3)
async def the_id_of_a_requirement_and_a_yes_are_enough(target):
    client, run = await paused(target, "asking-team", "delete")
    answer = {"id": run.requirements[0].id, "confirmation": True}
    ended(await proceed(client, run, [answer]), run, "Report: deleted /tmp/x")


@check_generation(3)
async def a_team_is_continued_by_its_run_id_alone(target):
    client, run = await paused(target, "asking-team", "delete")
    run.requirements[0].confirm()
    ended(await client.continue_team_run("asking-team", run.run_id, run.requirements), run, "Report: deleted /tmp/x")


@check_generation(3)
async def a_streamed_continuation_goes_on_with_the_member_first(target):
    client, run = await paused(target, "asking-team", "delete")
    run.requirements[0].confirm()
    events = await proceed_streamed(client, run)
    equal(
        without_repetition(events),
        ["RunContinued", "ToolCallStarted", "ToolCallCompleted", *CONTINUED_MEMBER, *CONTINUED_TEAM],
    )
    equal({event.run_id for event in events}, {run.run_id, run.requirements[0].member_run_id})
    equal({event.parent_run_id for event in events if getattr(event, "agent_id", None)}, {run.run_id})
    assert events[-1].content.startswith("Summary: "), events[-1].content


@check_generation(3)
async def a_result_from_outside_reaches_the_member(target):
    client, run = await paused(target, "asking-team", "command")
    [requirement] = run.requirements
    equal(requirement.needs_external_execution, True)
    requirement.set_external_execution_result("a.txt")
    ended(await proceed(client, run), run, "Report: a.txt")


@check_generation(3)
async def a_result_from_outside_has_no_tool_events_in_the_stream(target):
    client, run = await paused(target, "asking-team", "command")
    run.requirements[0].set_external_execution_result("a.txt")
    events = await proceed_streamed(client, run)
    equal(without_repetition(events), ["RunContinued", *CONTINUED_MEMBER, *CONTINUED_TEAM])


@check_generation(3)
async def values_of_a_person_reach_the_member(target):
    client, run = await paused(target, "asking-team", "mail")
    [requirement] = run.requirements
    equal(requirement.needs_user_input, True)
    equal({field.name: field.value for field in requirement.user_input_schema}, {"subject": "Hello", "to": None})
    requirement.provide_user_input({"to": "Ada"})
    ended(await proceed(client, run), run, "Report: sent Hello to Ada")


@check_generation(3)
async def a_choice_of_a_person_reaches_the_member(target):
    client, run = await paused(target, "asking-team", "choose")
    [requirement] = run.requirements
    equal(requirement.needs_user_feedback, True)
    requirement.provide_user_feedback({"Which colour?": ["blue"]})
    ended(await proceed(client, run), run, "Which colour?", "blue")


@check_generation(3)
async def two_members_that_paused_are_answered_together(target):
    client, run = await paused(target, "asking-team", "delete both at once")
    equal({requirement.member_agent_id for requirement in run.requirements}, {"asker", "other-asker"})
    for requirement in run.requirements:
        requirement.confirm()
    events = await proceed_streamed(client, run)
    for name in ("asker", "other-asker"):
        member = [event for event in events if getattr(event, "agent_id", None) == name]
        equal((member[0].event, member[-1].event), ("RunContinued", "RunCompleted"))
    equal(without_repetition(of_run(events, run.run_id)), CONTINUED_TEAM)
    assert events[-1].content.count("Report: deleted /tmp/x") >= 2, events[-1].content


@check_generation(3)
async def a_team_pauses_again_with_its_member(target):
    client, run = await paused(target, "asking-team", "delete, then command")
    run.requirements[0].confirm()
    again = await proceed(client, run)
    equal((status_of(again), again.run_id), ("PAUSED", run.run_id))
    [requirement] = again.active_requirements
    equal(requirement.tool_execution.tool_name, "run_command")
    requirement.set_external_execution_result("a.txt")
    ended(await proceed(client, again, [requirement]), run, "Report: deleted /tmp/x; a.txt")


# --- the leader's own tools


@check
async def a_team_pauses_when_its_leader_needs_a_yes(target):
    _, run = await paused(target, "toolful-team", "delete")
    [requirement] = run.requirements
    equal((requirement.tool_execution.tool_name, requirement.member_agent_id), ("delete_file", None))
    equal([tool.tool_name for tool in run.tools], ["delete_file"])
    equal(run.content, "Let me see. ")


@check_generation(3)
async def a_confirmed_call_of_the_leader_is_made(target):
    client, run = await paused(target, "toolful-team", "delete")
    run.requirements[0].confirm()
    events = await proceed_streamed(client, run)
    equal(
        without_repetition(events),
        ["TeamRunContinued", "TeamToolCallStarted", "TeamToolCallCompleted", *CONTINUED_TEAM[1:]],
    )
    equal((events[-1].run_id, events[-1].content), (run.run_id, "Report: deleted /tmp/x"))


@check_generation(3)
async def a_rejected_call_of_the_leader_is_not_made(target):
    client, run = await paused(target, "toolful-team", "delete")
    run.requirements[0].reject("not that one")
    ended(await proceed(client, run), run, "Report: not that one")


@check_generation(3)
async def a_result_from_outside_reaches_the_leader(target):
    client, run = await paused(target, "toolful-team", "command")
    run.requirements[0].set_external_execution_result("a.txt")
    ended(await proceed(client, run), run, "Report: a.txt")


# --- refused


@check_generation(3)
async def an_unanswered_requirement_of_a_team_is_400_and_changes_nothing(target):
    client, run = await paused(target, "asking-team", "delete")
    await expect_status(400, proceed(client, run))
    equal((await read(target, "asking-team", run, kind="teams"))["status"], "PAUSED")
    run.requirements[0].confirm()
    ended(await proceed(client, run), run, "Report: deleted /tmp/x")


@check_generation(3)
async def an_unknown_run_of_a_team_cannot_be_continued(target):
    client, answer = AgentOSClient(target.base_url), [{"id": "r", "confirmation": True}]
    body = await expect_status(404, client.continue_team_run("asking-team", "nobody", answer, "s"))
    equal(body["detail"], "No runs found for run ID nobody")
    body = await expect_status(404, client.continue_team_run("no-such-team", "nobody", answer, "s"))
    equal(body["detail"], "Team not found")


@check_generation(3)
async def a_team_run_that_has_ended_is_not_continued(target):
    client = AgentOSClient(target.base_url)
    run = await client.run_team("route-team", "tea")
    answer = [RunRequirement.from_dict({"id": "r", "confirmation": True})]
    await expect_status(409, client.continue_team_run("route-team", run.run_id, answer, run.session_id))


@check
async def requirements_that_are_no_list_of_objects_are_400(target):
    _, run = await paused(target, "asking-team", "delete")
    path = f"/teams/asking-team/runs/{run.run_id}/continue"
    for requirements in ("{", "[3]"):
        answer = await posted(target, path, requirements=requirements, stream="false", session_id=run.session_id)
        equal(answer.status_code, 400)


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

"""What the published ``AgentOSClient`` of agno must be able to do with streams of teams, and with teams that fail.

Runs in the locked environments of agno 3 and agno 2; the teams are those of serai_teams.py.
"""

from importlib.metadata import version

from agno.client import AgentOSClient
from agno.run.agent import RunCompletedEvent
from agno.run.team import RunCompletedEvent as TeamRunCompletedEvent
from agno.run.team import RunErrorEvent as TeamRunErrorEvent
from agno_calls import ODD_TEXT, equal, of_run, said_in, status_of, streamed_team, without_repetition
from checklist import check, main

OF_A_MEMBER = [
    *("RunStarted", "ModelRequestStarted", "RunContent"),
    *("ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
]
LAST_TURN = [
    *("TeamModelRequestStarted", "TeamRunContent", "TeamModelRequestCompleted"),
    *("TeamRunContentCompleted", "TeamRunCompleted"),
]


async def run(target, team_id, message, **options):
    return await AgentOSClient(target.base_url).run_team(team_id, message, **options)


async def stream(target, team_id, message, **options):
    return await streamed_team(AgentOSClient(target.base_url), team_id, message, **options)


# --- streamed runs


@check
async def run_team_stream_keeps_the_order_of_events(target):
    events = await stream(target, "research-team", "tea")
    equal(
        without_repetition(events),
        [
            *("TeamRunStarted", "TeamModelRequestStarted", "TeamRunContent", "TeamModelRequestCompleted"),
            *("TeamToolCallStarted", *OF_A_MEMBER, "TeamToolCallCompleted"),
            *("TeamModelRequestStarted", "TeamModelRequestCompleted"),
            *("TeamToolCallStarted", *OF_A_MEMBER, "TeamToolCallCompleted"),
            *LAST_TURN,
        ],
    )


@check
async def the_events_of_a_team_and_of_its_members_carry_their_ids(target):
    events = await stream(target, "research-team", "tea", session_id="one-session")
    run_id = events[0].run_id
    own, others = of_run(events, run_id), [event for event in events if event.run_id != run_id]
    equal({event.team_id for event in own}, {"research-team"})
    equal({event.agent_id for event in others}, {"searcher", "writer"})
    equal({event.parent_run_id for event in others}, {run_id})
    equal({event.session_id for event in events}, {"one-session"})
    by_agent = {event.agent_id: event.run_id for event in others}
    equal(len({event.run_id for event in others}), len(by_agent))


@check
async def what_a_team_and_its_members_say_adds_up(target):
    events = await stream(target, "research-team", "tea")
    ends = [event for event in events if isinstance(event, (RunCompletedEvent, TeamRunCompletedEvent))]
    equal(len(ends), 3)
    for end in ends:
        equal(said_in(of_run(events, end.run_id)), end.content)
        assert end.metrics.total_tokens > 0
    equal(
        [(member.agent_id, member.content) for member in events[-1].member_responses],
        [("searcher", "Found: tea"), ("writer", "Written: Found: tea")],
    )


@check
async def a_streamed_delegation_shows_task_and_answer(target):
    events = await stream(target, "research-team", "tea")
    started = [event.tool for event in events if event.event == "TeamToolCallStarted"]
    completed = [event.tool for event in events if event.event == "TeamToolCallCompleted"]
    equal(started[0].tool_args, {"member_id": "searcher", "task": "tea"})
    equal([tool.result for tool in completed], ["Found: tea", "Written: Found: tea"])
    equal([tool.tool_call_id for tool in started], [tool.tool_call_id for tool in completed])


@check
async def members_asked_at_once_are_told_apart_in_the_stream(target):
    events = await stream(target, "research-team", "both at once")
    own = of_run(events, events[0].run_id)
    equal(
        without_repetition(own),
        [
            *("TeamRunStarted", "TeamModelRequestStarted", "TeamModelRequestCompleted"),
            *("TeamToolCallStarted", "TeamToolCallStarted", "TeamToolCallCompleted", "TeamToolCallCompleted"),
            *LAST_TURN,
        ],
    )
    for name in ("searcher", "writer"):
        equal(without_repetition([event for event in events if getattr(event, "agent_id", "") == name]), OF_A_MEMBER)
    equal(events[-1].content, "Summary: Found: both at once; Written: both at once")


@check
async def a_streamed_route_team_says_what_its_member_says(target):
    events = await stream(target, "route-team", "tea")
    own = of_run(events, events[0].run_id)
    equal((said_in(own), own[-1].event, own[-1].content), ("Written: tea", "TeamRunCompleted", "Written: tea"))
    equal([event.event for event in own].count("TeamModelRequestStarted"), 1)


@check
async def a_streamed_broadcast_asks_all_members_within_one_call(target):
    events = await stream(target, "all-team", "tea")
    own = without_repetition(of_run(events, events[0].run_id))
    equal(own[3:5], ["TeamToolCallStarted", "TeamToolCallCompleted"])
    equal(own[5:], LAST_TURN)
    for name in ("searcher", "writer"):
        equal(without_repetition([event for event in events if getattr(event, "agent_id", "") == name]), OF_A_MEMBER)


@check
async def a_streamed_team_in_a_team_has_a_run_of_its_own(target):
    events = await stream(target, "outer-team", "tea")
    [inner] = [e for e in events if e.event == "TeamRunStarted" and e.team_id == "inner-team"]
    [member] = [e for e in events if e.event == "RunStarted"]
    equal((inner.parent_run_id, member.parent_run_id), (events[0].run_id, inner.run_id))
    names = without_repetition(of_run(events, inner.run_id))
    equal((names[0], names[-1]), ("TeamRunStarted", "TeamRunCompleted"))
    equal(without_repetition(of_run(events, member.run_id)), OF_A_MEMBER)


@check
async def a_streamed_leader_uses_its_own_tool(target):
    events = await stream(target, "toolful-team", "weather")
    equal(
        without_repetition(events),
        [
            *("TeamRunStarted", "TeamModelRequestStarted", "TeamModelRequestCompleted"),
            *("TeamToolCallStarted", "TeamToolCallCompleted", *LAST_TURN),
        ],
    )


@check
async def odd_characters_of_a_team_arrive_in_a_stream(target):
    events = await stream(target, "route-team", ODD_TEXT)
    equal(said_in(of_run(events, events[0].run_id)), f"Written: {ODD_TEXT}")
    equal((events[-1].event, events[-1].content), ("TeamRunCompleted", f"Written: {ODD_TEXT}"))


# --- failures inside a run


@check
async def a_leader_goes_on_when_its_member_fails(target):
    done = await run(target, "broken-team", "go")
    equal(status_of(done), "COMPLETED")
    assert "model exploded" in done.content, done.content
    [member] = done.member_responses
    equal((status_of(member), member.content), ("ERROR", "model exploded"))


@check
async def a_failing_member_ends_with_run_error_in_the_stream(target):
    events = await stream(target, "broken-team", "go")
    member = [event for event in events if getattr(event, "agent_id", None) == "broken"]
    equal(without_repetition(member), ["RunStarted", "ModelRequestStarted", "RunError"])
    assert "model exploded" in member[-1].content
    equal(events[-1].event, "TeamRunCompleted")


@check
async def a_failing_leader_ends_in_error_status(target):
    done = await run(target, "broken-team", "leader")
    equal(status_of(done), "ERROR")
    assert "model exploded" in done.content, done.content


@check
async def a_failing_leader_ends_a_stream_with_team_run_error(target):
    events = await stream(target, "broken-team", "leader")
    equal(without_repetition(events), ["TeamRunStarted", "TeamModelRequestStarted", "TeamRunError"])
    assert isinstance(events[-1], TeamRunErrorEvent)
    assert "model exploded" in events[-1].content


@check
async def a_leader_that_asks_nobody_is_told_who_is_there(target):
    done = await run(target, "research-team", "nobody")
    equal((status_of(done), done.content, done.member_responses), ("COMPLETED", "There is nobody.", []))
    [tool] = done.tools
    assert "nobody" in tool.result
    assert "searcher" in tool.result


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

"""What the published ``AgentOSClient`` of agno must be able to do with teams: discovery, plain runs, errors.

Runs in the locked environments of agno 3 and agno 2; the teams are those of serai_teams.py.
"""

import asyncio
from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno.run.agent import RunOutput
from agno.run.team import TeamRunOutput
from agno_calls import ended, equal, expect_status, listed, read, status_of, streamed_team
from checklist import check, main

TEAMS = {"research-team", "route-team", "all-team", "outer-team", "toolful-team", "asking-team", "broken-team"}


async def run(target, team_id, message, **options):
    return await AgentOSClient(target.base_url).run_team(team_id, message, **options)


def calls_of(team_run):
    return [(tool.tool_name, tool.tool_args.get("member_id"), tool.result) for tool in team_run.tools]


# --- discovery


@check
async def the_configuration_and_the_list_name_the_teams(target):
    client = AgentOSClient(target.base_url)
    teams = await client.list_teams()
    equal({team.id for team in teams} >= TEAMS, True)
    assert all(team.name for team in teams)
    equal({team.id: team.description for team in teams}["research-team"], "Searches and writes.")


@check
async def aget_team_gives_mode_model_and_members(target):
    team = await AgentOSClient(target.base_url).aget_team("research-team")
    equal((team.id, str(getattr(team.mode, "value", team.mode))), ("research-team", "coordinate"))
    assert team.model.model
    equal([member.id for member in team.members], ["searcher", "writer"])


@check
async def get_team_works_without_await_and_shows_a_team_in_a_team(target):
    team = AgentOSClient(target.base_url).get_team("outer-team")
    equal([member.id for member in team.members], ["inner-team", "writer"])
    equal([member.id for member in team.members[0].members], ["searcher"])


@check
async def aget_team_gives_the_leaders_own_tools(target):
    team = await AgentOSClient(target.base_url).aget_team("toolful-team")
    assert {"get_weather", "delete_file", "run_command"} <= {tool["name"] for tool in team.tools["tools"]}


# --- plain runs


@check
async def run_team_answers(target):
    done = await run(target, "research-team", "tea")
    equal((status_of(done), done.team_id), ("COMPLETED", "research-team"))
    equal(done.content, "I ask around. Summary: Found: tea; Written: Found: tea")
    assert done.run_id
    assert done.session_id
    assert done.model
    assert done.created_at > 1_600_000_000, done.created_at


@check
async def run_team_gives_the_answers_of_its_members(target):
    done = await run(target, "research-team", "tea")
    members = done.member_responses
    assert all(isinstance(member, RunOutput) for member in members)
    equal(
        [(member.agent_id, member.content, member.input.input_content) for member in members],
        [("searcher", "Found: tea", "tea"), ("writer", "Written: Found: tea", "Found: tea")],
    )
    equal({member.parent_run_id for member in members}, {done.run_id})
    equal({member.session_id for member in members}, {done.session_id})
    equal({status_of(member) for member in members}, {"COMPLETED"})


@check
async def run_team_counts_tokens(target):
    done = await run(target, "research-team", "tea")
    for metrics in (done.metrics, *(member.metrics for member in done.member_responses)):
        assert metrics.input_tokens > 0
        assert metrics.output_tokens > 0
        equal(metrics.total_tokens, metrics.input_tokens + metrics.output_tokens)


@check
async def run_team_reports_its_delegations(target):
    done = await run(target, "research-team", "tea")
    equal(
        calls_of(done),
        [
            ("delegate_task_to_member", "searcher", "Found: tea"),
            ("delegate_task_to_member", "writer", "Written: Found: tea"),
        ],
    )
    roles = [message.role for message in done.messages if message.role != "system"]
    equal(roles, ["user", "assistant", "tool", "assistant", "tool", "assistant"])


@check
async def run_team_keeps_ids_and_dictionaries(target):
    session = str(uuid4())
    done = await run(
        target,
        "research-team",
        "tea",
        session_id=session,
        user_id="user-456",
        session_state={"k": 1},
        metadata={"ticket": "T-1"},
    )
    equal((done.session_id, done.user_id), (session, "user-456"))
    equal((done.session_state["k"], done.metadata), (1, {"ticket": "T-1"}))
    equal(done.input.input_content, "tea")
    equal({member.user_id for member in done.member_responses}, {"user-456"})


@check
async def a_second_run_of_a_team_sees_the_first(target):
    session = str(uuid4())
    await run(target, "research-team", "my name is Ada", session_id=session)
    done = await run(target, "research-team", "recall", session_id=session)
    equal(done.content, "Before: my name is Ada")
    equal(done.member_responses, [])


@check
async def runs_of_one_session_of_a_team_take_turns(target):
    session = str(uuid4())
    done = await asyncio.gather(*(run(target, "research-team", "recall", session_id=session) for _ in range(3)))
    equal(sorted(one.content for one in done), ["Before: nothing", "Before: recall", "Before: recall, recall"])


@check
async def a_team_works_in_the_background(target):
    accepted = await run(target, "research-team", "tea", session_id=str(uuid4()), background=True)
    assert accepted.run_id
    done = await ended(target, "research-team", accepted, kind="teams")
    equal((done["status"], done["content"]), ("COMPLETED", "I ask around. Summary: Found: tea; Written: Found: tea"))


@check
async def two_members_asked_at_once_answer_in_the_order_they_were_asked(target):
    done = await run(target, "research-team", "both at once")
    equal(done.content, "Summary: Found: both at once; Written: both at once")
    equal({member.agent_id for member in done.member_responses}, {"searcher", "writer"})
    equal([name for _, name, _ in calls_of(done)], ["searcher", "writer"])


@check
async def a_route_team_answers_as_its_member_does(target):
    done = await run(target, "route-team", "tea")
    equal((status_of(done), done.content), ("COMPLETED", "Written: tea"))
    equal([member.agent_id for member in done.member_responses], ["writer"])
    equal((await run(target, "route-team", "search tea")).content, "Found: search tea")


@check
async def a_broadcasting_team_asks_all_members(target):
    done = await run(target, "all-team", "tea")
    assert done.content.startswith("Summary: "), done.content
    assert "Found: tea" in done.content, done.content
    assert "Written: tea" in done.content, done.content
    equal([tool.tool_name for tool in done.tools], ["delegate_task_to_members"])
    equal({member.agent_id for member in done.member_responses}, {"searcher", "writer"})


@check
async def a_team_in_a_team_answers_with_its_own_members(target):
    done = await run(target, "outer-team", "tea")
    equal(done.content, "Summary: Summary: Found: tea")
    [inner] = done.member_responses
    assert isinstance(inner, TeamRunOutput)
    equal((inner.team_id, inner.content, inner.parent_run_id), ("inner-team", "Summary: Found: tea", done.run_id))
    [member] = inner.member_responses
    equal((member.agent_id, member.parent_run_id), ("searcher", inner.run_id))


@check
async def a_leader_uses_its_own_tool(target):
    done = await run(target, "toolful-team", "weather")
    equal((done.content, done.member_responses), ("Report: Oslo: sunny", []))
    equal([(tool.tool_name, tool.result) for tool in done.tools], [("get_weather", "Oslo: sunny")])


@check
async def the_runs_of_members_are_not_listed_as_runs_of_the_team(target):
    done = await run(target, "research-team", "tea", session_id=str(uuid4()))
    rows = await listed(target, "research-team", done.session_id, kind="teams")
    equal([(row["run_id"], row["run_input"], row["status"]) for row in rows], [(done.run_id, "tea", "COMPLETED")])
    stored = await read(target, "research-team", done, kind="teams")
    equal((stored["content"], stored["status"]), (done.content, "COMPLETED"))


# --- refused requests


@check
async def an_unknown_team_is_404_and_the_client_goes_on(target):
    client = AgentOSClient(target.base_url)
    equal((await expect_status(404, client.aget_team("no-such-team")))["detail"], "Team not found")
    await expect_status(404, client.run_team("no-such-team", "hello"))
    await expect_status(404, streamed_team(client, "no-such-team", "hello"))
    await expect_status(404, client.run_team("echo-agent", "an agent is no team"))
    equal((await client.run_team("route-team", "tea")).content, "Written: tea")


@check
async def an_empty_message_to_a_team_is_422(target):
    client = AgentOSClient(target.base_url)
    body = await expect_status(422, client.run_team("research-team", ""))
    equal(body["detail"][0]["loc"], ["body", "message"])
    await expect_status(422, streamed_team(client, "research-team", ""))


@check
async def a_team_cannot_enter_the_session_of_another_user(target):
    session = str(uuid4())
    await run(target, "route-team", "tea", session_id=session, user_id="ada")
    body = await expect_status(404, run(target, "route-team", "tea", session_id=session, user_id="eve"))
    equal(body["detail"], "Session not found")


@check
async def a_wrong_key_opens_no_team(target):
    client = AgentOSClient(target.keyed_url)
    await expect_status(401, client.list_teams(headers={"Authorization": "Bearer wrong"}))
    await expect_status(401, client.run_team("route-team", "tea"))
    right = {"Authorization": f"Bearer {target.key}"}
    equal((await client.run_team("route-team", "tea", headers=right)).content, "Written: tea")


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

"""Teams through a real engine: who is asked, what is said and counted, how they pause, what a takeover repeats."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent

import serai
from serai import Team
from serai.engine.engine import Engine, EngineOptions
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import engine_of, go_on, outcome_of, run, submit
from tests.run_values import until
from tests.teams import ALL, ONE, agent, ask, careful, confirmed, delete_file, leader, searcher, sum_up, writer

MEMBER_RUN = ["RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"]
TEAM_TURN = ["TeamModelRequestStarted", "TeamModelRequestCompleted"]
TEAM_END = ["TeamRunContentCompleted", "TeamRunCompleted"]


async def test_a_leader_asks_its_members_and_sums_up(database: Database):
    model = leader(Turn("I ask. ", tools=[ask("searcher", "tea")]), Turn(tools=[ask("writer", "tea")]))
    team = Team("research-team", [searcher(), writer()], model=model)
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?")
    one = ["TeamToolCallStarted", *MEMBER_RUN, "TeamToolCallCompleted"]
    assert ran.names == ["TeamRunStarted", *TEAM_TURN, *one, *TEAM_TURN, *one, *TEAM_TURN, *TEAM_END]
    assert ran.output["content"] == "I ask. Summary: Found: tea. | Written: tea." == ran.said()
    assert {event["run_id"] for event in ran.told("TeamRunContent")} == {ran.record.id}
    first, second = ran.output["member_responses"]
    assert (first["agent_id"], first["content"], first["status"]) == ("searcher", "Found: tea.", "COMPLETED")
    assert first["parent_run_id"] == second["parent_run_id"] == ran.record.id
    assert first["input"] == {"input_content": "tea"}
    assert {event["parent_run_id"] for event in ran.told("RunStarted")} == {ran.record.id}
    tool = ran.told("TeamToolCallCompleted")[0]["tool"]
    assert (tool["child_run_id"], tool["result"]) == (first["run_id"], "Found: tea.")
    assert ran.events[-1]["member_responses"] == ran.output["member_responses"]


async def test_tokens_of_members_are_counted_with_the_leaders(database: Database):
    team = Team("team", [searcher(), writer()], model=leader(Turn(tools=[ask("searcher", "a"), ask("writer", "b")])))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go", session_id="s")
    of_events = [event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted")]
    assert len(of_events) == 4
    assert ran.output["metrics"]["total_tokens"] == sum(of_events)
    assert ran.output["metrics"]["details"]["model"] == [
        {"id": "scripted", "provider": "serai", **_tokens(ran.output["metrics"])}
    ]
    totals = await database.fetchrow("select input_tokens, output_tokens from sessions where id = 's'")
    assert totals is not None
    assert sum(totals) == sum(of_events)


def _tokens(metrics: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in metrics.items() if name.endswith("_tokens")}


async def test_tasks_of_one_turn_are_done_side_by_side(database: Database):
    both = asyncio.Barrier(2)

    def meet(name: str) -> Agent[Any, Any]:
        return Agent(ScriptedModel([Turn(f"{name} was here.", gate=both.wait)]), name=name)

    team = Team("team", [meet("one"), meet("two")], model=leader(Turn(tools=[ask("one", "x"), ask("two", "y")])))
    async with engine_of(database, team) as engine:
        ran = await asyncio.wait_for(run(engine, team, "go"), 20)
    assert ran.output["content"] == "Summary: one was here. | two was here."
    assert ran.names.count("RunCompleted") == 2


async def test_a_route_answers_with_what_the_member_said(database: Database):
    team = Team("route-team", [searcher(), writer()], model=leader(Turn(tools=[ask("writer", "tea")])), mode="route")
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?", session_id="s")
        again = await run(engine, team, "and?", session_id="s")
    assert ran.output["content"] == "Written: tea." == ran.said()
    assert ran.told("RunContent") == []  # the member speaks as the team, as it goes
    assert [event["event"] for event in ran.events].index("TeamRunContent") < ran.names.index("RunCompleted")
    assert ran.names == [
        *("TeamRunStarted", *TEAM_TURN, "TeamToolCallStarted", *MEMBER_RUN, "TeamToolCallCompleted"),
        *TEAM_END,
    ]
    assert again.output["content"] == "Written: tea."


async def test_a_route_whose_member_fails_goes_back_to_the_leader(database: Database):
    broken = agent("broken", Turn(error=RuntimeError("no tea")))
    team = Team("team", [broken], model=leader(Turn(tools=[ask("broken", "tea")])), mode="route")
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?")
    assert ran.output["content"] == "Summary: The member could not do it: no tea"
    assert ran.output["status"] == "COMPLETED"
    assert ran.output["member_responses"][0]["status"] == "ERROR"
    assert "RunError" in ran.names


async def test_a_broadcast_gives_all_members_the_same_task(database: Database):
    model = leader(Turn(tools=[ToolCall(ALL, {"task": "tea"})]))
    team = Team("all-team", [searcher(), writer()], model=model, mode="broadcast")
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?")
    assert ran.output["content"] == "Summary: searcher: Found: tea.\n\nwriter: Written: tea."
    assert [response["agent_id"] for response in ran.output["member_responses"]] == ["searcher", "writer"]
    assert ran.names.count("TeamToolCallCompleted") == 1


async def test_a_team_may_be_a_member(database: Database):
    inner = Team("inner-team", [searcher()], model=leader(Turn(tools=[ask("searcher", "tea")])))
    outer = Team("outer-team", [inner, writer()], model=leader(Turn(tools=[ask("inner-team", "find tea")])))
    async with engine_of(database, outer) as engine:
        ran = await run(engine, outer, "tea?")
    assert ran.output["content"] == "Summary: Summary: Found: tea."
    (response,) = ran.output["member_responses"]
    assert (response["team_id"], response["parent_run_id"]) == ("inner-team", ran.record.id)
    assert response["member_responses"][0]["parent_run_id"] == response["run_id"]
    assert ran.names.count("TeamRunCompleted") == 2
    assert ran.names[-1] == "TeamRunCompleted"
    assert ran.events[-1]["run_id"] == ran.record.id
    assert ran.output["metrics"]["total_tokens"] == sum(
        event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted")
    )


async def test_a_leader_hears_that_there_is_no_such_member(database: Database):
    team = Team("team", [searcher()], model=leader(Turn(tools=[ask("nobody", "tea")])))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?")
    assert ran.output["content"] == "Summary: There is no member 'nobody'. The members' ids are: searcher."
    assert ran.output["member_responses"] == []


async def test_a_leader_that_fails_ends_the_team(database: Database):
    team = Team("team", [searcher()], model=ScriptedModel([Turn(error=RuntimeError("model exploded"))]))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "tea?")
    assert (ran.output["status"], ran.output["content"]) == ("ERROR", "model exploded")
    assert ran.names == ["TeamRunStarted", "TeamModelRequestStarted", "TeamRunError"]


async def test_members_see_the_task_alone_unless_the_team_shares_more(database: Database):
    heard: list[str] = []

    def listen(asked: Asked) -> str:
        heard.append(asked.message)
        return f"{len(heard)} heard."

    member = Agent(ScriptedModel(listen), name="listener")
    turns = (Turn(tools=[ask("listener", "one")]), Turn(tools=[ask("listener", "two")]))
    alone = Team("alone", [member], model=leader(*turns))
    sharing = Team(
        "sharing", [member], model=leader(*turns), add_team_history_to_members=True, share_member_interactions=True
    )
    async with engine_of(database, alone, sharing) as engine:
        await run(engine, alone, "first", session_id="s")
        await run(engine, sharing, "second", session_id="s")
    assert heard[:2] == ["one", "two"]
    history = "What was said before in this session:\nUser: first\nTeam: Summary: 1 heard. | 2 heard."
    assert heard[2] == f"one\n\n{history}"
    assert heard[3] == f"two\n\n{history}\n\nWhat other members answered so far:\nlistener: 3 heard."


async def test_members_change_the_state_of_the_session(database: Database):
    def note(ctx: Any, word: str) -> str:
        """Note a word."""
        ctx.deps.session_state[word] = len(ctx.deps.session_state)
        return "noted"

    note.__annotations__["ctx"] = "serai.RunDeps"
    from pydantic_ai import RunContext

    note.__annotations__["ctx"] = RunContext[serai.RunDeps]
    member = agent("noter", Turn(tools=[ToolCall("note", {"word": "tea"})]), "Done.", tools=[note])
    turns = (Turn(tools=[ask("noter", "one")]), Turn(tools=[ask("noter", "two")]))
    team = Team("team", [member], model=leader(*turns))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go", session_id="s", session_state={"milk": 0})
    assert ran.output["session_state"] == {"milk": 0, "tea": 2}
    assert await database.fetchval("select state from sessions where id = 's'") is not None


async def test_a_member_that_pauses_pauses_its_team_and_goes_on_before_it(database: Database):
    team = Team("team", [careful()], model=leader(Turn(tools=[ask("careful", "clean up")])))
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        assert paused.names[-3:] == ["RunPaused", "TeamToolCallCompleted", "TeamRunPaused"]
        (wanted,) = paused.output["requirements"]
        (response,) = paused.output["member_responses"]
        assert response["status"] == "PAUSED"
        assert (wanted["member_agent_id"], wanted["member_run_id"]) == ("careful", response["run_id"])
        assert paused.events[-1]["requirements"] == paused.output["requirements"]
        assert [tool["tool_name"] for tool in paused.events[-1]["tools"]] == [ONE]
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.names == [
        *("RunContinued", "ToolCallStarted", "ToolCallCompleted", *MEMBER_RUN[1:]),
        *("TeamRunContinued", *TEAM_TURN, *TEAM_END),
    ]
    assert ran.output["content"] == "Summary: Report: deleted /careful"
    assert ran.output["tools"][0]["result"] == "Report: deleted /careful"
    assert [response["status"] for response in ran.output["member_responses"]] == ["COMPLETED"]


async def test_two_members_that_pause_are_answered_by_requirement_though_their_calls_have_one_id(database: Database):
    turn = Turn(tools=[ask("left", "a"), ask("right", "b")])
    team = Team("team", [careful("left"), careful("right")], model=leader(turn))
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        left, right = paused.output["requirements"]
        answers = [
            {"requirement_id": left["id"], "confirmed": True},
            {"requirement_id": right["id"], "confirmed": False},
        ]
        ran = await go_on(engine, paused, answers)
    contents = {response["agent_id"]: response["content"] for response in ran.output["member_responses"]}
    assert contents["left"] == "Report: deleted /left"
    assert contents["right"].startswith("Report: The user rejected")
    assert ran.names.count("TeamRunContinued") == 1


async def test_a_pause_two_teams_down_reaches_the_person_and_the_answer_reaches_the_member(database: Database):
    inner = Team("inner", [careful()], model=leader(Turn(tools=[ask("careful", "clean")])))
    outer = Team("outer", [inner], model=leader(Turn(tools=[ask("inner", "clean")])))
    async with engine_of(database, outer) as engine:
        paused = await run(engine, outer, "go")
        (wanted,) = paused.output["requirements"]
        assert wanted["member_agent_id"] == "careful"
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.output["content"] == "Summary: Summary: Report: deleted /careful"
    assert ran.names[-1] == "TeamRunCompleted"


async def test_a_member_that_pauses_again_pauses_its_team_again(database: Database):
    call = ToolCall("delete_file", {"path": "/x"})
    member = agent("careful", Turn(tools=[call]), Turn(tools=[call]), "All gone.", tools=[delete_file])
    team = Team("team", [member], model=leader(Turn(tools=[ask("careful", "clean")])))
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        again = await go_on(engine, paused, confirmed(paused.output))
        assert again.output["status"] == "PAUSED"
        assert again.names[-1] == "TeamRunPaused"
        assert "TeamRunContinued" not in again.names
        assert [wanted["id"] for wanted in again.output["requirements"]] != [paused.output["requirements"][0]["id"]]
        ran = await go_on(engine, again, confirmed(again.output))
    assert ran.output["content"] == "Summary: All gone."


async def test_the_leaders_own_tools_pause_the_team(database: Database):
    turn = Turn(tools=[ToolCall("delete_file", {"path": "/x"}), ask("searcher", "tea")])
    team = Team("team", [searcher()], model=leader(turn), tools=[delete_file])
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        (wanted,) = paused.output["requirements"]
        assert "member_run_id" not in wanted
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.names[:3] == ["TeamRunContinued", "TeamToolCallStarted", "TeamToolCallCompleted"]
    assert "deleted /x" in ran.output["content"]
    assert "Found: tea." in ran.output["content"]
    assert len(ran.output["member_responses"]) == 1


async def test_a_cancel_ends_the_members_before_the_team(database: Database):
    talk = agent("talker", Turn(["One ", "two ", "three"], chunk_delay_s=30))
    team = Team("team", [talk], model=leader(Turn("I ask. ", tools=[ask("talker", "talk")])))
    async with engine_of(database, team) as engine:
        record = await submit(engine, team, "go")
        follower = engine.follow(record)
        async for events in follower.batches():
            if any(event.name == "RunContent" for event in events):
                break
        follower.close()
        await engine.cancel("p", record.id, kind="team", component_id="team")
        ran = await outcome_of(engine, record)
    assert ran.names[-2:] == ["RunCancelled", "TeamRunCancelled"]
    assert ran.told("RunCancelled")[0]["content"] == "One "
    assert ran.output["content"] == "I ask. "
    assert ran.output["member_responses"][0]["status"] == "CANCELLED"
    statuses = await database.fetch("select distinct status from runs")
    assert [row["status"] for row in statuses] == ["CANCELLED"]


async def test_a_cancel_keeps_what_members_had_answered_in_the_order_in_which_they_were_asked(database: Database):
    slow, quick = agent("slow", Turn(["One ", "two"], chunk_delay_s=30)), agent("quick", "Quickly done.")
    model = leader(Turn(tools=[ToolCall(ALL, {"task": "go"})]))
    team = Team("team", [slow, quick], model=model, mode="broadcast")
    async with engine_of(database, team) as engine:
        record = await submit(engine, team, "go")
        await until(database, "select count(*) = 1 from runs where component_id = 'quick' and status = 'COMPLETED'")
        await engine.cancel("p", record.id, kind="team", component_id="team")
        ran = await outcome_of(engine, record)
    answered = [(response["agent_id"], response["status"]) for response in ran.output["member_responses"]]
    assert answered == [("slow", "CANCELLED"), ("quick", "COMPLETED")]
    of_events = [event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted")]
    assert ran.output["metrics"]["total_tokens"] == sum(of_events)


async def test_a_takeover_repeats_no_member_that_had_ended_and_no_event(database: Database):
    gate = asyncio.Event()
    asked: list[str] = []

    def count(name: str, *, waits: bool) -> Agent[Any, Any]:
        def answer(_asked: Asked) -> Turn:
            asked.append(name)
            return Turn([f"{name} ", "done."], gate=gate.wait if waits else None, gate_after=1)

        return Agent(ScriptedModel(answer), name=name)

    inner = Team("inner", [count("slow", waits=True)], model=leader(Turn(tools=[ask("slow", "b")])))
    turn = Turn(tools=[ask("quick", "a"), ask("inner", "b")])
    team = Team("team", [count("quick", waits=False), inner], model=leader(turn))
    async with engine_of(database, team) as first:
        record = await submit(first, team, "go")
        await until(database, "select count(*) = 1 from runs where component_id = 'quick' and status = 'COMPLETED'")
        await until(database, "select count(*) > 0 from run_events where convert_from(event, 'utf8') like '%slow %'")
        async with engine_of(database, team) as second:
            await first.stop()
            gate.set()
            ran = await outcome_of(second, record)
    assert ran.output["content"] == "Summary: quick done. | Summary: slow done."
    assert asked == ["quick", "slow", "slow"]
    names = ran.names
    for name in ("TeamRunStarted", "RunStarted", "RunCompleted", "TeamRunCompleted"):
        assert names.count(name) == 2
    assert [event["agent_id"] for event in ran.told("CustomEvent")] == ["slow"]
    assert len(ran.output["member_responses"]) == 2


async def test_a_takeover_finds_the_members_answers_of_calls_that_are_in_the_journal(database: Database):
    gate = asyncio.Event()

    def lead(asked: Asked) -> Turn | str:
        if asked.step == 0:
            return Turn(tools=[ask("searcher", "tea")])
        return Turn(["Well. ", sum_up(asked)], gate=gate.wait, gate_after=1)

    team = Team("team", [searcher()], model=ScriptedModel(lead))
    async with engine_of(database, team) as first:
        record = await submit(first, team, "go")
        await until(database, "select count(*) > 0 from run_events where convert_from(event, 'utf8') like '%Well. %'")
        async with engine_of(database, team) as second:
            await first.stop()
            gate.set()
            ran = await outcome_of(second, record)
    assert ran.output["content"] == "Well. Summary: Found: tea."
    (response,) = ran.output["member_responses"]
    assert response["content"] == "Found: tea."
    of_events = sum(event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted"))
    assert ran.output["metrics"]["total_tokens"] == of_events
    totals = await database.fetchrow("select input_tokens, output_tokens from sessions")
    assert totals is not None
    assert sum(totals) == of_events


@pytest.mark.parametrize("ends", ["cancelled at rest", "cancelled when claimed", "given up"])
async def test_tokens_are_counted_of_a_run_that_ends_before_it_is_replayed(database: Database, ends: str):
    waits = agent("waiter", Turn("One ", tools=[ToolCall("wait", {})]), tools=[wait])
    team = Team("team", [waits], model=leader(Turn("I ask. ", tools=[ask("waiter", "wait")])))
    async with engine_of(database, team) as first:
        record = await submit(first, team, "go", session_id="s")
        await until(database, "select count(*) = 2 from run_events where name like '%ModelRequestCompleted'")
    assert await database.fetchval("select status from runs where parent_key is null") == "PENDING"
    if ends == "cancelled at rest":
        idle = Engine(database, [team], options=EngineOptions())
        await idle.cancel("p", record.id, kind="team", component_id="team")
    elif ends == "cancelled when claimed":
        await database.execute("update runs set cancel_asked_at = now() where parent_key is null")
    else:
        await database.execute("update runs set takeovers = 9 where parent_key is null")
    async with engine_of(database, team) as second:
        ran = await asyncio.wait_for(outcome_of(second, record), 20)
    assert ran.output["status"] == ("ERROR" if ends == "given up" else "CANCELLED")
    of_events = sum(event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted"))
    totals = await database.fetchrow("select input_tokens, output_tokens from sessions")
    assert totals is not None
    assert sum(totals) == of_events > 0


async def wait() -> str:
    """Wait for ever."""
    await asyncio.Event().wait()
    return "never"

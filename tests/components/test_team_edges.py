"""Teams at their edges: odd calls, members that are gone, answers and ends at the wrong moment, what is shown then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import BinaryContent, ModelRequest, UserPromptPart
from pydantic_ai.usage import UsageLimits

import serai
from serai import AgentComponent, Team
from serai.components.team_briefing import history_text
from serai.errors import ConfigurationError, RequestError
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran, engine_of, go_on, outcome_of, run, submit
from tests.run_values import until
from tests.teams import ALL, ONE, agent, ask, careful, confirmed, delete_file, leader, searcher, sum_up


async def until_said(database: Database, text: str) -> None:
    await until(
        database, "select count(*) > 0 from run_events where position($1 in convert_from(event, 'utf8')) > 0", text
    )


# What leaders call


@pytest.mark.parametrize(
    ("args", "heard"),
    [
        ({"member_id": "searcher", "task": " "}, "The task is empty; say what the member is to do."),
        ({"member_id": "searcher"}, "task"),
        ({"member_id": 5, "task": "x"}, "member_id"),
        ({"member_id": "", "task": "x"}, "There is no member ''. The members' ids are: searcher."),
    ],
)
async def test_a_leader_hears_what_is_wrong_with_its_call(database: Database, args: dict[str, Any], heard: str):
    def lead(asked: Asked) -> Turn | str:
        return Turn(tools=[ToolCall(ONE, args)]) if asked.step == 0 else repr(asked.messages[-1].parts[0])

    team = Team("team", [searcher()], model=ScriptedModel(lead))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert ran.output["status"] == "COMPLETED"
    assert heard in ran.output["content"]
    assert ran.output["member_responses"] == []


async def test_calls_of_later_turns_may_have_the_same_id(database: Database):
    turns = [Turn(tools=[ask("searcher", task, id="x")]) for task in ("a", "b")]
    team = Team("team", [searcher()], model=leader(*turns))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert [response["content"] for response in ran.output["member_responses"]] == ["Found: a.", "Found: b."]
    children = [tool["child_run_id"] for tool in ran.output["tools"]]
    assert children == [response["run_id"] for response in ran.output["member_responses"]]


async def test_paused_calls_of_later_turns_may_have_the_same_id(database: Database):
    turns = [Turn(tools=[ask(member, "a", id="x")]) for member in ("left", "right")]
    team = Team("team", [careful("left"), careful("right")], model=leader(*turns))
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        again = await go_on(engine, paused, confirmed(paused.output))
        assert [wanted["member_agent_id"] for wanted in again.output["requirements"]] == ["right"]
        ran = await go_on(engine, again, confirmed(again.output))
    assert [response["status"] for response in ran.output["member_responses"]] == ["COMPLETED", "COMPLETED"]
    assert [tool["result"] for tool in ran.output["tools"]] == ["Report: deleted /left", "Report: deleted /right"]


async def test_call_ids_and_answers_may_hold_halves_of_characters(database: Database):
    odd = "\ud83d\n/"
    member = Agent(ScriptedModel(lambda _: odd), name="odd one")
    team = Team("team", [member], model=leader(Turn(tools=[ask("odd-one", "x", id=odd)])))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
        assert ran.output["status"] == "COMPLETED", ran.output["content"]
        assert ran.output["member_responses"][0]["content"] == odd


async def test_a_tool_named_like_the_teams_own_is_refused():
    def delegate_task_to_members(task: str) -> str:
        """Do something else."""
        return task

    with pytest.raises(ConfigurationError, match="rename it"):
        Team("team", [searcher()], model=ScriptedModel(["x"]), tools=[delegate_task_to_members])


# What members are


class Report(BaseModel):
    lines: list[str]
    deep: Any = None


def reporter(deep: Any = None) -> Agent[Any, Any]:
    call = ToolCall("final_result", {"lines": ["a", "b"], "deep": deep})
    return agent("reporter", Turn("Well. ", tools=[call]), output_type=Report)


async def test_a_members_structured_answer_reaches_its_leader_as_json(database: Database):
    team = Team("team", [reporter()], model=leader(Turn(tools=[ask("reporter", "x")])))
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert ran.output["content"] == 'Summary: {"lines":["a","b"],"deep":null}' == ran.said()
    assert ran.output["member_responses"][0]["content"] == {"lines": ["a", "b"], "deep": None}
    assert ran.output["member_responses"][0]["content_type"] == "Report"


async def test_a_route_to_a_structured_answer_says_nothing_but_it(database: Database):
    team = Team("team", [reporter()], model=leader(Turn(tools=[ask("reporter", "x")])), mode="route")
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert ran.output["content"] == '{"lines":["a","b"],"deep":null}' == standing(ran)


async def test_a_members_answer_may_be_a_hundred_levels_deep(database: Database):
    deep: Any = "end"
    for _ in range(98):
        deep = [deep]
    inner = Team("inner", [reporter(deep)], model=leader(Turn(tools=[ask("reporter", "x")])))
    outer = Team("outer", [inner], model=leader(Turn(tools=[ask("inner", "x")])))
    async with engine_of(database, outer) as engine:
        ran = await run(engine, outer, "go", session_id="s")
        assert ran.output["status"] == "COMPLETED", ran.output["content"]
        again = await run(engine, outer, "go", session_id="s")
    assert again.output["status"] == "COMPLETED"


async def test_a_team_that_answers_in_a_form_says_it_itself_though_it_routes(database: Database):
    def lead(asked: Asked) -> Turn:
        return Turn(tools=[ask("searcher", "x") if asked.step == 0 else ToolCall("final_result", {"lines": ["z"]})])

    team = Team("team", [searcher()], model=ScriptedModel(lead), mode="route", output_type=Report)
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert ran.output["content"] == {"lines": ["z"], "deep": None}
    assert [event["content"] for event in ran.told("TeamRunContent")] == [ran.output["content"]]


async def test_members_side_by_side_do_not_share_what_they_change(database: Database):
    met = asyncio.Barrier(2)

    async def note(ctx: RunContext[serai.RunDeps], word: str) -> int:
        """Note a word."""
        ctx.deps.session_state["list"].append(word)
        ctx.deps.session_state[word] = True
        await met.wait()
        return len(ctx.deps.session_state["list"])

    def noter(name: str) -> Agent[Any, Any]:
        return agent(name, Turn(tools=[ToolCall("note", {"word": name})]), "Done.", tools=[note])

    team = Team(
        "team", [noter("a"), noter("b")], model=leader(Turn(tools=[ToolCall(ALL, {"task": "x"})])), mode="broadcast"
    )
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go", session_state={"list": []})
    assert ran.output["session_state"] == {"list": ["b"], "a": True, "b": True}
    assert [response["tools"][0]["result"] for response in ran.output["member_responses"]] == ["1", "1"]


async def test_a_member_that_fails_early_and_one_with_limits_are_answers_like_others(database: Database):
    greedy = AgentComponent(
        agent("greedy", Turn(tools=[ToolCall("look", {})]), "x", tools=[look]),
        usage_limits=UsageLimits(request_limit=1),
    )
    slow = AgentComponent(agent("slow", Turn("x", delay_s=60)), timeout_s=0.1)
    picky = AgentComponent(agent("picky", "x"), deps=_no_deps)
    team = Team(
        "team",
        [greedy, slow, picky, searcher()],
        model=leader(Turn(tools=[ToolCall(ALL, {"task": "x"})])),
        mode="broadcast",
    )
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert [response["status"] for response in ran.output["member_responses"]] == ["ERROR"] * 3 + ["COMPLETED"]
    assert "The run took longer than its 0.1 s." in ran.output["content"]
    assert "no dependencies" in ran.output["content"]
    assert "Found: x." in ran.output["content"]


def look() -> str:
    """Look."""
    return "seen"


def _no_deps(_deps: serai.RunDeps) -> Any:
    raise RuntimeError("no dependencies")


async def test_pictures_in_the_history_are_no_text_for_members(database: Database):
    prompt = UserPromptPart(["See.", BinaryContent(b"\x00" * 99, media_type="image/png")])
    assert history_text([ModelRequest([prompt])]) == "What was said before in this session:\nUser: See."


# Time


async def test_a_teams_time_ends_its_members_too_also_after_a_pause(database: Database):
    def answer(asked: Asked) -> Turn:
        if asked.step == 0:
            return Turn(tools=[ToolCall("delete_file", {"path": "/x"})])
        return Turn(["Part. ", "x"], chunk_delay_s=60)

    member = Agent(ScriptedModel(answer), name="slow", tools=[delete_file])
    team = Team("team", [member], model=leader(Turn(tools=[ask("slow", "x")])), timeout_s=0.5)
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        ran = await asyncio.wait_for(go_on(engine, paused, confirmed(paused.output)), 10)
    assert (ran.output["status"], ran.output["content"]) == ("ERROR", "The run took longer than its 0.5 s.")
    assert ran.names[-2:] == ["RunCancelled", "TeamRunError"]
    assert ran.output["member_responses"][0]["status"] == "CANCELLED"


async def test_a_route_needs_no_request_for_the_answer_of_its_member(database: Database):
    team = Team(
        "team",
        [searcher()],
        model=leader(Turn(tools=[ask("searcher", "x")])),
        mode="route",
        usage_limits=UsageLimits(request_limit=1),
    )
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert (ran.output["status"], ran.output["content"]) == ("COMPLETED", "Found: x.")


# Pauses


async def test_members_are_answered_one_by_one(database: Database):
    team = Team(
        "team", [careful("left"), careful("right")], model=leader(Turn(tools=[ask("left", "a"), ask("right", "b")]))
    )
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        other = await run(engine, team, "go")
        left, right = confirmed(paused.output)
        with pytest.raises(RequestError, match="No pending call has this id"):
            await engine.proceed(await engine.find("p", paused.record.id), confirmed(other.output))
        with pytest.raises(RequestError, match="answer by 'requirements'"):
            await engine.proceed(
                await engine.find("p", paused.record.id), [{"tool_call_id": "same", "confirmed": True}]
            )
        first = await engine.proceed(await engine.find("p", paused.record.id), [left])
        assert first.record.status.value == "PAUSED"
        ran = await go_on(engine, paused, [right])
    assert ran.output["status"] == "COMPLETED"
    assert ran.output["content"] == "Summary: Report: deleted /left | Report: deleted /right"


async def test_what_members_changed_before_a_pause_is_not_done_again_after_it(database: Database):
    def put(ctx: RunContext[serai.RunDeps], value: str) -> str:
        """Put a value."""
        ctx.deps.session_state["x"] = value
        return "put"

    quick = agent("quick", Turn(tools=[ToolCall("put", {"value": "old"})]), "Done.", tools=[put])
    turn = Turn(tools=[ToolCall("put", {"value": "new"}), ToolCall("delete_file", {"path": "/"})])
    other = agent("other", turn, "Done.", tools=[put, delete_file])
    team = Team("team", [quick, other], model=leader(Turn(tools=[ToolCall(ALL, {"task": "x"})])), mode="broadcast")
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
        assert paused.output["session_state"] == {"x": "new"}
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.output["session_state"] == {"x": "new"}


async def test_a_team_cancelled_while_a_member_waits_shows_it_as_cancelled_and_the_next_turn_works(database: Database):
    inner = Team("inner", [careful()], model=leader(Turn(tools=[ask("careful", "clean")])))
    outer = Team("outer", [inner], model=leader(Turn(tools=[ask("inner", "clean")])))
    async with engine_of(database, outer) as engine:
        paused = await run(engine, outer, "go", session_id="s")
        await engine.cancel("p", paused.record.id, kind="team", component_id="outer")
        ran = await outcome_of(engine, paused.record)
        assert ran.output["status"] == "CANCELLED"
        (response,) = ran.output["member_responses"]
        assert "requirements" not in ran.output
        assert (response["status"], response["member_responses"][0]["status"]) == ("CANCELLED", "CANCELLED")
        assert "requirements" not in response
        again = await run(engine, outer, "go", session_id="s")
        assert again.output["status"] == "PAUSED"
    statuses = await database.fetch("select distinct status from runs where root_key = $1", paused.record.key)
    assert [row["status"] for row in statuses] == ["CANCELLED"]


async def test_a_leader_that_fails_while_another_member_waits_leaves_nobody_waiting(database: Database):
    slow = agent("slow", Turn("x", delay_s=60))
    turn = Turn(tools=[ask("careful", "x"), ask("slow", "y")])
    team = Team("team", [careful(), slow], model=leader(turn), timeout_s=0.5)
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    assert ran.output["status"] == "ERROR"
    assert {response["agent_id"]: response["status"] for response in ran.output["member_responses"]} == {
        "careful": "ERROR",
        "slow": "CANCELLED",
    }
    statuses = await database.fetch("select status from runs where parent_key is not null order by component_id")
    assert [row["status"] for row in statuses] == ["ERROR", "CANCELLED"]


async def test_a_team_goes_on_with_whom_it_asked_though_it_has_other_members_now(database: Database):
    team = Team(
        "team", [careful(), searcher()], model=leader(Turn(tools=[ToolCall(ALL, {"task": "x"})])), mode="broadcast"
    )
    newcomer = agent("newcomer", Turn(error=AssertionError("it was asked")))
    other = Team(
        "team",
        [careful(), searcher(), newcomer],
        model=leader(Turn(tools=[ToolCall(ALL, {"task": "x"})])),
        mode="broadcast",
    )
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
    async with engine_of(database, other) as engine:
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.output["content"] == "Summary: careful: Report: deleted /careful\n\nsearcher: Found: x."
    assert [response["agent_id"] for response in ran.output["member_responses"]] == ["careful", "searcher"]


async def test_a_member_that_was_removed_while_it_waited_is_a_clear_error(database: Database):
    team = Team("team", [careful(), searcher()], model=leader(Turn(tools=[ask("careful", "x"), ask("searcher", "y")])))
    other = Team("team", [searcher()], model=leader(Turn(tools=[ask("careful", "x")])))
    async with engine_of(database, team) as engine:
        paused = await run(engine, team, "go")
    async with engine_of(database, other) as engine:
        ran = await go_on(engine, paused, confirmed(paused.output))
    assert ran.output["status"] == "ERROR"
    assert "'careful', which team 'team' does not have any more" in ran.output["content"]
    assert ran.told("TeamRunError")[0]["error_type"] == "member_missing"
    assert {response["status"] for response in ran.output["member_responses"]} == {"ERROR", "COMPLETED"}


# Cancels, and what was said in a team's name


def standing(ran: Ran) -> str:
    """Return the text of the root that no restart made void."""
    said: list[tuple[int, str]] = []
    for event in ran.events:
        if event["event"] == "TeamRunContent" and event["run_id"] == ran.record.id:
            said.append((event["event_index"], event["content"]))
        elif event.get("name") == "step_restarted" and event["run_id"] == ran.record.id:
            said = [(index, text) for index, text in said if index < event["from_index"]]
    return "".join(text for _, text in said)


async def test_a_cancelled_route_keeps_what_its_member_had_said(database: Database):
    talk = agent("talker", Turn(["One ", "two"], chunk_delay_s=30))
    inner = Team("inner", [talk], model=leader(Turn("Inner. ", tools=[ask("talker", "x")])), mode="route")
    team = Team("team", [inner], model=leader(Turn("Outer. ", tools=[ask("inner", "x")])), mode="route")
    async with engine_of(database, team) as engine:
        record = await submit(engine, team, "go", session_id="s")
        await until_said(database, "One ")
        await engine.cancel("p", record.id, kind="team", component_id="team")
        ran = await outcome_of(engine, record)
        assert ran.output["content"] == "Outer. Inner. One " == standing(ran)
        again = await submit(engine, team, "go", session_id="s")
        await until(database, "select count(*) = 2 from runs where component_id = 'inner'")
        await engine.cancel("p", again.id, kind="team", component_id="team")
        assert (await outcome_of(engine, again)).output["status"] == "CANCELLED"


# Takeovers


async def test_a_member_that_paused_before_its_node_stopped_waits_on_the_next_one(database: Database):
    gate = asyncio.Event()
    asked: list[str] = []

    def slow(_asked: Asked) -> Turn:
        asked.append("slow")
        return Turn(["slow ", "done."], gate=gate.wait, gate_after=1)

    turn = Turn(tools=[ask("careful", "x"), ask("slow", "y")])
    team = Team("team", [careful(), Agent(ScriptedModel(slow), name="slow")], model=leader(turn))
    async with engine_of(database, team) as first:
        record = await submit(first, team, "go")
        await until(database, "select count(*) = 1 from runs where component_id = 'careful' and status = 'PAUSED'")
        await until_said(database, "slow ")
        async with engine_of(database, team) as second:
            await first.stop()
            gate.set()
            paused = await outcome_of(second, record)
            assert paused.output["status"] == "PAUSED"
            assert paused.names.count("RunPaused") == 1
            assert [response["status"] for response in paused.output["member_responses"]] == ["PAUSED", "COMPLETED"]
            ran = await go_on(second, paused, confirmed(paused.output))
    assert ran.output["content"] == "Summary: Report: deleted /careful | slow done."
    assert asked == ["slow", "slow"]


async def test_a_team_whose_code_changed_goes_on_from_what_its_members_had_answered(database: Database):
    gate = asyncio.Event()

    def lead(asked: Asked) -> Turn | str:
        if asked.step == 0:
            return Turn(tools=[ask("careful", "x", id="one"), ask("searcher", "y", id="two")])
        if asked.step == 1:
            return Turn("More. ", tools=[ask("searcher", "z", id="one")])
        return Turn(["Well. ", sum_up(asked)], gate=gate.wait, gate_after=1)

    def changed(asked: Asked) -> Turn | str:
        turn = lead(asked)
        return Turn(turn) if isinstance(turn, str) else turn

    team = Team("team", [careful(), searcher()], model=ScriptedModel(lead))
    other = Team("team", [careful(), searcher()], model=ScriptedModel(changed))
    async with engine_of(database, team) as first:
        paused = await run(first, team, "go", session_id="s")
        await first.proceed(await first.find("p", paused.record.id), confirmed(paused.output))
        await until_said(database, "Well. ")
        # As if the new code gave the second request other arguments: its step in the journal fits no more.
        await database.execute(
            "update run_steps set fingerprint = 'x' where operation = 'model_request' and run_key = $1 and segment = 1",
            paused.record.key,
        )
        async with engine_of(database, other) as second:
            await first.stop()
            gate.set()
            ran = await outcome_of(second, paused.record)
    assert ran.output["status"] == "COMPLETED", ran.output["content"]
    assert "Report: deleted /careful" in ran.output["content"]
    assert "None" not in ran.output["content"]
    assert [response["status"] for response in ran.output["member_responses"]] == ["COMPLETED"] * 3
    assert {tool["result"] for tool in ran.output["tools"]} == {"Report: deleted /careful", "Found: y.", "Found: z."}
    of_events = [event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted")]
    assert ran.output["metrics"]["total_tokens"] == sum(of_events)
    totals = await database.fetchrow("select input_tokens, output_tokens from sessions where id = 's'")
    assert totals is not None
    assert sum(totals) == sum(of_events)

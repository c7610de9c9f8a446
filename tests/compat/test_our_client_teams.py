"""Our clients, asynchronous and blocking, with teams: against Serai and agno's own server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.run.agent import RunContentEvent, RunOutput
from serai.run.team import RunCancelledEvent, RunCompletedEvent, RunPausedEvent, StreamedText, TeamRunOutput
from tests.compat.clients.checklist import Target
from tests.compat.kind_caller import Answer, Caller, names
from tests.compat.test_our_client import BOTH, SERVERS, server
from tests.unit.both_clients import result_of

__all__ = ["server"]


@pytest.fixture
async def teams(kind: Any, server: Target) -> Any:
    client = kind(server.base_url)
    yield Caller(client, "team")
    await result_of(client.close())


@BOTH
@SERVERS
async def test_teams_are_discovered(teams: Caller) -> None:
    config = await result_of(teams.client.aget_config())
    assert {"research-team", "route-team"} <= {team.id for team in config.teams}
    modes = {team.id: team.mode for team in await result_of(teams.client.list_teams())}
    assert (modes["research-team"], modes["route-team"], modes["all-team"]) == ("coordinate", "route", "broadcast")
    team = await result_of(teams.client.aget_team("research-team"))
    assert [member.id for member in team.members] == ["searcher", "writer"]


@BOTH
@SERVERS
async def test_a_team_answers_with_its_members(teams: Caller) -> None:
    session = str(uuid4())
    run = await teams.run("research-team", "tea", session_id=session, user_id="ada")
    assert isinstance(run, TeamRunOutput)
    assert (run.status, run.team_id, run.session_id, run.user_id) == ("completed", "research-team", session, "ada")
    assert str(run.content).endswith("Summary: Found: tea; Written: Found: tea")
    assert [(type(one), one.agent_id, one.content) for one in run.member_responses] == [
        (RunOutput, "searcher", "Found: tea"),
        (RunOutput, "writer", "Written: Found: tea"),
    ]
    assert {one.parent_run_id for one in run.member_responses} == {run.run_id}
    assert run.metrics is not None
    assert run.metrics.total_tokens > 0
    assert (await teams.read("research-team", run)).content == run.content
    rows = await result_of(teams.client.list_team_runs("research-team", session))
    assert [(row.run_id, row.team_id, row.run_input) for row in rows] == [(run.run_id, "research-team", "tea")]


@BOTH
@SERVERS
async def test_a_streamed_team_tells_its_text_from_its_members(teams: Caller) -> None:
    events = await teams.stream("research-team", "tea")
    assert isinstance(events[-1], RunCompletedEvent)
    whole = StreamedText()
    [first, *_] = [event.run_id for event in events if event.event == "RunStarted"]
    searcher = StreamedText(first)
    for event in events:
        assert not whole.add(event)
        assert not searcher.add(event)
    assert str(whole) == events[-1].content
    assert str(searcher) == "Found: tea"
    inner = [event for event in events if isinstance(event, RunContentEvent)]
    assert {(event.agent_id, event.parent_run_id) for event in inner} == {
        ("searcher", events[0].run_id),
        ("writer", events[0].run_id),
    }


@BOTH
@SERVERS
async def test_a_team_in_a_team_is_read_as_one(teams: Caller) -> None:
    run = await teams.run("outer-team", "tea")
    [inner] = run.member_responses
    assert isinstance(inner, TeamRunOutput)
    assert [one.agent_id for one in inner.member_responses] == ["searcher"]


@BOTH
@SERVERS
async def test_a_team_waits_for_an_answer_to_its_member(teams: Caller) -> None:
    for proceed in (teams.proceed, teams.proceed_streamed):
        run = await teams.run("asking-team", "delete")
        assert run.is_paused
        [requirement] = run.active_requirements
        assert (requirement.needs, requirement.member_agent_id) == ("confirmation", "asker")
        requirement.confirm()
        done: Any = await proceed("asking-team", run, run.requirements)
        end = done if isinstance(done, TeamRunOutput) else done[-1]
        assert end.run_id == run.run_id
        assert "Report: deleted /tmp/x" in str(end.content)


@BOTH
@SERVERS
async def test_a_streamed_team_pauses_and_takes_every_kind_of_answer(teams: Caller) -> None:
    answers: list[tuple[str, Answer, str]] = [
        ("delete", lambda one: one.reject("keep it"), "keep it"),
        ("command", lambda one: one.set_external_execution_result("a.txt"), "a.txt"),
        ("mail", lambda one: one.provide_user_input({"to": "Ada"}), "sent Hello to Ada"),
        ("choose", lambda one: one.provide_user_feedback({"Which colour?": ["blue"]}), "blue"),
    ]
    for message, answer, said in answers:
        [*_, pause] = await teams.stream("asking-team", message)
        assert isinstance(pause, RunPausedEvent)
        [requirement] = pause.active_requirements
        answer(requirement)
        events = await teams.proceed_streamed("asking-team", pause, pause.requirements)
        assert (names(events)[0], names(events)[-1]) == ("RunContinued", "TeamRunCompleted")
        assert said in str(events[-1].content)


@BOTH
@SERVERS
async def test_a_leaders_own_tool_waits_for_an_answer(teams: Caller) -> None:
    run = await teams.run("toolful-team", "delete")
    [requirement] = run.active_requirements
    assert requirement.member_run_id is None
    requirement.confirm()
    done = await teams.proceed("toolful-team", run, run.requirements)
    assert str(done.content).endswith("Report: deleted /tmp/x")


@BOTH
@SERVERS
async def test_a_streamed_team_is_cancelled_in_its_member(teams: Caller) -> None:
    events = await teams.stream_until(
        "slow-team",
        "delegate",
        lambda event: event.event == "RunContent",
        lambda first: teams.cancel("slow-team", first),
    )
    [end] = [event for event in events if isinstance(event, RunCancelledEvent)]
    assert end.run_id == events[0].run_id
    assert (await teams.read("slow-team", end)).is_cancelled


@BOTH
@SERVERS
async def test_what_is_refused_of_teams(teams: Caller) -> None:
    nobody = TeamRunOutput(run_id="nobody", session_id="s")
    for status, call in (
        (404, teams.run("no-such-team", "hi")),
        (404, teams.stream("no-such-team", "hi")),
        (422, teams.run("research-team", "")),
        (404, teams.read("research-team", nobody)),
        (404, teams.proceed("asking-team", nobody, [])),
    ):
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await call
        assert caught.value.response.status_code == status

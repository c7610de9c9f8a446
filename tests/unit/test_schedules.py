"""Schedules as values: which times are due, what a restart keeps, and what may stand in code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai import Schedule
from serai.components.run_input import load_run_input
from serai.domain.schedules import MOST_MADE_UP, Misfire, ScheduleRecord, next_fire, plan_firing, redeclare, run_id_at
from serai.errors import ConfigurationError
from serai.server.schedule_values import values_of
from tests.hosting import DescribedAgent, DescribedTeam, make_os

DUE = datetime(2026, 5, 4, 7, tzinfo=UTC)


def stored(**members: Any) -> ScheduleRecord:
    given: dict[str, Any] = {
        "id": UUID(int=7),
        "project_id": "default",
        "name": "mornings",
        "description": None,
        "kind": "agent",
        "component_id": "my-agent",
        "cron": "0 7 * * *",
        "timezone": "UTC",
        "input": b'{"message":"Good morning"}',
        "session_id": None,
        "user_id": None,
        "misfire": Misfire.ONCE,
        "misfire_grace_s": 60.0,
        "is_paused": False,
        "declared_by": "os",
        "declared_paused": False,
        "next_fire_at": DUE,
        "last_fire_at": None,
        "last_run_id": None,
        "last_error": None,
        "created_at": DUE,
        "updated_at": DUE,
    }
    return ScheduleRecord(**(given | members))


def times(record: ScheduleRecord, **late: float) -> list[str]:
    """Return the times for which a schedule starts runs when it is looked at so late."""
    plan = plan_firing(record, due_at=DUE, now=DUE + timedelta(**late))
    assert plan.next_at > DUE + timedelta(**late)
    return [f"{time:%d %H:%M}" for time in plan.times]


def test_a_schedule_that_is_seen_in_time_starts_one_run():
    for misfire in Misfire:
        assert times(stored(misfire=misfire), seconds=1) == ["04 07:00"]


def test_missed_times_become_one_run_or_each_its_own_or_none():
    assert times(stored(misfire=Misfire.ONCE), days=3) == ["07 07:00"]
    assert times(stored(misfire=Misfire.ALL), days=3) == ["04 07:00", "05 07:00", "06 07:00", "07 07:00"]
    assert times(stored(misfire=Misfire.SKIP), days=3, hours=1) == []


def test_what_is_skipped_still_starts_within_its_grace():
    late = stored(misfire=Misfire.SKIP, misfire_grace_s=90)
    assert times(late, seconds=90) == ["04 07:00"]
    assert times(late, seconds=91) == []
    assert times(late, days=1, seconds=30) == ["05 07:00"]


def test_of_too_many_missed_times_the_last_ones_are_made_up_for():
    often = stored(misfire=Misfire.ALL, cron="* * * * *")
    found = plan_firing(often, due_at=DUE, now=DUE + timedelta(days=400)).times
    assert len(found) == MOST_MADE_UP
    assert (found[-1], found[-1] - found[0]) == (DUE + timedelta(days=400), timedelta(minutes=MOST_MADE_UP - 1))


@given(st.sampled_from(Misfire), st.integers(0, 10**7), st.sampled_from(["0 7 * * *", "* * * * *", "30 2 * * 0"]))
@settings(max_examples=50, deadline=None)
def test_whatever_was_missed_the_times_are_due_ones_and_the_next_one_is_not(misfire: Misfire, late_s: int, cron: str):
    now = DUE + timedelta(seconds=late_s)
    plan = plan_firing(stored(misfire=misfire, cron=cron, timezone="Europe/Berlin"), due_at=DUE, now=now)
    assert plan.times == sorted(set(plan.times))
    assert all(DUE <= time <= now for time in plan.times)
    assert plan.next_at > now
    assert len(plan.times) <= (MOST_MADE_UP if misfire is Misfire.ALL else 1)


def test_the_id_of_a_run_is_made_of_schedule_and_instant():
    berlin = DUE.astimezone(datetime.fromisoformat("2026-05-04T09:00+02:00").tzinfo)
    assert run_id_at(UUID(int=7), DUE) == run_id_at(UUID(int=7), berlin)
    assert (
        len({run_id_at(UUID(int=7), DUE), run_id_at(UUID(int=8), DUE), run_id_at(UUID(int=7), DUE + timedelta(1))}) == 3
    )


def test_a_change_of_something_else_forgets_no_missed_time():
    now = DUE + timedelta(hours=2)
    kept = stored()
    assert next_fire(stored(input=b"{}").spec(), kept=kept, now=now) == DUE
    assert next_fire(stored(cron="0 8 * * *").spec(), kept=kept, now=now) == DUE + timedelta(days=1, hours=1)
    assert next_fire(stored(is_paused=True).spec(), kept=kept, now=now) is None
    assert next_fire(kept.spec(), kept=stored(is_paused=True, next_fire_at=None), now=now) == DUE + timedelta(days=1)


@pytest.mark.parametrize(
    ("in_code_before", "stored_now", "in_code_now", "is_paused"),
    [
        (False, True, False, True),  # a person paused it
        (True, False, True, False),  # a person resumed it
        (False, False, True, True),  # the code changed
        (True, True, False, False),
    ],
)
def test_what_a_person_paused_stays_so_until_the_code_changes(in_code_before, stored_now, in_code_now, is_paused):
    kept = stored(declared_paused=in_code_before, is_paused=stored_now)
    assert redeclare(stored(is_paused=in_code_now).spec(), kept=kept).is_paused is is_paused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cron": "0 7 * *"}, "cron: '0 7 \\* \\*' is no cron expression"),
        ({"cron": None}, "Schedule\\('my-agent'\\)"),
        ({"timezone": "Mars"}, "timezone: 'Mars'.*Europe/Berlin"),
        ({"message": " "}, "message: it must not be empty"),
        ({"message": None}, "message: it must not be empty"),
        ({"misfire": "maybe"}, "misfire: it must be one of skip, once, all"),
        ({"misfire_grace_s": -1}, "misfire_grace_s"),
        ({"misfire_grace_s": float("nan")}, "misfire_grace_s"),
        ({"name": ".."}, "name: "),
        ({"name": "x" * 201}, "name: "),
        ({"session_id": "a\0b"}, "session_id: "),
        ({"session_state": ["no", "object"]}, "session_state: it must be an object"),
        ({"description": "x" * 1001}, "description: it is longer"),
        ({"component_id": ""}, "component_id: "),
    ],
)
def test_what_is_wrong_with_a_schedule_in_code_is_said_by_its_name(arguments: dict[str, Any], words: str):
    given = {"cron": "0 7 * * *", "component_id": "my-agent", "message": "Hi", **arguments}
    with pytest.raises(ConfigurationError, match=words):
        Schedule(**given)


def test_a_schedule_is_for_a_component_that_there_is():
    with pytest.raises(ConfigurationError, match="'nobody'; there are: agent 'my-agent'"):
        make_os(schedules=[Schedule("@daily", "nobody", message="Hi")])
    with pytest.raises(ConfigurationError, match="no team 'my-agent'"):
        make_os(schedules=[Schedule("@daily", "my-agent", kind="team", message="Hi")])


def test_an_id_that_several_kinds_have_needs_its_kind():
    agent, team = DescribedAgent(id="desk"), DescribedTeam(id="desk")
    with pytest.raises(ConfigurationError, match="'desk' is the id of several components: say which kind"):
        make_os(agents=[agent], teams=[team], schedules=[Schedule("@daily", "desk", message="Hi")])
    (spec,) = make_os(
        agents=[agent], teams=[team], schedules=[Schedule("@daily", "desk", kind="team", message="Hi")]
    ).schedules
    assert (spec.kind, spec.component_id) == ("team", "desk")


def test_schedules_have_names_of_their_own():
    one, other = Schedule("0  7 * * *", "my-agent", message="a"), Schedule("0 7 * * *", "my-agent", message="b")
    with pytest.raises(ConfigurationError, match=r"'my-agent 0 7 \* \* \*': give one of them name="):
        make_os(schedules=[one, other])
    named = Schedule("0 7 * * *", "my-agent", name="b", message="b")
    assert [spec.name for spec in make_os(schedules=[named, one]).schedules] == ["b", "my-agent 0 7 * * *"]


def test_a_schedule_keeps_what_its_runs_are_given():
    schedule = Schedule(
        "0 7 * * *",
        "my-agent",
        message={"topic": "news"},
        session_id="s",
        user_id="ada",
        session_state={"k": 1},
        dependencies={"d": 2},
        metadata={"m": 3},
        knowledge_filters=[{"f": 4}],
    )
    (spec,) = make_os(schedules=[schedule]).schedules
    asked = load_run_input(spec.input)
    assert (asked.message, asked.session_state, asked.dependencies) == ('{"topic":"news"}', {"k": 1}, {"d": 2})
    assert (asked.metadata, asked.knowledge_filters, spec.user_id) == ({"m": 3}, [{"f": 4}], "ada")


def test_a_stored_schedule_can_be_given_again():
    record = stored(session_id="s", user_id="ada", misfire=Misfire.ALL)
    assert values_of(record).spec(record.kind) == record.spec()

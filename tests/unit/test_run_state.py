"""The table of a run's moves, and what counts as its end."""

from __future__ import annotations

from itertools import product

import pytest

from serai.domain.run_state import LAST_EVENTS, MOVES, RunStatus
from serai.wire.status import RunStatus as WireStatus

ALLOWED = {
    ("PENDING", "RUNNING"),
    ("PENDING", "CANCELLED"),
    ("PENDING", "ERROR"),
    ("RUNNING", "PENDING"),
    ("RUNNING", "PAUSED"),
    ("RUNNING", "COMPLETED"),
    ("RUNNING", "CANCELLED"),
    ("RUNNING", "ERROR"),
    ("PAUSED", "PENDING"),
    ("PAUSED", "CANCELLED"),
}


def test_the_moves_are_those_of_the_design():
    assert {(old.value, new.value) for old, new in product(RunStatus, repeat=2) if new in MOVES[old]} == ALLOWED


def test_every_state_is_in_the_table():
    assert set(MOVES) == set(RunStatus)


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "ERROR"])
def test_an_ended_run_never_moves_again(status: str):
    assert RunStatus(status).is_terminal
    assert MOVES[RunStatus(status)] == frozenset()


def test_a_paused_run_rests_and_has_not_ended():
    assert RunStatus.PAUSED.is_at_rest
    assert not RunStatus.PAUSED.is_terminal


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_waiting_or_running_run_does_not_rest(status: str):
    assert not RunStatus(status).is_at_rest
    assert not RunStatus(status).is_terminal


def test_every_state_can_be_reached():
    reached = {RunStatus.PENDING}
    while more := {new for old in reached for new in MOVES[old]} - reached:
        reached |= more
    assert reached == set(RunStatus)


def test_the_wire_knows_every_state():
    assert {status.value for status in RunStatus} <= {status.value for status in WireStatus}


def test_every_kind_has_an_end_for_every_state_at_rest():
    assert {kind: len(ends) for kind, ends in LAST_EVENTS.items()} == {"agent": 4, "team": 4, "workflow": 4}

"""The session state of a run: what is taken of it while tools that were given up still change it in their threads."""

from __future__ import annotations

from typing import Any

import pytest

from serai.components.deps import RunDeps
from serai.components.session_state import TrackedState


class Growing:
    """A value that adds a member to the state whenever it is dumped, as a thread might just then."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        self._state[f"grown {len(self._state)}"] = mode
        return {"kind": "growing"}


class Restless(dict[str, Any]):
    """A dictionary that changes in the middle of so many looks."""

    looks = 0

    def items(self) -> Any:
        if self.looks:
            self.looks -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return super().items()


def tracked(**state: Any) -> tuple[RunDeps, TrackedState]:
    deps = RunDeps(run_id="r", session_id="s", user_id=None)
    state_of_run = TrackedState(deps)
    state_of_run.load(state, laid_over={})
    return deps, state_of_run


def test_a_state_that_grows_while_it_is_looked_at_is_taken_as_it_was():
    deps, state = tracked(kept=1)
    deps.session_state["growing"] = Growing(deps.session_state)
    assert state.take_changes() == ({"growing": {"kind": "growing"}}, [])
    assert state.take_changes()[0] == {"grown 2": "json"}
    state.settle()
    assert state.settled["kept"] == 1


def test_a_look_in_the_middle_of_a_change_is_repeated():
    deps, state = tracked(kept=1)
    deps.session_state = Restless(kept=2)
    deps.session_state.looks = 3
    assert state.take_changes() == ({"kept": 2}, [])


def test_a_state_that_never_rests_is_put_back():
    deps, state = tracked(kept=1)
    for take in (state.take_changes, state.settle):
        deps.session_state = Restless(kept=2)
        deps.session_state.looks = 1000
        if take == state.settle:
            take()
        else:
            with pytest.raises(ValueError, match="changed size"):
                take()
        assert (type(deps.session_state), deps.session_state) == (dict, {"kept": 1})
    assert state.settled == {"kept": 1}


def test_what_changes_after_the_end_is_not_in_it():
    deps, state = tracked(kept=[1])
    state.settle()
    deps.session_state["kept"].append(2)
    deps.session_state["late"] = 3
    assert state.settled == {"kept": [1]}
    assert state.since_load() == ({}, ())


def test_a_replayed_step_lays_its_own_changes_over_the_state_and_no_others():
    deps, state = tracked(old=1, gone=2)
    deps.session_state["by another tool"] = 3
    state.apply({"old": 4}, ["gone"])
    assert deps.session_state == {"old": 4, "by another tool": 3}
    assert state.take_changes() == ({"by another tool": 3}, [])
    assert state.since_load() == ({"old": 4, "by another tool": 3}, ("gone",))

"""The plan of a fault, as a test writes it into the environment of a node."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from serai.engine import faults
from serai.engine.faults import POINTS, _parse


@pytest.mark.parametrize("plan", [None, ""])
def test_without_a_plan_nothing_is_hit(plan: str | None):
    assert _parse(plan) is None
    for point in POINTS:
        faults.reach(point, "detail")


@pytest.mark.parametrize("point", sorted(POINTS))
def test_every_point_can_be_planned(point: str):
    assert _parse(f"{point}:kill") == (point, "", signal.SIGKILL)
    assert _parse(f"{point}:stop") == (point, "", signal.SIGSTOP)


def test_a_detail_may_hold_slashes_and_colons():
    assert _parse("before_step_commit/tool:record/call:1:kill") == (
        "before_step_commit",
        "tool:record/call:1",
        signal.SIGKILL,
    )


@pytest.mark.parametrize(
    "plan", ["kill", "in_tool_call", "in_tool_call:", "in_tool_call:maim", "nowhere:kill", ":kill"]
)
def test_a_plan_that_names_nothing_is_refused(plan: str):
    with pytest.raises(ValueError, match=r"SERAI_FAULT.*use one of"):
        _parse(plan)


def test_the_process_is_hit_at_the_point_with_the_detail():
    program = (
        "from serai.engine import faults\n"
        "faults.reach('in_tool_call', 'other')\n"
        "faults.reach('in_model_call', 'record')\n"
        "print('alive', flush=True)\n"
        "faults.reach('in_tool_call', 'record')\n"
        "print('still alive', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"SERAI_FAULT": "in_tool_call/record:kill"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "alive\n")

"""Named fault points. A test sets ``SERAI_FAULT=point[/detail]:kill`` (or ``:stop``) and this process is hit there.

Unset, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = frozenset(
    {
        "after_submit_commit",  # the run is stored, nobody was told
        "in_model_call",  # the model has said something; detail: how many pieces of text
        "in_tool_call",  # the tool is about to do its work; detail: its name
        "before_step_commit",  # the step is done, its result only in memory; detail: operation/call
        "after_step_commit",  # all earlier steps are durable, this one has not begun; detail: operation/call
        "before_finish_commit",  # the answer is complete, only in memory
        "after_finish_commit",  # the answer is durable, nobody was told
        "after_record_commit",  # a write of records is durable, nobody was told; detail: the operation
        "before_schedule_commit",  # the runs of due schedules are durable, the schedules do not know
    }
)
_SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _parse(plan: str | None) -> tuple[str, str, signal.Signals] | None:
    if not plan:
        return None
    place, _, action = plan.rpartition(":")
    point, _, detail = place.partition("/")
    if point not in POINTS or action not in _SIGNALS:
        raise ValueError(f"SERAI_FAULT={plan!r} names no fault point; use one of {sorted(POINTS)} with :kill or :stop")
    return point, detail, _SIGNALS[action]


_plan = _parse(os.environ.get("SERAI_FAULT"))


def reach(point: str, detail: str = "") -> None:
    """Hit this process with the planned signal if the plan names this point (and detail, when it gives one)."""
    if _plan is not None and _plan[0] == point and _plan[1] in ("", detail):
        os.kill(os.getpid(), _plan[2])

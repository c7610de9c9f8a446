"""What a run object shows of runs that waited for a person when the run around them ended."""

from __future__ import annotations

from typing import Any, Final

from serai.domain.run_state import RunStatus

_OF_A_PAUSE: Final = frozenset(
    {
        *("requirements", "step_requirements", "error_requirements"),
        *("paused_step_index", "paused_step_name", "pause_kind"),
    }
)


def with_paused_ended(output: dict[str, Any], status: RunStatus) -> dict[str, Any]:
    """Return a run object that shows itself, and the runs in it, as ended if they waited for a person."""
    if output.get("status") != RunStatus.PAUSED.value:
        return output
    ended = {name: value for name, value in output.items() if name not in _OF_A_PAUSE} | {"status": status.value}
    for inside in ("member_responses", "step_executor_runs"):
        if runs := output.get(inside):
            ended[inside] = [with_paused_ended(run, status) for run in runs]
    return ended

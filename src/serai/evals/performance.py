"""Performance: how long the runs took, and how much the process grew meanwhile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from serai.evals.scores import measures_of
from serai.evals.spec import Measured, Result

_STATM: Final = Path("/proc/self/statm")
_MIB: Final = 1024 * 1024


def read_resident_mib() -> float | None:
    """Return the memory that this process has resident now; None where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
    except OSError:
        return None


def measure_performance(run: Measured) -> Result:
    """Return one run's seconds of work, and its MiB if they are known."""
    seconds = run.document["metrics"]["duration"]
    return {"run_time": seconds, **({} if run.memory_mib is None else {"memory_usage": run.memory_mib})}


def sum_up_performance(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the iterations came to."""
    run_times = [result["run_time"] for result in results]
    memory_usages = [result["memory_usage"] for result in results if "memory_usage" in result]
    return {
        "run_times": run_times,
        **measures_of(run_times, "run_time"),
        "memory_usages": memory_usages,
        **measures_of(memory_usages, "memory_usage"),
    }

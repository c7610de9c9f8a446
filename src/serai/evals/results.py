"""What an eval's iterations came to, in the members of the published protocol, now or at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from serai.domain.evals import EvalRecord, EvalType
from serai.domain.json_text import dump_json, load_json
from serai.evals.accuracy import sum_up_accuracy
from serai.evals.judge import sum_up_judge
from serai.evals.performance import sum_up_performance
from serai.evals.reliability import sum_up_reliability
from serai.evals.spec import Result

_SUMS: Final[Mapping[EvalType, Callable[[Sequence[Result]], dict[str, Any]]]] = {
    EvalType.ACCURACY: sum_up_accuracy,
    EvalType.AGENT_AS_JUDGE: sum_up_judge,
    EvalType.PERFORMANCE: sum_up_performance,
    EvalType.RELIABILITY: sum_up_reliability,
}


def sum_up(record: EvalRecord) -> dict[str, Any]:
    """Return what an eval has measured so far; iterations that failed are listed, and count in nothing else."""
    if record.data is not None:
        found: dict[str, Any] = load_json(record.data)
        return found
    iterations = read_results(record)
    results = [result for result in iterations if "error" not in result]
    errors = [
        {"iteration": number, "error": result["error"]}
        for number, result in enumerate(iterations, start=1)
        if "error" in result
    ]
    return {"run_id": str(record.id), **_SUMS[record.eval_type](results), **({"errors": errors} if errors else {})}


async def write_sum(record: EvalRecord) -> bytes:
    """Return what an eval has measured so far as it is stored; in a thread, for it may be large."""
    return await asyncio.to_thread(lambda: dump_json(sum_up(record)))


def read_results(record: EvalRecord) -> list[Result]:
    """Return what each finished iteration gave, in order, while the eval has not ended."""
    return [load_json(line) for line in record.results.splitlines()]

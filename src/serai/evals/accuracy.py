"""Accuracy: a judge compares each answer with the expected one, from 1 to 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, Field
from pydantic_ai.models import Model

from serai.evals.scores import spread_of
from serai.evals.spec import EvalSpec, Result
from serai.evals.verdicts import ask_judge, more_for

_TASK: Final = (
    "You compare the `output` of an AI agent, which was asked `input`, with `expected_output`. Take the expected "
    "output for correct, even if you disagree: you judge how close the output comes to it, and nothing else."
)
_CRITERIA: Final = (
    "Accuracy: does the output say what the expected output says? Completeness: does it have all its key elements? "
    "Another wording or order is no mistake, unless the guidelines say so."
)
_SCALE: Final = (
    "Score in whole numbers: 1-2 wrong or beside the point; 3-4 major errors, or key elements missing; 5-6 partly "
    "right; 7-8 mostly right with minor issues; 9-10 right and complete. Give the reason: what agrees, what is "
    "missing, what is wrong."
)


class AccuracyVerdict(BaseModel):
    """What the judge says."""

    score: int = Field(ge=1, le=10, description="How close the output comes to the expected one, from 1 to 10.")
    reason: str = Field(description="What agrees, what is missing, what is wrong.")


async def judge_accuracy(spec: EvalSpec, output: str, model: Model) -> Result:
    """Return a judge's score of one answer, and the reason."""
    expected = spec.expected_output or ""
    verdict = await ask_judge(
        model,
        AccuracyVerdict,
        instructions=[_TASK, _CRITERIA, _SCALE, *more_for(spec)],
        about={"input": spec.input, "expected_output": expected, "output": output},
    )
    return {
        "input": spec.input,
        "output": output,
        "expected_output": expected,
        "score": verdict.score,
        "reason": verdict.reason,
    }


def sum_up_accuracy(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the iterations came to."""
    spread = spread_of([result["score"] for result in results])
    return {"results": [*results], "mean_score": spread["avg_score"], **spread}

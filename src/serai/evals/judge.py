"""Agent as judge: a judge looks at each answer by criteria of the caller's, and lets it pass or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, Field
from pydantic_ai.models import Model

from serai.evals.scores import rate_of, spread_of
from serai.evals.spec import EvalSpec, Result
from serai.evals.verdicts import ask_judge, more_for

_TASK: Final = (
    "You judge the `output` of an AI agent, which was asked `input`, by the criteria below, and by nothing else. "
    "Be objective; the reason refers to what the output says."
)
_BINARY: Final = "Decide whether the output meets the criteria: it passes (true) or fails (false)."
_NUMERIC: Final = (
    "Score in whole numbers: 1-2 fails the criteria; 3-4 major issues; 5-6 meets them in part; 7-8 meets most of them "
    "with minor issues; 9-10 meets them fully."
)


class BinaryVerdict(BaseModel):
    """What the judge says when it decides."""

    passed: bool = Field(description="Whether the output meets the criteria.")
    reason: str = Field(description="Why.")


class NumericVerdict(BaseModel):
    """What the judge says when it scores."""

    score: int = Field(ge=1, le=10, description="How well the output meets the criteria, from 1 to 10.")
    reason: str = Field(description="Why.")


async def judge_by_criteria(spec: EvalSpec, output: str, model: Model) -> Result:
    """Return a judge's verdict about one answer, and the reason."""
    criteria = spec.criteria or ""
    rest = [f"Criteria:\n{criteria}", *more_for(spec)]
    about = {"input": spec.input, "output": output}
    score: int | None = None
    if spec.scoring_strategy == "numeric":
        scored = await ask_judge(model, NumericVerdict, instructions=[_TASK, _NUMERIC, *rest], about=about)
        score, passed, reason = scored.score, scored.score >= spec.threshold, scored.reason
    else:
        decided = await ask_judge(model, BinaryVerdict, instructions=[_TASK, _BINARY, *rest], about=about)
        passed, reason = decided.passed, decided.reason
    members = {"input": spec.input, "output": output, "criteria": criteria}
    return {**members, "score": score, "reason": reason, "passed": passed}


def sum_up_judge(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the iterations came to; binary verdicts have no scores."""
    scores = [result["score"] for result in results if result["score"] is not None]
    return {
        "results": [*results],
        **spread_of(scores),
        "pass_rate": rate_of([result["passed"] for result in results]),
    }

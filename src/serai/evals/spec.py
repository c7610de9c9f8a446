"""What an eval is asked to measure, and what one run of its component left to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from serai.components.workflow.values import text_of
from serai.domain.evals import EvalType
from serai.domain.json_text import loader_of


class EvalSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The request of an eval, JSON in its row.

    Attributes:
        input: what the component is asked in each iteration.
        expected_output: what an accurate answer says.
        criteria: what a judge looks for.
        additional_guidelines, additional_context: more for the judge.
        scoring_strategy: a judge says `binary` yes or no, or a `numeric` score from 1 to 10.
        threshold: the least score that passes.
        warmup_runs: runs before the first one that is measured.
        expected_tool_calls: names of tools that must be called.
        expected_tool_call_arguments: members that the arguments of a call must have, by the tool's name; of a list
            each must be met by some call.
        allow_additional_tool_calls: whether other tools may be called, too.
        judge: model and provider of the judge; None is the component's own model.
    """

    input: str
    expected_output: str | None = None
    criteria: str | None = None
    additional_guidelines: str | None = None
    additional_context: str | None = None
    scoring_strategy: Literal["binary", "numeric"] = "binary"
    threshold: int = 7
    warmup_runs: int = 0
    expected_tool_calls: list[str] = []
    expected_tool_call_arguments: dict[str, dict[str, Any] | list[dict[str, Any]]] = {}
    allow_additional_tool_calls: bool = False
    judge: tuple[str, str] | None = None


load_spec = loader_of(EvalSpec)

_OF_JUDGES: Final = ("additional_guidelines", "additional_context")
MEMBERS_OF: Final[Mapping[EvalType, tuple[str, ...]]] = {
    EvalType.ACCURACY: ("expected_output", *_OF_JUDGES),
    EvalType.AGENT_AS_JUDGE: ("criteria", "scoring_strategy", "threshold", *_OF_JUDGES),
    EvalType.PERFORMANCE: ("warmup_runs",),
    EvalType.RELIABILITY: ("expected_tool_calls", "expected_tool_call_arguments", "allow_additional_tool_calls"),
}
"""The members that mean something to a type, beside the input."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A run of the component that came to an answer.

    Attributes:
        document: its run object.
        memory_mib: by how much the process grew meanwhile; None where that cannot be read.
    """

    document: dict[str, Any]
    memory_mib: float | None

    @property
    def output(self) -> str:
        """The answer as text; anything else is JSON."""
        return text_of(self.document.get("content"))


Result: TypeAlias = dict[str, Any]
"""What one iteration gave: a JSON object of the eval's type, or ``{"error": …}``."""

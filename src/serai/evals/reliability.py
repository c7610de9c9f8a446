"""Reliability: whether a run called the tools that it should have, as it should have, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from serai.components.delegations import is_delegation
from serai.evals.scores import rate_of
from serai.evals.spec import EvalSpec, Result

PASSED: Final = "PASSED"
FAILED: Final = "FAILED"
_LISTS: Final = (
    *("failed_tool_calls", "passed_tool_calls", "additional_tool_calls", "missing_tool_calls"),
    *("failed_argument_checks", "passed_argument_checks"),
)


def check_reliability(spec: EvalSpec, document: Mapping[str, Any]) -> Result:
    """Return which calls of one run were expected, and which expected ones it lacks.

    Args:
        spec: what is expected; only calls that succeeded meet it.
        document: the run object. In a team's the members' calls count, too; that its leader gives work to them is
            what a team is for, and no additional call.
    """
    expected = set(spec.expected_tool_calls)
    calls = [
        call for call in _calls_of(document) if call["tool_name"] in expected or not is_delegation(call["tool_name"])
    ]
    done = [call for call in calls if not call.get("tool_call_error")]
    others = [call["tool_name"] for call in calls if call["tool_name"] not in expected]
    names = {call["tool_name"] for call in done}
    missing = [name for name in dict.fromkeys(spec.expected_tool_calls) if name not in names]
    checks = {
        name: _are_met(wanted, [call.get("tool_args") or {} for call in done if call["tool_name"] == name])
        for name, wanted in spec.expected_tool_call_arguments.items()
        if name not in missing
    }
    failed = [] if spec.allow_additional_tool_calls else others
    failed_checks = [name for name, is_met in checks.items() if not is_met]
    return {
        "eval_status": FAILED if failed or missing or failed_checks else PASSED,
        "failed_tool_calls": failed,
        "passed_tool_calls": [call["tool_name"] for call in done if call["tool_name"] in expected],
        "additional_tool_calls": others if spec.allow_additional_tool_calls else [],
        "missing_tool_calls": missing,
        "failed_argument_checks": failed_checks,
        "passed_argument_checks": [name for name, is_met in checks.items() if is_met],
    }


def sum_up_reliability(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the iterations came to: passed if each did, and the lists of all, one after the other."""
    passed = [result["eval_status"] == PASSED for result in results]
    status = (PASSED if all(passed) else FAILED) if passed else None
    lists = {name: [item for result in results for item in result[name]] for name in _LISTS}
    return {"eval_status": status, **lists, "results": [*results], "pass_rate": rate_of(passed)}


def _calls_of(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from document.get("tools") or ()
    for response in document.get("member_responses") or ():
        yield from _calls_of(response)


def _are_met(wanted: Mapping[str, Any] | Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether some call has the wanted arguments; of several wants each must be met."""
    wants = [wanted] if isinstance(wanted, Mapping) else wanted
    return bool(calls) and all(
        any(all(name in args and args[name] == value for name, value in want.items()) for args in calls)
        for want in wants
    )

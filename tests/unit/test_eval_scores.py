"""How evals are scored: statistics, verdicts summed up, and calls compared with those that were expected."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.evals.accuracy import sum_up_accuracy
from serai.evals.judge import sum_up_judge
from serai.evals.performance import measure_performance, read_resident_mib, sum_up_performance
from serai.evals.reliability import check_reliability, sum_up_reliability
from serai.evals.scores import measures_of, rate_of, spread_of
from serai.evals.spec import EvalSpec, Measured

TIMES = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=100)
NAMES = st.lists(st.sampled_from("abcd"), max_size=6)


@given(TIMES)
def test_measures_stay_between_the_least_and_the_greatest(values: list[float]):
    found = measures_of(values, "run_time")
    assert (found["min_run_time"], found["max_run_time"]) == (min(values), max(values))
    slack = 1e-9 * max(values)
    for name in ("avg_run_time", "median_run_time", "p95_run_time"):
        assert min(values) - slack <= found[name] <= max(values) + slack
    assert found["median_run_time"] <= found["p95_run_time"] + slack
    assert found["std_dev_run_time"] >= 0


@given(TIMES, st.randoms(use_true_random=False))
def test_measures_do_not_depend_on_the_order(values: list[float], random: Any):
    shuffled = [*values]
    random.shuffle(shuffled)
    assert measures_of(shuffled, "m") == measures_of(values, "m")


def test_measures_of_one_value_are_that_value_and_those_of_none_zero():
    assert measures_of([2.0], "m") == {
        "avg_m": 2.0,
        "min_m": 2.0,
        "max_m": 2.0,
        "std_dev_m": 0.0,
        "median_m": 2.0,
        "p95_m": 2.0,
    }
    assert set(measures_of([], "m").values()) == {0.0}


@given(st.lists(st.integers(1, 10), min_size=2, max_size=100))
def test_scores_have_a_mean_and_the_deviation_of_a_sample(scores: list[int]):
    spread = spread_of(scores)
    assert (spread["min_score"], spread["max_score"]) == (min(scores), max(scores))
    assert spread["avg_score"] == pytest.approx(sum(scores) / len(scores))
    assert spread["std_dev_score"] == pytest.approx(statistics.stdev(scores))


def test_no_scores_have_no_statistics():
    assert set(spread_of([]).values()) == {None}
    assert rate_of([]) == 0.0
    assert sum_up_accuracy([])["mean_score"] is None
    assert sum_up_judge([]) == {"results": [], **spread_of([]), "pass_rate": 0.0}


def test_yes_and_no_have_a_rate_and_no_scores():
    results = [{"score": None, "passed": passed} for passed in (True, False, True, True)]
    assert sum_up_judge(results) == {"results": results, **spread_of([]), "pass_rate": 75.0}


def test_performance_takes_the_runs_own_time_and_leaves_out_memory_that_is_not_known():
    document = {"metrics": {"duration": 1.5}}
    results = [measure_performance(Measured(document, memory)) for memory in (None, 2.0)]
    assert results == [{"run_time": 1.5}, {"run_time": 1.5, "memory_usage": 2.0}]
    summed = sum_up_performance(results)
    assert (summed["run_times"], summed["memory_usages"]) == ([1.5, 1.5], [2.0])
    assert (summed["avg_run_time"], summed["p95_memory_usage"]) == (1.5, 2.0)


def test_the_memory_of_this_process_is_a_number_of_mib():
    assert 10 < (read_resident_mib() or 0) < 10_000


@pytest.mark.parametrize(
    ("content", "text"), [("five", "five"), ({"sum": 5}, '{"sum":5}'), (None, ""), ("\ud800", "\ud800")]
)
def test_what_is_judged_is_text(content: Any, text: str):
    assert Measured({"content": content}, None).output == text


@given(expected=NAMES, called=NAMES, failed=NAMES, allowed=st.booleans())
def test_a_run_passes_if_what_is_expected_succeeded_and_nothing_else_was_tried(
    expected: list[str], called: list[str], failed: list[str], allowed: bool
):
    spec = EvalSpec(input="x", expected_tool_calls=expected, allow_additional_tool_calls=allowed)
    tools = [call(name) for name in called] + [call(name, fails=True) for name in failed]
    found = check_reliability(spec, {"tools": tools})
    others = [name for name in [*called, *failed] if name not in expected]
    assert found["missing_tool_calls"] == [name for name in dict.fromkeys(expected) if name not in called]
    assert found["additional_tool_calls" if allowed else "failed_tool_calls"] == others
    assert found["failed_tool_calls" if allowed else "additional_tool_calls"] == []
    assert found["passed_tool_calls"] == [name for name in called if name in expected]
    is_passed = set(expected) <= set(called) and (allowed or not others)
    assert found["eval_status"] == ("PASSED" if is_passed else "FAILED")


@pytest.mark.parametrize(
    ("wanted", "status", "failed"),
    [
        ({"a": {"x": 1}}, "PASSED", []),
        ({"a": {"x": 1, "y": 2}}, "PASSED", []),
        ({"a": {"x": 1, "y": 3}}, "FAILED", ["a"]),
        ({"a": [{"x": 1}, {"x": 5}]}, "PASSED", []),
        ({"a": [{"x": 1}, {"x": 6}]}, "FAILED", ["a"]),
        ({"a": {"z": None}}, "FAILED", ["a"]),
        ({"c": {}}, "FAILED", ["c"]),
    ],
)
def test_arguments_are_met_by_calls_that_succeeded(wanted: Any, status: str, failed: list[str]):
    spec = EvalSpec(input="x", expected_tool_calls=["a"], expected_tool_call_arguments=wanted)
    tools = [call("a", x=1, y=2), call("a", x=5), call("a", fails=True, x=6)]
    found = check_reliability(spec, {"tools": tools})
    assert (found["eval_status"], found["failed_argument_checks"]) == (status, failed)


def test_arguments_of_a_call_that_is_missing_are_not_told_again():
    spec = EvalSpec(input="x", expected_tool_calls=["a"], expected_tool_call_arguments={"a": {"x": 1}})
    found = check_reliability(spec, {"tools": []})
    assert (found["missing_tool_calls"], found["failed_argument_checks"]) == (["a"], [])


def test_members_calls_count_at_any_depth_and_delegations_only_when_they_are_expected():
    inner = {"tools": [call("a")], "member_responses": [{"tools": [call("b")]}]}
    document = {"tools": [call("delegate_task_to_member")], "member_responses": [inner]}
    found = check_reliability(EvalSpec(input="x", expected_tool_calls=["a", "b"]), document)
    assert (found["eval_status"], found["passed_tool_calls"]) == ("PASSED", ["a", "b"])
    wanted = ["delegate_task_to_members", "a", "b"]
    assert (
        check_reliability(EvalSpec(input="x", expected_tool_calls=wanted), document)["missing_tool_calls"] == wanted[:1]
    )


def test_reliability_passes_when_each_iteration_does():
    spec = EvalSpec(input="x", expected_tool_calls=["a"])
    good, bad = (check_reliability(spec, {"tools": [call(name)]}) for name in "ab")
    assert sum_up_reliability([good, good])["eval_status"] == "PASSED"
    summed = sum_up_reliability([good, bad])
    assert (summed["eval_status"], summed["pass_rate"]) == ("FAILED", 50.0)
    assert (summed["passed_tool_calls"], summed["failed_tool_calls"]) == (["a"], ["b"])
    assert sum_up_reliability([])["eval_status"] is None


def call(name: str, *, fails: bool = False, **args: Any) -> dict[str, Any]:
    return {"tool_name": name, "tool_args": args, "tool_call_error": fails}

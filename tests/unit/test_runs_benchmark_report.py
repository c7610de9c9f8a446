"""The runs benchmark's tables follow from its samples, and the page holds what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.report import PAGE
from benchmarks.runs.aims import FIRST, THOUSANDTH, ratios
from benchmarks.runs.cases import next_streams
from benchmarks.runs.operations import Operation, Step
from benchmarks.runs.report import BEGIN, END, render, render_page
from benchmarks.runs.results import (
    EngineSample,
    FollowSample,
    Result,
    Sample,
    StreamSample,
    read_result,
    write_result,
)
from benchmarks.subjects import PEER_ON_QUEUE, PEER_ON_SQLITE


def sample(
    operation: str, subject: str, cpu_ms: float | None, *, concurrency: int = 1, database_ms: float = 0.0
) -> Sample:
    return Sample(operation, subject, concurrency, 100, 0, 5.0, 4.0, cpu_ms, database_ms, 0.5)


def result_of(*samples: Sample) -> Result:
    return Result(
        taken_at="2026-01-01T00:00:00+00:00",
        commit="abc",
        machine={"processor": "P", "cores": "2", "memory_gb": "25", "python": "3.11"},
        rounds=1,
        seconds=1.0,
        commit_ms={"delayed": 3.1, "plain": 0.2},
        not_run={"another": "uv is not installed"},
        follows=[FollowSample("another node", 100, 9.0, 12.0)],
        streams=[
            StreamSample("Serai", count, 100, late_ms, 60.0, 1.0, None) for count, late_ms in ((500, 51), (90, 9))
        ],
        engine=[EngineSample(Step.CLAIM, nodes, 10, per_s, None) for nodes, per_s in ((1, 100.0), (2, 90.0))],
        samples=list(samples),
    )


def verdict_of(result: Result, start: str) -> str:
    return next(one.verdict for one in ratios(result) if one.what.startswith(start))


def line_of(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_the_generator_makes_of_the_result() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_result()) == page, "run: uv run python -m benchmarks.runs.report"


def test_an_aim_counts_the_database_on_both_sides() -> None:
    ours = [sample(Operation.PLAIN, "Serai", ms, database_ms=1.0) for ms in (1.0, 2.0, 9.0)]
    for theirs, verdict in ((5.0, "met"), (4.9, "**missed**")):
        result = result_of(*ours, sample(Operation.PLAIN, PEER_ON_SQLITE, theirs))
        assert verdict_of(result, "plain run, 1 at a time: CPU over agno 3.1.10, SQLite") == verdict


@pytest.mark.parametrize("operation", [Operation.TEAM, Operation.WORKFLOW, Operation.PARALLEL])
def test_teams_and_workflows_have_the_aim_of_plain_runs(operation: Operation) -> None:
    for ours, verdict in ((6.0, "met"), (6.1, "**missed**")):
        rows = [sample(operation, name, ms, concurrency=64) for name, ms in (("Serai", ours), (PEER_ON_SQLITE, 10.0))]
        result = result_of(*rows)
        assert verdict_of(result, f"{operation}, 64 at a time: CPU over {PEER_ON_SQLITE}") == verdict
        assert line_of(render(result), f"64 at a time: Serai | {ours:.2f} ms")


def test_streams_are_compared_by_the_event() -> None:
    ours = replace(sample(Operation.STREAM, "Serai", 6.0), events=20_000)
    theirs = replace(sample(Operation.STREAM, PEER_ON_SQLITE, 20.0), events=20_000)
    [ratio] = [one for one in ratios(result_of(ours, theirs)) if one.value is not None and "event" in one.what]
    assert (ratio.ours, ratio.theirs, ratio.verdict) == (30.0, 100.0, "met")


def test_a_tenth_of_the_durable_queue_is_asked_of_background_runs() -> None:
    rows = [
        sample(Operation.BACKGROUND, name, ms, concurrency=16) for name, ms in (("Serai", 2.0), (PEER_ON_QUEUE, 19.6))
    ]
    assert verdict_of(result_of(*rows), "background run") == "**missed**"


def test_a_long_session_must_not_cost_more() -> None:
    rows = [sample(place, "Serai", ms) for place, ms in ((FIRST, 2.0), (THOUSANDTH, 2.1))]
    assert verdict_of(result_of(*rows), "Serai: CPU of the 1,000th") == "met"


def test_a_step_that_falls_with_more_nodes_misses_the_aim() -> None:
    assert verdict_of(result_of(), "claim: per second with 1 node, over 2") == "**missed**"


def test_the_most_streams_are_those_that_were_on_time() -> None:
    assert line_of(render(result_of()), "Serai | 90 | 500 |")


def test_the_search_for_the_most_streams_closes_in_on_them() -> None:
    for bound in (3, 90, 499, 700, 5000):
        passed, failed = (500, None) if bound >= 500 else (0, 500)
        tried = 0
        while (streams := next_streams(passed, failed, most=2048)) is not None:
            tried += 1
            passed, failed = (streams, failed) if streams <= bound else (passed, streams)
        assert passed <= bound
        assert passed == 2048 or (failed is not None and failed - passed <= max(1, failed // 12))
        assert tried <= 10


def test_what_was_not_measured_says_so() -> None:
    page = render(result_of(sample(Operation.PLAIN, "Serai", None)))
    assert line_of(page, "1 at a time: Serai").startswith("| 1 at a time: Serai | not measured |")
    assert verdict_of(result_of(), "plain run") == "not measured"
    assert "- another was NOT RUN: uv is not installed." in page
    assert "NOT MEASURED" in render_page(f"{BEGIN}\n{END}", None)


def test_results_survive_their_file(tmp_path: Path) -> None:
    result = result_of(sample(Operation.PLAIN, "Serai", 1.25))
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert read_result(tmp_path / "empty") is None


def test_tables_replace_the_old_ones_and_nothing_else() -> None:
    new = render_page(f"before\n{BEGIN}\nold\n{END}\nafter\n", result_of())
    assert new.startswith(f"before\n{BEGIN}\n")
    assert new.endswith(f"{END}\nafter\n")
    assert "old" not in new
    with pytest.raises(ValueError, match="needs the lines"):
        render_page("no markers", None)

"""The records benchmark's tables follow from its samples, and its scripts send what a server sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.records.aims import ratios
from benchmarks.records.operations import Operation
from benchmarks.records.report import BEGIN, END, render, render_page
from benchmarks.records.results import Result, Sample, read_results, write_result
from benchmarks.records.statements import Script, Statement, common
from benchmarks.records.subjects import BARE, BOUND
from benchmarks.report import PAGE


def sample(subject: str, operation: Operation, *, concurrency: int = 1, ms: float = 1.0, failures: int = 0) -> Sample:
    failure = "503 Service Unavailable" if failures else ""
    return Sample(operation, subject, concurrency, 100, failures, ms, ms, ms, ms, 0.5, failure)


def result_of(*samples: Sample) -> Result:
    return Result(
        taken_at="2026-01-01T00:00:00+00:00",
        commit="abc",
        machine={"processor": "P", "cores": "2", "memory_gb": "25", "python": "3.11"},
        rows=1000,
        small_rows=100,
        seconds=1.0,
        rounds=1,
        built_s=3.0,
        indexes=["an_index"],
        not_run={"another": "node is not installed"},
        notes=[("peer", "total", "no such operation")],
        samples=list(samples),
    )


def line_of(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_the_generator_makes_of_the_largest_run() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_results()) == page, "run: uv run python -m benchmarks.records.report"


def test_an_aim_is_met_or_missed_by_the_medians() -> None:
    ours = [sample("Serai", Operation.TOTAL, ms=ms) for ms in (1.0, 1.2, 9.0)]
    for theirs, verdict in ((1.0, "met"), (0.9, "**missed**")):
        result = result_of(*ours, sample(BOUND, Operation.TOTAL, ms=theirs))
        [ratio] = [one for one in ratios(result) if one.what.startswith("total: waiting time over")]
        assert ratio.ours == 1.2
        assert ratio.verdict == verdict


def test_what_was_not_measured_has_no_verdict() -> None:
    [ratio] = [one for one in ratios(result_of()) if one.what.startswith("get: server's CPU") and BARE in one.what]
    assert ratio.verdict == "not measured"


def test_one_row_behind_a_peer_misses_the_aim() -> None:
    pairs = ((Operation.GET, 2.0), (Operation.TOTAL, 0.5))
    samples = [sample("Serai", operation) for operation, _ in pairs]
    samples += [sample("peer", operation, ms=ms) for operation, ms in pairs]
    [ratio] = [one for one in ratios(result_of(*samples)) if "1 at a time, over peer" in one.what]
    assert ratio.what.endswith("ahead in 1 of 2 rows, the worst is total")
    assert ratio.verdict == "**missed**"


def test_peers_that_lack_refuse_or_did_not_run_say_so() -> None:
    refused = sample("peer", Operation.GET, failures=25)
    page = render(result_of(sample("Serai", Operation.GET), sample("Serai", Operation.TOTAL), refused))
    assert line_of(page, "get").endswith("| 1.00 ms (25% failed: 503 Service Unavailable) | NOT RUN |")
    assert line_of(page, "total").endswith("| none | NOT RUN |")
    assert "- peer, total: no such operation." in page
    assert "- another was NOT RUN: node is not installed." in page


def test_results_survive_their_file(tmp_path: Path) -> None:
    result = result_of(sample("Serai", Operation.GET))
    write_result(result, tmp_path)
    write_result(replace(result, rows=10), tmp_path)
    assert read_results(tmp_path) == [replace(result, rows=10), result]


def test_tables_replace_the_old_ones_and_nothing_else() -> None:
    new = render_page(f"before\n{BEGIN}\nold\n{END}\nafter\n", [result_of(sample("Serai", Operation.GET))])
    assert new.startswith(f"before\n{BEGIN}\n")
    assert new.endswith(f"{END}\nafter\n")
    assert "old" not in new
    with pytest.raises(ValueError, match="needs the lines"):
        render_page("no markers", [])


def test_a_script_puts_its_values_in_turn_where_the_given_one_was() -> None:
    script = Script((Statement("select $1, $2", ("tag-1", ["x", "a tag-1"])),), "tag-1", ("tag-2", "tag-3"))
    assert [script.instance(index) for index in range(3)] == [
        (Statement("select $1, $2", ("tag-2", ["x", "a tag-2"])),),
        (Statement("select $1, $2", ("tag-3", ["x", "a tag-3"])),),
        (Statement("select $1, $2", ("tag-2", ["x", "a tag-2"])),),
    ]


def test_a_script_that_can_be_done_once_ends() -> None:
    script = Script((Statement("delete", ("a",)),), "a", ("b",), is_cycled=False)
    assert script.instance(0) == (Statement("delete", ("b",)),)
    assert script.instance(1) is None


def test_a_script_without_values_gets_new_ids() -> None:
    script = Script((Statement("insert", ("id-1",)),), "id-1")
    assert len({script.instance(index) for index in range(10)}) == 10


def test_what_ran_beside_a_request_is_not_its_own() -> None:
    beside, own = Statement("select clock", ()), [Statement("select it", (number,)) for number in range(3)]
    assert common([[own[0]], [beside, own[1]], [own[2], beside]]) == (own[2],)

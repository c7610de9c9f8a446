"""The state benchmark's tables follow from its samples, and the page holds what they say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.report import PAGE
from benchmarks.state.aims import ratios
from benchmarks.state.dataset import Dataset
from benchmarks.state.operations import LISTS, ONE_BY_ONE, Operation, Place, Sizes
from benchmarks.state.report import render, render_page
from benchmarks.state.results import Kept, Result, Sample, read_result, write_result
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI


def sample(
    operation: Operation,
    subject: str,
    cpu_ms: float | None,
    *,
    place: Place = Place.MEDIUM,
    rows: int = 10_000,
    concurrency: int = 1,
    p50_ms: float = 1.0,
) -> Sample:
    return Sample(operation, subject, place, rows, concurrency, 10, 1.0, p50_ms, cpu_ms, 1.0, 2_000, 1.5, 0.5)


def result_of(*samples: Sample, kept: Kept | None = None) -> Result:
    return Result(
        taken_at="2026-01-01T00:00:00+00:00",
        commit="abc",
        machine={"processor": "P", "cores": "2", "memory_gb": "25", "python": "3.11"},
        rows=1_000_000,
        peer_rows=100_000,
        medium_rows=10_000,
        small_rows=20,
        rounds=1,
        seconds=1.0,
        not_run={"refresh": "given up"},
        kept=[kept] if kept else [],
        samples=list(samples),
    )


def verdict_of(result: Result, start: str) -> str:
    return next(one.verdict for one in ratios(result) if one.what.startswith(start))


def line_of(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_the_generator_makes_of_the_result() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_result()) == page, "run: uv run python -m benchmarks.state.report"


def test_every_operation_is_measured_once() -> None:
    assert sorted([*ONE_BY_ONE, *LISTS, Operation.REFRESH]) == sorted(Operation)


def test_one_thing_may_cost_three_twentieths() -> None:
    for ours, verdict in ((0.5, "met"), (0.51, "**missed**")):
        result = result_of(sample(Operation.GET, SERAI, ours), sample(Operation.GET, PEER_ON_POSTGRES, 9.0))
        assert verdict_of(result, "get a session, 1 at a time: CPU") == verdict
        assert verdict_of(result, "get a session, 16 at a time: CPU") == "not measured"


def test_a_list_of_a_million_is_compared_with_one_of_twenty() -> None:
    few = sample(Operation.NEWEST, SERAI, 1.0, place=Place.SMALL, rows=20)
    for p50_ms, verdict in ((1.5, "met"), (1.6, "**missed**")):
        many = sample(Operation.NEWEST, SERAI, 1.0, place=Place.LARGE, rows=1_000_000, p50_ms=p50_ms)
        assert verdict_of(result_of(few, many), "newest sessions: waiting time at 1,000,000 over 20") == verdict


def test_topics_have_five_milliseconds() -> None:
    for p50_ms, verdict in ((5.0, "met"), (5.1, "**missed**")):
        topics = sample(Operation.TOPICS, SERAI, 1.0, place=Place.LARGE, p50_ms=p50_ms)
        assert verdict_of(result_of(topics), "topics of all memories") == verdict


def test_a_lost_key_misses_the_aim() -> None:
    for keys, verdict in ((20, "met"), (19, "**missed**")):
        result = result_of(kept=Kept(SERAI, 20, keys, 300, 300))
        assert verdict_of(result, "20 runs at a time in one session: keys lost") == verdict
        assert line_of(render(result), "20 runs at a time") == (
            f"| 20 runs at a time in one session: Serai | {keys} of 20 | 300 of 300 |"
        )


def test_a_row_says_on_how_many_each_server_was_measured() -> None:
    rows = [
        sample(Operation.LAST, name, 1.0, place=Place.LARGE, rows=rows)
        for name, rows in ((SERAI, 1_000_000), (PEER_ON_POSTGRES, 100_000))
    ]
    page = render(result_of(*rows))
    assert line_of(page, "sessions, last page").startswith(
        "| sessions, last page, of 1,000,000 (agno: 100,000) | 2.00 ms"
    )
    assert "agno has 100,000 rows where Serai has 1,000,000" in page


def test_what_was_not_measured_says_so() -> None:
    page = render(result_of(sample(Operation.GET, SERAI, None)))
    assert line_of(page, "get a session, 1 at a time").count("not measured") == 6
    assert "- refresh was NOT RUN: given up." in page


def test_results_survive_their_file(tmp_path: Path) -> None:
    result = result_of(sample(Operation.GET, SERAI, 1.25), kept=Kept(SERAI, 20, 20, 300, 300))
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert read_result(tmp_path / "empty") is None


@pytest.mark.parametrize("rows", [20, 1000])
def test_rows_follow_each_other_in_time_and_have_ids_of_their_own(rows: int) -> None:
    data = Dataset(rows, datetime(2026, 1, 1, tzinfo=UTC))
    memories = list(data.memories())
    assert memories == sorted(memories, key=lambda one: one.id)
    assert {one.id.version for one in memories} == {7}
    assert len({one.id for one in memories}) == len({one.id for one in data.sessions()}) == rows
    assert data.session(rows).created_at == data.until


def test_the_peer_has_fewer_rows_in_the_large_database_alone() -> None:
    sizes = Sizes()
    assert [sizes.rows_of(place, is_peer=True) for place in Place] == [20, 10_000, 100_000]
    assert [sizes.rows_of(place, is_peer=False) for place in Place] == [20, 10_000, 1_000_000]

"""The knowledge benchmark's tables follow from its samples, and the page holds what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.knowledge.aims import ratios
from benchmarks.knowledge.dataset import CHUNKS_OF_CONTENT, contents, question_of, tag_of, text_of, vector_of
from benchmarks.knowledge.kinds import LARGE, Kind, Sizes
from benchmarks.knowledge.report import render, render_page
from benchmarks.knowledge.results import EMPTY, Result, Sample, Upload, read_result, write_result
from benchmarks.knowledge.stores import BARE
from benchmarks.report import PAGE
from benchmarks.subjects import SERAI

CHROMA = "agno 3.1.10, Chroma"


def sample(kind: str, subject: str, p50_ms: float, cpu_ms: float | None = 1.0) -> Sample:
    return Sample(kind, subject, 1_000, 10, 1.0, p50_ms, cpu_ms, None, 10.0, 0.5 if subject == BARE else None)


def upload(kind: str, subject: str, cpu_ms: float, lag_ms: float = 1.0) -> Upload:
    return Upload(kind, subject, 2, 40, 100.0, cpu_ms, 5.0 if subject == SERAI else None, lag_ms)


def result_of(*taken: Sample | Upload) -> Result:
    return Result(
        taken_at="2026-01-01T00:00:00+00:00",
        commit="abc",
        machine={"processor": "P", "cores": "2", "memory_gb": "25", "python": "3.11"},
        chunks=(1_000,),
        peer_chunks=(1_000,),
        filled_s={"Serai, 1,000 chunks": 2.0},
        document_chunks=20,
        rounds=1,
        seconds=1.0,
        not_run={"LanceDB": "left out"},
        uploads=[one for one in taken if isinstance(one, Upload)],
        samples=[one for one in taken if isinstance(one, Sample)],
    )


def verdict_of(result: Result, what: str) -> str:
    return next(one.verdict for one in ratios(result) if one.what == what)


def line_of(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_the_generator_makes_of_the_result() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_result()) == page, "run: uv run python -m benchmarks.knowledge.report"


def test_a_search_may_wait_three_tenths_longer_than_its_statement() -> None:
    for p50_ms, verdict in ((1.3, "met"), (1.31, "**missed**")):
        result = result_of(sample(Kind.VECTOR, SERAI, p50_ms), sample(Kind.VECTOR, BARE, 1.0))
        assert verdict_of(result, f"vector, 1,000 chunks: waiting time over {BARE}") == verdict
        assert verdict_of(result, f"hybrid, 1,000 chunks: waiting time over {BARE}") == "not measured"


def test_what_http_costs_is_added_to_the_statement() -> None:
    taken = [sample(Kind.VECTOR, SERAI, 1.9), sample(Kind.VECTOR, BARE, 1.0), sample(EMPTY, SERAI, 0.5)]
    what = f"vector, 1,000 chunks: waiting time over {BARE} and an {EMPTY}"
    assert verdict_of(result_of(*taken), what) == "met"
    line = line_of(render(result_of(*taken)), "1,000 chunks: Serai")
    assert line == "| 1,000 chunks: Serai | 1.90 ms | +0.90 ms | 1.00 ms | – | 10.0 |  |"


def test_a_peer_s_search_and_upload_may_cost_five_times_as_much() -> None:
    for ours, verdict in ((1.0, "met"), (1.1, "**missed**")):
        searches = result_of(sample(Kind.HYBRID, SERAI, 1.0, ours), sample(Kind.HYBRID, CHROMA, 1.0, 5.0))
        assert verdict_of(searches, f"hybrid, 1,000 chunks: CPU over {CHROMA}") == verdict
        uploads = result_of(upload("pdf", SERAI, 10 * ours), upload("pdf", CHROMA, 75.0))
        assert verdict_of(uploads, f"pdf: CPU of an upload over {CHROMA}") == verdict


def test_an_event_loop_may_be_blocked_for_twenty_milliseconds() -> None:
    for lag_ms, verdict in ((20.0, "met"), (20.1, "**missed**")):
        result = result_of(upload(LARGE, SERAI, 10.0, lag_ms))
        assert verdict_of(result, f"{LARGE}: event loop blocked, over 20 ms") == verdict


def test_a_document_is_told_by_its_chunks() -> None:
    page = render(result_of(upload("pdf", SERAI, 10.0)))
    assert line_of(page, "pdf: Serai") == (
        "| pdf: Serai | 20.0 | 100 ms | 15.0 ms | 5.00 ms | 5.00 ms | 0.75 ms | 1.00 ms |"
    )
    assert "- LanceDB was NOT RUN: left out." in page


def test_results_survive_their_file(tmp_path: Path) -> None:
    result = result_of(sample(Kind.KEYWORD, BARE, 1.25), upload("txt", CHROMA, 3.0))
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert read_result(tmp_path / "empty") is None


def test_chunks_follow_from_their_numbers() -> None:
    assert [one for numbers in contents(50) for one in numbers] == list(range(1, 51))
    assert len({text_of(number) for number in range(1, 201)}) == 200
    assert {tag_of(number) for number in range(1, CHUNKS_OF_CONTENT + 1)} == {"t0"}
    assert len({tag_of(number) for number in range(1, 2_001)}) == 100
    one, other = vector_of("a"), vector_of("b")
    assert one.tolist() == vector_of("a").tolist() != other.tolist()
    assert np.isfinite(one).all()


def test_questions_have_words_of_the_chunks() -> None:
    for index in range(20):
        words = question_of(index, 100).split()
        assert len(words) == 2
        assert {*words} <= {*text_of(1 + index * 7919 % 100).split()}
        assert len(question_of(index, 100, is_loose=True).split()) == 6


def test_the_peers_have_100_000_chunks_at_the_most() -> None:
    assert Sizes().all_peer_chunks == (1_000, 100_000)

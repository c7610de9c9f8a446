"""The traces benchmark's tables follow from its samples, and the page holds what they say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import PAGE
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI
from benchmarks.traces.aims import ratios
from benchmarks.traces.asks import ask, trace_id
from benchmarks.traces.bare import BARE, per_item, read_bodies
from benchmarks.traces.cases import tracing_name
from benchmarks.traces.operations import RUNS, SPANS, Operation, Sizes
from benchmarks.traces.report import render, render_page
from benchmarks.traces.results import Result, Sample, read_result, write_result
from benchmarks.traces.sent_spans import make_batch, send


def sample(
    operation: str,
    subject: str,
    cpu_ms: float | None,
    *,
    traces: int = 0,
    concurrency: int = 1,
    p50_ms: float = 1.0,
) -> Sample:
    return Sample(
        operation=operation,
        subject=subject,
        traces=traces,
        concurrency=concurrency,
        count=10,
        wall_ms=2.0,
        p50_ms=p50_ms,
        server_cpu_ms=cpu_ms,
        database_cpu_ms=None if cpu_ms is None else 0.0,
        load_busy=0.1,
    )


def result_of(*samples: Sample) -> Result:
    return Result(
        taken_at="2026-01-01T00:00:00+00:00",
        commit="abc",
        machine={"processor": "P", "cores": "2", "memory_gb": "25", "python": "3.11"},
        traces=(20, 1_000, 2_000),
        peer_traces=(20, 1_000),
        rounds=1,
        seconds=1.0,
        batch_spans=512,
        not_run={},
        samples=list(samples),
    )


def verdict_of(result: Result, what: str) -> str:
    return next(one.verdict for one in ratios(result) if one.what == what)


def line_of(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_the_generator_makes_of_the_result() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_result()) == page, "run: uv run python -m benchmarks.traces.report"


def test_the_trace_of_a_run_may_cost_three_tenths_of_a_millisecond() -> None:
    for traced_ms, verdict, more in ((2.29, "met", "+0.29 ms"), (2.31, "**missed**", "+0.31 ms")):
        plain = sample(RUNS, tracing_name(SERAI, traced=False), 2.0, concurrency=16)
        traced = sample(RUNS, tracing_name(SERAI, traced=True), traced_ms, concurrency=16)
        result = result_of(plain, traced)
        assert verdict_of(result, f"{RUNS}, 16 at a time: CPU of its trace over 0.3 ms") == verdict
        assert verdict_of(result, f"{RUNS}, 1 at a time: CPU of its trace over 0.3 ms") == "not measured"
        line = line_of(render(result), f"16 at a time: {tracing_name(SERAI, traced=True)}")
        assert line.split(" | ")[3] == more


def test_a_span_may_cost_twenty_microseconds() -> None:
    for cpu_ms, verdict in ((0.0199, "met"), (0.0201, "**missed**")):
        result = result_of(sample(SPANS, SERAI, cpu_ms), sample(SPANS, BARE, None))
        assert verdict_of(result, f"{SPANS}: CPU over 20 µs") == verdict
    page = render(result_of(sample(SPANS, SERAI, 0.0201), sample(SPANS, BARE, None)))
    assert line_of(page, "Serai").startswith("| Serai | 500 | 20.1 µs | 20.1 µs | 0.00 µs |")
    assert line_of(page, BARE) == f"| {BARE} | 500 | not measured | not measured | not measured |"


def test_lists_are_as_quick_with_many_traces_as_with_few() -> None:
    for many_ms, verdict in ((1.5, "met"), (1.51, "**missed**")):
        newest = [sample(Operation.NEWEST, SERAI, 1.0, traces=20, p50_ms=1.0)]
        newest += [sample(Operation.NEWEST, SERAI, 1.0, traces=2_000, p50_ms=many_ms)]
        assert verdict_of(result_of(*newest), "newest traces: waiting time at 2,000 over 20") == verdict


def test_what_has_a_full_page_of_many_only_is_compared_from_there_on() -> None:
    names = [one.what for one in ratios(result_of())]
    assert "traces that failed: waiting time at 2,000 over 1,000" in names
    assert not any(name.startswith("traces that failed") and name.endswith("over 20") for name in names)
    assert "traces, page in the middle: CPU at 2,000 over newest traces of 20" in names


def test_a_peer_s_lists_cost_twenty_times_as_much() -> None:
    for ours_ms, verdict in ((5.0, "met"), (5.1, "**missed**")):
        ours = sample(Operation.DETAIL, SERAI, ours_ms, traces=1_000)
        theirs = sample(Operation.DETAIL, PEER_ON_POSTGRES, 100.0, traces=1_000)
        result = result_of(ours, theirs)
        assert verdict_of(result, f"a trace as a tree of 1,000: CPU over {PEER_ON_POSTGRES}") == verdict


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    result = result_of(sample(SPANS, SERAI, 0.02))
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result


def test_questions_ask_for_traces_that_are_there() -> None:
    ids = {trace_id(number) for number in range(1, 41)}
    asked = {ask(Operation.DETAIL, index, 40).path.removeprefix("/traces/") for index in range(80)}
    assert asked == ids
    assert ask(Operation.MIDDLE, 0, 1_000_000).path == "/traces?limit=20&page=25000"


def test_spans_of_other_programs_are_read_as_agents_models_and_tools() -> None:
    spans = read_bodies([send(make_batch(12)).body])
    assert len({(span.trace_id, span.span_id) for span in spans}) == 12
    assert [span.kind for span in spans[:5]] == ["AGENT", "LLM", "TOOL", "LLM", "OTHER"]
    assert (spans[1].model, spans[1].input_tokens) == ("gpt-5-mini", 412)
    assert "Norway" in str(spans[1].input)


def test_what_came_in_requests_is_told_by_the_span() -> None:
    told = per_item(sample(SPANS, BARE, 1.0), 1_000)
    assert (told.count, told.wall_ms, told.cpu_ms) == (1_000, 0.02, 0.01)


def test_the_databases_of_the_peer_stop_at_what_it_can_list() -> None:
    assert Sizes().all_peer_traces == (20, 100_000)

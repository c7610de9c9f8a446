"""Counters and histograms: what Prometheus reads of them, and that their number is bounded."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serai.domain.run_state import RunStatus
from serai.storage.census import Census
from serai.telemetry.exposition import collect_tally, render
from serai.telemetry.series import Series
from serai.telemetry.tally import OTHER, Counter, Histogram


def read(series: Series, census: Census | None = None) -> dict[tuple[str, ...], float]:
    text, _ = render(series.snapshot(census), accept="")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_value_on_a_bound_lies_in_its_bucket():
    histogram = Histogram("seconds", "Seconds.", bounds=(1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        histogram.note(value)
    samples = {(sample.name, sample.labels.get("le")): sample.value for sample in collect_tally(histogram).samples}
    assert samples == {
        ("seconds_bucket", "1.0"): 2,
        ("seconds_bucket", "2.0"): 3,
        ("seconds_bucket", "+Inf"): 4,
        ("seconds_count", None): 4,
        ("seconds_sum", None): 6.0,
    }


def test_names_beyond_the_most_are_counted_together():
    counter, histogram = Counter("n", "Numbers.", ("name",), most=2), Histogram("s", "Seconds.", ("name",), most=2)
    for name in ("a", "b", "c", "d", "a"):
        counter.add((name,))
        histogram.note(1.0, (name,))
    assert counter.values == {("a",): 2, ("b",): 1, (OTHER,): 2}
    counts = {
        sample.labels["name"]: sample.value for sample in collect_tally(histogram).samples if sample.name == "s_count"
    }
    assert counts == {"a": 2, "b": 1, OTHER: 2}


def test_only_recent_values_are_looked_at():
    now = [0.0]
    histogram = Histogram("s", "Seconds.", ("name",), clock=lambda: now[0])
    histogram.note(1.0, ("a",))
    now[0] = 100.0
    histogram.note(2.0, ("a",))
    assert list(histogram.recent(since=50.0)) == [(("a",), [2.0])]
    assert list(histogram.recent(since=150.0)) == []


def test_two_servers_of_one_process_count_apart():
    one, other = Series(), Series()
    one.run_rested("agent", "helper", RunStatus.COMPLETED, 0.1)
    assert read(one)["serai_runs_ended_total", "COMPLETED", "agent", "helper"] == 1
    assert ("serai_runs_ended_total", "COMPLETED", "agent", "helper") not in read(other)


def test_a_pause_is_no_end():
    series = Series()
    series.run_rested("agent", "helper", RunStatus.PAUSED, 0.1)
    assert read(series)["serai_runs_paused_total", "agent", "helper"] == 1
    assert series.rates()["runs_ended"] == 0


def test_tokens_and_dollars_are_counted_by_model():
    series = Series()
    series.usage_counted(
        [
            {
                "id": "gpt-4o",
                "provider": "openai",
                "input_tokens": 10,
                "total_tokens": 12,
                "output_tokens": 2,
                "cost": 0.5,
            },
            {"id": None, "provider": None, "input_tokens": 1, "cost": None},
        ]
    )
    values = read(series)
    assert values["serai_tokens_total", "gpt-4o", "input", "openai"] == 10
    assert values["serai_tokens_total", "", "", "input"] == 1
    assert values["serai_cost_dollars_total", "gpt-4o", "openai"] == pytest.approx(0.5)
    assert ("serai_tokens_total", "gpt-4o", "openai", "total") not in values
    assert ("serai_cost_dollars_total", "", "") not in values


def test_a_database_that_is_away_leaves_the_rest_readable():
    series = Series()
    assert read(series)["serai_database_up",] == 0
    values = read(series, Census(runs={("agent", "PENDING"): 3}, queued=2, oldest_s=1.5, nodes=1))
    assert (values["serai_runs", "PENDING", "agent"], values["serai_queue_oldest_seconds",]) == (3, 1.5)

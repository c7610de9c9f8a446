"""The records benchmark runs whole at 10,000 records and hardly any load; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.records.__main__ import main
from benchmarks.records.operations import CONCURRENCIES, Operation
from benchmarks.records.results import read_results
from benchmarks.records.subjects import BARE, BARE_BATCHED, BOUND, SMALL


@pytest.mark.thorough  # half a minute and more
def test_records_benchmark_measures_every_operation(tmp_path: Path) -> None:
    assert main(["--rows", "10000", "--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    [result] = read_results(tmp_path)
    assert result.subjects() == ["Serai", BOUND, BARE, BARE_BATCHED, SMALL]
    assert set(result.not_run) == {"Kinto 26.5", "parse-server 9.10"}
    for operation in Operation:
        for concurrency in CONCURRENCIES:
            for subject in ("Serai", BOUND):
                [sample] = result.of(operation, subject, concurrency)
                assert sample.requests > 0
                assert sample.failures == 0

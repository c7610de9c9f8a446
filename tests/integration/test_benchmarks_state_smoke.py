"""The state benchmark runs whole with hardly any rows and load; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.state.__main__ import main
from benchmarks.state.operations import LISTS, ONE_BY_ONE, QUICK, Operation, Place
from benchmarks.state.results import read_result


@pytest.mark.thorough
def test_state_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    assert {one.subject for one in result.samples} == {"Serai"}
    lists = {(operation, place, 1) for operation, places in LISTS.items() for place in places}
    one_by_one = {(operation, Place.MEDIUM, count) for operation in ONE_BY_ONE for count in QUICK.concurrencies}
    measured = {(one.operation, one.place, one.concurrency) for one in result.samples}
    assert measured == lists | one_by_one | {(Operation.REFRESH, Place.LARGE, 1)}
    assert all(one.requests > 0 for one in result.samples)
    [kept] = result.kept
    assert (kept.keys, kept.tokens) == (QUICK.concurrent, kept.used_tokens)

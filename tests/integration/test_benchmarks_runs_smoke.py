"""The runs benchmark runs whole with hardly any load; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.runs.__main__ import main
from benchmarks.runs.following import OTHER_NODE, SAME_NODE
from benchmarks.runs.operations import QUICK, Operation, Step, position_name
from benchmarks.runs.results import read_result


@pytest.mark.thorough  # half a minute and more
def test_runs_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    assert {one.subject for one in result.samples} == {"Serai"}
    rows = [*Operation, *map(position_name, QUICK.positions)]
    assert {one.operation for one in result.samples} == set(rows)
    assert all(one.runs > 0 for one in result.samples)
    assert {one.where for one in result.follows} == {SAME_NODE, OTHER_NODE}
    assert all(one.seen for one in result.streams)
    assert {(one.step, one.nodes) for one in result.engine} == {(step, count) for step in Step for count in QUICK.nodes}
    assert all(one.done > 0 for one in result.engine)

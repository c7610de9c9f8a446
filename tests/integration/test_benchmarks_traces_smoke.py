"""The traces benchmark runs whole with hardly any traces; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.subjects import SERAI
from benchmarks.traces.__main__ import main
from benchmarks.traces.bare import BARE
from benchmarks.traces.cases import tracing_name
from benchmarks.traces.operations import QUICK, RUNS, SPANS, STATEMENTS, Operation
from benchmarks.traces.results import read_result


@pytest.mark.thorough  # four servers are started
def test_traces_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    (traces,) = QUICK.traces
    measured = {(one.operation, one.subject, one.traces) for one in result.samples}
    assert measured == {
        *((RUNS, tracing_name(SERAI, traced=traced), 0) for traced in (False, True)),
        *((SPANS, subject, 0) for subject in (SERAI, BARE)),
        *((operation, SERAI, traces) for operation in Operation),
        *((operation, BARE, traces) for operation in STATEMENTS),
    }
    assert all(one.count > 0 for one in result.samples)

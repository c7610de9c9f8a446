"""The knowledge benchmark runs whole with hardly any chunks; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

from benchmarks.knowledge.__main__ import main
from benchmarks.knowledge.kinds import QUICK, Kind
from benchmarks.knowledge.results import read_result


def test_knowledge_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    measured = {(one.kind, one.subject, one.chunks) for one in result.samples}
    (chunks,) = QUICK.chunks
    assert measured == {(kind, name, chunks) for kind in Kind for name in ("Serai", "the statements alone")}
    assert all(one.requests > 0 for one in result.samples)

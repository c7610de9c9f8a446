"""The knowledge benchmark runs whole with hardly any chunks; figures of such a run are not looked at."""

from __future__ import annotations

from pathlib import Path

from benchmarks.knowledge.__main__ import main
from benchmarks.knowledge.operations import BARE_SEARCH, FORMATS, QUICK, SERAI_SEARCH
from benchmarks.knowledge.report import ratios, render
from benchmarks.knowledge.results import read_result


def test_knowledge_benchmark_measures_every_row(tmp_path: Path) -> None:
    assert main(["--quick", "--results", str(tmp_path)]) == 0
    result = read_result(tmp_path)
    assert result is not None
    assert [one.format for one in result.ingestions] == list(FORMATS)
    assert all(one.chunks > 0 for one in result.ingestions)
    assert {(one.subject, one.chunks) for one in result.searches} == {
        (subject, QUICK.chunks[0]) for subject in (SERAI_SEARCH, BARE_SEARCH)
    }
    assert len(result.searches) == 12
    assert len(list(ratios(result))) == 6 + len(FORMATS)
    assert "over the bare statement" in render(result)

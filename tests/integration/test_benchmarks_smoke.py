"""Each benchmark runs at tiny sizes on Serai alone. The figures mean nothing at these sizes and are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import BENCHMARKS, LOOP_ALONE
from benchmarks.environments import EnvironmentUnavailableError
from benchmarks.profile import ProfilerUnavailableError, profile_runs
from benchmarks.results import read_results
from benchmarks.runs.operations import Operation
from tests.suites import not_run


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough) if name == "agent_loop" else name for name in BENCHMARKS]
)
def test_benchmark_measures_serai_alone(name: str, tmp_path: Path) -> None:
    assert main(["--only", name, "--quick", "--no-peers", "--results", str(tmp_path)]) == 0
    [result] = read_results(tmp_path)
    assert result.name == name
    assert {sample.subject for sample in result.samples} - {LOOP_ALONE} == {"Serai"}
    assert all(sample.wall_ms > 0 for sample in result.samples)


@pytest.mark.thorough
def test_profile_names_the_packages_that_worked() -> None:
    try:
        profile = profile_runs(Operation.PLAIN, 50)
    except (EnvironmentUnavailableError, ProfilerUnavailableError) as error:
        not_run("profiler", str(error))
    assert "pydantic_ai" in profile.packages
    assert sum(profile.packages.values()) <= 1.001

"""The benchmarks' tables: what they say follows from the stored samples, and the page holds what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cases import Sample
from benchmarks.profile import Profile, package_of, read_profile
from benchmarks.report import BEGIN, END, PAGE, render, render_page
from benchmarks.results import Result, make_result, read_results, write_result
from benchmarks.sizes import Sizes


def result_of(*samples: Sample) -> Result:
    return make_result("cold_start", Sizes(), samples)


def sample(subject: str, cpu_ms: float | None, database_ms: float | None = None) -> Sample:
    return Sample("cold start", subject, "start", 3.0, cpu_ms, database_ms)


def row_of(page: str, subject: str) -> list[str]:
    [line] = [line for line in page.splitlines() if line.startswith(f"| {subject} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_holds_what_the_generator_makes_of_the_results() -> None:
    page = PAGE.read_text()
    assert render_page(page, read_results(), read_profile()) == page, "run: uv run python -m benchmarks.report"


def test_a_cell_is_the_median_with_its_range() -> None:
    page = render([result_of(sample("Serai", 1.0), sample("Serai", 9.0), sample("Serai", 2.0))])
    assert row_of(page, "Serai")[1] == "2.00 ms (1.00–9.00)"


def test_the_ratio_counts_the_database_on_both_sides() -> None:
    page = render([result_of(sample("Serai", 1.0, 0.5), sample("peer", 2.0, 1.0))])
    assert row_of(page, "peer")[1:3] == ["3.00 ms", "1.00 ms"]
    assert row_of(page, "peer")[-1] == "0.50×"


def test_what_was_not_measured_says_so() -> None:
    page = render([result_of(sample("Serai", None), sample("peer", 2.0))])
    assert row_of(page, "Serai")[1:3] == ["not measured", "–"]
    assert row_of(page, "peer")[-1] == "not measured"


def test_results_survive_their_file(tmp_path: Path) -> None:
    result = result_of(sample("Serai", 1.25, 0.5), sample("peer", None))
    write_result(result, tmp_path)
    assert read_results(tmp_path) == [result]


def test_tables_replace_the_old_ones_and_nothing_else() -> None:
    page = f"before\n{BEGIN}\nstale\n{END}\nafter\n"
    profile = Profile("abc", {}, 10, 1, {"serai.engine": 0.25}, {})
    new = render_page(page, [result_of(sample("Serai", 1.0))], profile)
    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert "stale" not in new
    assert "| serai.engine | 25.0% |" in new
    assert render_page(new, [result_of(sample("Serai", 1.0))], profile) == new


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        render_page("no markers", [])


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("/home/me/serai/src/serai/engine/engine.py", "serai.engine"),
        ("/home/me/serai/src/serai/settings.py", "serai.settings"),
        ("/x/.venv/lib/python3.11/site-packages/pydantic_ai/agent/__init__.py", "pydantic_ai"),
        ("/x/.venv/lib/python3.11/site-packages/typing_extensions.py", "typing_extensions"),
        ("/usr/lib/python3.11/asyncio/tasks.py", "Python's asyncio"),
        ("~", "built-in functions"),
    ],
)
def test_code_is_charged_to_its_package(path: str, package: str) -> None:
    assert package_of(path) == package

"""A benchmark's part of docs/explanation/performance.md: between which lines it stands, and what it says it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from benchmarks.tables import machine_text, replace_tables


class Measured(Protocol):
    """What every stored result of a benchmark says of itself."""

    @property
    def taken_at(self) -> str:
        """When it was measured, in ISO 8601."""

    @property
    def commit(self) -> str:
        """What was measured."""

    @property
    def machine(self) -> Mapping[str, str]:
        """On what."""

    @property
    def rounds(self) -> int:
        """How many samples there are of each kind."""

    @property
    def seconds(self) -> float:
        """Of load in each sample."""


Result = TypeVar("Result", bound=Measured)


def markers(name: str) -> tuple[str, str]:
    """Return the lines before and after the tables of a benchmark."""
    return f"<!-- {name}: written by python -m benchmarks.{name}.report -->", f"<!-- {name}: end -->"


def place_result(page: str, name: str, result: Result | None, render: Callable[[Result], str]) -> str:
    """Return the page's text with the tables of a benchmark replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    tables = "NOT MEASURED yet." if result is None else render(result)
    return replace_tables(page, *markers(name), f"\n{tables}")


def source_of(result: Measured, command: str) -> str:
    """Return the line that says what a benchmark's tables are of."""
    how = f"medians of {result.rounds} samples of {result.seconds:g} s, with the smallest and the largest"
    return f"`{command}` at {result.commit}, {result.taken_at[:10]}; {machine_text(result.machine)}; {how}."

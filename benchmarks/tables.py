"""What the reports have in common: Markdown tables, figures as text, and a page whose tables are replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.ratios import Ratio

NOT_MEASURED = "not measured"


def replace_tables(page: str, begin: str, end: str, tables: str) -> str:
    """Return a page with what stands between two lines replaced.

    Raises:
        ValueError: the page lacks the lines.
    """
    head, found_begin, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page needs the lines {begin} and {end}")
    return f"{head}{begin}\n{tables}\n\n{end}{tail}"


def machine_text(machine: Mapping[str, str]) -> str:
    """Return on what was measured."""
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table, with an empty line before it."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join(["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows])


def aims_table(ratios: Iterable[Ratio]) -> str:
    """Return figures over others, and whether they are as they should be."""
    lines = []
    for ratio in ratios:
        figures = [NOT_MEASURED if one is None else figure(one, ratio.unit) for one in (ratio.ours, ratio.theirs)]
        value = f"{ratio.value:.2f}×" if ratio.value is not None else "–"
        aim = f"≤ {ratio.aim:g}×" if ratio.aim is not None else "–"
        lines.append([ratio.what, *figures, value, aim, ratio.verdict])
    return table(["ratio", "one", "other", "ratio", "aim", ""], lines)


def not_run_list(not_run: Mapping[str, str]) -> list[str]:
    """Return the lines that say what could not be measured, and why; none when there is nothing of the kind."""
    lines = [f"- {name} was NOT RUN: {reason}." for name, reason in not_run.items()]
    return ["", *lines] if lines else []


def spread(values: Iterable[float | None], unit: str) -> str:
    """Return the median of what is known of some samples, with the smallest and the largest."""
    known = [value for value in values if value is not None]
    if not known:
        return NOT_MEASURED
    low, high = number(min(known)), number(max(known))
    return figure(median(known), unit) + (f" ({low}–{high})" if len(known) > 1 else "")


def times(ours: float | None, theirs: float | None) -> str:
    """Return how many times another figure one is."""
    return f"{ours / theirs:.2f}×" if ours is not None and theirs else NOT_MEASURED


def figure(value: float, unit: str) -> str:
    """Return a figure with its unit."""
    return f"{number(value)}{'' if unit.startswith('/') or not unit else ' '}{unit}"


def number(value: float) -> str:
    """Return three digits of a number, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

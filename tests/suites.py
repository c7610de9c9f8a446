"""Suites: how long each took, which were not run and why. A suite is a folder of tests. Not a test itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

_MARK = "not run: "


def not_run(suite: str, reason: str) -> NoReturn:
    """Leave a test, or at import a whole module, that cannot run here; the end of the test run names it.

    Args:
        suite: what was left out, for example "model wire".
        reason: what is missing, and how to get it.
    """
    pytest.skip(f"{_MARK}{suite}: {reason}", allow_module_level=True)


@dataclass(eq=False)
class SuiteReport:
    """A pytest plugin that prints seconds and outcomes by suite, and everything that was left out."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite = self._suite_of(report.nodeid)
        self.seconds[suite] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes.setdefault(suite, Counter())[report.outcome] += 1
        self._note_skip(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note_skip(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("suites")
        for suite, seconds in sorted(self.seconds.items()):
            counts = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.get(suite, {}).items()))
            terminalreporter.write_line(f"{suite:<14}{seconds:7.1f} s  {counts}")
        for reason, count in sorted(self.left_out.items()):
            terminalreporter.write_line(f"NOT RUN  {reason} ({count}×)", yellow=True)
        if not self.left_out:
            terminalreporter.write_line("every suite that was asked for was run")

    def _note_skip(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            if reason.startswith(_MARK):
                self.left_out[reason.removeprefix(_MARK)] += 1

    def _suite_of(self, node_id: str) -> str:
        parts = Path(node_id.partition("::")[0]).parts
        return parts[1] if len(parts) > 2 and parts[0] == "tests" else "other"

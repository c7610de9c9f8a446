"""``python -m benchmarks.runs``: measures runs in Serai and in the server whose protocol it speaks."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands import conclude, given, make_parser, report, run
from benchmarks.runs.cases import measure
from benchmarks.runs.operations import QUICK, Sizes
from benchmarks.runs.report import render
from benchmarks.runs.results import RESULTS, write_result


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when a peer could not be measured that should be."""
    options = make_parser("benchmarks.runs", __doc__, results=RESULTS).parse_args(arguments)
    sizes = replace(QUICK if options.quick else Sizes(), **given(options, "rounds", "seconds"))
    result = measure(sizes, peers=not options.no_peers, report=report)
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

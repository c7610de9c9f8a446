"""``python -m benchmarks.state``: measures sessions, memories and metrics in Serai and in the published server."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands import conclude, given, make_parser, report, run
from benchmarks.state.cases import measure
from benchmarks.state.operations import QUICK, Sizes
from benchmarks.state.report import render
from benchmarks.state.results import RESULTS, write_result


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when something could not be measured that should be."""
    parser = make_parser("benchmarks.state", __doc__, results=RESULTS)
    parser.add_argument("--rows", type=int, help="sessions, and memories, of the large database")
    parser.add_argument("--peer-rows", type=int, help="the most of them for the published server")
    options = parser.parse_args(arguments)
    chosen = given(options, "rows", "peer_rows", "rounds", "seconds")
    sizes = replace(QUICK if options.quick else Sizes(), **chosen)
    result = measure(sizes, peers=not options.no_peers, report=report)
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

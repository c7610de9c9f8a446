"""``python -m benchmarks.records``: measures records in Serai, straight on asyncpg, and in two published stores."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands import conclude, given, make_parser, report, run
from benchmarks.records.cases import measure
from benchmarks.records.report import render
from benchmarks.records.results import RESULTS, write_result
from benchmarks.records.subjects import Sizes


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when a peer could not be measured that should be."""
    parser = make_parser("benchmarks.records", __doc__, results=RESULTS)
    parser.add_argument("--rows", type=int, default=Sizes.rows, help="records; half of them in one collection")
    options = parser.parse_args(arguments)
    sizes = Sizes(rows=options.rows, small_rows=min(options.rows, Sizes.small_rows))
    if options.quick:
        sizes = replace(sizes, seconds=0.05, rounds=1, most=200, settled_s=1.0)
    sizes = replace(sizes, **given(options, "rounds", "seconds"))
    result = measure(sizes, peers=not options.no_peers, report=report)
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

"""``python -m benchmarks.traces``: measures what traces cost, and lists of many of them, in Serai and elsewhere."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands import conclude, given, make_parser, report, run
from benchmarks.traces.cases import measure
from benchmarks.traces.operations import QUICK, Sizes
from benchmarks.traces.report import render
from benchmarks.traces.results import RESULTS, write_result


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when something could not be measured that should be."""
    parser = make_parser("benchmarks.traces", __doc__, results=RESULTS)
    parser.add_argument("--traces", type=int, nargs="+", help="of each database that is listed, from few to many")
    parser.add_argument("--peer-traces", type=int, help="the most of them for the published server")
    parser.add_argument("--batches", type=int, help="requests of another program's spans in each sample")
    options = parser.parse_args(arguments)
    sizes = replace(
        QUICK if options.quick else Sizes(), **given(options, "peer_traces", "batches", "rounds", "seconds")
    )
    if options.traces:
        sizes = replace(sizes, traces=tuple(sorted(options.traces)))
    result = measure(sizes, peers=not options.no_peers, report=report)
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

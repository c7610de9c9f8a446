"""``python -m benchmarks.knowledge``: measures documents that are taken in, and searches, beside what else does it."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands import conclude, given, make_parser, report, run
from benchmarks.knowledge.cases import measure
from benchmarks.knowledge.kinds import QUICK, Sizes
from benchmarks.knowledge.report import render
from benchmarks.knowledge.results import RESULTS, write_result


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when something could not be measured that should be."""
    parser = make_parser("benchmarks.knowledge", __doc__, results=RESULTS)
    parser.add_argument("--chunks", type=int, nargs="+", help="of each base that is searched, from few to many")
    parser.add_argument("--peer-chunks", type=int, help="the most of them for the published server")
    parser.add_argument("--documents", type=int, help="of each format that are taken in, in each round")
    parser.add_argument("--large-chunks", type=int, help="about how many the one large text becomes")
    options = parser.parse_args(arguments)
    chosen = given(options, "peer_chunks", "documents", "large_chunks", "rounds", "seconds")
    sizes = replace(QUICK if options.quick else Sizes(), **chosen)
    if options.chunks:
        sizes = replace(sizes, chunks=tuple(sorted(options.chunks)))
    result = measure(sizes, peers=not options.no_peers, report=report)
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

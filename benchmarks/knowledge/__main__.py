"""``python -m benchmarks.knowledge``: measures what searching and taking in documents costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from benchmarks.commands import conclude, make_parser, report, run
from benchmarks.knowledge.cases import measure
from benchmarks.knowledge.operations import QUICK, Sizes
from benchmarks.knowledge.report import render
from benchmarks.knowledge.results import RESULTS, write_result


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when something could not be measured that should be."""
    parser = make_parser("benchmarks.knowledge", __doc__, results=RESULTS)
    parser.add_argument("--chunks", type=int, help="the most that are searched")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    if options.chunks:
        sizes = replace(
            sizes, chunks=tuple(each for each in sizes.chunks if each <= options.chunks) or (options.chunks,)
        )
    result = asyncio.run(measure(sizes, report=report))
    return conclude(result, options, render=render, write=write_result, results=RESULTS)


if __name__ == "__main__":
    run(main)

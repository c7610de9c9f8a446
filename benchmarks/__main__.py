"""``python -m benchmarks``: measures what a start and an import cost beside the peer, and stores every sample."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import BENCHMARKS
from benchmarks.environments import EnvironmentUnavailableError
from benchmarks.report import render
from benchmarks.results import RESULTS, make_result, write_result
from benchmarks.sizes import QUICK, Sizes


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when the peer could not be measured."""
    options = _parse(arguments)
    sizes = QUICK if options.quick else Sizes()
    chosen = {name: getattr(options, name) for name in ("rows", "samples") if getattr(options, name)}
    sizes = replace(sizes, **chosen)
    for name in options.only or BENCHMARKS:
        try:
            samples = BENCHMARKS[name](sizes, peers=not options.no_peers)
        except EnvironmentUnavailableError as error:
            print(f"{name}: the peer was NOT MEASURED: {error}", file=sys.stderr)
            return 1
        result = make_result(name, sizes, samples)
        print(render([result]))
        print(f"\nstored: {write_result(result, options.results)}\n", flush=True)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="this benchmark; may be repeated")
    parser.add_argument("--rows", type=int, help="runs stored before anything is measured")
    parser.add_argument("--samples", type=int, help="repetitions of each measurement")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument("--no-peers", action="store_true", help="measure Serai alone")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the results files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

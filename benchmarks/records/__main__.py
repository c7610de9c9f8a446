"""``python -m benchmarks.records``: measures records in Serai, straight on asyncpg, and in two published stores."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.records.cases import measure
from benchmarks.records.report import render
from benchmarks.records.results import RESULTS, write_result
from benchmarks.records.subjects import Sizes


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when a peer could not be measured that should be."""
    options = _parse(arguments)
    sizes = Sizes(rows=options.rows, small_rows=min(options.rows, Sizes.small_rows))
    if options.quick:
        sizes = replace(sizes, seconds=0.05, rounds=1, most=200, settled_s=1.0)
    chosen = {name: getattr(options, name) for name in ("rounds", "seconds") if getattr(options, name)}
    result = measure(replace(sizes, **chosen), peers=not options.no_peers, report=_report)
    print(render(result))
    if not options.quick or options.results != RESULTS:
        print(f"\nstored: {write_result(result, options.results)}\n", flush=True)
    return int(bool(result.not_run) and not options.no_peers)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.records", description=__doc__)
    parser.add_argument("--rows", type=int, default=Sizes.rows, help="records; half of them in one collection")
    parser.add_argument("--rounds", type=int, help="samples of each kind")
    parser.add_argument("--seconds", type=float, help="of load in each sample")
    parser.add_argument("--quick", action="store_true", help="hardly any load, to see that everything works")
    parser.add_argument("--no-peers", action="store_true", help="measure without the published stores")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the results files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # What was started is stopped, too, when somebody else ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

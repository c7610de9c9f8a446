"""``python -m benchmarks.state``: measures sessions, memories and metrics in Serai and in the published server."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.state.cases import measure
from benchmarks.state.operations import QUICK, Sizes
from benchmarks.state.report import render
from benchmarks.state.results import RESULTS, write_result

_BEGAN = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 when something could not be measured that should be."""
    options = _parse(arguments)
    chosen = {
        name: getattr(options, name) for name in ("rows", "peer_rows", "rounds", "seconds") if getattr(options, name)
    }
    sizes = replace(QUICK if options.quick else Sizes(), **chosen)
    result = measure(sizes, peers=not options.no_peers, report=_report)
    print(render(result))
    if not options.quick or options.results != RESULTS:
        print(f"\nstored: {write_result(result, options.results)}\n", flush=True)
    return int(bool(result.not_run) and not options.no_peers)


def _report(line: str) -> None:
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {line}", file=sys.stderr, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--rows", type=int, help="sessions, and memories, of the large database")
    parser.add_argument("--peer-rows", type=int, help="the most of them for the published server")
    parser.add_argument("--rounds", type=int, help="samples of each kind")
    parser.add_argument("--seconds", type=float, help="of load in each sample")
    parser.add_argument("--quick", action="store_true", help="hardly any load, to see that everything works")
    parser.add_argument("--no-peers", action="store_true", help="measure Serai alone")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the results file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # What was started is stopped, too, when somebody else ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

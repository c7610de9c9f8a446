"""What the commands that measure servers have in common: flags, progress, what becomes of the result, and their end."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

_BEGAN = time.monotonic()


class Judged(Protocol):
    """A result, as far as the exit code depends on it."""

    @property
    def not_run(self) -> Mapping[str, str]:
        """What could not be measured, with the reason."""


Result = TypeVar("Result", bound=Judged)


def make_parser(name: str, description: str | None, *, results: Path) -> argparse.ArgumentParser:
    """Return a parser of the flags that all these commands take.

    Args:
        name: of the module.
        description: what it measures.
        results: where results are stored by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("--rounds", type=int, help="samples of each kind")
    parser.add_argument("--seconds", type=float, help="of load in each sample")
    parser.add_argument("--quick", action="store_true", help="hardly any load, to see that everything works")
    parser.add_argument("--no-peers", action="store_true", help="measure without the published peers")
    parser.add_argument("--results", type=Path, default=results, help="folder for the results file")
    return parser


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the flags of these names that were given."""
    return {name: getattr(options, name) for name in names if getattr(options, name)}


def report(line: str) -> None:
    """Tell on standard error how far the command is, with the seconds since it began."""
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {line}", file=sys.stderr, flush=True)


def conclude(
    result: Result,
    options: argparse.Namespace,
    *,
    render: Callable[[Result], str],
    write: Callable[[Result, Path], Path],
    results: Path,
) -> int:
    """Print a result, and store it unless it is a quick one that nobody wants elsewhere.

    Returns:
        The exit code: 1 when something could not be measured that should be.
    """
    print(render(result))
    if not options.quick or options.results != results:
        print(f"\nstored: {write(result, options.results)}\n", flush=True)
    return int(bool(result.not_run) and not options.no_peers)


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and exit; what it has started is stopped, too, when somebody else ends it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

"""Where the server's CPU time goes under plain runs: ``python -m benchmarks.profile``.

Uses py-spy when it is on the path (samples, no distortion), else cProfile (counts calls, exaggerates small functions).
"""

from __future__ import annotations

import argparse
import json
import pstats
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import PLAIN_FORM, send_load
from benchmarks.results import RESULTS, describe_commit, describe_machine
from benchmarks.subjects import all_subjects

PROFILE = RESULTS / "profiles" / "plain_run.json"
_SAMPLES_PER_S = 250
_FOLDED_LEAF = re.compile(r"(?P<function>[^;]*) \((?P<file>[^()]*?)(?::\d+)?\)$")


@dataclass(frozen=True)
class Profile:
    """Shares of the server's CPU time, of PostgreSQL's no part, each list from large to small.

    Attributes:
        method: ``py-spy`` or ``cProfile``.
        packages: share of each package; Serai is divided by layer.
        functions: share of each function, as ``package: file function``.
    """

    method: str
    commit: str
    machine: dict[str, str]
    runs: int
    packages: dict[str, float]
    functions: dict[str, float]


def profile_plain_runs(runs: int) -> Profile:
    """Profile the server while it serves plain runs, four at a time."""
    with all_subjects(peers=False) as [serai]:
        folder = serai.server.log.parent
        py_spy = shutil.which("py-spy")
        if py_spy is None:
            serai.server.wrap([sys.executable, "-m", "cProfile", "-o", str(folder / "profile"), "-m"], skip=2)
        serai.server.start()
        send_load(serai, PLAIN_FORM, "COMPLETED", 100, concurrency=4)
        recorder = _record(py_spy, serai.server.pid, folder / "profile") if py_spy else None
        send_load(serai, PLAIN_FORM, "COMPLETED", runs, concurrency=4)
        if recorder:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(60)
        serai.server.stop()
        used = _read_folded(folder / "profile") if recorder else _read_calls(folder / "profile")
    return _make_profile("py-spy" if py_spy else "cProfile", runs, used)


def _record(py_spy: str, pid: int, output: Path) -> subprocess.Popen[bytes]:
    command = [py_spy, "record", "--pid", str(pid), "--format", "raw", "--rate", str(_SAMPLES_PER_S)]
    unlimited = ["--duration", "unlimited", "--full-filenames", "--output", str(output)]
    return subprocess.Popen([*command, *unlimited], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _read_folded(file: Path) -> Counter[tuple[str, str]]:
    """Return samples by file and function from py-spy's stacks: the last frame is where the time was spent."""
    used: Counter[tuple[str, str]] = Counter()
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        leaf = _FOLDED_LEAF.match(stack.rpartition(";")[2])
        if leaf:
            used[leaf["file"], leaf["function"]] += int(count)
    return used


def _read_calls(file: Path) -> Counter[tuple[str, str]]:
    """Return microseconds by file and function from cProfile's own time of each function."""
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    used: Counter[tuple[str, str]] = Counter()
    for (path, _, function), (_, _, own_s, _, _) in stats.items():
        # Waiting for the network is no work.
        if "epoll" not in function and "run_until_complete" not in function:
            used[path, function] += round(own_s * 1e6)
    return used


def _make_profile(method: str, runs: int, used: Counter[tuple[str, str]]) -> Profile:
    total = used.total()
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (path, function), amount in used.items():
        package = package_of(path)
        packages[package] += amount
        functions[f"{package}: {Path(path).name} {function}"] += amount
    share = {name: round(amount / total, 4) for name, amount in packages.most_common() if amount / total >= 0.005}
    top = {name: round(amount / total, 4) for name, amount in functions.most_common(20)}
    return Profile(method, describe_commit(), describe_machine(), runs, share, top)


def package_of(path: str) -> str:
    """Return whose code a file is: a layer of Serai, a third-party package, or a module of the standard library."""
    if own := re.search(r"(?:src|site-packages)/serai/(\w+)", path):
        return f"serai.{own[1]}"
    parts = Path(path).parts
    if "site-packages" in parts:
        return Path(parts[parts.index("site-packages") + 1]).stem
    if not path.endswith(".py"):
        return "built-in functions"
    library = [part for part in parts if part.startswith("python3")]
    return f"Python's {Path(parts[parts.index(library[-1]) + 1]).stem}" if library else Path(path).stem


def read_profile() -> Profile | None:
    """Return the stored profile, if there is one."""
    return Profile(**json.loads(PROFILE.read_text())) if PROFILE.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    profile = profile_plain_runs(parser.parse_args().runs)
    PROFILE.parent.mkdir(parents=True, exist_ok=True)
    PROFILE.write_text(json.dumps(asdict(profile), indent=2) + "\n")
    for name, share in (*profile.packages.items(), *profile.functions.items()):
        print(f"{share:7.1%}  {name}")


if __name__ == "__main__":
    main()

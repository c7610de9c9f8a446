"""Where the server's CPU time goes: ``python -m benchmarks.profile [--of NAME]``.

The sampler py-spy, from an environment of its own, looks at the server from outside; nothing is added to what runs.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.environments import locked_python
from benchmarks.results import RESULTS, describe_commit, describe_machine
from benchmarks.runs.operations import ASKS, Operation
from benchmarks.subjects import SERAI, all_subjects

PROFILES = RESULTS / "profiles"
OPERATIONS = {
    "plain": Operation.PLAIN,
    "tool": Operation.TOOL,
    "stream": Operation.STREAM,
    "team": Operation.TEAM,
    "workflow": Operation.WORKFLOW,
    "parallel": Operation.PARALLEL,
}
_PROFILER_LOCK = Path(__file__).parent / "profiler" / "requirements.txt"
_SAMPLES_PER_S = 250
_FOLDED_LEAF = re.compile(r"(?P<function>[^;]*) \((?P<file>[^()]*?)(?::\d+)?\)$")


class ProfilerUnavailableError(Exception):
    """The system does not let py-spy look into the server; it needs root, or ptrace rights."""


@dataclass(frozen=True)
class Profile:
    """Shares of the time in which the server ran Python, of PostgreSQL's no part, each list from large to small.

    Attributes:
        packages: share of each package; Serai is divided by layer.
        functions: share of each function, as ``package: file function``.
    """

    commit: str
    machine: dict[str, str]
    runs: int
    concurrency: int
    packages: dict[str, float]
    functions: dict[str, float]


def profile_runs(operation: Operation, runs: int, *, concurrency: int = 1) -> Profile:
    """Profile the server while it serves runs, ``concurrency`` of them at a time.

    Raises:
        EnvironmentUnavailableError: py-spy cannot be had.
        ProfilerUnavailableError: py-spy may not look into the process.
    """
    py_spy = locked_python(_PROFILER_LOCK).with_name("py-spy")
    with all_subjects([SERAI]) as [serai]:
        serai.server.start()
        ask = ASKS[operation]
        requests = [serai.run_request(ask.component, message=ask.message, stream=ask.stream)]
        serai.send(requests, most=max(1, runs // 10), concurrency=concurrency, expect=ask.expect)
        folded = serai.server.log.with_suffix(".folded")
        recorder = _start_recording(py_spy, serai.server.pid, folded)
        serai.send(requests, most=runs, concurrency=concurrency, expect=ask.expect)
        recorder.send_signal(signal.SIGINT)
        _, errors = recorder.communicate(timeout=60)
        if not folded.exists():
            raise ProfilerUnavailableError(errors.decode(errors="replace").strip())
        return _make_profile(_read_folded(folded), runs=runs, concurrency=concurrency)


def _start_recording(py_spy: Path, pid: int, output: Path) -> subprocess.Popen[bytes]:
    # Holding the interpreter's lock is what tells work from waiting: a loop that waits in C looks busy from outside.
    command = [str(py_spy), "record", "--gil", "--pid", str(pid), "--format", "raw", "--rate", str(_SAMPLES_PER_S)]
    rest = ["--duration", "unlimited", "--full-filenames", "--output", str(output)]
    return subprocess.Popen([*command, *rest], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _read_folded(file: Path) -> Counter[tuple[str, str]]:
    """Return samples by file and function from py-spy's stacks: the last frame is where the time was spent."""
    used: Counter[tuple[str, str]] = Counter()
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        leaf = _FOLDED_LEAF.match(stack.rpartition(";")[2])
        if leaf:
            used[leaf["file"], leaf["function"]] += int(count)
    return used


def _make_profile(used: Counter[tuple[str, str]], *, runs: int, concurrency: int) -> Profile:
    total = used.total()
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (path, function), amount in used.items():
        package = package_of(path)
        packages[package] += amount
        functions[f"{package}: {Path(path).name} {function}"] += amount
    share = {name: round(amount / total, 4) for name, amount in packages.most_common() if amount / total >= 0.005}
    top = {name: round(amount / total, 4) for name, amount in functions.most_common(20)}
    return Profile(describe_commit(), describe_machine(), runs, concurrency, share, top)


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


def read_profile(name: str = "plain") -> Profile | None:
    """Return a stored profile, if there is one."""
    file = _file_of(name)
    return Profile(**json.loads(file.read_text())) if file.exists() else None


def _file_of(name: str) -> Path:
    return PROFILES / f"{name}_run.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", choices=list(OPERATIONS), default="plain", help="what is run")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=1)
    options = parser.parse_args()
    profile = profile_runs(OPERATIONS[options.of], options.runs, concurrency=options.concurrency)
    PROFILES.mkdir(parents=True, exist_ok=True)
    _file_of(options.of).write_text(json.dumps(asdict(profile), indent=2) + "\n")
    for name, share in (*profile.packages.items(), *profile.functions.items()):
        print(f"{share:7.1%}  {name}")


if __name__ == "__main__":
    main()

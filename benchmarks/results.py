"""Results files: one JSON file a benchmark with every raw sample and what is needed to judge it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import Sample
from benchmarks.sizes import Sizes
from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """One benchmark's outcome and its circumstances, as stored."""

    name: str
    taken_at: str
    commit: str
    machine: dict[str, str]
    sizes: Sizes
    samples: tuple[Sample, ...]


def make_result(name: str, sizes: Sizes, samples: Sequence[Sample]) -> Result:
    """Return a result of just now, on this machine and commit."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Result(name, taken_at, describe_commit(), describe_machine(), sizes, tuple(samples))


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result as ``<name>.json`` and return the file."""
    return write_stored(folder / f"{result.name}.json", asdict(result), "samples")


def read_results(folder: Path = RESULTS) -> list[Result]:
    """Return all stored results, by name."""
    return [_parse(json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def _parse(stored: dict[str, Any]) -> Result:
    samples = tuple(Sample(**sample) for sample in stored.pop("samples"))
    return Result(sizes=Sizes(**stored.pop("sizes")), samples=samples, **stored)


def describe_commit() -> str:
    """Return the commit of the working tree, with ``+changes`` when it holds more than is committed."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks", ":!benchmarks/results")
    return f"{head}+changes" if changed else head or "unknown"


def _git(*arguments: str) -> str:
    root = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, memory, system, Python."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> str:
    try:
        size_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size_bytes / 1e9:.0f}"

"""Environments of other packages, Python's and node's, made from committed lock files and kept in the user's cache.

Published clients and the benchmarks' peer servers never share an environment with Serai.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

PYTHON_VERSION = "3.11"
CREATION_TIMEOUT_S = 300


class EnvironmentUnavailableError(Exception):
    """The environment is not in the cache and cannot be made, as a rule because there is no network."""


def locked_python(lock: Path) -> Path:
    """Return the interpreter of the environment that a lock file describes, making it on first use.

    Args:
        lock: a file of exact pins with hashes, as ``uv pip compile --generate-hashes`` writes it.

    Raises:
        EnvironmentUnavailableError: if uv is absent or a package cannot be had.
    """
    return _interpreter(_cached(lock, PYTHON_VERSION, lambda draft: _install_python(draft, lock)))


def locked_node(lock: Path) -> Path:
    """Return the folder whose ``node_modules`` a lock file describes, making it on first use.

    Args:
        lock: a ``package-lock.json`` beside its ``package.json``.

    Raises:
        EnvironmentUnavailableError: if node or npm is absent or a package cannot be had.
    """
    if shutil.which("node") is None:
        raise EnvironmentUnavailableError("node is not installed")
    return _cached(lock, "node", lambda draft: _install_node(draft, lock))


def usable(names: Iterable[str], lock: Path, *, wanted: bool, not_run: dict[str, str]) -> list[str]:
    """Return the servers that can be run in an environment: all or none.

    Args:
        names: of the servers.
        lock: as of `locked_python`.
        wanted: whether they are to be measured at all.
        not_run: gets the reason why one is not.
    """
    why = "left out"
    if wanted:
        try:
            locked_python(lock)
            return [*names]
        except EnvironmentUnavailableError as error:
            why = str(error)
    not_run.update(dict.fromkeys(names, why))
    return []


def _cached(lock: Path, runtime: str, install: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(runtime.encode() + lock.read_bytes()).hexdigest()[:16]
    home = platformdirs.user_cache_path("serai") / "environments" / f"{lock.parent.name}-{digest}"
    if home.exists():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place and renamed: an interrupted build is never taken for a finished one.
    draft = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        install(draft)
        try:
            draft.rename(home)
        except OSError:
            if not home.exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return home


def _install_python(draft: Path, lock: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        raise EnvironmentUnavailableError("uv is not installed")
    _run([uv, "venv", "--quiet", "--relocatable", "--allow-existing", "--python", PYTHON_VERSION, str(draft)])
    # Modules are compiled when they are first loaded: to compile all of them takes ten seconds, and most never are.
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes"]
    _run([*sync, "--python", str(_interpreter(draft)), str(lock)])


def _install_node(draft: Path, lock: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise EnvironmentUnavailableError("npm is not installed")
    for file in (lock, lock.with_name("package.json")):
        shutil.copy(file, draft)
    _run([npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--prefix", str(draft)])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CREATION_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailableError(f"{' '.join(command[1:3])} took over {CREATION_TIMEOUT_S} s") from error
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[:500]
        raise EnvironmentUnavailableError(f"{' '.join(command[1:3])} failed: {reason}")


def _interpreter(home: Path) -> Path:
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the process environment for a foreign interpreter: ours without what would leak into it."""
    leaks = ("PYTHON", "VIRTUAL_ENV", "SERAI_", "LLAMA_", "AGNO_", "OS_SECURITY_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    return {**kept, **variables}

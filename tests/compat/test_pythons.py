"""Serai on every Python that it declares and that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.suites import not_run

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = [
    match[1]
    for classifier in PROJECT["classifiers"]
    if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
]


SERVED = [f"tests/contract/{name}.py" for name in ("test_demo", "test_mcp_tools", "test_records_api", "test_runs")]
"""Tests in which a server does what it is for; all of them on each Python would take minutes more and tell no more."""


_MARKS = {"3.12": pytest.mark.thorough}
"""What lies between the oldest Python and the newest that most machines have."""


def find_python(version: str) -> str | None:
    """Return an interpreter of a version, from the path or from pyenv's folder."""
    found = subprocess.run(
        ["uv", "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next((str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))), None)


def test_the_pythons_declared_begin_with_the_oldest_allowed():
    assert DECLARED[0] == PROJECT["requires-python"].removeprefix(">=")
    assert [f"3.{minor}" for minor in range(11, 11 + len(DECLARED))] == DECLARED


@pytest.mark.timeout(420)
@pytest.mark.parametrize("version", [pytest.param(version, marks=_MARKS.get(version, ())) for version in DECLARED])
def test_unit_tests_and_a_server_pass_on_this_python(version: str, tmp_path: Path):
    if version == "{}.{}".format(*sys.version_info[:2]):
        return  # the one that runs this
    python = find_python(version) if shutil.which("uv") else None
    if python is None:
        not_run(f"Python {version}", "no such interpreter on this machine")
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    ran = subprocess.run(
        [
            "uv",
            "run",
            "--python",
            str(python),
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "tests/unit",
            *SERVED,
        ],
        cwd=ROOT,
        env={**environment, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]

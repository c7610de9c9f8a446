"""What a nursery starts is a process like any other."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from benchmarks.environments import clean_environment
from benchmarks.processes import Process
from tests.nursery import Launch, launch


def begin(start: Launch, folder: Path, *arguments: str, **variables: str) -> Process:
    environment = clean_environment(**variables)
    with (folder / "said").open("wb") as said:
        return start(arguments, env=environment, folder=folder, stdout=said, stderr=said)


def test_a_command_says_the_same_and_ends_alike_as_in_an_interpreter_of_its_own(launcher: Launch, tmp_path: Path):
    told = []
    for start in (launcher, launch):
        for arguments in (["--version"], ["serve", "nowhere.py"], ["worker", "--max-runs", "x"]):
            code = begin(start, tmp_path, *arguments).wait(20)
            told.append((arguments, code, (tmp_path / "said").read_text()))
    assert told[:3] == told[3:]
    assert [code for _, code, _ in told[:3]] == [0, 1, 2]


def test_it_sees_its_own_environment_only(launcher: Launch, tmp_path: Path):
    (tmp_path / "shown.py").write_text("import os\nprint(sorted(n for n in os.environ if n.startswith('SERAI_')))")
    begin(launcher, tmp_path, "serve", "shown.py", SERAI_MAX_RUNS="3").wait(20)
    assert "SERAI_MAX_RUNS" in (tmp_path / "said").read_text()
    begin(launcher, tmp_path, "serve", "shown.py").wait(20)
    assert "SERAI_MAX_RUNS" not in (tmp_path / "said").read_text()


def test_it_can_be_frozen_and_killed_alone(launcher: Launch, tmp_path: Path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)")
    first, second = begin(launcher, tmp_path, "serve", "slow.py"), begin(launcher, tmp_path, "serve", "slow.py")
    assert first.pid != second.pid
    first.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.01)
    first.kill()
    assert first.wait(10) == -signal.SIGKILL
    assert second.poll() is None
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait(10) == -signal.SIGTERM

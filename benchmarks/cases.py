"""What a start and an import cost. The subjects take turns in every round, so that a drift of the machine hits all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import agent_loop
from benchmarks.environments import clean_environment, locked_python
from benchmarks.processes import run_apart
from benchmarks.runs.operations import ASKS, Operation
from benchmarks.sizes import Sizes
from benchmarks.subjects import PEERS_LOCK, SERAI, SIDE_BY_SIDE, CpuTime, Subject, all_subjects

LOOP_ALONE = "pydantic-ai alone, nothing stored"
_ROOT = Path(__file__).parent.parent
_LLAMA_LOCK = _ROOT / "tests" / "compat" / "clients" / "llama_cloud_services" / "requirements.txt"


@dataclass(frozen=True)
class Sample:
    """One measurement of one subject. Times in milliseconds a unit; None: not measured.

    Attributes:
        case: what was done, for example ``cold start``.
        subject: who did it.
        unit: what one unit is: start, process.
    """

    case: str
    subject: str
    unit: str
    wall_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None = None
    max_rss_mb: float | None = None


def measure_cold_start(sizes: Sizes, *, peers: bool) -> list[Sample]:
    """Start each server on a data folder that exists, until ``/health`` answers."""
    with all_subjects(SIDE_BY_SIDE if peers else [SERAI]) as subjects:
        for subject in subjects:
            subject.server.start()
            _store_rows(subject, sizes)
            subject.server.stop()
        return [_start_once(subject) for _ in range(sizes.samples) for subject in subjects]


def _start_once(subject: Subject) -> Sample:
    # A PostgreSQL that runs already is charged with what it uses from here on; one that starts, with everything.
    before = CpuTime(0.0, subject.database_cpu_s())
    subject.server.start()
    used = subject.cpu().since(before)
    subject.server.stop()
    wall_ms = subject.server.started_in_s * 1000
    return Sample("cold start", subject.name, "start", wall_ms, _ms(used.server_s), _ms(used.database_s))


def measure_client_import(sizes: Sizes, *, peers: bool) -> list[Sample]:
    """Import a client in a fresh interpreter, alone and with its first call; the call goes to Serai's server."""
    with all_subjects([SERAI]) as [serai]:
        serai.server.start()
        programs = _client_programs(serai.server.base_url, peers=peers)
        for program in programs:
            _run_program(*program)
        return [_run_program(*program) for _ in range(sizes.samples) for program in programs]


def _client_programs(base_url: str, *, peers: bool) -> list[tuple[str, str, Path, str]]:
    """Return case, subject, interpreter and text of each program."""
    own = (SERAI, Path(sys.executable), "serai.client", "serai.agent_data", "serai.agent_data")
    published = [own]
    if peers:
        agno, llama = locked_python(PEERS_LOCK), locked_python(_LLAMA_LOCK)
        published.append(("agno 3.1.10", agno, "agno.client", "", ""))
        services = "llama_cloud_services.beta.agent_data"
        published.append(("llama-cloud-services 0.6.94", llama, "", services, "llama_cloud.client"))
    programs = []
    for subject, python, runs, records, cloud in published:
        if runs:
            call = f"from {runs} import AgentOSClient\nAgentOSClient({base_url!r}).get_config()"
            programs.append(("import of the AgentOS client", subject, python, f"import {runs}"))
            programs.append(("import and first call of the AgentOS client", subject, python, call))
        if records:
            call = _SEARCH.format(records=records, cloud=cloud, base_url=base_url)
            programs.append(("import of the Agent Data client", subject, python, f"import {records}"))
            programs.append(("import and first call of the Agent Data client", subject, python, call))
    return programs


_SEARCH = """
import asyncio
import httpx
from pydantic import BaseModel
from {cloud} import AsyncLlamaCloud
from {records} import AsyncAgentDataClient

class Person(BaseModel):
    name: str

async def search():
    cloud = AsyncLlamaCloud(base_url={base_url!r}, token="any", httpx_client=httpx.AsyncClient())
    await AsyncAgentDataClient(type=Person, client=cloud).search()

asyncio.run(search())
"""


def _run_program(case: str, subject: str, python: Path, text: str) -> Sample:
    # Not from the resource usage: Linux lets a child inherit the peak of the process that started it.
    report = 'print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])'
    is_linux = sys.platform == "linux"
    command = [str(python), "-W", "ignore", "-c", f"{text}\n{report if is_linux else ''}"]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=clean_environment(), cwd="/", stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{case} of {subject} failed in {python}:\n{text}")
    peak_mb = int(printed.split()[-1]) / 1024 if is_linux else None
    cpu_ms = (used.ru_utime + used.ru_stime) * 1000
    return Sample(case, subject, "process", wall_s * 1000, cpu_ms, max_rss_mb=peak_mb)


def measure_agent_loop(sizes: Sizes, *, peers: bool) -> list[Sample]:  # noqa: ARG001 - no peer has a part in it
    """Run agents on the server, 16 at a time, and without any: the bound of what a run on pydantic-ai can cost."""
    samples = []
    with all_subjects([SERAI]) as [serai]:
        serai.server.start()
        _store_rows(serai, sizes)
        for operation in ASKS:
            for _ in range(sizes.samples):
                samples.append(_serve_runs(serai, operation, sizes.rows))
                alone = run_apart("benchmarks.agent_loop", agent_loop.Job(operation, sizes.rows))
                samples.append(Sample(str(operation), LOOP_ALONE, "run", alone["wall_ms"], alone["cpu_ms"]))
    return samples


def _serve_runs(serai: Subject, operation: Operation, runs: int) -> Sample:
    ask = ASKS[operation]
    request = serai.run_request(ask.component, message=ask.message, stream=ask.stream)
    before = serai.cpu()
    seen = serai.send([request], most=runs, concurrency=16, expect=ask.expect, count=ask.count)
    used = serai.cpu().since(before)
    server_ms, database_ms = (
        None if spent_s is None else spent_s * 1000 / runs for spent_s in (used.server_s, used.database_s)
    )
    return Sample(str(operation), SERAI, "run", seen.wall_s * 1000 / runs, server_ms, database_ms)


BENCHMARKS: dict[str, Callable[..., list[Sample]]] = {
    "cold_start": measure_cold_start,
    "client_import": measure_client_import,
    "agent_loop": measure_agent_loop,
}


def _store_rows(subject: Subject, sizes: Sizes) -> None:
    request = subject.run_request("agents/instant", message="What is 2 + 2?", stream="false")
    subject.send([request], most=sizes.rows, concurrency=4, expect="COMPLETED")


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000

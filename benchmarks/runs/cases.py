"""One run: all subjects in turn within every round, so that a drift of the machine meets all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from benchmarks.database import Server, execute
from benchmarks.environments import EnvironmentUnavailableError
from benchmarks.load import Seen
from benchmarks.processes import raise_file_limit, run_apart
from benchmarks.results import describe_commit, describe_machine
from benchmarks.runs import background, slow_streams
from benchmarks.runs.engine import measure_engine
from benchmarks.runs.following import measure_following
from benchmarks.runs.operations import (
    ASKS,
    CHUNKS,
    CHUNKS_PER_S,
    LATE_MS,
    MESSAGE,
    Operation,
    Sizes,
    position_name,
)
from benchmarks.runs.results import Result, Sample, StreamSample
from benchmarks.subjects import (
    PEER_ON_QUEUE,
    SERAI,
    SIDE_BY_SIDE,
    CpuTime,
    Subject,
    SubjectError,
    all_subjects,
    work_folder,
)
from serai.storage.embedded import EmbeddedPostgres

Report = Callable[[str], None]
_SUBMITTED_AT_ONCE = 16
_MOST = 100_000
_MEMORY_LOOKS_S = 0.1


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure those that need an environment of their own.
        report: called with lines of progress.
    """
    raise_file_limit()
    not_run: dict[str, str] = {}
    names, queued = _names(peers=peers, not_run=not_run)
    samples = list(_measure_subjects([*names, *queued], sizes, report))
    streams = [sample for name in names for sample in _measure_streams(name, sizes, report)]
    with work_folder() as folder:
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            server = _server_with_commit_times(postgres)
            follows = measure_following(server, sizes, folder, report)
            engine, commit_ms = measure_engine(server, sizes, folder, report)
        finally:
            postgres.stop()
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        rounds=sizes.rounds,
        seconds=sizes.seconds,
        commit_ms=commit_ms,
        not_run=not_run,
        follows=follows,
        streams=streams,
        engine=engine,
        samples=samples,
    )


def _server_with_commit_times(postgres: EmbeddedPostgres) -> Server:
    """Start a PostgreSQL that notes when each transaction commits; the setting needs a second start."""
    execute(postgres.start(), "alter system set track_commit_timestamp = on")
    postgres.stop()
    return Server(postgres.start())


def _names(*, peers: bool, not_run: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return who runs agents for a waiting caller and who only in the background; note who cannot be measured."""
    beside, queued = [name for name in SIDE_BY_SIDE if name != SERAI], [PEER_ON_QUEUE]
    why = "left out"
    if peers:
        try:
            with all_subjects([*beside, *queued]):
                return [SERAI, *beside], queued
        except EnvironmentUnavailableError as error:
            why = str(error)
    not_run.update(dict.fromkeys([*beside, *queued], why))
    return [SERAI], []


def _measure_subjects(names: Sequence[str], sizes: Sizes, report: Report) -> Iterator[Sample]:
    with all_subjects(names) as subjects:
        for subject in subjects:
            subject.server.start()
            _store_rows(subject, sizes)
        for operation in ASKS:
            began = time.monotonic()
            for _ in range(sizes.rounds):
                for concurrency in sizes.concurrencies:
                    yield from (_measure(one, operation, concurrency, sizes) for one in subjects if _answers(one))
            report(f"{operation}: measured in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        for _ in range(sizes.rounds):
            yield from (_measure_background(one, sizes) for one in subjects if one.name in (SERAI, PEER_ON_QUEUE))
        report(f"{Operation.BACKGROUND}: measured in {time.monotonic() - began:.0f} s")
        for subject in filter(_answers, subjects):
            began = time.monotonic()
            yield from _measure_sessions(subject, sizes)
            report(f"long sessions of {subject.name}: measured in {time.monotonic() - began:.0f} s")


def _answers(subject: Subject) -> bool:
    """Return whether a subject is measured with callers that wait for their runs."""
    return subject.name != PEER_ON_QUEUE


def _store_rows(subject: Subject, sizes: Sizes) -> None:
    for ask in ASKS.values():
        request = subject.run_request(ask.component, message=ask.message, stream=ask.stream)
        subject.send([request], most=sizes.rows, concurrency=4, expect=ask.expect)


def _measure(subject: Subject, operation: Operation, concurrency: int, sizes: Sizes) -> Sample:
    ask = ASKS[operation]
    request = subject.run_request(ask.component, message=ask.message, stream=ask.stream)
    before = subject.cpu()
    seen = subject.send(
        [request],
        most=_MOST,
        concurrency=concurrency,
        expect=ask.expect,
        count=ask.count,
        seconds=sizes.seconds,
    )
    used = subject.cpu().since(before)
    if operation is Operation.STREAM and seen.counted != seen.requests * CHUNKS:
        raise SubjectError(f"{subject.name} sent {seen.counted} chunks for {seen.requests} streams")
    return _sample(operation, subject, concurrency, seen, used)


def _measure_background(subject: Subject, sizes: Sizes) -> Sample:
    job = background.Job(
        subject.server.port,
        "/agents/instant/runs",
        MESSAGE,
        sizes.background,
        min(_SUBMITTED_AT_ONCE, sizes.background),
    )
    before = subject.cpu()
    seen = Seen(**run_apart("benchmarks.runs.background", job))
    return _sample(Operation.BACKGROUND, subject, _SUBMITTED_AT_ONCE, seen, subject.cpu().since(before))


def _measure_sessions(subject: Subject, sizes: Sizes) -> Iterator[Sample]:
    """Measure runs at some places of a few sessions, one run at a time; all runs of all sessions are made."""
    sessions = sizes.sessions if subject.name == SERAI else max(1, sizes.sessions // 4)
    done = 0
    for position in sizes.positions:
        if position == 1:
            yield _measure_at(subject, position, sessions * sizes.window, rounds=1)
            continue
        gap = position - 1 - done
        if gap > 0:
            requests = _session_requests(subject, sessions)
            subject.send(requests, most=gap * sessions, concurrency=max(1, sessions // 4), expect="COMPLETED")
        yield _measure_at(subject, position, sessions, rounds=sizes.window)
        done = max(done, position - 1) + sizes.window


def _measure_at(subject: Subject, position: int, sessions: int, *, rounds: int) -> Sample:
    prefix = "first" if position == 1 else "long"
    requests = _session_requests(subject, sessions, prefix=prefix)
    before = subject.cpu()
    seen = subject.send(requests, most=sessions * rounds, concurrency=1, expect="COMPLETED")
    return _sample(position_name(position), subject, 1, seen, subject.cpu().since(before))


def _session_requests(subject: Subject, sessions: int, *, prefix: str = "long") -> list[bytes]:
    return [
        subject.run_request("agents/instant", message=MESSAGE, stream="false", session_id=f"{prefix}-{number}")
        for number in range(sessions)
    ]


def _sample(operation: str, subject: Subject, concurrency: int, seen: Seen, used: CpuTime) -> Sample:
    server_ms, database_ms = (
        None if seconds is None else seconds * 1000 / seen.requests for seconds in (used.server_s, used.database_s)
    )
    return Sample(
        operation=str(operation),
        subject=subject.name,
        concurrency=concurrency,
        runs=seen.requests,
        events=seen.counted,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=server_ms,
        database_cpu_ms=database_ms,
        load_busy=seen.busy,
    )


def _measure_streams(name: str, sizes: Sizes, report: Report) -> Iterator[StreamSample]:
    """Try a fixed number of slow streams on a fresh server, then look for the most that are on time."""
    # Each slow stream is a run under way; Serai's bound on these protects small machines.
    with all_subjects([name], max_runs="10000") as [subject]:
        subject.server.start()
        _try_streams(subject, 2, sizes)

        def try_and_report(streams: int, *, is_fresh: bool = False) -> StreamSample:
            sample = _try_streams(subject, streams, sizes, is_fresh=is_fresh)
            report(f"{name}: {streams} slow streams, median {sample.p50_ms:.0f} ms late")
            return sample

        fixed = try_and_report(sizes.fixed_streams, is_fresh=True)
        yield fixed
        passed, failed = (fixed.streams, None) if fixed.p50_ms <= LATE_MS else (0, fixed.streams)
        while (streams := next_streams(passed, failed, most=sizes.most_streams)) is not None:
            sample = try_and_report(streams)
            yield sample
            if sample.p50_ms <= LATE_MS:
                passed = streams
            else:
                failed = streams


def next_streams(passed: int, failed: int | None, *, most: int) -> int | None:
    """Return how many streams to try next, None when it is known well enough where the bound lies."""
    if failed is None:
        return min(2 * passed, most) if passed < most else None
    return (passed + failed) // 2 if failed - passed > max(1, failed // 12) else None


def _try_streams(subject: Subject, streams: int, sizes: Sizes, *, is_fresh: bool = False) -> StreamSample:
    chunks = max(1, round(sizes.stream_s * CHUNKS_PER_S))
    request = subject.run_request("agents/paced", message=str(chunks), stream="true")
    job = slow_streams.Job(subject.server.port, request, streams, min(1.0, sizes.stream_s / 4))
    before, memory_before = subject.cpu(), subject.memory_mb()
    peak = _Peak(subject)
    with peak:
        seen = slow_streams.Seen(**run_apart("benchmarks.runs.slow_streams", job))
    used = subject.cpu().since(before)
    if seen.ended != streams or not seen.chunks:
        raise SubjectError(
            f"{subject.name}: {seen.ended} of {streams} streams came to their end\n{subject.server.output()}"
        )
    cpu_s = None if used.server_s is None else used.server_s + (used.database_s or 0.0)
    grown_kb = None
    if is_fresh and memory_before is not None and peak.memory_mb is not None:
        grown_kb = (peak.memory_mb - memory_before) * 1000 / streams
    busy = None if cpu_s is None else cpu_s / seen.wall_s
    return StreamSample(subject.name, streams, seen.chunks, seen.p50_ms, seen.p95_ms, busy, grown_kb)


class _Peak:
    """The most memory that a server has while the context lasts, as looked at now and then."""

    def __init__(self, subject: Subject) -> None:
        self.memory_mb = subject.memory_mb()
        self._subject = subject
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_MEMORY_LOOKS_S):
            memory_mb = self._subject.memory_mb()
            if memory_mb is not None and self.memory_mb is not None:
                self.memory_mb = max(self.memory_mb, memory_mb)

"""``python -m serai.knowledge.reading_process``: reads and cuts documents that are given to it, one after the other.

It bounds its own memory and processor time where the system can, and ends when nothing comes or nobody listens.
"""

from __future__ import annotations

import os
import resource
import select
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from serai.knowledge.cutting import cut_passages
from serai.knowledge.passages import Passage, ReadLimits, UnreadableError
from serai.knowledge.readers.opening import open_document
from serai.knowledge.readers.packed import DAMAGED
from serai.knowledge.reading_frames import (
    CutSpec,
    Job,
    Outcome,
    batches,
    decode_job,
    decode_passages,
    encode,
    read_frame,
    read_request,
    write_frame,
)

IDLE_SECONDS: Final = 2.0
_MOST_JOBS: Final = 200
_LARGE_MIB: Final = 200
"""A process that holds that much gives it back by ending."""


def main() -> None:
    """Serve requests from standard input until it closes or stays silent."""
    requests, answers = _take_over_streams()
    write_frame(answers, b"ready")
    answers.flush()
    for number in range(1, _MOST_JOBS + 1):
        if not select.select([requests], [], [], IDLE_SECONDS)[0]:
            return
        try:
            outcome = _serve(requests, answers)
        except (EOFError, BrokenPipeError):
            return
        is_last = outcome.is_last or number == _MOST_JOBS or _held_mib() > _LARGE_MIB
        write_frame(answers, encode(Outcome(outcome.refusal, outcome.chunker, is_last)))
        answers.flush()
        if is_last:
            return


def _take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return the streams of the requests and answers; what libraries print goes nowhere from now on."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    warnings.simplefilter("ignore")
    os.nice(5)
    return requests, answers


def _serve(requests: IO[bytes], answers: IO[bytes]) -> Outcome:
    """Answer one request up to its last frame, which is returned."""
    job = decode_job(read_frame(requests))
    _bound(job.limits)
    frames = list(read_request(requests))
    try:
        passages, chunker = _do(job, frames)
        for batch in batches(passages):
            write_frame(answers, batch)
    except UnreadableError as error:
        return Outcome(error.message)
    except MemoryError:
        return Outcome(
            f"The document takes more than {job.limits.memory_mib} MiB of memory to read; upload it in parts.",
            is_last=True,
        )
    except RecursionError:
        return Outcome("The document is nested too deep to be read; save it in a simpler form.")
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - libraries raise anything for documents that are not as they should be
        return Outcome(DAMAGED)
    return Outcome(chunker=chunker)


def _do(job: Job, frames: list[bytes]) -> tuple[Iterator[Passage], str]:
    if isinstance(job.work, CutSpec):
        passages = [passage for frame in frames for passage in decode_passages(frame)]
        return cut_passages(passages, job.work, most=job.limits.passages), job.work.chunker
    data = b"".join(frames)
    frames.clear()
    opened = open_document(data, job.work, job.limits)
    return opened.passages, opened.chunker


def _bound(limits: ReadLimits) -> None:
    """Bound the memory of this process, and the processor time of one request."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds) + 2
    for kind, soft in ((resource.RLIMIT_AS, limits.memory_mib << 20), (resource.RLIMIT_CPU, seconds)):
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
        except (ValueError, OSError):  # macOS knows no bound of the address space
            continue


def _held_mib() -> int:
    """Return the memory that is held now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()

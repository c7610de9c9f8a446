"""Sends what other programs send, one request after the other, and waits until all of it is stored."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.requests import Request, RequestError, call
from benchmarks.subjects import Subject
from benchmarks.traces.results import Sample

_BUSY = "answered 503"
_BUSY_PAUSE_S = 0.2
_LOOK_S = 0.05
_PATIENCE_S = 120.0


class SendingError(Exception):
    """Spans that a server has taken were lost, or are not stored."""


def send_all(operation: str, subject: Subject, requests: Sequence[Request], spans: int) -> Sample:
    """Send requests, again when the server says that it is busy; the sample is of a span.

    Raises:
        RequestError: the server refuses them.
        SendingError: it has not stored them all in time.
    """
    written = _written(subject)
    before, began, used = subject.cpu(), time.perf_counter(), time.process_time()
    waits = [_send(subject, request) for request in requests]
    while _written(subject) < written + spans:
        if time.perf_counter() - began > _PATIENCE_S:
            raise SendingError(f"{subject.name} has stored {_written(subject) - written} of {spans} spans")
        time.sleep(_LOOK_S)
    wall_s, cpu = time.perf_counter() - began, subject.cpu().since(before)
    server_ms, database_ms = (
        None if seconds is None else seconds * 1000 / spans for seconds in (cpu.server_s, cpu.database_s)
    )
    return Sample(
        operation=operation,
        subject=subject.name,
        traces=0,
        concurrency=1,
        count=spans,
        wall_ms=wall_s * 1000 / spans,
        p50_ms=median(waits) * 1000,
        server_cpu_ms=server_ms,
        database_cpu_ms=database_ms,
        load_busy=(time.process_time() - used) / wall_s,
    )


def _send(subject: Subject, request: Request) -> float:
    """Send until it is taken; return how long the last answer took."""
    while True:
        sent = time.perf_counter()
        try:
            call(subject.server, request)
        except RequestError as error:
            if _BUSY not in str(error):
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return time.perf_counter() - sent


def _written(subject: Subject) -> int:
    return int(json.loads(call(subject.server, Request("GET", "/-/status")).body)["spans"]["written"])

"""A run as values: what a caller asks for, what is stored, and how it ends. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from serai.domain.json_text import loader_of
from serai.domain.run_state import RunStatus
from serai.domain.traces import TraceParent, read_traceparent
from serai.domain.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be stored.

    Attributes:
        key: our UUIDv7; `id` is the public name, which the caller may have chosen.
        node_id: the node that would like to run it at once if its session is idle, or None.
        waits: whether it waits for its turn when its session is busy; else it is not stored.
        fingerprint: a digest of the request, compared when `idempotency_key` comes again.
        input: JSON of `RunInput`.
        title: what its session is called, if this is its first run and nobody named it.
        folded, pieces: the title as it is searched; the pieces stand between U+001F.
    """

    key: UUID
    id: str
    project_id: str
    user_id: str | None
    session_id: str
    kind: str
    component_id: str
    input: bytes
    idempotency_key: str | None
    fingerprint: bytes
    node_id: str | None
    waits: bool = True
    title: str = ""
    folded: str = ""
    pieces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as stored, without its answer.

    Attributes:
        segment: how often it was continued after a pause.
        segment_seq: the sequence number of the segment's first event.
        is_cancel_asked: somebody wants it to end.
    """

    key: UUID
    id: str
    project_id: str
    user_id: str | None
    session_id: str
    root_key: UUID
    parent_key: UUID | None
    kind: str
    component_id: str
    status: RunStatus
    position: int
    epoch: int
    segment: int
    segment_seq: int
    takeovers: int
    is_cancel_asked: bool
    idempotency_key: str | None
    fingerprint: bytes | None
    input: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a run's log: `data` is the JSON sent to followers, `seq` its place (0, 1, 2 … per run)."""

    seq: int
    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One finished durable step: looked up by operation and call when the run is replayed.

    Attributes:
        child: the key of the child run whose step it is, and its segment; None for one of the run itself.
        started_ns, ended_ns: when it was done, in nanoseconds of the Unix epoch; unknown of steps of earlier versions.
    """

    operation: str
    call: str
    fingerprint: bytes
    result: bytes
    child: tuple[UUID, int] | None = None
    started_ns: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextJob:
    """A background job that follows a run: stored when the run ends, in the same transaction.

    Attributes:
        kind: which handler does it.
        payload: JSON for the handler.
    """

    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun:
    """A run inside a run, as stored: a team's member, a workflow's step.

    It has no turn in the session and is never claimed: whoever owns its root works on it. Its events are in its root's
    log.

    Attributes:
        parent_span: the span in which it lies, if that was traced.
        started_at, ended_at: as the database knows them; None of one that this node works on.
    """

    key: UUID
    parent_key: UUID
    kind: str
    component_id: str
    status: RunStatus
    segment: int
    input: bytes
    output: bytes | None = None
    messages: bytes | None = None
    carried: bytes | None = None
    parent_span: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a segment of a run ends.

    Attributes:
        status: a state at rest.
        output: the run object's members, without `messages` (`content`, `metrics`, `tools` …).
        messages: this run's messages for the session's history, JSON; None keeps none.
        carried: what a paused run needs beside them to go on, JSON.
        last_event: name and members of the event that ends the stream.
        state_changes: session state members to write; `state_removals` those to delete.
        usage: the tokens of this segment.
        jobs: what is to be done when it has ended; of a child nothing.
    """

    status: RunStatus
    output: dict[str, Any]
    last_event: tuple[str, dict[str, Any]]
    messages: bytes | None = None
    carried: bytes | None = None
    state_changes: dict[str, Any] = field(default_factory=dict)
    state_removals: tuple[str, ...] = ()
    usage: Usage = field(default_factory=list)
    jobs: tuple[NextJob, ...] = ()


class _Asked(msgspec.Struct):
    message: str = ""
    traceparent: str | None = None


_load_asked = loader_of(_Asked)


def message_of(given: bytes) -> str:
    """Return what the user said, of all that a run is given as JSON."""
    return _load_asked(given).message


def caller_of(given: bytes) -> TraceParent | None:
    """Return where the trace of a run's caller goes on, of all that the run is given as JSON."""
    if b'"traceparent"' not in given:
        return None
    try:
        return read_traceparent(_load_asked(given).traceparent)
    except ValueError:  # an input of another shape
        return None

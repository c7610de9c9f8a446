"""A run's events as frames: followed live, or caught up on as the protocol's `resume` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import msgspec

from serai.components.blob_references import FIRST_MEMBER, blobs_of
from serai.components.media import with_bytes
from serai.domain.json_text import dump_json, loader_of
from serai.domain.run_state import EVENT_PREFIXES, LAST_EVENTS
from serai.domain.runs import Event, RunRecord
from serai.engine.engine import Engine
from serai.engine.event_log import Follower
from serai.server.run_kinds import RUN_KINDS
from serai.server.sse import frame
from serai.storage.blobs import BlobStore

_ANYBODYS: Final = frozenset({"CustomEvent", "StepOutput"})
"""Events with content that count whoever they are from."""


class _Speaker(msgspec.Struct):
    """Whose an event is."""

    run_id: str | None = None
    parent_run_id: str | None = None
    workflow_run_id: str | None = None


_load_speaker = loader_of(_Speaker)


async def follow(follower: Follower, *, blobs: BlobStore, is_content_only: bool = False) -> AsyncIterator[bytes]:
    """Yield a run's frames until it rests; the follower is closed at the end.

    Args:
        follower: where from.
        blobs: where the bytes of its media lie.
        is_content_only: only what is said, of a workflow by its steps, and how the run ends.
    """
    record = follower.record
    is_shown = _content_filter(record) if is_content_only else None
    try:
        async for events in follower.batches():
            yield await _frames(events if is_shown is None else filter(is_shown, events), record, blobs)
        if follower.is_removed:
            yield _removed_frame(record)
    finally:
        follower.close()


async def resume(engine: Engine, record: RunRecord, *, after: int) -> AsyncIterator[bytes]:
    """Yield what was missed and what still comes, each announced by a control frame.

    Args:
        engine: the engine.
        record: the run as it was just found.
        after: the last sequence number seen; -1 for none.
    """
    missed = [event async for events in engine.read_events(record, after=after) for event in events]
    count = missed[-1].seq + 1 if missed else after + 1
    status = record.status.value.lower()
    if record.status.is_at_rest:
        text = f"The run rests; {len(missed)} events follow."
        yield control_frame("replay", record.id, status=status, total_events=len(missed), message=text)
        yield await _frames(missed, record, engine.blobs)
        return
    if missed:
        yield control_frame(
            "catch_up",
            record.id,
            status=status,
            missed_events=len(missed),
            current_event_count=count,
            message=f"{len(missed)} missed events follow.",
        )
        yield await _frames(missed, record, engine.blobs)
    text = "Events follow as they come."
    yield control_frame("subscribed", record.id, status=status, current_event_count=count, message=text)
    async for frames in follow(engine.follow(record, after=count - 1), blobs=engine.blobs):
        yield frames


def _removed_frame(record: RunRecord) -> bytes:
    """Return the frame that ends the stream of a run that is there no more."""
    members = {f"{record.kind}_id": record.component_id, "session_id": record.session_id}
    text = "The run was removed with its session."
    failed = {"content": text, "error": text, "error_type": "run_removed"}
    return control_frame(f"{EVENT_PREFIXES[record.kind]}Error", record.id, **members, **failed)


def control_frame(name: str, run_id: str, **members: object) -> bytes:
    """Return a frame that speaks of the stream rather than of the run; it has no id."""
    data = dump_json({"event": name, "run_id": run_id, **members})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _content_filter(record: RunRecord) -> Callable[[Event], bool]:
    """Return what tells the events with content from others; what a run inside the run says is its own affair."""
    kind = RUN_KINDS[record.kind]
    own = kind.content | LAST_EVENTS[record.kind]

    def is_shown(event: Event) -> bool:
        if event.name in own:
            return (_load_speaker(event.data).run_id or record.id) == record.id
        if event.name in kind.steps_content:  # a step's, rather than that of a member of its team
            speaker = _load_speaker(event.data)
            return speaker.parent_run_id in (None, speaker.workflow_run_id)
        return event.name in _ANYBODYS

    return is_shown


async def _frames(events: Iterable[Event], record: RunRecord, blobs: BlobStore) -> bytes:
    """Return events as they go over the wire; those with media get the bytes that they refer to."""
    frames = []
    for event in events:
        data = event.data
        if data.startswith(FIRST_MEMBER):
            found = await blobs.get_all(record.project_id, blobs_of(data))
            data = await asyncio.to_thread(with_bytes, data, found)
        frames.append(frame(event.name, data, event.seq))
    return b"".join(frames)

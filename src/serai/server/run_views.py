"""A stored run as the wire shows it: the run object, and the row of a list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from serai.components.blob_references import StoredBytes, blobs_of
from serai.components.media import with_bytes
from serai.components.messages import load_messages, wire_messages
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import RunRecord
from serai.server.run_kinds import RUN_KINDS
from serai.storage.blobs import BlobStore
from serai.storage.runs import Answer


async def show_run(record: RunRecord, answer: Answer, *, name: str, blobs: BlobStore) -> bytes:
    """Return the run object with the bytes of its media; one query for a run that has any, none for others.

    Args:
        record: the run.
        answer: its state and what it left at its last rest.
        name: of its component.
        blobs: where the bytes lie.
    """
    hashes = {*blobs_of(answer.output), *blobs_of(answer.messages)}
    if not hashes:
        return run_object(record, answer, name=name)
    found = await blobs.get_all(record.project_id, hashes)
    return await asyncio.to_thread(run_object, record, answer, name=name, blobs=found)


def run_object(record: RunRecord, answer: Answer, *, name: str, blobs: Mapping[str, bytes] | None = None) -> bytes:
    """Return the run object: the stored answer with a model's messages, or what is known before the run rests.

    Args:
        record: the run.
        answer: its state and what it left at its last rest.
        name: of its component.
        blobs: bytes of its media; those that are missing are left out.
    """
    if answer.output is None or not answer.status.is_at_rest:
        return dump_json(_begun(record, answer, name))
    stored = {sha256: StoredBytes.of(sha256, data) for sha256, data in (blobs or {}).items()}
    output = with_bytes(answer.output, stored) if blobs_of(answer.output) else answer.output
    if not RUN_KINDS[record.kind].is_modelled:
        return output
    messages = [] if answer.messages is None else wire_messages(load_messages([answer.messages], stored))
    return output[:-1] + b',"messages":' + dump_json(messages) + b"}"


def run_row(record: RunRecord, answer: Answer, *, name: str) -> dict[str, Any]:
    """Return a run as the published lists show it: its time is text, and what it was asked stands apart."""
    row: dict[str, Any] = load_json(run_object(record, answer, name=name))
    given = load_run_input(record.input)
    row["created_at"] = record.created_at.isoformat()
    row["run_input"] = given.message
    row["run_response_format"] = "text" if row.get("content_type", "str") == "str" else "json"
    return row


def _begun(record: RunRecord, answer: Answer, name: str) -> dict[str, Any]:
    given = load_run_input(record.input)
    return {
        "run_id": record.id,
        f"{record.kind}_id": record.component_id,
        f"{record.kind}_name": name,
        "session_id": record.session_id,
        "user_id": record.user_id,
        "input": given.shown() if RUN_KINDS[record.kind].is_modelled else given.message,
        "created_at": int(record.created_at.timestamp()),
        "metrics": {},
        "status": answer.status.value,
        **({"member_responses": []} if record.kind == "team" else {}),
    }

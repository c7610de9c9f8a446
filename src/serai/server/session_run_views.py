"""The runs of a session as the wire shows them: each whole, or as a short preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from serai.components.blob_references import blobs_of
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json, load_json, loader_of, without_nulls
from serai.domain.runs import RunRecord, message_of
from serai.server.run_kinds import RUN_KINDS
from serai.server.run_views import run_object
from serai.server.times import utc_text
from serai.storage.runs import Answer

LONGEST_PREVIEW: Final = 280
_INPUT_MEDIA: Final = ("images", "videos", "audios", "files")
_MEDIA: Final = ("images", "videos", "audio", "files")
_LISTS_OF_MODELLED: Final = ("reasoning_steps", "references", "reasoning_messages")
Shown = dict[str, Any]


class _Said(msgspec.Struct):
    content: Any = None


_load_said = loader_of(_Said)


def show_session_run(record: RunRecord, answer: Answer, *, name: str, blobs: Mapping[str, bytes]) -> Shown:
    """Return a run with the members that the published clients look for.

    Args:
        record: the run.
        answer: its state and what it left at its last rest.
        name: of its component.
        blobs: bytes of its media; those that are missing are left out.
    """
    run: Shown = load_json(run_object(record, answer, name=name, blobs=blobs))
    run.pop("blobs", None)
    given = load_run_input(record.input)
    is_text = isinstance(content := run.get("content"), str | None)
    run.update(
        content=content if is_text or isinstance(content, dict) else dump_json(content).decode(),
        created_at=utc_text(record.created_at),
        status=answer.status.value,
        run_input=given.message,
        run_response_format="text" if is_text else "json",
    )
    for member in _MEDIA:
        run.setdefault(member, [])
    if RUN_KINDS[record.kind].is_modelled:
        run.setdefault("parent_run_id", "")
        run.setdefault("reasoning_content", "")
        for member in _LISTS_OF_MODELLED:
            run.setdefault(member, [])
        run.setdefault("messages", [])
        media = run.get("input") or {}
        run["input_media"] = {member: media.get(member, []) for member in _INPUT_MEDIA}
    return run


def show_preview(record: RunRecord, answer: Answer) -> Shown:
    """Return a run in a few words."""
    content = None if answer.output is None or not answer.status.is_at_rest else _load_said(answer.output).content
    text = content if isinstance(content, str | None) else dump_json(content).decode("utf-8", "replace")
    preview = {
        "run_id": record.id,
        "parent_run_id": "",
        f"{record.kind}_id": record.component_id,
        "user_id": record.user_id,
        "status": answer.status.value,
        "run_input": message_of(record.input)[:LONGEST_PREVIEW],
        "content_preview": None if text is None else text[:LONGEST_PREVIEW],
        "created_at": utc_text(record.created_at),
    }
    return without_nulls(preview)


def media_of_run(answer: Answer) -> set[str]:
    """Return the hashes of the blobs that a run has."""
    return {*blobs_of(answer.output), *blobs_of(answer.messages)}

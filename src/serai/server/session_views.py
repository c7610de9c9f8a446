"""Sessions as the wire shows them: one in its component's shape, and the item of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from serai.components.blob_references import StoredBytes, blobs_of
from serai.components.chat_history import chat_history
from serai.domain.json_text import dump_json, without_nulls
from serai.domain.sessions import SessionDetail, SessionRecord
from serai.domain.usage import Usage, cost_member, sum_cost, sum_tokens, sum_usage
from serai.server.times import utc_text

_EMPTY: Final = Raw(b"{}")
_read_usage = msgspec.json.Decoder(list[Usage]).decode


def show_session(
    detail: SessionDetail,
    *,
    component_name: str | None = None,
    blobs: Mapping[str, StoredBytes] | None = None,
    keeps_nulls: bool = False,
) -> bytes:
    """Return a session in the shape of its own kind.

    All shapes have ``agent_session_id``, and a component's id that is not null: the published clients read every
    session as an agent's unless told otherwise, or choose by the first id there is.

    Args:
        detail: the session and what its runs have left.
        component_name: of a workflow.
        blobs: the media of its messages.
        keeps_nulls: members that are null are shown.
    """
    record = detail.record
    shown: dict[str, Any] = {
        "user_id": record.user_id,
        "agent_session_id": record.id,
        "session_id": record.id,
        "session_name": record.title,
        "session_summary": _raw(record.summary),
        "session_state": _raw(record.state) or _EMPTY,
        f"{record.kind}_id": record.component_id or "",
    }
    metrics = _metrics(detail)
    if record.kind == "workflow":
        shown["workflow_name"] = component_name
        shown["session_data"] = {
            "session_name": record.title,
            "session_state": shown["session_state"],
            "session_metrics": metrics,
        }
        shown["workflow_data"] = None
        del shown["session_summary"]
    else:
        shown["total_tokens"] = metrics.get("total_tokens")
        shown["metrics"] = metrics
        shown["chat_history"] = chat_history(detail.messages, blobs or {})
        shown[f"{record.kind}_data"] = None
    shown["metadata"] = _raw(record.metadata)
    shown["created_at"] = utc_text(record.created_at)
    shown["updated_at"] = utc_text(record.updated_at)
    return dump_json(shown if keeps_nulls else without_nulls(shown))


def show_listed(record: SessionRecord) -> bytes:
    """Return a session as the item of a list; the published clients read state and metrics in ``session_data``."""
    state = _raw(record.state) or _EMPTY
    metrics = _totals(record) if record.has_runs else {}
    shown: dict[str, Any] = {
        "session_id": record.id,
        "session_name": record.title,
        "session_state": state,
        "created_at": utc_text(record.created_at),
        "updated_at": utc_text(record.updated_at),
        "session_type": record.kind,
        "user_id": record.user_id,
        f"{record.kind}_id": record.component_id,
        "metrics": metrics,
        "total_tokens": metrics.get("total_tokens"),
        "metadata": _raw(record.metadata),
        "session_data": {"session_state": state, "session_metrics": metrics},
        "summary": _raw(record.summary),
    }
    return dump_json(without_nulls(shown))


def media_of(detail: SessionDetail) -> set[str]:
    """Return the hashes of the blobs in a session's messages."""
    return {sha256 for document in detail.messages for sha256 in blobs_of(document)}


def _raw(document: bytes | None) -> Raw | None:
    return None if document is None else Raw(document)


def _totals(record: SessionRecord) -> dict[str, int]:
    return {
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "total_tokens": record.input_tokens + record.output_tokens,
    }


def _metrics(detail: SessionDetail) -> dict[str, Any]:
    """Return the tokens and dollars of a session, of each kind and by model; nothing before its first run."""
    if not detail.record.has_runs:
        return {}
    models = sum_usage(item for used in _read_usage(f"[{detail.usage}]") for item in used)
    metrics: dict[str, Any] = {**sum_tokens(models), **_totals(detail.record), **cost_member(sum_cost(models))}
    return {**metrics, "details": {"model": models}} if models else metrics

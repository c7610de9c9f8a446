"""The end of a run whose component cannot end it: no more than the engine itself knows."""

from __future__ import annotations

import time
from typing import Any

from serai.domain.run_state import EVENT_PREFIXES, RunStatus
from serai.domain.runs import Outcome, RunRecord


def bare_outcome(record: RunRecord, *, is_cancelled: bool, text: str, next_seq: int) -> Outcome:
    """Return the outcome of a run that can go on nowhere, or was cancelled.

    Args:
        record: the run.
        is_cancelled: it ends as CANCELLED; else as ERROR.
        text: what is told to people.
        next_seq: the sequence number of the event that ends it.
    """
    status, ending = (RunStatus.CANCELLED, "Cancelled") if is_cancelled else (RunStatus.ERROR, "Error")
    common: dict[str, Any] = {
        "run_id": record.id,
        f"{record.kind}_id": record.component_id,
        "session_id": record.session_id,
        "content": text,
    }
    name = EVENT_PREFIXES[record.kind] + ending
    event = {"created_at": int(time.time()), "event": name, **common, "event_index": next_seq}
    if record.kind == "workflow" and not is_cancelled:
        event["error"] = text
    output = {**common, "user_id": record.user_id, "content_type": "str"}
    return Outcome(
        status=status,
        output={**output, "created_at": int(record.created_at.timestamp())},
        last_event=(name, event if is_cancelled else {**event, "error_type": "component_failed"}),
    )

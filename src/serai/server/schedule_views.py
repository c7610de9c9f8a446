"""Schedules and the runs they started as the wire shows them; times are Unix seconds, as in the published protocol."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from serai.components.run_input import load_run_input
from serai.domain.json_text import without_nulls
from serai.domain.runs import RunRecord
from serai.domain.schedules import ScheduleRecord
from serai.storage.schedules import StartedRun

_NO_RETRIES = {"timeout_seconds": 86_400, "max_retries": 0, "retry_delay_seconds": 60}
"""The published protocol demands these; they say that a failed run is not tried again."""


def show_schedule(record: ScheduleRecord) -> dict[str, Any]:
    """Return a schedule as JSON."""
    given = load_run_input(record.input)
    payload = {
        "message": given.message,
        "session_id": record.session_id,
        "user_id": record.user_id,
        "session_state": given.session_state or None,
        "dependencies": given.dependencies or None,
        "metadata": given.metadata or None,
        "knowledge_filters": given.knowledge_filters,
    }
    return {
        "id": str(record.id),
        "name": record.name,
        "description": record.description,
        "user_id": record.user_id,
        "declared_by": record.declared_by,
        "kind": record.kind,
        "component_id": record.component_id,
        "method": "POST",
        "endpoint": f"/{record.kind}s/{quote(record.component_id, safe='')}/runs",
        "payload": without_nulls(payload),
        "cron_expr": record.cron,
        "timezone": record.timezone,
        "misfire": record.misfire.value,
        "misfire_grace_s": record.misfire_grace_s,
        "enabled": not record.is_paused,
        "next_run_at": _seconds(record.next_fire_at),
        "last_run_at": _seconds(record.last_fire_at),
        "last_run_id": record.last_run_id,
        "last_error": record.last_error,
        "created_at": _seconds(record.created_at),
        "updated_at": _seconds(record.updated_at),
        **_NO_RETRIES,
    }


def show_started(record: ScheduleRecord, run: StartedRun) -> dict[str, Any]:
    """Return a run that a schedule started as JSON; status and session are null when it is not there any more."""
    return {
        "id": run.run_id,
        "schedule_id": str(record.id),
        "run_id": run.run_id,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "status": "UNKNOWN" if run.status is None else run.status.value,
        "is_manual": run.is_manual,
        "attempt": 1,
        "triggered_at": _seconds(run.fire_at),
        "completed_at": _seconds(run.ended_at),
        "created_at": _seconds(run.created_at),
    }


def show_fired(record: ScheduleRecord, run: RunRecord) -> dict[str, Any]:
    """Return the run that a person has just had a schedule start."""
    started = StartedRun(
        run_id=run.id,
        fire_at=run.created_at,
        is_manual=True,
        status=run.status,
        session_id=run.session_id,
        user_id=run.user_id,
        created_at=run.created_at,
        ended_at=None,
    )
    return show_started(record, started)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())

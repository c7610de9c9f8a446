"""Computing the totals of days anew as a background job."""

from __future__ import annotations

from datetime import date
from typing import Final

from serai.engine.jobs import ActiveJob
from serai.storage.metrics import MetricsStore

KIND: Final = "metrics.refresh"


def refresh_payload(first: date, last: date) -> dict[str, str]:
    """Return what the job needs to know: from and to which day."""
    return {"first": first.isoformat(), "last": last.isoformat()}


async def do_refresh(store: MetricsStore, job: ActiveJob) -> None:
    """Do the job; doing it twice does no harm."""
    first, last = (date.fromisoformat(job.payload[name]) for name in ("first", "last"))
    days = await store.refresh(job.project_id, first=first, last=last)
    await job.report({"days": len(days)})

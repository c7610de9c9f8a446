"""How long data is kept, and what was removed, on the wire. Only Serai servers have it."""

from __future__ import annotations

from pydantic import Field

from serai.wire.model import Moment, OpenModel
from serai.wire.status import Status


class RetentionRun(OpenModel):
    """What became of applying the rules.

    Attributes:
        status: of the job that does it, as ``COMPLETED`` or ``ERROR``; None of a dry run.
        removed: how many rows of each kind are gone, or would be.
        error: why it failed.
    """

    status: Status | None = None
    removed: dict[str, int] = Field(default_factory=dict)
    error: str | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None


class RetentionRules(OpenModel):
    """For how many days each kind of data is kept, None for ever; and what applying that has last removed."""

    rules: dict[str, float | None] = Field(default_factory=dict)
    last: RetentionRun | None = None


class RetentionReport(RetentionRun):
    """What applying the rules has removed; with ``dry_run`` what it would remove."""

    dry_run: bool = False
    rules: dict[str, float | None] = Field(default_factory=dict)


class ErasureReport(OpenModel):
    """How many rows about a user are gone from each table, or would be: ``dry_run``."""

    user_id: str
    dry_run: bool = False
    removed: dict[str, int] = Field(default_factory=dict)

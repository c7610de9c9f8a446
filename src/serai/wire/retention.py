"""How long data is kept, and what was removed, on the wire. Only Serai servers have it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serai.wire.model import OpenModel


class RetentionRules(OpenModel):
    """How long each kind of data is kept."""

    rules: dict[str, Any] = Field(default_factory=dict)


class RetentionReport(RetentionRules):
    """How many rows of each kind the rules have removed, or would remove: ``dry_run``."""

    dry_run: bool = False
    removed: dict[str, int] = Field(default_factory=dict)


class ErasureReport(OpenModel):
    """How many rows about a user are gone from each table, or would be: ``dry_run``."""

    user_id: str
    dry_run: bool = False
    removed: dict[str, int] = Field(default_factory=dict)

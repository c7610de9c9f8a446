"""Sessions on the wire."""

from __future__ import annotations

from enum import StrEnum


class SessionType(StrEnum):
    """What kind of component a session belongs to."""

    AGENT = "agent"
    TEAM = "team"
    WORKFLOW = "workflow"

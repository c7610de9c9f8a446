"""What callers choose from when they ask for sessions, evals and traces, and see of contents. Loads nothing heavy."""

from __future__ import annotations

from enum import StrEnum


class SessionType(StrEnum):
    """What kind of component a session belongs to."""

    AGENT = "agent"
    TEAM = "team"
    WORKFLOW = "workflow"


class EvalType(StrEnum):
    """What an eval measures."""

    ACCURACY = "accuracy"
    AGENT_AS_JUDGE = "agent_as_judge"
    PERFORMANCE = "performance"
    RELIABILITY = "reliability"


class EvalFilterType(StrEnum):
    """What kind of component an eval is about."""

    AGENT = "agent"
    TEAM = "team"
    WORKFLOW = "workflow"


class ContentStatus(StrEnum):
    """Where a content of a knowledge base stands; Serai servers never say ``partial``."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"


class TraceSearchGroupBy(StrEnum):
    """What a search of traces returns: each of them, or the sessions they belong to."""

    RUN = "run"
    SESSION = "session"

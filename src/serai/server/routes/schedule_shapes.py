"""What the routes of schedules take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from serai.domain.schedules import MOST_MADE_UP
from serai.server.components import KINDS
from serai.server.openapi import query_parameter
from serai.server.paging import page_of, paging_parameters
from serai.server.routes.record_shapes import NAME, OBJECT, TEXT, object_schema, or_null
from serai.server.schedule_bodies import WITHOUT_EFFECT
from serai.server.scope import KEY_PARAMETER, PROJECT_PARAMETERS

TAGS: Final = ("schedules",)
KEY: Final = KEY_PARAMETER
SCOPE: Final = PROJECT_PARAMETERS
DEFAULT_LISTED: Final = 100
MOST_LISTED: Final = 1000
PAGING: Final = paging_parameters(default=DEFAULT_LISTED, most=MOST_LISTED)
ENABLED: Final = query_parameter("enabled", {"type": "boolean"}, "Only those that are enabled, or that are paused.")

_SECONDS: Final = or_null({"type": "integer", "description": "Unix seconds."})
_KIND: Final = {"enum": list(KINDS)}
_SAID: Final[dict[str, Any]] = {
    "name": {**TEXT, "maxLength": 200, "description": "Unique in the project; default: component and expression."},
    "description": or_null({**TEXT, "maxLength": 1000}),
    "cron_expr": {**TEXT, "description": "Minute, hour, day of month, month, day of week; or `@daily` and the like."},
    "timezone": {**TEXT, "default": "UTC", "description": "In which it is read, for example `Europe/Berlin`."},
    "kind": {**_KIND, "description": "Of the component; needed when several have the id."},
    "component_id": {**NAME, "description": "What runs."},
    "endpoint": {**TEXT, "description": "The same as one: `/agents/my-agent/runs`."},
    "payload": {
        **OBJECT,
        "description": "What the run is given: `message`, `session_id`, `user_id`, `session_state`, `dependencies`, "
        "`metadata`, `knowledge_filters`. Each may also stand beside `payload` instead.",
    },
    "misfire": {
        "enum": ["skip", "once", "all"],
        "default": "once",
        "description": "What becomes of times at which no node was up: nothing, one run for all of them, or one for "
        f"each of the last {MOST_MADE_UP}.",
    },
    "misfire_grace_s": {"type": "number", "default": 60, "description": "How late `skip` still starts a run."},
    "enabled": {"type": "boolean", "default": True},
}
_ALIASES: Final[dict[str, Any]] = {
    "message": {"description": "What the component is asked; anything but text is sent as JSON."},
    "session_id": or_null({**TEXT, "description": "The session of all its runs; by default each has its own."}),
    "user_id": or_null(TEXT),
    **dict.fromkeys(("session_state", "dependencies", "metadata"), or_null(OBJECT)),
    "knowledge_filters": {},
    "cron": {**TEXT, "description": "The same as `cron_expr`."},
    "is_paused": {"type": "boolean", "description": "The opposite of `enabled`."},
    "method": {"enum": ["POST"]},
    **{name: {"type": "integer", "description": "Accepted and not used."} for name in WITHOUT_EFFECT},
}
NEW: Final = {
    **object_schema({**_SAID, **_ALIASES}),
    "description": "Needed are an expression, a component and a message, by either of their names.",
}
CHANGES: Final = object_schema({**_SAID, **_ALIASES})
SCHEDULE: Final = object_schema(
    {
        "id": TEXT,
        **_SAID,
        "method": {"enum": ["POST"]},
        "user_id": or_null(TEXT),
        "declared_by": or_null({**TEXT, "description": "The OS in whose code it stands; null: made over HTTP."}),
        "next_run_at": _SECONDS,
        "last_run_at": _SECONDS,
        "last_run_id": or_null(TEXT),
        "last_error": or_null({**TEXT, "description": "Why the last firing started no run."}),
        "created_at": _SECONDS,
        "updated_at": _SECONDS,
        **{name: {"type": "integer"} for name in WITHOUT_EFFECT},
    },
    *("id", *_SAID, "method", "next_run_at", "last_run_at", "last_run_id", "last_error", "created_at", "updated_at"),
)
STARTED: Final = object_schema(
    {
        **dict.fromkeys(("id", "schedule_id", "run_id"), TEXT),
        "session_id": or_null(TEXT),
        "user_id": or_null(TEXT),
        "status": {**TEXT, "description": "Of the run; `UNKNOWN` when it is not there any more."},
        "is_manual": {"type": "boolean", "description": "A person fired it."},
        "attempt": {"type": "integer"},
        "triggered_at": {**_SECONDS, "description": "The time it was started for."},
        "completed_at": _SECONDS,
        "created_at": _SECONDS,
    },
    *("id", "schedule_id", "run_id", "status", "is_manual", "triggered_at"),
)
PAGE_OF_SCHEDULES: Final = page_of(SCHEDULE)
PAGE_OF_RUNS: Final = page_of(STARTED)

"""What the routes of sessions take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from serai.server.components import KINDS
from serai.server.databases import DATABASE_PARAMETERS
from serai.server.openapi import query_parameter
from serai.server.paging import page_of, paging_parameters, sorting_parameters
from serai.server.routes.record_shapes import NAME, OBJECT, TEXT, TIME, object_schema, or_null
from serai.server.scope import KEY_PARAMETER, PROJECT_PARAMETERS
from serai.server.session_bodies import LONGEST_SESSION_NAME, MOST_DELETED, STATUSES
from serai.storage.session_lists import ORDERS

TAGS: Final = ("sessions",)
DEFAULT_ORDER: Final = "created_at"
KEY: Final = KEY_PARAMETER
USER: Final = query_parameter("user_id", TEXT, "Only what is this user's; the sessions of others are not there.")
PROJECT: Final = (
    *PROJECT_PARAMETERS,
    *DATABASE_PARAMETERS,
)
_KIND: Final = {"enum": list(KINDS)}
TYPE: Final = query_parameter("type", _KIND, "Accepted; the session is answered as what it is.")
NEW_TYPE: Final = query_parameter(
    "type", _KIND, "Of what it is; by default of the component that is named, or an agent."
)
SCOPE: Final = (*PROJECT, USER, TYPE)
LIST_PARAMETERS: Final = (
    *PROJECT,
    USER,
    query_parameter("type", _KIND, "Only those of agents, teams or workflows."),
    query_parameter("component_id", TEXT, "Only those of this agent, team or workflow."),
    query_parameter("session_name", TEXT, "Only those whose name holds this text; upper and lower case are the same."),
    *paging_parameters(),
    *sorting_parameters(ORDERS, default=DEFAULT_ORDER),
)
RUN_PARAMETERS: Final = (
    *SCOPE,
    query_parameter("created_after", {"type": "integer"}, "Only those begun at this Unix second or later."),
    query_parameter("created_before", {"type": "integer"}, "Only those begun at this Unix second or before."),
    query_parameter(
        "status",
        {"type": "array", "items": {"enum": sorted(STATUSES)}},
        "Only those of one of these statuses, in any case.",
    ),
)
DELETE_MEDIA: Final = query_parameter("delete_media", {"type": "boolean"}, "Accepted and not used.")

_TITLE: Final = {**TEXT, "maxLength": LONGEST_SESSION_NAME}
_COMPONENTS: Final[dict[str, Any]] = {
    f"{kind}_id": {**TEXT, "description": f"Of a session of {'an' if kind == 'agent' else 'a'} {kind}."}
    for kind in KINDS
}
_TOKENS: Final = {
    **OBJECT,
    "description": "Tokens of all runs: `input_tokens`, `output_tokens`, `total_tokens` and others; "
    "`details.model` has them by model. Empty before the first run.",
}
NEW: Final = object_schema(
    {
        "session_id": or_null({**NAME, "description": "Default: a new one."}),
        "session_name": or_null({**_TITLE, "description": "Default: what the first message says."}),
        "session_state": or_null(OBJECT),
        "metadata": or_null(OBJECT),
        "user_id": or_null(NAME),
        **{name: or_null(schema) for name, schema in _COMPONENTS.items()},
    }
)
CHANGES: Final = {
    **object_schema(
        {
            "session_name": or_null({**_TITLE, "description": "Empty: what the first message says."}),
            "session_state": or_null(OBJECT),
            "metadata": or_null(OBJECT),
            "summary": or_null({**OBJECT, "description": "For example `summary` and `topics`."}),
        }
    ),
    "description": "What is given takes the place of what there is; what is left out or null stays.",
}
NEW_NAME: Final = object_schema({"session_name": _TITLE}, "session_name")
DELETION: Final = object_schema(
    {
        "session_ids": {"type": "array", "items": NAME, "minItems": 1, "maxItems": MOST_DELETED},
        "session_types": {"type": "array", "items": _KIND, "description": "As many as there are ids."},
    },
    "session_ids",
    "session_types",
)
_TIMES: Final = {"created_at": TIME, "updated_at": TIME}
SESSION: Final = object_schema(
    {
        **dict.fromkeys(("session_id", "agent_session_id", "session_name"), TEXT),
        "user_id": or_null(TEXT),
        **_COMPONENTS,
        "workflow_name": or_null(TEXT),
        "session_state": OBJECT,
        "metadata": or_null(OBJECT),
        "session_summary": or_null(OBJECT),
        "metrics": _TOKENS,
        "total_tokens": or_null({"type": "integer"}),
        "chat_history": {
            "type": "array",
            "items": OBJECT,
            "description": "What users and models said, oldest first. A workflow has none.",
        },
        "session_data": {**OBJECT, "description": "Of a workflow: its name, state and metrics."},
        **{f"{kind}_data": or_null(OBJECT) for kind in KINDS},
        **_TIMES,
    },
    *("session_id", "agent_session_id", "session_name", "session_state", "created_at", "updated_at"),
)
_LISTED: Final = object_schema(
    {
        **dict.fromkeys(("session_id", "session_name"), TEXT),
        "session_type": _KIND,
        "user_id": TEXT,
        **_COMPONENTS,
        **dict.fromkeys(("session_state", "metadata", "summary"), OBJECT),
        "metrics": _TOKENS,
        "total_tokens": {"type": "integer"},
        "session_data": {**OBJECT, "description": "`session_state` and `session_metrics` once more."},
        **_TIMES,
    },
    *("session_id", "session_name", "session_type", "created_at", "updated_at"),
)
PAGE_OF_SESSIONS: Final = page_of(_LISTED)
PREVIEW: Final = object_schema(
    {
        **dict.fromkeys(("run_id", "parent_run_id", "status", "run_input", "content_preview", "user_id"), TEXT),
        **_COMPONENTS,
        "created_at": TIME,
    },
    *("run_id", "status", "run_input", "created_at"),
)
RUN: Final = {
    **object_schema(
        {
            **dict.fromkeys(("run_id", "status", "run_input"), TEXT),
            "run_response_format": {"enum": ["text", "json"]},
            "content": or_null({"anyOf": [TEXT, OBJECT]}),
            "created_at": TIME,
        },
        *("run_id", "status", "run_input", "created_at"),
    ),
    "description": "The run object of an agent, a team or a workflow, as its own routes show it, with a time as text.",
}

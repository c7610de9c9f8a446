"""The forms and objects of runs as the OpenAPI document describes them, for each kind of component."""

from __future__ import annotations

from typing import Final

from serai.server.openapi import JsonObject
from serai.server.run_kinds import RunKind

_TEXT: Final[JsonObject] = {"type": "string"}
_OBJECTS: Final[JsonObject] = {"type": "array", "items": {"type": "object"}}
_MEDIA: Final[JsonObject] = {
    "type": "string",
    "description": "A JSON list of media, each with `url` (http, https or data) or `content` (base64; of a file also "
    "its text), and if known `mime_type`, `format`, `id`, `metadata` and what its kind has. `filepath` is refused.",
}
_WAYS: Final[JsonObject] = {
    "stream": {"type": "boolean", "default": True, "description": "Events as they come instead of one answer."},
    "stream_events": {"type": "boolean", "default": True, "description": "False: only content and the end."},
    "background": {"type": "boolean", "default": False, "description": "Answer 202 at once; read the run later."},
}
_WHEN_BUSY: Final[JsonObject] = {
    "type": "string",
    "enum": ["queue", "reject"],
    "default": "queue",
    "description": "What to do when the session has a run already: wait for its end, or answer 409.",
}
_MODELLED_FIELDS: Final[JsonObject] = {
    "files": {
        "description": "Uploads, of agents and teams only, routed by type or extension; or text like `input_files`.",
        "anyOf": [{"type": "array", "items": {"type": "string", "format": "binary"}}, {"type": "string"}],
    },
    "files_metadata": {"type": "string", "description": "A JSON list of objects, one for each upload in order."},
    "output_schema": {
        "type": "string",
        "description": "A JSON schema of an object (draft 2020-12, `$ref` within it); a model whose answer does "
        "not follow it is told, and asked again.",
    },
    "use_json_schema": {
        "type": "boolean",
        "default": False,
        "description": "True: `content_type` is `dict` instead of the schema's title.",
    },
    "add_history_to_context": {"type": "boolean", "default": True},
    "num_history_runs": {"type": "integer", "description": "How many earlier runs of the session the model sees."},
}
_ANSWERS: Final[JsonObject] = {
    "tools": {
        "type": "string",
        "description": "A JSON list of tool executions, each with tool_call_id and its answer: confirmed, result, "
        "user_input_schema with values, or user_feedback_schema with selected_options. Nulls say nothing.",
    },
    "requirements": {
        "type": "string",
        "description": "A JSON list of requirements: the same answers in their `tool_execution`, or `id` and "
        "confirmation, external_execution_result, user_input_schema or user_feedback_schema.",
    },
    "step_requirements": {
        "type": "string",
        "description": "A JSON list of step requirements, each with step_id and its answer: confirmed, user_input, "
        "selected_choices, edited_output, decision, or executor_requirements answered like `requirements`.",
    },
}
RESUME_FORM: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "last_event_index": {"type": "integer", "description": "Last event already seen; default none."},
        "session_id": _TEXT,
    },
}


def run_form(kind: RunKind) -> JsonObject:
    """Return the form that begins a run."""
    return {
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": {"type": "string", "minLength": 1, "description": "What the user says."},
            **_WAYS,
            "session_id": {"type": "string", "description": "Default: a new session."},
            "user_id": _TEXT,
            "run_id": {"type": "string", "description": "Default: a new UUID."},
            "session_state": {"type": "string", "description": "A JSON object, laid over the session's state."},
            "dependencies": {"type": "string", "description": "A JSON object for tools and steps."},
            "metadata": {"type": "string", "description": "A JSON object kept with the run."},
            "knowledge_filters": {
                "type": "string",
                "description": "A JSON object of metadata, a filter expression, or a list of these: limits searches.",
            },
            **dict.fromkeys(("images", "audio", "videos", "input_files"), _MEDIA),
            **(
                _MODELLED_FIELDS if kind.is_modelled else {"files": {"type": "string", "description": "`input_files`."}}
            ),
            "when_busy": _WHEN_BUSY,
        },
    }


def continue_form(kind: RunKind) -> JsonObject:
    """Return the form that continues a paused run."""
    answers = {name: _ANSWERS[name] for name in kind.answers}
    return {
        "type": "object",
        **({"required": list(answers)} if len(answers) == 1 else {"anyOf": [{"required": [name]} for name in answers]}),
        "properties": {
            **answers,
            **_WAYS,
            "session_id": {"type": "string", "description": "Default: the run's."},
            "user_id": _TEXT,
            "when_busy": _WHEN_BUSY,
        },
    }


def run_object(kind: RunKind) -> JsonObject:
    """Return the run object; members that say nothing are left out."""
    return {
        "type": "object",
        "properties": {
            **dict.fromkeys(("run_id", f"{kind.name}_id", f"{kind.name}_name", "session_id"), _TEXT),
            "user_id": {"type": ["string", "null"]},
            "metadata": {"type": ["object", "null"]},
            "session_state": {"type": "object"},
            "created_at": {"type": "integer", "description": "Unix seconds."},
            "status": {"type": "string", "enum": ["PENDING", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED", "ERROR"]},
            "content": {"description": "The answer; of an ERROR its text."},
            "metrics": {"type": "object"},
            **_OWN_MEMBERS[kind.name],
            **{
                name: {**_OBJECTS, "description": "What the model, its tools or the steps made."}
                for name in ("images", "audio", "videos", "files")
            },
        },
    }


_MODELLED_MEMBERS: Final[JsonObject] = {
    "messages": _OBJECTS,
    "tools": _OBJECTS,
    "requirements": {**_OBJECTS, "description": "What a paused run waits for."},
    "input": {"type": "object", "description": "The message as `input_content`, and the media given with it."},
}
_OWN_MEMBERS: Final[dict[str, JsonObject]] = {
    "agent": _MODELLED_MEMBERS,
    "team": {
        **_MODELLED_MEMBERS,
        "member_responses": {**_OBJECTS, "description": "The run objects of its members."},
    },
    "workflow": {
        "input": {"type": "string", "description": "The message."},
        "step_results": {**_OBJECTS, "description": "What each step returned."},
        "step_executor_runs": {**_OBJECTS, "description": "The run objects of its steps' agents, teams and workflows."},
        "step_requirements": {**_OBJECTS, "description": "What a paused run waits for."},
        "paused_step_index": {"description": "Its place; of a step inside others the places from the outermost on."},
        "paused_step_name": _TEXT,
        "pause_kind": {"type": "string", "enum": ["step", "executor"]},
    },
}

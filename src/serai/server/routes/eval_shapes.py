"""What the routes of evals take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from serai.domain.evals import EvalStatus, EvalType
from serai.server.components import KINDS
from serai.server.databases import DATABASE_PARAMETERS
from serai.server.eval_bodies import LONGEST_NAME, MOST_DELETED, MOST_ITERATIONS, MOST_WARMUPS
from serai.server.openapi import query_parameter
from serai.server.paging import page_of, paging_parameters, sorting_parameters
from serai.server.routes.record_shapes import COUNT, OBJECT, TEXT, TIME, object_schema, or_null
from serai.server.scope import KEY_PARAMETER, PROJECT_PARAMETERS
from serai.storage.evals import SORTED_BY

TAGS: Final = ("evals",)
_USER: Final = query_parameter("user_id", TEXT, "Whose evals; without it everybody's.")
COMMON: Final = (*PROJECT_PARAMETERS, _USER, *DATABASE_PARAMETERS)
WRITE: Final = (*COMMON, KEY_PARAMETER)
BACKGROUND: Final = query_parameter(
    "background", {"type": "boolean", "default": False}, "Answer 202 at once, rather than wait for the end."
)
_TYPES: Final = [one.value for one in EvalType]
FILTERS: Final = (
    *(query_parameter(f"{kind}_id", TEXT, f"Only evals of this {kind}.") for kind in KINDS),
    query_parameter("model_id", TEXT, "Only evals with this model."),
    query_parameter("type", {"enum": list(KINDS)}, "Only evals of components of this kind."),
    query_parameter("eval_types", TEXT, f"Only evals of these types, joined by commas: {', '.join(_TYPES)}."),
    *paging_parameters(),
    *sorting_parameters(SORTED_BY, default="created_at"),
)
_TYPE: Final = {"enum": _TYPES}
_NAME: Final = {**TEXT, "minLength": 1, "maxLength": LONGEST_NAME}


def _number(least: int, most: int, default: int, description: str = "") -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default, "description": description}


_JUDGE: Final = "Of the judge; by default the component's own. Both, or neither."
NEW: Final = object_schema(
    {
        "eval_type": _TYPE,
        "input": {**TEXT, "minLength": 1, "description": "What the component is asked."},
        "agent_id": or_null({**TEXT, "description": "What is measured: an agent, or a team."}),
        "team_id": or_null(TEXT),
        "user_id": or_null({**TEXT, "description": "On whose behalf; may stand in the query instead."}),
        "name": or_null(_NAME),
        "model_id": or_null({**TEXT, "description": _JUDGE}),
        "model_provider": or_null({**TEXT, "description": _JUDGE}),
        "num_iterations": _number(1, MOST_ITERATIONS, 1, "How often it is asked."),
        "warmup_runs": _number(0, MOST_WARMUPS, 0, "Performance: runs before those that are measured."),
        "expected_output": or_null({**TEXT, "description": "Accuracy: what an accurate answer says."}),
        "criteria": or_null({**TEXT, "description": "Agent as judge: what the judge looks for."}),
        "additional_guidelines": or_null({**TEXT, "description": "For the judge."}),
        "additional_context": or_null({**TEXT, "description": "For the judge."}),
        "scoring_strategy": {"enum": ["binary", "numeric"], "default": "binary"},
        "threshold": _number(1, 10, 7, "The least numeric score that passes."),
        "expected_tool_calls": or_null({"type": "array", "items": TEXT, "description": "Reliability: names of tools."}),
        "expected_tool_call_arguments": or_null(
            {**OBJECT, "description": "By the tool's name: members of a call's arguments, or a list of such."}
        ),
        "allow_additional_tool_calls": {"type": "boolean", "default": False},
        "background": {"type": "boolean", "default": False, "description": "Answer 202 at once."},
    },
    *("eval_type", "input"),
)
CHANGES: Final = object_schema({"name": _NAME}, "name")
IDS: Final = object_schema(
    {"eval_run_ids": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_DELETED}}, "eval_run_ids"
)
EVAL: Final = object_schema(
    {
        "id": TEXT,
        **{f"{kind}_id": or_null(TEXT) for kind in KINDS},
        "model_id": or_null({**TEXT, "description": "Of the judge where there is one, else of the component."}),
        "model_provider": or_null(TEXT),
        "name": or_null(TEXT),
        "evaluated_component_name": TEXT,
        "user_id": or_null(TEXT),
        "eval_type": _TYPE,
        "eval_data": {**OBJECT, "description": "What was measured; while it runs, so far."},
        "eval_input": {**OBJECT, "description": "What was asked."},
        "status": {"enum": [status.value for status in EvalStatus]},
        "progress": object_schema({"finished": COUNT, "of": COUNT}, "finished", "of"),
        "error": or_null({**TEXT, "description": "Why nothing could be measured."}),
        "created_at": TIME,
        "updated_at": TIME,
    },
    *("id", "eval_type", "eval_data", "eval_input", "status", "progress", "created_at", "updated_at"),
)
PAGE: Final = page_of(EVAL)

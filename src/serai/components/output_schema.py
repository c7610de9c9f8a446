"""Answers in the form that a caller asks for: a JSON schema over the wire becomes a run's output type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pydantic
from pydantic_ai import DeferredToolRequests, StructuredDict
from pydantic_ai.exceptions import UserError

from serai.components.run_input import RunInput
from serai.domain.json_text import dump_json, load_json


def check_output_schema(schema: Any) -> None:
    """Check that answers can be made to follow a schema.

    Raises:
        ValueError: it is no JSON schema of an object, or has references that cannot be followed.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError('the schema must be a JSON object with "type": "object"')
    if not isinstance(schema.get("properties", {}), dict):
        raise ValueError("its properties must be a JSON object")
    try:
        _structured(dump_json(schema))
    except (UserError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error) or "it cannot be read") from error


def output_type_of(given: RunInput, own: Any) -> Any:
    """Return the type of a run's answer: what the caller asked for, or a pause, else the agent's own."""
    return own if given.output_schema is None else [_structured(dump_json(given.output_schema)), DeferredToolRequests]


def content_type_of(given: RunInput, output: Any) -> str:
    """Return how the wire names the type of an answer that is not text: its class, or the schema's title."""
    schema: Mapping[str, Any] = given.output_schema or {}
    title = schema.get("title")
    return title if isinstance(title, str) and title and not given.keeps_schema else type(output).__name__


@lru_cache(maxsize=256)
def _structured(schema: bytes) -> Any:
    output_type = StructuredDict(load_json(schema))
    pydantic.TypeAdapter(output_type).json_schema()
    return output_type

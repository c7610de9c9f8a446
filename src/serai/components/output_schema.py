"""Answers in the form that a caller asks for: a JSON schema over the wire becomes a run's output type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pydantic
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic_ai import DeferredToolRequests, StructuredDict
from pydantic_ai.exceptions import UserError
from pydantic_core import CoreSchema, core_schema
from referencing import Registry

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
        Draft202012Validator.check_schema(schema)
        if foreign := next((ref for ref in _references(schema) if not ref.startswith("#")), None):
            raise ValueError(f"its $ref {foreign!r} leads out of it")
        _structured(dump_json(schema))
    except SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error
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
    wanted = load_json(schema)
    validator = Draft202012Validator(wanted, registry=Registry())

    def check(answer: dict[str, Any]) -> dict[str, Any]:
        if (problem := best_match(validator.iter_errors(answer))) is not None:  # told to the model, which may try again
            raise ValueError(f"{problem.json_path}: {problem.message}")
        return answer

    class StructuredAnswer(StructuredDict(wanted)):  # type: ignore[misc]
        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
            inner = super().__get_pydantic_core_schema__(source, handler)
            return core_schema.no_info_after_validator_function(check, inner)

    pydantic.TypeAdapter(StructuredAnswer).json_schema()
    return StructuredAnswer


def _references(schema: Any) -> Iterator[str]:
    found = [schema]
    while found:
        item = found.pop()
        if isinstance(item, dict):
            if isinstance(item.get("$ref"), str):
                yield item["$ref"]
            found += item.values()
        elif isinstance(item, list):
            found += item

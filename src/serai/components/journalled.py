"""Reads the payloads that pydantic-ai journals, and says what a step was given."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturnPart

from serai.components.blob_references import resolve
from serai.components.run_media import media_of
from serai.domain.json_text import dump_json

_response = TypeAdapter(ModelResponse)
_anything = TypeAdapter[Any](Any)


def load_response(step: dict[str, Any]) -> ModelResponse:
    """Return the response of a journalled model request; the bytes of its files are not fetched."""
    payload = step["response"]
    if media := media_of(step):
        resolve(payload, [item.sha256 for item in media if item.sha256 is not None], {})
    return _response.validate_python(payload)


def answered_calls(messages: list[ModelMessage]) -> list[str]:
    """Return what tells one model request of a run from another: the calls that are answered in it.

    Cheap on purpose, whatever the history's length, and the same when runs before this one come or go.
    """
    last = messages[-1] if messages else None
    if not isinstance(last, ModelRequest):
        return []
    return [part.tool_call_id for part in last.parts if isinstance(part, ToolReturnPart)]


def is_deferral(result: Any) -> bool:
    """Return whether a tool asked, in the middle of its call, for a person or for somebody else to execute it."""
    return isinstance(result, dict) and result.get("kind") in ("approval_required", "call_deferred")


def problem_of(result: Any) -> str | None:
    """Return the message of a tool result that says the call failed, else None."""
    if isinstance(result, dict) and result.get("kind") in ("tool_failed", "model_retry"):
        return str(result.get("message", ""))
    if isinstance(result, dict) and result.get("kind") == "validation_error":
        return "; ".join(str(error.get("msg", "")) for error in result.get("errors", []))
    return None


def text_of_result(result: Any) -> str:
    """Return a tool's result as text: a string as it is, anything else as JSON."""
    value = result.get("result") if isinstance(result, dict) and "kind" in result else result
    if isinstance(value, dict) and value.get("kind") == "tool-return":
        value = value.get("return_value")
    value = [_name_file(item) for item in value] if isinstance(value, list) else _name_file(value)
    return value if isinstance(value, str) else dump_json(value).decode()


def _name_file(value: Any) -> Any:
    if isinstance(value, dict) and value.get("kind") == "binary" and "sha256" in value:
        return f"See file {value.get('identifier')}."
    return value


def json_value(value: Any) -> Any:
    """Return any output as JSON knows it: models and dataclasses become objects."""
    return _anything.dump_python(value, mode="json", fallback=str)

"""Small builders for the OpenAPI parts of a route. Pure: dictionaries in, dictionaries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

JsonObject = dict[str, Any]


class ErrorBody(BaseModel):
    """The body of every error that does not name fields."""

    detail: str = Field(description="What happened and what to do next.")


class FieldIssue(BaseModel):
    """One field of a request that cannot be accepted."""

    type: str = Field(description="Stable name of the kind of mistake.")
    loc: list[str | int] = Field(description="Where it is, for example ['body', 'message'].")
    msg: str = Field(description="What is wrong, for people.")
    input: Any = Field(None, description="What was sent, shortened.")


class InvalidFieldBody(BaseModel):
    """The body of a 422."""

    detail: list[FieldIssue]


_ERROR_TEXTS: Mapping[int, str] = {
    400: "The request contradicts itself.",
    401: "The security key is missing or wrong.",
    403: "The caller may not do this.",
    404: "Nothing has that id.",
    409: "The request contradicts what is stored or running.",
    413: "The body is over the limit.",
    422: "A field is missing or of the wrong form.",
    500: "An unexpected error; the log has its stack.",
    503: "The server cannot take the request now; `Retry-After` says when to repeat it.",
}


def errors(*statuses: int) -> dict[int | str, JsonObject]:
    """Return the `responses` entries of these error statuses."""
    return {
        status: {
            "model": InvalidFieldBody if status == 422 else ErrorBody,
            "description": _ERROR_TEXTS[status],
        }
        for status in statuses
    }


def json_result(schema: JsonObject, description: str = "Success.", *, status: int = 200) -> dict[int | str, JsonObject]:
    """Return the `responses` entry of a JSON answer."""
    return {status: {"description": description, "content": {"application/json": {"schema": schema}}}}


def json_body(schema: JsonObject) -> JsonObject:
    """Return a request body that must be JSON."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def form_body(schema: JsonObject) -> JsonObject:
    """Return a request body that may be sent as either kind of form."""
    content = {"schema": schema}
    return {
        "required": True,
        "content": {"application/x-www-form-urlencoded": content, "multipart/form-data": content},
    }


def query_parameter(name: str, schema: JsonObject, description: str, *, required: bool = False) -> JsonObject:
    """Return one query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def header_parameter(name: str, description: str) -> JsonObject:
    """Return one optional header that holds text."""
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}


def path_parameter(name: str) -> JsonObject:
    """Return one path parameter."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}

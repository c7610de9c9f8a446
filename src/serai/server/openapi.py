"""The OpenAPI document of our routes: small builders for its parts, and its union with the document of a user's app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from serai.server.dispatch import Route

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
    412: "What was to be changed is not as `If-Match` says.",
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


def describe(routes: Iterable[Route], *, secured: bool) -> JsonObject:
    """Return the document of these routes.

    Args:
        routes: what to describe.
        secured: all but open routes need the bearer key.
    """
    bearer = Security(HTTPBearer(auto_error=False, description="The server's security key."))
    app = FastAPI(openapi_url=None)
    for route in routes:
        app.add_api_route(
            route.path,
            route.handler,
            methods=[route.method],
            summary=route.summary,
            description=route.description,
            tags=list(route.tags),
            status_code=route.status,
            responses=dict(route.responses),
            response_model=None,
            dependencies=[bearer] if secured and not route.open else None,
            openapi_extra=_extra(route),
        )
    return app.openapi()


def _extra(route: Route) -> JsonObject:
    extra: JsonObject = {}
    parameters = [*(path_parameter(name) for name in route.parameter_names), *route.parameters]
    if parameters:
        extra["parameters"] = parameters
    if route.body is not None:
        extra["requestBody"] = dict(route.body)
    return extra


def merge_documents(users: JsonObject, ours: JsonObject) -> JsonObject:
    """Return a user's document with our operations and schemas in it; neither of the two is changed.

    A schema of ours whose name the user gave to another one gets a name of its own.
    """
    schemas = users.get("components", {}).get("schemas", {})
    own = ours.get("components", {}).get("schemas", {})
    renamed = {name: f"Serai{name}" for name, schema in own.items() if schemas.get(name, schema) != schema}
    ours = _rename(ours, {f"#/components/schemas/{old}": f"#/components/schemas/{new}" for old, new in renamed.items()})
    components = {**users.get("components", {})}
    for kind, members in ours.get("components", {}).items():
        components[kind] = {**components.get(kind, {}), **{renamed.get(k, k): v for k, v in members.items()}}
    paths = {**users.get("paths", {})}
    for path, operations in ours["paths"].items():
        paths[path] = {**paths.get(path, {}), **operations}
    return {**users, "paths": paths, **({"components": components} if components else {})}


def _rename(value: Any, references: Mapping[str, str]) -> Any:
    if not references:
        return value
    if isinstance(value, dict):
        return {
            name: references.get(member, member) if name == "$ref" else _rename(member, references)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_rename(member, references) for member in value]
    return value

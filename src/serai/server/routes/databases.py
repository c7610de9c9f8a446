"""The database under the names of the published protocol: its migration, which has happened when the server runs."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.errors import RequestError
from serai.server.answers import json_answer
from serai.server.bodies import parse_json, read_body
from serai.server.databases import check_database_id
from serai.server.dispatch import Route
from serai.server.openapi import errors, json_result, query_parameter
from serai.server.routes.record_shapes import TEXT, object_schema, or_null
from serai.storage.migrate import read_migrations

PROTOCOL_SCHEMA: Final = "2.0.0"
"""The version that published clients ask for; what it has is here from the start."""

_TAGS: Final = ("databases",)
_ABOUT: Final = "Nothing is left to do: a server brings its tables up to date when it starts, and never back."
_TARGET: Final = query_parameter("target_version", TEXT, "The version of the tables; by default the newest.")
_BODY: Final = {
    "required": False,
    "content": {"application/json": {"schema": object_schema({"target_version": or_null(TEXT)})}},
}
_DONE: Final = object_schema({"message": TEXT}, "message")


class MigrateBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a request says about a migration."""

    target_version: str | None = None


_decoder: Final = msgspec.json.Decoder(MigrateBody)


async def migrate_database(request: Request) -> Response:
    """Say that the database is up to date."""
    check_database_id(request.path_params["db_id"])
    return json_answer({"message": f"Database migrated successfully to {await _version_of(request)}"})


async def migrate_all_databases(request: Request) -> Response:
    """Say that the one database is up to date."""
    return json_answer({"message": f"All databases migrated successfully to {await _version_of(request)}"})


async def _version_of(request: Request) -> str:
    """Return the version that is asked for, in words.

    Raises:
        RequestError: query and body disagree, or the tables are not at this version.
    """
    raw = await read_body(request)
    said = parse_json(_decoder, raw).target_version if raw.strip() else None
    asked = request.query_params.get("target_version") or None
    if said and asked and said != asked:
        raise RequestError(f"The query asks for target_version '{asked[:100]}', the body for '{said[:100]}': send one.")
    target = asked or said
    if not target:
        return "latest version"
    current = read_migrations()[-1].name.partition("_")[0]
    if target not in (current, PROTOCOL_SCHEMA):
        raise RequestError(
            f"The tables are at version {current}, to which this server brought them when it started; it cannot bring "
            f"them to '{target[:100]}'. Leave target_version out, or install the release of Serai that you mean."
        )
    return f"version {target}"


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/databases/all/migrate",
        handler=migrate_all_databases,
        summary="Bring all databases up to date",
        description=_ABOUT,
        tags=_TAGS,
        parameters=(_TARGET,),
        body=_BODY,
        responses={**json_result(_DONE), **errors(400, 401, 403, 413, 422, 503)},
    ),
    Route(
        method="POST",
        path="/databases/{db_id}/migrate",
        handler=migrate_database,
        summary="Bring a database up to date",
        description=_ABOUT,
        tags=_TAGS,
        parameters=(_TARGET,),
        body=_BODY,
        responses={**json_result(_DONE), **errors(400, 401, 403, 404, 413, 422, 503)},
    ),
)

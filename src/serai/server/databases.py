"""The one database of a server, under the names that the published protocol has for databases and their tables."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from serai.errors import NotFoundError, RequestError
from serai.server.openapi import query_parameter

DATABASE_ID: Final = "serai"
TABLES: Final = {
    "session": "sessions",
    "memory": "memories",
    "metrics": "metrics",
    "evals": "eval_runs",
    "traces": "traces",
}
"""The table of each part of the protocol; the reference's name, such as ``agno_sessions``, is understood, too."""

KNOWLEDGE_TABLE: Final = "knowledge"
"""What clients are told of the table of knowledge; its routes take none."""

DATABASE_PARAMETERS: Final = (
    query_parameter("db_id", {"type": "string", "default": DATABASE_ID}, "The database, of which there is one."),
    query_parameter("table", {"type": "string"}, "The table, of which there is one; with `db_id` only."),
)


def check_database(request: Request, part: str) -> None:
    """Refuse a request that names another database, or another table, than the one there is.

    Args:
        request: its query may have ``db_id`` and ``table``.
        part: a key of `TABLES`.

    Raises:
        NotFoundError: there is no such database, or it has no such table.
        RequestError: a table without its database.
    """
    if not request.scope["query_string"]:
        return
    database_id, table = request.query_params.get("db_id"), request.query_params.get("table")
    if database_id is not None:
        check_database_id(database_id)
    if not table:
        return
    if database_id is None:
        raise RequestError("The db_id query parameter is required when passing a table")
    if table.removeprefix("agno_") != TABLES[part]:
        raise NotFoundError(f"No database with id '{database_id}' has table '{table[:200]}'")


def check_database_id(database_id: str) -> None:
    """Refuse the name of another database than the one there is.

    Raises:
        NotFoundError: there is no such database.
    """
    if database_id != DATABASE_ID:
        raise NotFoundError(f"No database found with id '{database_id[:200]}'")

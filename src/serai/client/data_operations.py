"""The rows of the table about a server as a whole: its status, migrations, retention, erasure. Sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.client._calls import NOTHING, Answer, Arguments, Headers
from serai.client._rows import Rows

if TYPE_CHECKING:
    from serai.wire.retention import ErasureReport, RetentionReport, RetentionRules
    from serai.wire.server_status import ServerStatus

RULES: Answer[RetentionRules] = Answer("retention:RetentionRules")
REMOVED: Answer[RetentionReport] = Answer("retention:RetentionReport")
STATUS: Answer[ServerStatus] = Answer("server_status:ServerStatus")
ERASED: Answer[ErasureReport] = Answer("retention:ErasureReport")

_row = Rows({"dry_run": "only count; nothing is removed."})


@_row(
    "POST",
    "/databases/{db_id}/migrate",
    NOTHING,
    db_id="the database, as `get_config` names it; unknown is status 404.",
    target_version="the version of its tables; the latest by default.",
)
def migrate_database(db_id: str, target_version: str | None = None, headers: Headers | None = None) -> Arguments:
    """Bring the tables of a database up to date."""
    return Arguments(path={"db_id": db_id}, json={"target_version": target_version}, headers=headers)


@_row("GET", "/-/status", STATUS, limit="how many runs are listed, at most 500.")
def get_server_status(limit: int = 100, headers: Headers | None = None) -> Arguments:
    """Return what is under way on a server, its rates, and what is slow; Serai servers only."""
    return Arguments(query={"limit": limit}, headers=headers)


@_row("GET", "/retention", RULES)
def get_retention(headers: Headers | None = None) -> Arguments:
    """Return how long each kind of data is kept; Serai servers only."""
    return Arguments(headers=headers)


@_row("POST", "/retention/apply", REMOVED)
def apply_retention(
    dry_run: bool = True,
    headers: Headers | None = None,
) -> Arguments:
    """Remove what is older than the rules keep, and return how much that was; Serai servers only."""
    return Arguments(query={"dry_run": dry_run}, headers=headers)


@_row("DELETE", "/users/{user_id}", ERASED, user_id="the user.")
def erase_user(
    user_id: str,
    dry_run: bool = False,
    headers: Headers | None = None,
) -> Arguments:
    """Remove all that is stored about a user, for good, and return how much that was; Serai servers only."""
    return Arguments(path={"user_id": user_id}, query={"dry_run": dry_run}, headers=headers)

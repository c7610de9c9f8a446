"""The JSON bodies of sessions, and what their queries ask for: read and checked."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request

from serai.domain.ids import new_key
from serai.domain.json_text import MOST_LEVELS, dump_json, is_too_deep
from serai.domain.run_state import RunStatus
from serai.domain.sessions import NewSession, RunFilter, SessionChanges
from serai.errors import InvalidFieldError, RequestError
from serai.server.bodies import parse_open_json
from serai.server.components import KINDS
from serai.server.scope import check_name, check_text

LONGEST_SESSION_NAME: Final = 1000
MOST_DELETED: Final = 10_000
STATUSES: Final = (*(status.value for status in RunStatus), "REGENERATED")
"""Those of the published protocol; no run of ours is ever regenerated."""

_SECONDS: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_798
_COMPONENTS: Final = tuple(f"{kind}_id" for kind in KINDS)
_Object = dict[str, Any]


class NewSessionBody(msgspec.Struct, kw_only=True):
    """What a request says about a session that is to be made."""

    session_id: str | None = None
    session_name: str | None = None
    session_state: _Object | None = None
    metadata: _Object | None = None
    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None


class ChangesBody(msgspec.Struct, kw_only=True):
    """What is to be replaced."""

    session_name: str | None = None
    session_state: _Object | None = None
    metadata: _Object | None = None
    summary: _Object | None = None


class NameBody(msgspec.Struct, kw_only=True):
    """A new name."""

    session_name: str


class DeletionBody(msgspec.Struct, kw_only=True):
    """Which sessions are to be removed."""

    session_ids: list[str]
    session_types: list[Literal["agent", "team", "workflow"]]


_new = msgspec.json.Decoder(NewSessionBody | None)
_changes = msgspec.json.Decoder(ChangesBody)
_name = msgspec.json.Decoder(NameBody)
_deletion = msgspec.json.Decoder(DeletionBody)


def read_new(raw: bytes, *, project_id: str, kind: str | None) -> tuple[NewSession, list[str]]:
    """Return the session that a body asks for, and the members that mean nothing.

    Args:
        raw: may be empty.
        project_id: whose.
        kind: what the query says; None takes that of the component that is named.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is wrong.
    """
    body, ignored = parse_open_json(_new, raw) if raw.strip() else (None, [])
    body = body or NewSessionBody()
    named = [name for name in _COMPONENTS if getattr(body, name)]
    kind = kind or (named[0].removesuffix("_id") if named else "agent")
    component_id = getattr(body, f"{kind}_id") or None
    new = NewSession(
        project_id=project_id,
        id=str(new_key()) if body.session_id is None else check_name(body.session_id, ("body", "session_id")),
        user_id=None if body.user_id is None else check_name(body.user_id, ("body", "user_id")),
        kind=kind,
        component_id=None if component_id is None else check_name(component_id, ("body", f"{kind}_id")),
        name=_check_title(body.session_name),
        state=_dump(body.session_state, "session_state"),
        metadata=_dump(body.metadata, "metadata"),
    )
    return new, [*ignored, *(name for name in named if name != f"{kind}_id")]


def read_changes(raw: bytes) -> tuple[SessionChanges, list[str]]:
    """Return what a body changes, and the members that mean nothing; null changes nothing.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is wrong.
    """
    body, ignored = parse_open_json(_changes, raw)
    changes = SessionChanges(
        name=_check_title(body.session_name),
        state=_dump(body.session_state, "session_state"),
        metadata=_dump(body.metadata, "metadata"),
        summary=_dump(body.summary, "summary"),
    )
    return changes, ignored


def read_new_name(raw: bytes) -> tuple[SessionChanges, list[str]]:
    """Return the change of a name, and the members that mean nothing.

    Raises:
        InvalidFieldError: it is no JSON object, or has no name.
    """
    body, ignored = parse_open_json(_name, raw)
    return SessionChanges(name=_check_title(body.session_name)), ignored


def read_deletion(raw: bytes) -> tuple[list[str], list[str]]:
    """Return the ids of the sessions to be removed, and the members that mean nothing.

    Raises:
        InvalidFieldError: it is no JSON object, or names none.
        RequestError: there are more or fewer types than ids.
    """
    body, ignored = parse_open_json(_deletion, raw)
    if len(body.session_ids) != len(body.session_types):
        raise RequestError("Session IDs and session types must have the same length")
    if not 1 <= len(body.session_ids) <= MOST_DELETED:
        msg = f"List should have from 1 to {MOST_DELETED} items"
        raise InvalidFieldError.of(("body", "session_ids"), msg, kind="list_length", given=len(body.session_ids))
    ids = [check_name(name, ("body", "session_ids", nr)) for nr, name in enumerate(body.session_ids)]
    return ids, ignored


def read_kind(request: Request) -> str | None:
    """Return the type that a request names, None when it names none.

    Raises:
        InvalidFieldError: there is no such type.
    """
    kind = request.query_params.get("type")
    if kind is None or kind in KINDS:
        return kind
    msg = "Input should be 'agent', 'team' or 'workflow'"
    raise InvalidFieldError.of(("query", "type"), msg, kind="enum", given=kind[:100])


def read_text(request: Request) -> str | None:
    """Return what the sessions that are wanted are called in part, None when they may be called anything.

    Raises:
        InvalidFieldError: no name can hold it.
    """
    return _check_title(request.query_params.get("session_name") or None, "query")


def read_run_filter(request: Request) -> RunFilter:
    """Return which runs a request wants.

    Raises:
        InvalidFieldError: a bound is no whole number.
        RequestError: there is no such status.
    """
    query = request.query_params
    statuses = query.getlist("status")
    if wrong := [status[:100] for status in statuses if status.upper() not in STATUSES]:
        raise RequestError(f"Invalid status value(s) {wrong}; expected one of {sorted(STATUSES)}")
    after, before = (_seconds(query.get(name), name) for name in ("created_after", "created_before"))
    return RunFilter(
        since=None if after is None else datetime.fromtimestamp(after, UTC),
        until=None if before is None else datetime.fromtimestamp(before + 1, UTC),
        statuses=[status.upper() for status in statuses] or None,
    )


def _check_title(name: str | None, where: str = "body") -> str | None:
    if name is None:
        return None
    loc = (where, "session_name")
    if len(name) > LONGEST_SESSION_NAME:
        msg = f"String should have at most {LONGEST_SESSION_NAME} characters"
        raise InvalidFieldError.of(loc, msg, kind="string_too_long", given=name[:100])
    return check_text(name, loc)


def _dump(value: _Object | None, name: str) -> bytes | None:
    if value is None:
        return None
    if is_too_deep(value):
        msg = f"Input should be nested at most {MOST_LEVELS} levels"
        raise InvalidFieldError.of(("body", name), msg, kind="too_deep")
    return dump_json(value)


def _seconds(text: str | None, name: str) -> int | None:
    if not text:
        return None
    if not _SECONDS.fullmatch(text):
        msg = "Input should be a whole number: seconds since 1970-01-01 UTC"
        raise InvalidFieldError.of(("query", name), msg, kind="int_parsing", given=text[:100])
    return min(max(int(text), _FIRST_SECOND), _LAST_SECOND)

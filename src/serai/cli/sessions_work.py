"""What the commands of ``serai sessions`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serai.cli.lists import Columns, Part, print_list, print_removed
from serai.cli.output import json_line
from serai.cli.remote import asked
from serai.cli.tables import facts_text, json_text, printable, shortened, table_text, time_text
from serai.wire.sessions import SessionDetail, SessionRunPreviewSchema, SessionSchema, SessionType

_LONGEST_CELL = 50
_LONGEST_FACT = 500
_RUNS_HEADING = ("RUN", "STATUS", "CREATED (UTC)", "ASKED", "ANSWER")


def list_sessions(url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print sessions."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.get_sessions, client.iter_sessions, **filters)
        print_list(found, _SESSIONS, as_json=as_json, meta=meta)


def show_session(url: str, key: str | None, session_id: str, user_id: str | None, *, as_json: bool) -> None:
    """Print a session and its runs in short."""
    with asked(url, key) as client:
        session = client.get_session(session_id, user_id=user_id)
        runs = client.get_session_run_previews(session_id, user_id=user_id)
    if as_json:
        for model in (session, *runs):
            print(json_line(model, exclude_none=True))
        return
    print(facts_text(_facts(session)))
    if runs:
        print(f"\n{table_text(_RUNS_HEADING, [_run_row(run) for run in runs])}")


def rename_session(
    url: str, key: str | None, session_id: str, name: str, user_id: str | None, *, as_json: bool
) -> None:
    """Rename a session and say so."""
    with asked(url, key) as client:
        session = client.rename_session(session_id, name, user_id=user_id)
    told = printable(f"Session {session.session_id} is called {session.session_name!r} now.")
    print(json_line(session, exclude_none=True) if as_json else told)


def remove_sessions(url: str, key: str | None, session_ids: Sequence[str], user_id: str | None) -> None:
    """Remove sessions and say so."""
    with asked(url, key) as client:
        for session_id in session_ids:
            client.delete_session(session_id, user_id=user_id)
    print_removed(session_ids)


def _row(session: SessionSchema) -> Sequence[str]:
    return (
        session.session_id,
        session.session_type or "",
        session.agent_id or session.team_id or session.workflow_id or "",
        session.user_id or "",
        shortened(session.session_name, _LONGEST_CELL),
        "" if session.total_tokens is None else f"{session.total_tokens:,}",
        time_text(session.updated_at or session.created_at),
    )


_SESSIONS = Columns(
    ("SESSION", "TYPE", "COMPONENT", "USER", "NAME", "TOKENS", "UPDATED (UTC)"),
    _row,
    "There are no such sessions.",
    frozenset((5,)),
)


def _facts(session: SessionDetail) -> list[tuple[str, str]]:
    components = [(kind, getattr(session, f"{kind}_id", None)) for kind in SessionType]
    tokens = getattr(session, "total_tokens", None)
    return [
        ("session", session.session_id),
        ("name", session.session_name),
        *((str(kind), component or "") for kind, component in components),
        ("user", session.user_id or ""),
        ("created", time_text(session.created_at)),
        ("updated", time_text(session.updated_at)),
        ("tokens", "" if tokens is None else f"{tokens:,}"),
        ("state", json_text(session.session_state, _LONGEST_FACT)),
        ("metadata", json_text(session.metadata, _LONGEST_FACT)),
        ("summary", json_text(getattr(session, "session_summary", None), _LONGEST_FACT)),
    ]


def _run_row(run: SessionRunPreviewSchema) -> Sequence[str]:
    return (
        run.run_id,
        str(run.status or ""),
        time_text(run.created_at),
        shortened(run.run_input or "", _LONGEST_CELL),
        shortened(run.content_preview or "", _LONGEST_CELL),
    )

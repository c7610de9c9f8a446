"""The request of each question about traces; the same goes to every server."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any
from urllib.parse import urlencode

from benchmarks.requests import Request
from benchmarks.traces.operations import PAGE_SIZE, Operation

USERS, AGENTS, TRACES_OF_SESSION, FAILED_OF = 1000, 5, 10, 50


def ask(operation: Operation, index: int, traces: int) -> Request:
    """Return a request; those of successive indexes ask for different things where there are such.

    Args:
        operation: what is asked.
        index: of the request.
        traces: how many there are, with numbers from 1.
    """
    number = 1 + index * 7919 % traces
    match operation:
        case Operation.DETAIL:
            return Request("GET", f"/traces/{trace_id(number)}")
        case Operation.SESSIONS | Operation.SESSIONS_MIDDLE:
            pages = max(1, traces // TRACES_OF_SESSION // PAGE_SIZE)
            page = 1 if operation is Operation.SESSIONS else max(1, pages // 2)
            return _get("/trace_session_stats", page=page)
        case Operation.SEARCH:
            return _search(_equal("agent_id", agent_of(number)), _equal("status", "ERROR"))
        case Operation.SEARCH_TEXT:
            part = {"op": "CONTAINS", "key": "user_id", "value": user_of(number).removeprefix("user")}
            return _search(part, {"op": "GTE", "key": "duration_ms", "value": 0})
    filters: dict[Operation, dict[str, Any]] = {
        Operation.MIDDLE: {"page": max(1, traces // PAGE_SIZE // 2)},
        Operation.OF_USER: {"user_id": user_of(number)},
        Operation.OF_SESSION: {"session_id": session_of(number)},
        Operation.OF_AGENT: {"agent_id": agent_of(number)},
        Operation.FAILED: {"status": "ERROR"},
    }
    return _get("/traces", **{"page": 1, **filters.get(operation, {})})


def trace_id(number: int) -> str:
    """Return the id of a trace, as its rows in `benchmarks.traces.filling` have it."""
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()


def user_of(number: int) -> str:
    """Return the user of a trace."""
    return f"user-{number % USERS:04d}"


def agent_of(number: int) -> str:
    """Return the agent of a trace."""
    return f"agent-{number % AGENTS}"


def session_of(number: int) -> str:
    """Return the session of a trace."""
    return f"session-{number // TRACES_OF_SESSION}"


def _get(path: str, **query: Any) -> Request:
    return Request("GET", f"{path}?{urlencode({'limit': PAGE_SIZE, **query})}")


def _equal(key: str, value: str) -> dict[str, Any]:
    return {"op": "EQ", "key": key, "value": value}


def _search(*conditions: dict[str, Any]) -> Request:
    body = {"filter": {"op": "AND", "conditions": conditions}, "limit": PAGE_SIZE}
    return Request("POST", "/traces/search", json.dumps(body).encode())

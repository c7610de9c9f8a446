"""The request of each operation; the same goes to every server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from benchmarks.requests import Request
from benchmarks.state import dataset
from benchmarks.state.dataset import Dataset, Memory, Session
from benchmarks.state.operations import PAGE_SIZE, Operation, Sizes


def ask(operation: Operation, index: int, data: Dataset, sizes: Sizes) -> Request:
    """Return a request of an operation; those of successive indexes ask for different things where there are such."""
    if operation in _SESSIONS:
        return _ask_session(operation, index, data, sizes)
    if operation in _MEMORIES:
        return _ask_memory(operation, index, data)
    match operation:
        case Operation.METRICS:
            return _get("/metrics")
        case Operation.REFRESH:
            return Request("POST", "/metrics/refresh")
        case Operation.TOPICS:
            return _get("/memory_topics")
        case Operation.STATISTICS:
            return _get("/user_memory_stats", limit=PAGE_SIZE, page=1)
        case Operation.STATISTICS_MIDDLE:
            return _get("/user_memory_stats", limit=PAGE_SIZE, page=max(1, min(dataset.USERS, data.rows) // 40))
        case _:
            return _ask_list(operation, index, data)


def make_session(session: Session, *, session_id: str) -> Request:
    """Return the request that makes such a session under another id."""
    return _send("POST", f"/sessions?type={session.kind}", {**_body_of(session), "session_id": session_id})


def make_memory(memory: Memory) -> Request:
    """Return the request that makes such a memory."""
    return _send("POST", "/memories", _memory_body(memory))


_SESSIONS = tuple(Operation)[: tuple(Operation).index(Operation.DELETE) + 1]
_MEMORIES = (Operation.MEMORY_CREATE, Operation.MEMORY_GET, Operation.MEMORY_UPDATE, Operation.MEMORY_DELETE)


def _ask_session(operation: Operation, index: int, data: Dataset, sizes: Sizes) -> Request:
    some = data.session(dataset.some_number(index, data.rows))
    path = f"/sessions/{some.id}"
    long = index % sizes.long_sessions
    match operation:
        case Operation.CREATE:
            return _send("POST", f"/sessions?type={some.kind}", _body_of(some))
        case Operation.GET_LONG:
            return _get(f"/sessions/{dataset.session_id(f'{dataset.LONG_USER}-{long}')}")
        case Operation.RENAME:
            return _send("POST", f"{path}/rename", {"session_name": f"{some.name}, again"})
        case Operation.RENAME_LONG:
            path = f"/sessions/{dataset.session_id(f'{dataset.LONGEST_USER}-{long}')}"
            return _send("POST", f"{path}/rename", {"session_name": f"Long session {index}"})
        case Operation.UPDATE:
            return _send("PATCH", path, {"session_state": dataset.state_of(index)})
        case Operation.DELETE:
            return Request("DELETE", f"/sessions/{dataset.session_id(str(index + 1))}")
        case _:
            return _get(path)


def _ask_memory(operation: Operation, index: int, data: Dataset) -> Request:
    some = data.memory(dataset.some_number(index, data.rows))
    path = f"/memories/{some.id}"
    match operation:
        case Operation.MEMORY_CREATE:
            return make_memory(some)
        case Operation.MEMORY_UPDATE:
            return _send("PATCH", path, {**_memory_body(some), "memory": f"{some.text}, and again {index}"})
        case Operation.MEMORY_DELETE:
            return Request("DELETE", f"/memories/{data.memory_id(index + 1)}")
        case _:
            return _get(path)


def _ask_list(operation: Operation, index: int, data: Dataset) -> Request:
    pages = max(1, data.rows // PAGE_SIZE)
    middle = max(1, pages // 2 + index % 100 - 50)
    number = dataset.some_number(index, data.rows)
    kinds = tuple(dataset.COMPONENTS)
    chosen: dict[Operation, dict[str, Any]] = {
        Operation.MIDDLE: {"page": middle},
        Operation.LAST: {"page": pages},
        Operation.OF_USER: {"user_id": dataset.user_of(index)},
        Operation.OF_KIND: {"type": kinds[index % len(kinds)]},
        Operation.FIND_ONE: {"session_name": dataset.mark_of(number)},
        Operation.FIND_MANY: {"session_name": dataset.COMMON_NAME},
        Operation.LIGHT: {"user_id": dataset.LIGHT_USER},
        Operation.HEAVY: {"user_id": dataset.HEAVY_USER},
        Operation.MEMORY_MIDDLE: {"page": middle},
        Operation.MEMORY_OF_USER: {"user_id": dataset.user_of(index)},
        Operation.MEMORY_OF_TOPIC: {"topics": dataset.topic_of(index)},
        Operation.MEMORY_FIND_ONE: {"search_content": dataset.mark_of(number)},
        Operation.MEMORY_FIND_MANY: {"search_content": dataset.COMMON_TEXT},
    }
    is_of_memories = operation.name.startswith("MEMORY")
    order = {"sort_by": "updated_at" if is_of_memories else "created_at", "sort_order": "desc"}
    path = "/memories" if is_of_memories else "/sessions"
    return _get(path, **{"limit": PAGE_SIZE, "page": 1, **order, **chosen.get(operation, {})})


def _body_of(session: Session) -> dict[str, Any]:
    return {
        "session_name": session.name,
        "session_state": session.state,
        "user_id": session.user_id,
        f"{session.kind}_id": session.component_id,
    }


def _memory_body(memory: Memory) -> dict[str, Any]:
    return {"memory": memory.text, "user_id": memory.user_id, "topics": list(memory.topics)}


def _get(path: str, **query: Any) -> Request:
    return Request("GET", f"{path}?{urlencode(query)}" if query else path)


def _send(method: str, path: str, body: dict[str, Any]) -> Request:
    return Request(method, path, json.dumps(body).encode())

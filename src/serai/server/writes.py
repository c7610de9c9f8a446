"""Writes that the `Idempotency-Key` of a request makes safe to send again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar
from uuid import UUID

from starlette.requests import Request

from serai.server.context import runtime_of
from serai.server.scope import idempotency_key_of, project_of
from serai.storage.connection import Connection
from serai.storage.idempotency import RequestKey, answer_once, request_key


class _Kept(Protocol):
    @property
    def id(self) -> UUID: ...


Kept = TypeVar("Kept", bound=_Kept)


def write_key(request: Request, operation: str, *asked: str | bytes | None) -> RequestKey | None:
    """Return the key of a write, None when the request has none.

    Args:
        request: its project and header count.
        operation: at most 16 ASCII characters; the same key serves one operation only.
        asked: all that decides what the operation does, none with U+0000.
    """
    parts = (part.decode("latin-1") if isinstance(part, bytes) else part or "" for part in asked)
    return request_key(project_of(request), idempotency_key_of(request), operation, "\0".join(parts))


async def change_once(
    request: Request,
    key: RequestKey | None,
    change: Callable[[Connection], Awaitable[Kept]],
    *,
    find: Callable[[str], Awaitable[Kept]],
) -> Kept:
    """Return what a change made, or what was made under the key before, as it is now.

    Args:
        request: the write.
        key: None changes always.
        change: the change, in a transaction; returns what was changed.
        find: finds it again by its id; raises when it is gone.
    """
    changed: Kept | None = None

    async def act(connection: Connection) -> dict[str, Any]:
        nonlocal changed
        changed = await change(connection)
        return {"id": str(changed.id)}

    answer = await answer_once(runtime_of(request).database, key, act)
    return changed or await find(answer["id"])

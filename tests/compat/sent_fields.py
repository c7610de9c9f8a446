"""What published clients send, field by field, and what the server made of it: seen at the server while checks run.

`SENT` holds what was seen when it was last written: by the tests of published clients, with SERAI_WRITE_SENT_FIELDS=1.
Not a test itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from serai import AgentOS

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SENT: Final = Path(__file__).parent / "clients" / "sent_fields.json"
LOG_VARIABLE: Final = "COMPAT_SENT_FIELDS"
"""The environment's variable that names the file to which a server writes what it is sent."""

WAYS: Final = ("supported", "ignored", "refused")
"""What a server makes of a field, the best that was seen: taken, named as ignored, or the reason of a 400 or 422."""

_PART: Final = re.compile(rb'content-disposition: form-data; name="([^"]+)"', re.IGNORECASE)
_REFUSALS: Final = frozenset((400, 422))

Fields = dict[str, dict[str, str]]
"""By route and by field, which has its place before its name: what was made of it."""


class RecordedOS(AgentOS):
    """Writes what it is sent to the file that the environment names, a line of JSON for each answer."""

    @cached_property
    def app(self) -> FastAPI:
        """The app with the recorder around all else."""
        app = super().app
        if log := os.environ.get(LOG_VARIABLE):
            app.add_middleware(_Recorder, log=Path(log))
        return app


class _Recorder:
    """Notes the names of a request's fields once it is answered."""

    def __init__(self, app: ASGIApp, *, log: Path) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def read() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, bytes(body), message)
            await send(message)

        await self._app(scope, read, answer)

    def _note(self, scope: Scope, body: bytes, start: Message) -> None:
        route = scope.get("route")
        if route is None:
            return
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        line = {
            "route": f"{scope['method']} {route.path}",
            "fields": sorted({*_in_query(scope), *_in_body(scope, body)}),
            "status": start["status"],
            "ignored": [name.strip() for name in headers.get("x-serai-ignored-fields", "").split(",")],
        }
        with self._log.open("a") as log:
            log.write(f"{json.dumps(line)}\n")


def _in_query(scope: Scope) -> Iterator[str]:
    for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        yield f"query {name}"


def _in_body(scope: Scope, body: bytes) -> Iterator[str]:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    kind = kinds[0] if kinds else b""
    if kind.startswith(b"multipart/form-data"):
        yield from (f"form {name.decode()}" for name in _PART.findall(body))
    elif kind.startswith(b"application/x-www-form-urlencoded"):
        yield from (f"form {name}" for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    elif kind.startswith(b"application/json"):
        try:
            value = json.loads(body)
        except ValueError:
            return
        yield from (f"body {name}" for name in value) if isinstance(value, dict) else ()


def read_fields(lines: Iterable[str]) -> Fields:
    """Return what was made of each field that lines of a server's file tell of; nothing of what they leave open."""
    found: Fields = {}
    for line in map(json.loads, lines):
        fields = found.setdefault(line["route"], {})
        for field in line["fields"]:
            way = _way(field.partition(" ")[2], line)
            if way is not None:
                fields[field] = min(way, fields.get(field, way), key=WAYS.index)
    return {route: dict(sorted(fields.items())) for route, fields in sorted(found.items())}


def _way(name: str, line: Mapping[str, Any]) -> str | None:
    if line["status"] in _REFUSALS:
        return "refused"
    if line["status"] >= 300:
        return None
    return "ignored" if name in line["ignored"] else "supported"


def recorded() -> dict[str, dict[str, Fields]]:
    """Return what was seen when it was last written, by client and script."""
    found: dict[str, dict[str, Fields]] = json.loads(SENT.read_text())
    return found


def write_recorded(client: str, script: str, fields: Fields) -> None:
    """Put what a client's script sends in the place of what it sent before."""
    known = recorded()
    known.setdefault(client, {})[script] = fields
    ordered = {name: dict(sorted(scripts.items())) for name, scripts in sorted(known.items())}
    SENT.write_text(f"{json.dumps(ordered, indent=1)}\n")

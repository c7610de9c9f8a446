"""Writes the page of routes and fields from what the tests of the unmodified clients have seen, and from the routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from serai.server.app import all_routes
from serai.server.dispatch import Route
from serai.server.run_kinds import NOT_SERVED, RUN_KINDS
from tests.compat.clients.roster import AGENTS_CLIENTS, CLIENTS, RECORDS_CLIENTS, STORES, PublishedClient
from tests.compat.sent_fields import WAYS, Fields, recorded

_PAGE = """{note}
# Compatibility, route by route and field by field

What the published clients send, and what Serai makes of it. It was seen at the server, while the tests ran the packages
as they are; a test compares each run of these with this page. What the clients then do with the answers is listed check
by check in [HTTP API](http-api.md#what-the-unmodified-clients-were-seen-to-do).

- **supported**: it has the meaning that the protocol gives it. "Bad values refused": the checks send only values that
  are refused with a 400 or 422.
- **ignored**: accepted to no effect, and named in the answer's header `X-Serai-Ignored-Fields`, as is any field that
  stands nowhere here of a form or a body.
- **refused**: 400, whatever its value.
- **sent**: the checks with this client have it send the field. Where no column says so, it is Serai's own, or of
  programs that use no client.

`query`, `form` and `body` say where a field stands; bodies are JSON, and of these the outermost members are listed.

{sections}

## Routes that none of these clients calls

{others}
"""

_Declared = dict[str, str]
"""What a route's own description says of fields: by place and name, supported or refused."""


def render_compatibility(note: str) -> str:
    """Return the page."""
    seen = {client.name: _merged(recorded().get(client.name, {}).values()) for client in CLIENTS}
    routes = {f"{route.method} {route.path}": route for route in all_routes()}
    called = {route for fields in seen.values() for route in fields}
    return _PAGE.format(
        note=note,
        sections="\n".join(
            [
                *_section("Agents, teams, workflows and what is kept of them", AGENTS_CLIENTS, seen, routes),
                *_section("Records", (*RECORDS_CLIENTS, *STORES), seen, routes),
            ]
        ).strip(),
        others="\n".join(f"- `{name}`" for name in routes if name not in called),
    )


def _merged(scripts: Iterable[Fields]) -> Fields:
    """Return what was made of the fields of several scripts, the best of each."""
    merged: Fields = {}
    for fields in scripts:
        for route, ways in fields.items():
            known = merged.setdefault(route, {})
            for field, way in ways.items():
                known[field] = min(way, known.get(field, way), key=WAYS.index)
    return merged


def _section(
    title: str, clients: tuple[PublishedClient, ...], seen: Mapping[str, Fields], routes: Mapping[str, Route]
) -> Iterator[str]:
    yield f"## {title}"
    best = _merged(seen[client.name] for client in clients)
    for name, route in routes.items():
        if name not in best:
            continue
        declared = _declared(route)
        callers = [client.title for client in clients if name in seen[client.name]]
        yield f"\n### `{name}`\n"
        yield f"{route.summary.rstrip('.')}. Called by {', '.join(callers)}.\n"
        fields = sorted({*best[name], *declared})
        if fields:
            yield f"| field | Serai | {' | '.join(client.title for client in clients)} |"
            yield f"|---|---|{'---|' * len(clients)}"
        for field in fields:
            sent = ["sent" if field in seen[client.name].get(name, {}) else "" for client in clients]
            place, _, plain = field.partition(" ")
            way = _stance(best[name].get(field), declared.get(field))
            yield f"| {place} `{plain}` | {way} | {' | '.join(sent)} |"
    yield ""


def _stance(seen: str | None, declared: str | None) -> str:
    if seen == "refused" and declared == "supported":
        return "supported; bad values refused"
    return seen or str(declared)


def _declared(route: Route) -> _Declared:
    """Return what a route takes by its own description, and what a run's form refuses."""
    found = {f"query {one['name']}": "supported" for one in route.parameters if one.get("in") == "query"}
    for kind, content in ((route.body or {}).get("content") or {}).items():
        place = "body" if kind == "application/json" else "form"
        found |= dict.fromkeys((f"{place} {name}" for name in _properties(content.get("schema", {}))), "supported")
    refused: set[str] = set()
    for kind, of_kind in RUN_KINDS.items():
        if (route.method, route.path) == ("POST", f"/{kind}s/{{{kind}_id}}/runs"):
            refused = {*of_kind.refused, *NOT_SERVED}
    return found | {f"form {name}": "refused" for name in refused}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    return properties

"""The flat dispatcher: method and path to handler, ahead of FastAPI's route table and inside its app.

The same handlers stand in the app's route table, which never calls them: tools that read it find them there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from starlette import routing
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from serai.server.openapi import describe, merge_documents

Handler = Callable[[Request], Awaitable[Response]]

_PARAMETER = re.compile(r"\{(\w+)\}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation of the API.

    Attributes:
        method: upper case; a GET route answers HEAD, too.
        path: without trailing slash; `{name}` stands for one whole, non-empty segment.
        handler: a module-level coroutine function.
        summary: one line for the OpenAPI document.
        tags: groups of the OpenAPI document.
        description: more for the OpenAPI document.
        parameters: OpenAPI objects of query and header parameters; those of the path are added.
        body: the OpenAPI request body.
        responses: FastAPI's `responses`: status to description, content or model.
        status: of its usual answer.
        open: answered without the security key.
        wide: a parameter of the path that may be several segments where nothing else fits: published clients do not
            escape slashes in ids.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tags: tuple[str, ...]
    description: str = ""
    parameters: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, Any] | None = None
    responses: Mapping[int | str, Any] = field(default_factory=dict)
    status: int = 200
    open: bool = False
    wide: str | None = None

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the path's parameters, from left to right."""
        return tuple(_PARAMETER.findall(self.path))


@dataclass(slots=True)
class _Target:
    handler: Handler
    names: tuple[str, ...]
    route: BaseRoute


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    is_wide: bool = False
    targets: dict[str, _Target] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """What is behind a path.

    Attributes:
        targets: by method.
        values: of the path's parameters, from left to right.
        is_wide: a parameter has slashes in it.
    """

    targets: dict[str, _Target]
    values: list[str] = field(default_factory=list)
    is_wide: bool = False


class RouteTable:
    """Finds the targets of a path in time that does not grow with the number of routes."""

    def __init__(self) -> None:
        self._root = _Node()
        self._whole_paths: dict[str, _Node] = {}

    def add(self, route: Route, registered: BaseRoute) -> None:
        """Add a route; `registered` is what FastAPI knows it by."""
        node = self._root
        for segment in route.path.split("/")[1:] if route.path != "/" else ():
            if match := _PARAMETER.fullmatch(segment):
                node.parameter = node.parameter or _Node()
                node = node.parameter
                node.is_wide = node.is_wide or match[1] == route.wide
            else:
                node = node.children.setdefault(segment, _Node())
        node.targets[route.method] = _Target(route.handler, route.parameter_names, registered)
        if not route.parameter_names:
            self._whole_paths[route.path] = node

    def find(self, scope: Scope) -> _Found | None:
        """Return the targets of a path, or None for one that is not ours."""
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        mounted = bool(root) and path.startswith(root)
        if mounted:
            path = path[len(root) :]
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]
        if node := self._whole_paths.get(path):
            return _Found(node.targets)
        raw: bytes = scope.get("raw_path") or b""
        if b"%" in raw:
            # The server decoded the path as a whole: only the raw one still tells %2F from a slash.
            segments = [unquote(part) for part in raw.decode("latin-1").split("/")]
            segments = segments[1 + (root.count("/") if mounted else 0) :]
            if len(segments) > 1 and not segments[-1]:
                segments.pop()
        else:
            segments = path.split("/")[1:]
        return _walk(self._root, segments, 0)


def _walk(node: _Node, segments: list[str], index: int) -> _Found | None:
    if index == len(segments):
        return _Found(node.targets) if node.targets else None
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None and (found := _walk(child, segments, index + 1)) is not None:
        return found
    if node.parameter is None or not segment:
        return None
    found = _walk(node.parameter, segments, index + 1)
    if found is not None:
        found.values.insert(0, segment)
    elif node.parameter.is_wide:
        found = _walk_wide(node.parameter, segments, index)
    return found


def _walk_wide(node: _Node, segments: list[str], index: int) -> _Found | None:
    """Give a parameter as few segments as lead anywhere, beyond the first."""
    for end in range(index + 2, len(segments) + 1):
        if (found := _walk(node, segments, end)) is not None:
            found.values.insert(0, "/".join(segments[index:end]))
            found.is_wide = True
            return found
    return None


class Dispatcher:
    """The first thing the app's router does: serve our routes, hand everything else to FastAPI's."""

    def __init__(self, table: RouteTable, *, app: FastAPI, otherwise: ASGIApp) -> None:
        self._table = table
        self._app = app
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        found = self._table.find(scope) if scope["type"] == "http" else None
        if found is None or (found.is_wide and self._is_users(scope)):
            await self._otherwise(scope, receive, send)
            return
        targets, values = found.targets, found.values
        method = scope["method"]
        target = targets.get(method)
        if target is None and method == "HEAD":
            target = targets.get("GET")
        if target is None:
            self._refuse_unless_users_route(scope, targets)
            await self._otherwise(scope, receive, send)
            return
        scope["path_params"] = dict(zip(target.names, values, strict=True))
        scope["route"] = target.route
        scope["endpoint"] = target.handler
        scope["router"] = self._app.router
        response = await target.handler(Request(scope, receive, send))
        await response(scope, receive, send)

    def _is_users(self, scope: Scope) -> bool:
        """Return whether a route of the user's own is for a path."""
        return any(route.matches(dict(scope))[0] is Match.FULL for route in self._app.router.routes)

    def _refuse_unless_users_route(self, scope: Scope, targets: Mapping[str, _Target]) -> None:
        allowed = set(targets) | ({"HEAD"} if "GET" in targets else set())
        for route in self._app.router.routes:
            match, _ = route.matches(dict(scope))
            if match is Match.FULL:
                return
            if match is Match.PARTIAL:
                allowed |= getattr(route, "methods", None) or set()
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})


def install(app: FastAPI, routes: Sequence[Route], *, secured: bool = False) -> None:
    """Serve `routes` from a flat table inside `app` and describe them in its OpenAPI document.

    Args:
        app: may have routes and middleware of its own and may get more later; on the same method and path ours win.
        routes: at most one for each method and path.
        secured: the document says that all but open routes need the bearer key.
    """
    table = RouteTable()
    for route in routes:
        _warn_of_hidden_route(app, route)
        # Starlette's kind of route: FastAPI's own would cost 2 ms each at every start, for a document seldom read.
        registered = routing.Route(route.path, route.handler, methods=[route.method], include_in_schema=False)
        app.router.routes.append(registered)
        table.add(route, registered)
    app.router.middleware_stack = Dispatcher(table, app=app, otherwise=app.router.middleware_stack)
    users_document = app.openapi
    ours = cache(lambda: describe(routes, secured=secured))
    app.openapi = lambda: merge_documents(users_document(), ours())  # type: ignore[method-assign]


def _warn_of_hidden_route(app: FastAPI, route: Route) -> None:
    for existing in app.routes:
        if getattr(existing, "path", None) == route.path and route.method in (getattr(existing, "methods", None) or ()):
            _log.warning("%s %s of the base app is hidden by the server's own route", route.method, route.path)

"""The route table: what it finds for odd paths, and how the dispatcher answers methods."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Registered

from serai.server.dispatch import Route, RouteTable


async def handler(request: Request) -> Response:
    return Response()


def table_of(*paths: str) -> RouteTable:
    table = RouteTable()
    for path in paths:
        table.add(
            Route(method="GET", path=path, handler=handler, summary=path, tags=(), wide="any_id"),
            Registered(path, handler),
        )
    return table


TABLE = table_of(
    "/",
    "/agents",
    "/agents/{agent_id}",
    "/agents/{agent_id}/runs",
    "/agents/{agent_id}/runs/{run_id}",
    "/data/{item_id}",
    "/data/:search",
    "/data/special/rest",
    "/data/{item_id}/tail",
    "/wide/{any_id}",
    "/wide/{any_id}/runs",
    "/wide/{any_id}/runs/{run_id}",
)


def find(path: str, *, raw_path: str | None = None, root_path: str = "") -> tuple[str, list[str]] | None:
    scope: dict[str, Any] = {"type": "http", "path": path, "root_path": root_path}
    if raw_path is not None:
        scope["raw_path"] = raw_path.encode("ascii")
    found = TABLE.find(scope)
    if found is None:
        return None
    registered = found.targets["GET"].route
    assert isinstance(registered, Registered)
    return registered.path, found.values


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ("/", [])),
        ("/agents", ("/agents", [])),
        ("/agents/", ("/agents", [])),
        ("/agents/a b", ("/agents/{agent_id}", ["a b"])),
        ("/agents/x/runs/y/", ("/agents/{agent_id}/runs/{run_id}", ["x", "y"])),
        ("/data/:search", ("/data/:search", [])),
        ("/data/special", ("/data/{item_id}", ["special"])),
        ("/data/special/tail", ("/data/{item_id}/tail", ["special"])),
        ("/agents//runs", None),
        ("//agents", None),
        ("/agents//", None),
        ("/agents/x/y", None),
        ("/Agents", None),
        ("/wide/a/b", ("/wide/{any_id}", ["a/b"])),
        ("/wide/a//b/c", ("/wide/{any_id}", ["a//b/c"])),
        ("/wide/a/b/runs", ("/wide/{any_id}/runs", ["a/b"])),
        ("/wide/a/runs/b", ("/wide/{any_id}/runs/{run_id}", ["a", "b"])),
        ("/wide/a/b/runs/c", ("/wide/{any_id}/runs/{run_id}", ["a/b", "c"])),
        ("/wide/runs", ("/wide/{any_id}", ["runs"])),
        ("/wide/a/runs", ("/wide/{any_id}/runs", ["a"])),
    ],
)
def test_paths_lead_to_the_route_with_the_most_literal_segments(path: str, expected: tuple[str, list[str]] | None):
    assert find(path) == expected


@given(st.text(min_size=1, alphabet=st.characters(codec="utf-8")))
def test_any_id_arrives_as_it_was_before_it_was_escaped(text: str):
    raw = f"/agents/{quote(text, safe='')}/runs"
    assert find(f"/agents/{text}/runs", raw_path=raw) == ("/agents/{agent_id}/runs", [text])


def test_an_escaped_colon_is_a_colon():
    assert find("/data/:search", raw_path="/data/%3Asearch") == ("/data/:search", [])


def test_an_escaped_slash_stays_inside_its_segment():
    assert find("/data/a/b", raw_path="/data/a%2Fb") == ("/data/{item_id}", ["a/b"])


def test_bytes_that_are_not_utf_8_still_name_something():
    assert find("/data/�", raw_path="/data/%FF") == ("/data/{item_id}", ["\N{REPLACEMENT CHARACTER}"])


def test_below_a_mount_the_path_is_the_rest():
    assert find("/a/b/agents", root_path="/a/b") == ("/agents", [])
    assert find("/a/b/data/x y", raw_path="/a/b/data/x%20y", root_path="/a/b") == ("/data/{item_id}", ["x y"])

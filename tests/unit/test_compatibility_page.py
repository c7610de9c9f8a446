"""The page of routes and fields, and what it is written from: notes of what published clients sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docs.compatibility import render_compatibility
from serai.server.app import all_routes
from tests.compat.clients.roster import CLIENTS
from tests.compat.sent_fields import WAYS, read_fields, recorded

PAGE = render_compatibility("")


def line(*fields: str, status: int = 200, ignored: str = "", route: str = "POST /a") -> str:
    named: dict[str, Any] = {"route": route, "fields": fields, "status": status, "ignored": ignored.split(", ")}
    return json.dumps(named)


def test_what_every_script_of_every_client_sends_is_known():
    assert {name: set(scripts) for name, scripts in recorded().items()} == {
        client.name: set(client.scripts) for client in CLIENTS
    }


def test_what_was_seen_is_of_routes_that_are_there():
    known = {f"{route.method} {route.path}" for route in all_routes()}
    seen = {route for scripts in recorded().values() for fields in scripts.values() for route in fields}
    assert seen <= known
    assert "POST /agents/{agent_id}/runs" in seen


def test_every_route_is_on_the_page():
    assert [route for route in all_routes() if f"`{route.method} {route.path}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("route", "row"),
    [
        ("POST /agents/{agent_id}/runs", "| form `message` | supported | sent | sent |"),
        ("POST /agents/{agent_id}/runs", "| form `tags` | ignored | sent | sent |"),
        ("POST /agents/{agent_id}/runs", "| form `fork` | refused |  |  |"),
        ("POST /optimize-memories", "| body `model` | supported; bad values refused | sent | sent |"),
        ("GET /traces", "| query `workflow_id` | supported | sent | sent |"),
    ],
)
def test_a_row_says_what_becomes_of_a_field_and_who_sends_it(route: str, row: str):
    section = PAGE.partition(f"### `{route}`")[2].partition("### ")[0]
    assert row in section.splitlines()


def test_the_best_that_was_made_of_a_field_counts_and_failures_of_other_kinds_say_nothing():
    lines = [
        line("form a", "form b", status=422),
        line("form a", "form c", ignored="c"),
        line("form d", status=404),
        line("form c", status=400),
    ]
    assert read_fields(lines) == {"POST /a": {"form a": "supported", "form b": "refused", "form c": "ignored"}}
    assert WAYS == ("supported", "ignored", "refused")

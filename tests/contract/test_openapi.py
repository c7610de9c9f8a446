"""The OpenAPI document: every route is in it, with its parameters, bodies and errors."""

from __future__ import annotations

from typing import Any

import pytest

from serai.server.app import all_routes
from serai.server.dispatch import Route
from tests.hosting import make_os

ROUTES = all_routes()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_os(settings={"security_key": "k"}).app.openapi()


def operation(document: dict[str, Any], route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][route.path][route.method.lower()]
    return found


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described_as_its_table_says(document: dict[str, Any], route: Route):
    described = operation(document, route)
    assert described["summary"] == route.summary
    assert described["tags"] == list(route.tags)
    assert ("content" in described["responses"][str(route.status)]) == (route.status != 204)
    assert [p["name"] for p in described.get("parameters", ()) if p["in"] == "path"] == list(route.parameter_names)
    assert ("requestBody" in described) == (route.body is not None)
    assert ("security" in described) == (not route.open)
    assert {"401", "403"} <= set(described["responses"]) or route.open


def test_every_reference_leads_somewhere(document: dict[str, Any]):
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(reference := value.get("$ref"), str):
                assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(document)


def test_operation_ids_are_unique(document: dict[str, Any]):
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_no_two_routes_share_method_and_path():
    keys = [(route.method, route.path) for route in ROUTES]
    assert len(keys) == len(set(keys))


def test_a_keyless_server_asks_for_no_credentials():
    assert "security" not in operation(make_os().app.openapi(), ROUTES[-1])

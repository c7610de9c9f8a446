"""Unmodified published clients, each in its own locked environment, against a running Serai."""

from __future__ import annotations

import pytest

from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import CLIENTS, PublishedClient
from tests.compat.published_clients import outcomes

CHECKS = [pytest.param(client, name, id=f"{client.name}-{name}") for client in CLIENTS for name in client.check_names()]


@pytest.mark.parametrize(("client", "name"), CHECKS)
def test_published_client_works_unmodified(client: PublishedClient, name: str, serai_target: Target) -> None:
    outcome = outcomes(client, serai_target).get(name)
    assert outcome is not None, f"the scripts of {client.name} ended before this check"
    if not outcome.ok:
        pytest.fail(f"{client.name}: {name}\n{outcome.detail}", pytrace=False)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_check_in_a_script_is_a_test_here(client: PublishedClient, serai_target: Target) -> None:
    assert list(outcomes(client, serai_target)) == client.check_names()

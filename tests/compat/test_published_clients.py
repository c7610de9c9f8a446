"""Unmodified published clients, each in its own locked environment, against a running Serai."""

from __future__ import annotations

import pytest

from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import CLIENTS, PublishedClient
from tests.compat.published_clients import SENT_BY, outcomes
from tests.compat.sent_fields import recorded

SCRIPTS = [(client, script) for client in CLIENTS for script in client.scripts]
CHECKS = [
    pytest.param(client, script, name, id=f"{client.name}-{name}")
    for client, script in SCRIPTS
    for name in client.script_check_names(script)
]


@pytest.mark.parametrize(("client", "script", "name"), CHECKS)
def test_published_client_works_unmodified(
    client: PublishedClient, script: str, name: str, serai_target: Target
) -> None:
    outcome = outcomes(client, script, serai_target).get(name)
    assert outcome is not None, f"{script} ended before this check"
    if not outcome.ok:
        pytest.fail(f"{client.name}: {name}\n{outcome.detail}", pytrace=False)


@pytest.mark.parametrize(("client", "script"), SCRIPTS, ids=lambda part: getattr(part, "name", part))
def test_every_check_in_a_script_is_a_test_here(client: PublishedClient, script: str, serai_target: Target) -> None:
    assert list(outcomes(client, script, serai_target)) == client.script_check_names(script)


@pytest.mark.parametrize(("client", "script"), SCRIPTS, ids=lambda part: getattr(part, "name", part))
def test_what_a_script_sends_is_what_the_page_of_compatibility_says(
    client: PublishedClient, script: str, serai_target: Target
) -> None:
    outcomes(client, script, serai_target)
    assert SENT_BY[client.name, script] == recorded()[client.name][script], (
        "run the tests of published clients with SERAI_WRITE_SENT_FIELDS=1, then `just docs`"
    )

"""The checks describe the published protocol, not Serai: agno's own server passes them but for known defects."""

from __future__ import annotations

from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import CLIENTS
from tests.compat.published_clients import outcomes

DEFECTS_OF_THE_REFERENCE = {
    "a_message_of_two_mebibytes_is_answered",
    "a_silent_stream_outlives_the_timeout_of_the_client",
    "odd_characters_arrive_in_a_stream",
    "runs_of_one_session_take_turns",
}


def test_reference_server_passes_the_checks_of_its_own_client(reference_target: Target) -> None:
    client = next(client for client in CLIENTS if client.name == "agno_3")
    found = outcomes(client, reference_target)
    failed = {name: outcome.detail for name, outcome in found.items() if not outcome.ok}
    assert set(failed) <= DEFECTS_OF_THE_REFERENCE, "\n".join(failed.values())

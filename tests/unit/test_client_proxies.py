"""Clients of their own connections and the proxies of the environment."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from serai.agent_data import AgentDataClient, AsyncAgentDataClient
from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.wire.proxies import is_loopback
from tests.unit.both_clients import QUICK, result_of
from tests.unit.scripted_server import answer, scripted_server
from tests.unit.test_agent_data_client import RECORD, Person, record

CLIENTS = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
RECORD_CLIENTS = pytest.mark.parametrize("kind", [AsyncAgentDataClient, AgentDataClient])


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set a proxy at which nobody listens; yields its host and port."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HTTP_PROXY", f"http://ann:secret@{place}")
        monkeypatch.setenv("http_proxy", f"http://ann:secret@{place}")
        yield place


@CLIENTS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_on_this_machine_is_reached_without_the_proxy(kind, host, dead_proxy):
    async with scripted_server(answer(200, b"[]")) as server:
        client = kind(server.base_url.replace("127.0.0.1", host), retry=QUICK)
        # The blocking client would block this test's server: it asks for its answer in a thread.
        found = await result_of(
            client.list_agents() if kind is AgentOSClient else asyncio.to_thread(client.list_agents)
        )
        assert found == []
        await result_of(client.close())


@RECORD_CLIENTS
async def test_records_on_this_machine_are_reached_without_the_proxy(kind, dead_proxy):
    async with scripted_server(answer(200, record().content)) as server:
        client = kind(Person, base_url=server.base_url, retry=QUICK)
        call = client.get_item("x") if kind is AsyncAgentDataClient else asyncio.to_thread(client.get_item, "x")
        assert (await result_of(call)).id == RECORD["id"]
        await result_of(client.close())


@CLIENTS
async def test_a_proxy_that_stands_in_the_way_is_named_without_its_password(kind, dead_proxy):
    client = kind("http://os.test", retry=QUICK)
    with pytest.raises(RemoteServerUnavailableError, match=f"os.test through the proxy {dead_proxy} ") as caught:
        await result_of(client.list_agents())
    assert "secret" not in caught.value.message
    await result_of(client.close())


@RECORD_CLIENTS
async def test_a_proxy_before_records_is_named(kind, dead_proxy):
    client = kind(Person, base_url="http://data.test", retry=QUICK)
    with pytest.raises(RemoteServerUnavailableError, match=f"data.test through the proxy {dead_proxy} "):
        await result_of(client.get_item("x"))
    await result_of(client.close())


async def test_a_server_that_is_excepted_from_the_proxy_is_not_said_to_be_behind_it(dead_proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "os.invalid")
    monkeypatch.setenv("no_proxy", "os.invalid")
    with (
        SyncAgentOSClient("http://os.invalid", retry=QUICK) as client,
        pytest.raises(RemoteServerUnavailableError) as caught,
    ):
        client.list_agents()
    assert "proxy" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:7777", True),
        ("http://127.3.2.1", True),
        ("https://localhost/x", True),
        ("http://os.localhost", True),
        ("http://[::1]:7777", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_addresses_of_this_machine_are_known(url, expected):
    assert is_loopback(url) is expected

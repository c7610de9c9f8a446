"""The server fixture that users' tests get: a whole OS in the test's own process."""

from __future__ import annotations

import httpx
import pytest
from pydantic_ai import Agent

from serai import AgentOS, SyncAgentOSClient
from serai.errors import ConfigurationError
from serai.settings import Settings
from serai.testing import ScriptedModel, ToolCall, Turn, serving

pytestmark = pytest.mark.one_postgres


def shop(database_url: str) -> AgentOS:
    model = ScriptedModel([Turn(tools=[ToolCall("order_status", {"order_id": "7"})]), "It has been shipped."])
    agent = Agent(model, name="shop")

    @agent.tool_plain
    def order_status(order_id: str) -> str:
        return f"Order {order_id}: shipped"

    return AgentOS(agents=[agent], settings=Settings.model_validate({"database_url": database_url}))


def test_an_agent_is_served_and_asked_in_one_process(database_url):
    with serving(shop(database_url)) as url, SyncAgentOSClient(url) as client:
        run = client.run_agent("shop", "Where is order 7?")
        assert run.content == "It has been shipped."
        assert [tool.result for tool in run.tools or ()] == ["Order 7: shipped"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_the_block_ends_while_a_stream_is_open(database_url):
    with (
        serving(shop(database_url)) as url,
        httpx.stream("POST", f"{url}/agents/shop/runs", data={"message": "hello", "stream": "true"}) as response,
    ):
        assert response.status_code == 200


def test_an_os_that_cannot_start_says_why():
    with pytest.raises(ConfigurationError), serving(shop("postgresql://127.0.0.1:1/absent")):
        pass

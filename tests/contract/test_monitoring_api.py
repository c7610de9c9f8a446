"""Series for Prometheus and the status of a server: what they hold after runs, and who may read them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentOS
from serai.settings import Settings
from serai.storage.census import CensusTaker
from serai.storage.connection import Database
from serai.telemetry.series import Series
from serai.testing import ScriptedModel, ToolCall, Turn
from tests.hosting import IdleRuntime, http_client, make_os, serving

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "serai.json"
NAMED = set(re.findall(r"\b(?:serai|process)_\w+", " ".join(re.findall(r'"expr": "(.*)"', DASHBOARD.read_text()))))
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
KEY = {"Authorization": "Bearer secret"}


def _is_of(name: str, family: Metric) -> bool:
    """Tell whether a dashboard's name is one of a family's."""
    return name in {f"{family.name}{suffix}" for suffix in SUFFIXES[family.type]}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    helper = Agent(ScriptedModel([Turn(tools=[ToolCall("add", {"a": 2})]), "Done."], model_name="small"), name="helper")

    def add(a: int) -> int:
        return a + 2

    helper.tool_plain(add)
    slow = Agent(ScriptedModel([Turn(tools=[ToolCall("add", {"a": 2})]), Turn("At last.", delay_s=60)]), name="slow")
    slow.tool_plain(add)
    base = FastAPI()
    base.get("/mine/{name}")(lambda name: name)
    settings = Settings(database_url=SecretStr(database_url), security_key=SecretStr("secret"))
    os = AgentOS(agents=[helper, slow], settings=settings, base_app=base)
    async with serving(os.app) as url, http_client(url, timeout=20, headers=KEY) as connected:
        yield connected


async def look(client: httpx.AsyncClient) -> dict[str, Any]:
    status: dict[str, Any] = (await client.get("/-/status")).json()
    return status


async def test_what_a_server_did_is_in_its_series_and_its_status(client: httpx.AsyncClient):
    for _ in range(2):
        answer = await client.post("/agents/helper/runs", data={"message": "hi", "stream": "false"})
        assert answer.status_code == 200
    await client.get("/nowhere/at/all")
    await client.get("/agents/nobody")
    await client.get("/mine/own")
    families = list(text_string_to_metric_families((await client.get("/-/metrics")).text))
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }
    assert {name for name in NAMED if not any(_is_of(name, family) for family in families)} == set()
    expected = {
        ("serai_runs_ended_total", "COMPLETED", "agent", "helper"): 2,
        ("serai_run_seconds_count", "agent", "helper"): 2,
        ("serai_queue_wait_seconds_count", "agent"): 2,
        ("serai_model_request_seconds_count", "ok", "serai", "small"): 4,
        ("serai_tool_call_seconds_count", "add", "ok"): 2,
        ("serai_http_request_seconds_count", "/agents/{agent_id}/runs", "2xx", "POST"): 2,
        ("serai_http_request_seconds_count", "(unmatched)", "4xx", "GET"): 1,
        ("serai_http_request_seconds_count", "/agents/{agent_id}", "4xx", "GET"): 1,
        ("serai_http_request_seconds_count", "/mine/{name}", "2xx", "GET"): 1,
        ("serai_runs", "RUNNING", "agent"): 0,
        ("serai_database_up",): 1,
        ("serai_nodes",): 1,
        ("serai_queue_runs",): 0,
        ("serai_batch_items_sum", "finishes"): 2,
        ("serai_batch_items_sum", "submits"): 2,
    }
    assert {name: values.get(name) for name in expected} == expected
    assert values["serai_tokens_total", "input", "serai", "small"] > 0
    assert values["serai_database_use_seconds_count",] > 0
    assert values["serai_event_lag_seconds_count",] >= 2
    assert values["serai_batch_items_sum", "events"] > 0
    assert ("serai_cost_dollars_total", "serai", "small") not in values

    status = (await client.get("/-/status")).json()
    assert (status["database"], status["runs"], status["queue"]) == ("up", [], {"runs": 0, "oldest_s": 0.0})
    assert [node["id"] for node in status["nodes"]] == [status["node"]]
    assert status["rates"]["runs_ended"] > 0
    assert [(tool["name"], tool["calls"], tool["errors"]) for tool in status["tools"]] == [("add", 2, 0)]
    assert [(model["name"], model["calls"]) for model in status["models"]] == [("small", 4)]

    odd = await client.get("/-/metrics", headers={"Accept": 'application/openmetrics-text; version="abc"'})
    assert odd.status_code == 200
    openmetrics = await client.get("/-/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
    refused = await client.get("/-/status", params={"limit": "many"})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["query", "limit"])


async def test_a_run_at_work_is_in_the_status_until_it_is_cancelled(client: httpx.AsyncClient):
    form = {"message": "hi", "stream": "false", "background": "true", "user_id": "ada"}
    begun = (await client.post("/agents/slow/runs", data=form)).json()
    async with asyncio.timeout(20):
        while (status := await look(client)) and [run["last_step"] for run in status["runs"]] != ["tool_call"]:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)
    (run,) = status["runs"]
    assert (run["run_id"], run["kind"], run["component_id"]) == (begun["run_id"], "agent", "slow")
    assert (run["status"], run["node"], run["user_id"]) == ("RUNNING", status["nodes"][0]["name"], "ada")
    assert (run["last_step"], run["takeovers"], status["nodes"][0]["runs"]) == ("tool_call", 0, 1)
    url = f"/agents/slow/runs/{run['run_id']}/cancel"
    assert (await client.post(url, params={"session_id": run["session_id"]})).status_code == 200
    async with asyncio.timeout(20):
        while (await look(client))["runs"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    lines = (await client.get("/-/metrics")).text.splitlines()
    assert 'serai_runs_ended_total{component="slow",kind="agent",status="CANCELLED"} 1.0' in lines


class AwayRuntime(IdleRuntime):
    """A runtime whose database cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.series = Series()
        self.census = CensusTaker(Database("postgresql://nobody@127.0.0.1:9/none"))
        self.engine = SimpleNamespace(node=SimpleNamespace(id="n1"))


async def test_a_server_whose_database_is_away_still_tells_of_itself():
    async with serving(make_os(AwayRuntime()).app) as url, http_client(url) as client:
        assert (await client.get("/health")).status_code == 200
        lines = (await client.get("/-/metrics")).text.splitlines()
        assert "serai_database_up 0.0" in lines
        assert 'serai_http_request_seconds_count{method="GET",route="/health",status="2xx"} 1.0' in lines
        assert [line for line in lines if line.startswith("serai_queue_runs ")] == []
        status = await look(client)
        assert (status["database"], status["nodes"], status["queue"]) == ("down", [], {"runs": None, "oldest_s": None})


async def test_a_server_with_a_key_shows_its_work_to_no_stranger():
    os = make_os(settings={"security_key": SecretStr("secret")})
    async with serving(os.app) as url, http_client(url) as stranger:
        assert (await stranger.get("/-/metrics")).status_code == 401
        assert (await stranger.get("/-/status")).status_code == 401

"""What an agent must have to be hosted, and how it is described; no run, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import Agent, DeferredToolRequests, RunContext
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import FunctionToolset

import serai
from serai.components.agent import AgentComponent
from serai.components.deps import RunDeps, current_tool_call
from serai.errors import ConfigurationError
from serai.testing import ScriptedModel


@dataclass
class OwnDeps:
    user: str | None


def scripted(**members: Any) -> Agent[Any, Any]:
    return Agent(ScriptedModel(["hi"]), **{"name": "My Agent_2", **members})


def toolset(toolset_id: str | None, name: str = "look") -> FunctionToolset[Any]:
    made: FunctionToolset[Any] = FunctionToolset(id=toolset_id)

    def tool(word: str) -> str:
        """Look a word up."""
        return word

    made.add_function(tool, name=name)
    return made


def test_an_agent_is_described_from_what_it_has():
    component = AgentComponent(scripted(description="Helps."), metadata={"team": "a"})
    assert (component.kind, component.id, component.name) == ("agent", "my-agent-2", "My Agent_2")
    assert (component.description, component.metadata) == ("Helps.", {"team": "a"})
    assert (component.model_name, component.model_provider) == ("scripted", "serai")
    assert component.history_runs == 3


def test_what_is_given_wins_over_what_the_agent_has():
    component = AgentComponent(
        scripted(description="Helps."), id="x", name="Shown", description="Better.", history_runs=0
    )
    assert (component.id, component.name, component.description, component.history_runs) == ("x", "Shown", "Better.", 0)


def test_tools_are_listed_with_their_schemas():
    agent = scripted(toolsets=[toolset("words")])

    @agent.tool_plain
    def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    tools = {tool["name"]: tool for tool in AgentComponent(agent).tools}
    assert set(tools) == {"add", "look"}
    assert (tools["add"]["description"], tools["look"]["description"]) == ("Add two numbers.", "Look a word up.")
    assert set(tools["add"]["parameters"]["properties"]) == {"a", "b"}
    assert tools["add"]["parameters"]["required"] == ["a"]


def test_an_agent_without_tools_lists_none():
    assert AgentComponent(scripted()).tools == []


def test_the_agent_itself_is_not_changed():
    agent = scripted(toolsets=[toolset("words")])
    before = (agent.model, list(agent.toolsets), agent.name)
    AgentComponent(agent)
    assert (agent.model, list(agent.toolsets), agent.name) == before


def test_a_model_may_be_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    component = AgentComponent(Agent("openai:gpt-5-mini", name="a"))
    assert (component.model_name, component.model_provider) == ("gpt-5-mini", "openai")


def test_an_agent_needs_a_name():
    with pytest.raises(ConfigurationError, match=r"no name.*name='my-agent'"):
        AgentComponent(Agent(TestModel()))


def test_an_agent_needs_a_model():
    with pytest.raises(ConfigurationError, match=r"'a' has no model: write Agent\('openai"):
        AgentComponent(Agent(name="a"))


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", "nobody:nothing", "nonsense"])
def test_a_model_that_cannot_be_had_is_named(model: str, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=f"(?s)The model '{model}' of agent 'a': "):
        AgentComponent(Agent(model, name="a", defer_model_check=True))


def test_dependencies_of_the_agents_own_need_an_adapter():
    agent = Agent(ScriptedModel(["hi"]), name="a", deps_type=OwnDeps)
    with pytest.raises(ConfigurationError, match=r"'a' wants dependencies of type OwnDeps.*deps=lambda run"):
        AgentComponent(agent)
    assert AgentComponent(agent, deps=lambda run: OwnDeps(run.user_id)).id == "a"


@pytest.mark.parametrize("deps_type", [type(None), object, RunDeps])
def test_serais_dependencies_need_no_adapter(deps_type: type[Any]):
    AgentComponent(Agent(ScriptedModel(["hi"]), name="a", deps_type=deps_type))


def test_a_toolset_needs_an_id():
    with pytest.raises(ConfigurationError, match=r"'My Agent_2' cannot be made durable: .*unique `id`"):
        AgentComponent(scripted(toolsets=[toolset(None)]))


def test_two_toolsets_need_two_ids():
    with pytest.raises(ConfigurationError, match=r"'My Agent_2' cannot be made durable: .*id"):
        AgentComponent(scripted(toolsets=[toolset("words"), toolset("words", name="other")]))


def test_an_idempotency_key_names_the_tool_call():
    deps = RunDeps(run_id="r", session_id="s", user_id=None)
    token = current_tool_call.set("call-1")
    try:
        assert deps.idempotency_key == "r:call-1"
    finally:
        current_tool_call.reset(token)


def test_an_agent_with_tools_that_take_serais_dependencies_is_hosted():
    agent = Agent(ScriptedModel(["hi"]), name="a", deps_type=RunDeps)

    @agent.tool
    def who(ctx: RunContext[RunDeps]) -> str | None:
        return ctx.deps.user_id

    assert [tool["name"] for tool in AgentComponent(agent).tools] == ["who"]


def test_an_agent_with_a_validator_and_a_tool_that_pauses_must_expect_pauses():
    @serai.tool(requires_confirmation=True)
    def delete(path: str) -> str:
        """Delete a file."""
        return path

    def check(output: Any) -> Any:
        return output

    blind = Agent(ScriptedModel(["x"]), name="a", tools=[delete])
    blind.output_validator(check)
    with pytest.raises(ConfigurationError, match="'delete' may pause"):
        AgentComponent(blind)
    seeing: Agent[None, Any] = Agent(
        ScriptedModel(["x"]), name="a", tools=[delete], output_type=[str, DeferredToolRequests]
    )
    seeing.output_validator(check)
    AgentComponent(seeing)

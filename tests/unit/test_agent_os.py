"""AgentOS: what it takes, what it makes of names, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic_ai import Agent

from serai import Knowledge
from serai.domain.ids import slugify
from serai.errors import ConfigurationError
from serai.testing import ScriptedModel
from tests.hosting import DescribedAgent, DescribedTeam, DescribedWorkflow, make_os


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Agent", "my-agent"),
        ("  Über_Agent 2! ", "über-agent-2"),
        ("日本 語", "日本-語"),
        ("a--b", "a-b"),
        ("!", ""),
    ],
)
def test_names_become_ids(name: str, slug: str):
    assert slugify(name) == slug


def test_an_os_takes_its_id_from_its_name_or_as_given():
    assert make_os(name="My OS").id == "my-os"
    assert make_os(name="My OS", id="os-1").id == "os-1"
    with pytest.raises(ConfigurationError, match="id="):
        make_os(name="!!!")


def test_a_pydantic_ai_agent_becomes_a_component_with_an_id_from_its_name():
    os = make_os(agents=[Agent(ScriptedModel("Hi."), name="Helpful Agent")])
    assert os.agents["helpful-agent"].name == "Helpful Agent"


def test_an_agent_without_a_name_is_refused_with_the_next_step():
    with pytest.raises(ConfigurationError, match="name='my-agent'"):
        make_os(agents=[Agent(ScriptedModel("Hi."))])


def test_two_agents_with_one_id_are_refused_by_their_names():
    with pytest.raises(ConfigurationError, match=r"'a-b'.*'A B'.*'a_b'"):
        make_os(agents=[DescribedAgent(id="a-b", name="A B"), DescribedAgent(id="a-b", name="a_b")])


@dataclass(frozen=True, kw_only=True)
class Librarian(DescribedAgent):
    """An agent that searches a base."""

    knowledge: tuple[Knowledge, ...] = (Knowledge(id="books"),)


def test_the_bases_of_an_os_are_its_own_and_those_of_its_components():
    assert make_os().knowledge == ()
    assert [base.id for base in make_os(knowledge=True).knowledge] == ["knowledge"]
    manuals = Knowledge(id="manuals")
    member = Librarian(id="librarian")
    os = make_os(
        knowledge=[manuals],
        agents=[Librarian()],
        teams=[DescribedTeam(members=[member])],
        workflows=[DescribedWorkflow(steps=[member])],
    )
    assert [base.id for base in os.knowledge] == ["manuals", "books"]


def test_two_bases_with_one_id_are_refused():
    with pytest.raises(ConfigurationError, match="Two knowledge bases have the id 'books'"):
        make_os(knowledge=Knowledge(id="books", language="german"), agents=[Librarian()])


def test_an_id_is_unique_within_its_kind():
    os = make_os(agents=[DescribedAgent(id="a")], teams=[DescribedTeam(id="a")], workflows=[DescribedWorkflow(id="a")])
    assert [(component.kind, component.id) for component in os.components] == [
        ("agent", "a"),
        ("team", "a"),
        ("workflow", "a"),
    ]
    with pytest.raises(ConfigurationError, match="Two workflows have the id 'a'"):
        make_os(workflows=[DescribedWorkflow(id="a"), DescribedWorkflow(id="a")])


@pytest.mark.parametrize("kind", ["agents", "workflows"])
def test_a_component_among_those_of_another_kind_is_refused_with_the_next_step(kind: str):
    with pytest.raises(ConfigurationError, match=rf"{kind} has the team 'My Team'.*AgentOS\(teams="):
        make_os(**{kind: [DescribedTeam()]})


def test_what_is_no_component_is_refused():
    with pytest.raises(ConfigurationError, match=r"teams has Agent.*no team"):
        make_os(teams=[Agent(ScriptedModel("Hi."), name="Helper")])


def test_quick_prompts_may_name_a_component_of_any_kind():
    prompts = {"my-agent": ["Hi"], "my-team": ["Plan"], "my-workflow": ["Go"]}
    assert make_os(teams=[DescribedTeam()], workflows=[DescribedWorkflow()], quick_prompts=prompts).quick_prompts


def test_quick_prompts_for_nobody_are_refused():
    with pytest.raises(ConfigurationError, match="'nobody'"):
        make_os(quick_prompts={"nobody": ["Hi"]})


def test_the_app_is_built_once():
    os = make_os()
    assert os.app is os.app

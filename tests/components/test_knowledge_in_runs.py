"""Runs of agents and teams that search knowledge: what they find, what limits it, and where it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic_ai import Agent

import serai
from serai import AgentComponent, Knowledge, Memory, Team
from serai.components.run_knowledge import NOTHING_FOUND, SEARCH_TOOL
from serai.domain.ids import new_key
from serai.domain.knowledge import LONGEST_QUERY, NewChunk, NewContent
from serai.engine.active_run import Component
from serai.engine.engine import Engine
from serai.errors import ConfigurationError
from serai.knowledge.bases import KnowledgeBases
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import ContentStore
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran, engine_of, go_on, run, submit
from tests.teams import ask
from tests.traces import spans_of

RULES = Knowledge(id="rules", description="The rules of the house.")
WINES = Knowledge(id="wines", name="Wine list")


@asynccontextmanager
async def node_of(database: Database, *components: Component, bases: Sequence[Knowledge] = ()) -> AsyncIterator[Engine]:
    """Run a node with these components and bases."""
    knowledge = KnowledgeBases(database, bases or (RULES, WINES))
    async with engine_of(database, *components, knowledge=knowledge) as engine:
        yield engine


async def put(
    database: Database, text: str, *, base: Knowledge = RULES, project_id: str = "p", **metadata: Any
) -> None:
    """Store a document as one passage, as if it had been taken in."""
    new = NewContent(
        project_id=project_id, base_id=base.id, id=new_key(), name=text.partition(" ")[0], metadata=metadata
    )
    content, _ = await ContentStore(database).add(new, text.encode(), job_kind="none")
    async with database.transaction() as connection:
        chunk = NewChunk(position=1, text=text, metadata={**metadata, "page": 3})
        await put_chunks(connection, content, [chunk], language=base.language)


def searching(*calls: ToolCall, answer: str = "Done.") -> ScriptedModel:
    """Return a model that makes these calls one after the other."""
    return ScriptedModel(
        lambda asked: Turn(tools=[calls[len(asked.tool_results)]]) if len(asked.tool_results) < len(calls) else answer
    )


def search(query: str, **args: Any) -> ToolCall:
    return ToolCall(SEARCH_TOOL, {"query": query, **args})


def component(*calls: ToolCall, knowledge: Any = RULES, **options: Any) -> AgentComponent:
    return AgentComponent(Agent(searching(*calls), name="helper", **options), knowledge=knowledge)


def names(ran: Ran) -> list[list[str]]:
    """Return the names of what each search found."""
    return [[one["name"] for one in found["references"]] for found in ran.output.get("references") or ()]


def results(ran: Ran) -> list[str]:
    return [tool["result"] for tool in ran.output["tools"]]


async def test_a_search_is_a_span_in_its_tools_call(database: Database):
    await put(database, "Shoes off at the door")
    asking = component(search("shoes"))
    async with node_of(database, asking) as engine:
        ran = await run(engine, asking, "What about shoes?")
    rows = await spans_of(database, ran.record.key)
    [call] = [row for row in rows if row["kind"] == "TOOL"]
    [searched] = [row for row in rows if row["kind"] == "RETRIEVER"]
    assert (searched["parent_id"], searched["name"], searched["input"]) == (call["span_id"], "rules", "shoes")
    assert '"name":"Shoes"' in searched["output"]


# What is found


async def test_a_run_shows_what_it_found_and_where_it_is_from(database: Database):
    await put(database, "Dogs are welcome.", country="it")
    helper = component(search("dogs"))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "May I bring a dog?")
    (found,) = ran.output["references"]
    (reference,) = found["references"]
    assert results(ran) == ["1. From Dogs, page 3:\nDogs are welcome."]
    assert (found["query"], found["time"] >= 0) == ("dogs", True)
    content_id = await database.fetchval("select id::text from knowledge_contents")
    assert reference == {
        "content": "Dogs are welcome.",
        "meta_data": {"country": "it", "page": 3},
        "name": "Dogs",
        "content_id": content_id,
        "knowledge_id": "rules",
    }
    assert ran.events[-1]["references"] == ran.output["references"]


async def test_a_run_that_finds_nothing_says_so_and_shows_nothing(database: Database):
    helper = component(search("dogs"))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "May I bring a dog?")
    assert results(ran) == [NOTHING_FOUND]
    assert "references" not in ran.output
    assert "references" not in ran.events[-1]


async def test_each_search_of_a_run_is_shown(database: Database):
    await put(database, "Dogs are welcome.")
    await put(database, "Cats stay at home.")
    helper = component(search("cats"), search("birds"), search("dogs"))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go")
    assert names(ran) == [["Cats"], ["Dogs"]]


async def test_a_run_finds_nothing_of_other_projects_or_of_bases_that_are_not_its_own(database: Database):
    await put(database, "Dogs are welcome.", project_id="other")
    await put(database, "Dogs drink no wine.", base=WINES)
    helper = component(search("dogs"))
    async with node_of(database, helper) as engine:
        assert results(await run(engine, helper, "go")) == [NOTHING_FOUND]


async def test_queries_that_cannot_be_stored_or_are_too_long_are_no_harm(database: Database):
    await put(database, "Dogs are welcome.")
    helper = component(search("dogs \0"), search("dogs" + " dogs" * LONGEST_QUERY), search(" "))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go")
    assert names(ran) == [["Dogs"], ["Dogs"]]
    assert [tool["tool_call_error"] for tool in ran.output["tools"]] == [False, False, True]
    assert results(ran)[2].startswith("The query is empty")


# What limits it


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"country": "it"}, ["Tea"]),
        ({"country": "fr"}, None),
        ({"op": "EQ", "key": "country", "value": "ch"}, ["Tee"]),
        ({"op": "IN", "key": "country", "values": ["it", "ch"]}, ["Tea", "Tee"]),
        ({"op": "OR", "conditions": [{"country": "it"}, {"year": 2026}]}, ["Tea", "Tee"]),
        ([{"country": "it"}, {"year": 2026}], ["Tea"]),
        ([{"country": "it"}, {"country": "ch"}], None),
    ],
)
async def test_filters_of_the_request_limit_every_search(database: Database, filters: Any, expected: list[str] | None):
    await put(database, "Tea is 3 euros, a price.", country="it", year=2026)
    await put(database, "Tee is 4 francs, a price.", country="ch", year=2026)
    helper = component(search("price"))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go", knowledge_filters=filters)
    assert [sorted(found) for found in names(ran)] == ([] if expected is None else [expected])


async def test_filters_that_are_not_served_find_nothing_at_all(database: Database):
    await put(database, "Dogs are welcome.")
    helper = component(search("dogs"))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go", knowledge_filters={"op": "NOT", "condition": {"a": 1}})
    assert results(ran) == ["knowledge_filters of this run: The filter NOT is not served; use EQ, IN, AND and OR."]
    assert names(ran) == []


# Several bases


async def test_of_several_bases_all_are_searched_or_the_one_that_is_named(database: Database):
    await put(database, "House wine is red.", base=RULES)
    await put(database, "Chianti is a red wine.", base=WINES)
    helper = component(
        search("red wine"),
        search("red wine", knowledge_base="wines"),
        search("red wine", knowledge_base="cellar"),
        knowledge=[RULES, WINES],
    )
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go")
    assert names(ran) == [["House", "Chianti"], ["Chianti"]]
    assert results(ran)[2] == "There is no knowledge base 'cellar'. There are: rules, wines."


async def test_the_best_of_each_base_come_first_and_no_more_than_a_base_gives(database: Database):
    few = [Knowledge(id=name, max_results=3) for name in ("a", "b")]
    for number in range(3):
        for base in few:
            await put(database, f"{base.id}{number} tea" + " tea" * (3 - number), base=base)
    helper = component(search("tea"), knowledge=few)
    async with node_of(database, helper, bases=few) as engine:
        ran = await run(engine, helper, "go")
    (found,) = ran.output["references"]
    assert [one["knowledge_id"] for one in found["references"]] == ["a", "b", "a"]


def test_a_model_is_told_what_is_in_the_bases():
    (one,) = component().tools
    (several,) = component(knowledge=[RULES, WINES]).tools
    assert one["description"].endswith("The documents: rules: The rules of the house.")
    assert list(one["parameters"]["properties"]) == ["query"]
    assert several["description"].endswith("- rules: rules: The rules of the house.\n- wines: Wine list")
    assert list(several["parameters"]["properties"]) == ["query", "knowledge_base"]
    assert "words in which a document would say it" in str(several["parameters"])


# Teams, pauses and takeovers


async def test_a_team_and_its_members_search_within_the_same_filters(database: Database):
    await put(database, "Dogs are welcome.", country="it")
    await put(database, "Dogs stay out.", country="ch")
    member = component(search("dogs"))
    team = Team("team", [member], model=searching(search("dogs"), ask("helper", "look")), knowledge=RULES)
    async with node_of(database, team) as engine:
        ran = await run(engine, team, "go", knowledge_filters={"country": "ch"})
    (of_member,) = ran.output["member_responses"]
    for output in (ran.output, of_member):
        (found,) = output["references"]
        assert [one["content"] for one in found["references"]] == ["Dogs stay out."]


async def test_what_was_found_before_a_pause_is_shown_after_it(database: Database):
    @serai.tool(requires_confirmation=True)
    def delete_file(path: str) -> str:
        """Delete a file."""
        return f"deleted {path}"

    await put(database, "Dogs are welcome.")
    helper = component(search("dogs"), ToolCall("delete_file", {"path": "/a"}), tools=[delete_file])
    async with node_of(database, helper) as engine:
        paused = await run(engine, helper, "go")
        (tool,) = [wanted["tool_execution"] for wanted in paused.output["requirements"]]
        ended = await go_on(engine, paused, [{**tool, "confirmed": True}])
    assert names(paused) == names(ended) == [["Dogs"]]
    assert ended.events[-1]["references"] == ended.output["references"]


async def test_a_run_that_is_taken_over_shows_what_it_had_found(database: Database):
    reached = asyncio.Event()

    def make(*, holds: bool) -> AgentComponent:
        async def look() -> str:
            """Look."""
            if holds:
                reached.set()
                await asyncio.Event().wait()
            return "seen"

        return component(search("dogs"), ToolCall("look"), tools=[look])

    await put(database, "Dogs are welcome.")
    first = make(holds=True)
    async with node_of(database, first) as one:
        record = await submit(one, first, "go")
        await reached.wait()
        await database.execute("delete from knowledge_chunks")
        async with node_of(database, make(holds=False)) as other:
            await one.stop()
            await asyncio.wait_for(other.wait(record), 20)
            answer = await other.get_answer(record)
    assert b'"name":"Dogs"' in (answer.output or b"")
    assert b"1. From Dogs, page 3:" in (answer.output or b"")


# What cannot be


async def test_a_server_without_the_base_says_so_to_the_model(database: Database):
    helper = component(search("dogs"))
    async with engine_of(database, helper) as engine:
        ran = await run(engine, helper, "go")
    assert results(ran) == ["This server has no knowledge base 'rules'."]


def test_a_tool_of_the_agents_own_may_not_have_the_name_of_the_search():
    def search_knowledge_base(query: str) -> str:
        """Search."""
        return query

    with pytest.raises(ConfigurationError, match="its knowledge brings one of that name: rename the agent's"):
        component(tools=[search_knowledge_base])


def test_two_bases_of_an_agent_may_not_have_the_same_id():
    with pytest.raises(ConfigurationError, match="Two knowledge bases have the id 'rules'"):
        component(knowledge=[RULES, Knowledge(id="rules")])


async def test_an_agent_may_have_memory_and_knowledge(database: Database):
    await put(database, "Dogs are welcome.")
    helper = AgentComponent(Agent(ScriptedModel(_both), name="helper"), knowledge=RULES, memory=Memory(extract=False))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "go", user_id="ann")
    assert names(ran) == [["Dogs"]]
    assert {tool["tool_name"] for tool in ran.output["tools"]} == {SEARCH_TOOL, "remember"}


def _both(asked: Asked) -> Turn | str:
    calls = [search("dogs"), ToolCall("remember", {"memory": "Has a dog."})]
    return "Done." if asked.tool_results else Turn(tools=calls)

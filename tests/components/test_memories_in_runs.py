"""Runs of agents and teams that remember their users: what they are told, what they store, what is found afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent, Tool
from pydantic_ai.models import Model
from structlog.testing import capture_logs

import serai
from serai import AgentComponent, Memory, Team
from serai.components.memory_extraction import extraction_handlers
from serai.domain.memories import AutomaticChange, MemoryAction, MemoryOrigin, MemoryRecord, NewMemory
from serai.engine.active_run import Component
from serai.engine.engine import Engine
from serai.engine.jobs import JobRunner
from serai.errors import ConfigurationError, FencedError
from serai.memory.extraction import prompt_of
from serai.storage.connection import Database
from serai.storage.erasure import erase_user
from serai.storage.memories import MemoryStore
from serai.storage.memory_changes import ChangeSource, list_changes
from serai.storage.user_memories import UserMemories
from serai.testing import Asked, ScriptedModel, ToolCall, Turn, provider_error
from tests.component_runs import Ran, engine_of, go_on, run, submit
from tests.run_values import until
from tests.teams import ask
from tests.traces import spans_of

FOUND = "final_result"
"""The tool by which the model that looks for memories answers."""


@asynccontextmanager
async def node_of(database: Database, *components: Component) -> AsyncIterator[Engine]:
    """Run a node with these components that does their jobs, too."""
    async with engine_of(database, *components) as engine:
        jobs = JobRunner(database, engine.node.id, extraction_handlers(database, components, tracer=engine._tracer))
        engine._on_jobs = jobs.look
        jobs.start()
        try:
            yield engine
        finally:
            await jobs.stop()


class Told:
    """A model that says one thing, and keeps what it was told each time."""

    def __init__(self, *script: Turn | str) -> None:
        self._script = script or ("Hello.",)
        self.asked: list[Asked] = []

    @property
    def model(self) -> Model:
        return ScriptedModel(self._answer)

    def _answer(self, asked: Asked) -> Turn | str:
        self.asked.append(asked)
        return self._script[min(asked.step, len(self._script) - 1)]


def finding(*facts: dict[str, Any]) -> Told:
    """Return a model that finds these memories in whatever it reads."""
    return Told(Turn(tools=[ToolCall(FOUND, {"memories": list(facts)})]))


def component(told: Told, *, memory: Memory | bool | None = True, **options: Any) -> AgentComponent:
    agent = Agent(told.model, name="helper", instructions="Be brief.", **options)
    return AgentComponent(agent, memory=memory)


async def remember(database: Database, *memories: str, user_id: str = "ann") -> list[MemoryRecord]:
    store = MemoryStore(database)
    return [await store.create(NewMemory(project_id="p", user_id=user_id, memory=memory)) for memory in memories]


async def remembered(database: Database, user_id: str = "ann") -> list[MemoryRecord]:
    found = await MemoryStore(database).list_of_user("p", user_id, limit=100)
    return sorted(found, key=lambda memory: memory.id)


async def texts(database: Database, user_id: str = "ann") -> list[str]:
    return [memory.memory for memory in await remembered(database, user_id)]


async def until_extracted(database: Database, *, count: int = 1) -> None:
    await until(database, "select count(*) = $1 from jobs where status = 'COMPLETED'", count)


async def test_what_is_recalled_and_what_is_found_afterwards_are_spans_of_the_runs_trace(database: Database):
    told = Told()
    await remember(database, "Has a dog.")
    remembering = component(told, memory=Memory(model=finding({"memory": "Likes tea."}).model))
    async with node_of(database, remembering) as engine:
        ran = await run(engine, remembering, "I like tea", user_id="ann")
        await until_extracted(database)
    rows = await spans_of(database, ran.record.key)
    root = next(row for row in rows if row["kind"] == "AGENT")
    recalled, found = [row for row in rows if row["kind"] == "MEMORY"]
    assert recalled["parent_id"] == found["parent_id"] == root["span_id"]
    assert (recalled["name"], recalled["input"]) == ("recall memories", "I like tea")
    assert "Has a dog." in recalled["output"]
    assert (found["name"], found["output"], found["status"]) == ("extract memories", '["Likes tea."]', "OK")
    assert found["input_tokens"] > 0
    assert found["started_at"] > root["started_at"]


# What a run is told


async def test_a_run_is_told_what_is_remembered_of_its_user_and_of_nobody_else(database: Database):
    told = Told()
    await remember(database, "Has a dog.", "Lives in\nRome.")
    await remember(database, "Has a cat.", user_id="bob")
    async with engine_of(database, component(told)) as engine:
        await run(engine, component(told), "Hi", user_id="ann")
    assert "1. Has a dog.\n2. Lives in Rome." in told.asked[0].instructions
    assert told.asked[0].instructions.startswith("Be brief.")
    assert "cat" not in told.asked[0].instructions


@pytest.mark.parametrize(("memory", "user_id"), [(True, None), (None, "ann"), (Memory(recall=False), "ann")])
async def test_a_run_is_told_nothing_without_a_user_or_without_memory(
    database: Database, memory: Memory | bool | None, user_id: str | None
):
    told = Told()
    await remember(database, "Has a dog.")
    async with engine_of(database, component(told, memory=memory)) as engine:
        ran = await run(engine, component(told), "Hi", user_id=user_id)
    assert told.asked[0].instructions == "Be brief."
    assert ran.output["content"] == "Hello."


async def test_a_run_of_nobody_has_no_tools_for_memories_and_brings_no_job_about(database: Database):
    told = Told()
    async with engine_of(database, component(told)) as engine:
        ran = await run(engine, component(told), "I have a dog")
    assert told.asked[0].tools == ()
    assert "MemoryUpdateStarted" not in ran.names
    assert await database.fetchval("select count(*) from jobs") == 0


async def test_what_is_remembered_is_no_part_of_the_history(database: Database):
    told = Told()
    helper = component(told)
    await remember(database, "Has a dog.")
    async with engine_of(database, helper) as engine:
        await run(engine, helper, "Hi", user_id="ann", session_id="s")
        await database.execute("delete from memories")
        await run(engine, helper, "Hi again", user_id="ann", session_id="s")
    stored = await database.fetch("select messages from runs")
    assert all(b"dog" not in row["messages"] for row in stored)
    assert [len(asked.messages) for asked in told.asked] == [1, 3]
    assert "dog" not in told.asked[1].instructions


async def test_a_run_that_is_taken_over_is_told_the_same_again(database: Database):
    told, reached = Told("Hello.", "Bye."), asyncio.Event()

    def make(*, holds: bool) -> AgentComponent:
        async def look() -> str:
            """Look."""
            if holds:
                reached.set()
                await asyncio.Event().wait()
            return "seen"

        def answer(asked: Asked) -> Turn | str:
            told.asked.append(asked)
            return "Done." if asked.tool_results else Turn(tools=[ToolCall("look")])

        return AgentComponent(Agent(ScriptedModel(answer), name="helper", tools=[look]), memory=True)

    await remember(database, "Has a dog.")
    first = make(holds=True)
    async with engine_of(database, first) as one:
        record = await submit(one, first, "Hi", user_id="ann")
        await reached.wait()
        await remember(database, "Has a cat.")
        async with engine_of(database, make(holds=False)) as other:
            await one.stop()
            answer = await asyncio.wait_for(other.wait(record), 20)
    assert answer.status.value == "COMPLETED"
    assert [("dog" in asked.instructions, "cat" in asked.instructions) for asked in told.asked] == [(True, False)] * 2


async def test_members_of_a_team_are_told_what_they_remember_and_only_the_team_has_the_users_words_read(
    database: Database,
):
    of_leader, of_member, reader = Told(Turn(tools=[ask("helper", "greet")]), "Done."), Told(), finding()
    member = component(of_member)
    team = Team("team", [member], model=of_leader.model, memory=Memory(model=reader.model))
    await remember(database, "Has a dog.")
    async with node_of(database, team) as engine:
        ran = await run(engine, team, "Say hello to me", user_id="ann")
        await until_extracted(database)
    assert ["dog" in asked.instructions for asked in (*of_leader.asked, *of_member.asked)] == [True] * 3
    assert ran.names[-4:] == [
        "TeamRunContentCompleted",
        "TeamMemoryUpdateStarted",
        "TeamMemoryUpdateCompleted",
        "TeamRunCompleted",
    ]
    assert [asked.message.rpartition("\n")[2] for asked in reader.asked] == ['"Say hello to me"']
    assert await database.fetchval("select count(*) from jobs") == 1


# What is found in a user's words


async def test_what_a_user_wrote_is_read_after_the_run_and_remembered_with_its_source(database: Database):
    reader = finding({"memory": "Has a dog.", "topics": ["pets"]}, {"memory": " "})
    helper = component(Told(), memory=Memory(model=reader.model, instructions="Pets matter most."))
    async with node_of(database, helper) as engine:
        ran = await run(engine, helper, "I have a dog", user_id="ann", session_id="s")
        await until_extracted(database)
    (memory,) = await remembered(database)
    assert (memory.memory, memory.topics, memory.origin) == ("Has a dog.", ("pets",), MemoryOrigin.EXTRACTION)
    assert (memory.source_run_id, memory.source_session_id, memory.agent_id) == (ran.record.id, "s", "helper")
    changes, total = await list_changes(database, "p", run_id=ran.record.id, limit=10, offset=0)
    assert (total, changes[0].memory_id) == (1, memory.id)
    assert reader.asked[0].instructions.endswith("Pets matter most.")
    assert ran.names[-4:] == ["RunContentCompleted", "MemoryUpdateStarted", "MemoryUpdateCompleted", "RunCompleted"]
    assert ran.told("MemoryUpdateCompleted")[0]["memories"] == []
    progress = await database.fetchval("select progress::text from jobs")
    assert '"created": 1' in progress


TEXTS = st.text(min_size=1, max_size=30).filter(str.strip)


@given(said=TEXTS, instructions=TEXTS, tool_result=TEXTS, answer=TEXTS, dependency=TEXTS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_only_what_the_user_wrote_is_read(
    database: Database, said: str, instructions: str, tool_result: str, answer: str, dependency: str
):
    user_id = str(uuid4())
    known = await remember(database, "Has a dog.", user_id=user_id)
    reader, told = finding(), Told(Turn(tools=[ToolCall("look")]), answer)
    agent = Agent(told.model, name="helper", instructions=instructions, tools=[Tool(lambda: tool_result, name="look")])
    helper = AgentComponent(agent, memory=Memory(model=reader.model))
    async with node_of(database, helper) as engine:
        for _ in range(2):
            await run(engine, helper, said, user_id=user_id, session_id=user_id, dependencies={"a": dependency})
        done = "select count(*) = 2 from jobs where status = 'COMPLETED' and user_id = $1"
        await until(database, done, user_id)
    assert len(told.asked[-1].messages) > 1
    for asked in reader.asked:
        assert len(asked.messages) == 1
        assert asked.message == prompt_of(said, known)
        assert asked.instructions == reader.asked[0].instructions


async def test_what_is_known_is_not_stored_again_and_what_changed_takes_its_place(database: Database):
    await remember(database, "Lives in Rome.", "Has two dogs and a cat at home.")
    facts: list[dict[str, Any]] = [
        {"memory": "lives  in ROME."},
        {"memory": "The user has two dogs and a cat at home"},
        {"memory": "Lives in Oslo.", "replaces": 1},
        {"memory": "Likes tea."},
        {"memory": "likes tea"},
    ]
    helper = component(Told(), memory=Memory(model=finding(*facts).model))
    async with node_of(database, helper) as engine:
        await run(engine, helper, "I moved", user_id="ann")
        await until_extracted(database)
    assert await texts(database) == ["Lives in Oslo.", "Has two dogs and a cat at home.", "Likes tea."]


async def test_a_job_that_is_done_twice_remembers_once(database: Database):
    reader = finding({"memory": "Has a dog."})
    helper = component(Told(), memory=Memory(model=reader.model))
    async with node_of(database, helper) as engine:
        await run(engine, helper, "I have a dog", user_id="ann")
        await until_extracted(database)
        await database.execute("delete from memories")
        await database.execute("update jobs set status = 'PENDING', node_id = null")
        engine._on_jobs()
        await until_extracted(database)
    assert await texts(database) == []
    assert len(reader.asked) == 1


async def test_a_model_that_fails_is_asked_again_later_and_the_answer_does_not_wait(database: Database):
    helper = component(Told(), memory=Memory(model=Told(Turn(error=provider_error())).model))
    with capture_logs():
        async with node_of(database, helper) as engine:
            ran = await run(engine, helper, "I have a dog", user_id="ann")
            await until(database, "select error is not null from jobs")
    assert ran.output["content"] == "Hello."
    assert await database.fetchval("select status from jobs") == "PENDING"


@pytest.mark.parametrize("message", ["fail", " "])
async def test_nothing_is_read_of_runs_that_fail_or_hold_no_words(database: Database, message: str):
    helper = component(Told(Turn(error=provider_error())) if message == "fail" else Told())
    async with engine_of(database, helper) as engine:
        ran = await run(engine, helper, message, user_id="ann")
    assert "MemoryUpdateStarted" not in ran.names
    assert await database.fetchval("select count(*) from jobs") == 0


async def test_a_run_that_was_deleted_is_not_read(database: Database):
    reader = finding()
    helper = component(Told(), memory=Memory(model=reader.model))
    async with engine_of(database, helper) as engine:
        await run(engine, helper, "I have a dog", user_id="ann")
    await database.execute("delete from runs")
    async with node_of(database, helper):
        await until_extracted(database)
    assert reader.asked == []


async def test_nothing_is_remembered_of_a_user_who_is_erased_while_their_words_are_read(database: Database):
    reading, erased = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reading.set()
        await erased.wait()

    facts = Turn(tools=[ToolCall(FOUND, {"memories": [{"memory": "Has a dog."}]})], gate=wait)
    helper = component(Told(), memory=Memory(model=Told(facts).model))
    async with node_of(database, helper) as engine:
        await run(engine, helper, "I have a dog", user_id="ann")
        await reading.wait()
        (job,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("serai-job-")]
        await erase_user(database, "p", "ann")
        erased.set()
        await job
    assert await texts(database) == []
    assert await database.fetchval("select count(*) from memory_users") == 0


async def test_a_run_that_was_removed_changes_no_memory_and_leaves_no_trace_of_its_user(database: Database):
    source = ChangeSource(origin=MemoryOrigin.TOOL, operation_id="x")
    new = AutomaticChange(action=MemoryAction.CREATED, memory="Has a dog.")
    with pytest.raises(FencedError, match="was removed"):
        await UserMemories(database).change("p", "ann", lambda _: [new], root_key=uuid4(), source=source, looked_at=1)
    assert await database.fetchval("select count(*) from memory_users") == 0


# What a run stores itself


def stores(*calls: ToolCall) -> Told:
    return Told(*(Turn(tools=[call]) for call in calls), "Done.")


async def tool_results(database: Database, *calls: ToolCall, memory: Memory | bool = True) -> Ran:
    helper = component(stores(*calls), memory=memory)
    async with engine_of(database, helper) as engine:
        return await run(engine, helper, "Remember that", user_id="ann", session_id="s")


def results(ran: Ran) -> list[str]:
    return [tool["result"] for tool in ran.output["tools"]]


async def test_an_agent_remembers_at_once_when_it_is_asked_to(database: Database):
    ran = await tool_results(database, ToolCall("remember", {"memory": "Has a dog.", "topics": ["pets"]}))
    (memory,) = await remembered(database)
    assert (memory.memory, memory.topics, memory.origin) == ("Has a dog.", ("pets",), MemoryOrigin.TOOL)
    assert (memory.source_run_id, memory.source_session_id, memory.agent_id) == (ran.record.id, "s", "helper")
    assert results(ran) == ["Remembered: Has a dog."]
    (told,) = ran.told("MemoryUpdateCompleted")
    assert [one["memory_id"] for one in told["memories"]] == [str(memory.id)]
    assert told["memories"][0]["topics"] == ["pets"]


async def test_an_agent_corrects_and_forgets_what_it_was_told(database: Database):
    await remember(database, "Has a dog.", "Lives in Rome.", "Likes tea.")
    ran = await tool_results(
        database,
        ToolCall("remember", {"memory": "Lives in Oslo.", "replaces": 2}),
        ToolCall("forget", {"number": 1}),
        ToolCall("forget", {"number": 1}),
        ToolCall("remember", {"memory": "likes  TEA."}),
    )
    assert await texts(database) == ["Lives in Oslo.", "Likes tea."]
    assert results(ran) == [
        "Remembered: Lives in Oslo.",
        "Forgotten: Has a dog.",
        "That was forgotten already.",
        "That is known already.",
    ]


async def test_an_agent_cannot_forget_what_it_was_not_told(database: Database):
    await remember(database, "Has a dog.")
    ran = await tool_results(database, ToolCall("forget", {"number": 2}))
    assert await texts(database) == ["Has a dog."]
    assert "no memory number 2" in results(ran)[0]


async def test_odd_names_of_calls_and_texts_that_cannot_be_stored_are_no_harm(database: Database):
    ran = await tool_results(
        database,
        ToolCall("remember", {"memory": "a\0b"}, id="call\0\ud800"),
        ToolCall("remember", {"memory": " "}, id="call"),
    )
    assert await texts(database) == ["a\ufffdb"]
    assert [tool["tool_call_error"] for tool in ran.output["tools"]] == [False, True]


async def test_a_call_that_is_made_again_after_its_node_died_remembers_once(database: Database):
    call = ToolCall("remember", {"memory": "Has a dog."})
    first = await tool_results(database, call, memory=Memory(extract=False))
    # As if the node had died after the memory was stored, and before its step was.
    helper = component(stores(call), memory=Memory(extract=False))
    await database.execute("delete from run_steps")
    await database.execute("delete from run_events")
    await database.execute(
        "update runs set status = 'PENDING', ready = true, node_id = null, output = null, ended_at = null"
    )
    await database.execute("delete from memories")
    async with engine_of(database, helper) as engine:
        await until(database, "select status = 'COMPLETED' from runs")
        again = await engine.get_answer(first.record)
    assert b"Remembered: Has a dog." in (again.output or b"")
    assert await database.fetchval("select count(*) from memory_changes") == 1


async def test_what_was_stored_before_a_pause_is_told_after_it(database: Database):
    @serai.tool(requires_confirmation=True)
    def delete_file(path: str) -> str:
        """Delete a file."""
        return f"deleted {path}"

    told = stores(ToolCall("remember", {"memory": "Has a dog."}), ToolCall("delete_file", {"path": "/a"}))
    helper = component(told, memory=Memory(extract=False), tools=[delete_file])
    async with engine_of(database, helper) as engine:
        paused = await run(engine, helper, "go", user_id="ann")
        (tool,) = [wanted["tool_execution"] for wanted in paused.output["requirements"]]
        ended = await go_on(engine, paused, [{**tool, "confirmed": True}])
    assert "MemoryUpdateStarted" not in paused.names
    assert [one["memory"] for one in ended.told("MemoryUpdateCompleted")[0]["memories"]] == ["Has a dog."]


async def test_two_runs_that_learn_the_same_at_once_remember_it_once(database: Database):
    helper = component(
        stores(ToolCall("remember", {"memory": "Has two dogs and a cat at home."})), memory=Memory(extract=False)
    )
    async with engine_of(database, helper) as engine:
        await asyncio.gather(*(run(engine, helper, "go", user_id="ann") for _ in range(8)))
    assert await texts(database) == ["Has two dogs and a cat at home."]


# What cannot be


def test_a_tool_of_the_agents_own_may_not_have_the_name_of_one_of_its_memory():
    def remember() -> str:
        """Remember."""
        return ""

    with pytest.raises(ConfigurationError, match="rename the agent's, or say memory=Memory"):
        component(Told(), tools=[remember])
    assert component(Told(), tools=[remember], memory=Memory(tool=False)).memory == Memory(tool=False)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Memory(token_budget=0), "token_budget of a Memory is 0"),
        (lambda: component(Told(), memory=Memory(model="nobody:nothing")), "nobody:nothing"),
    ],
)
def test_a_memory_that_cannot_work_is_refused(make: Any, text: str):
    with pytest.raises(ConfigurationError, match=text):
        make()


def test_an_os_gives_its_memory_to_agents_that_are_passed_as_they_are():
    plain = Agent(ScriptedModel(["Hi."]), name="plain")
    wrapped = AgentComponent(Agent(ScriptedModel(["Hi."]), name="wrapped"))
    os = serai.AgentOS(agents=[plain, wrapped], memory=True)
    assert (os.agents["plain"].memory, os.agents["wrapped"].memory) == (Memory(), None)


def names_of(tools: Sequence[Any]) -> list[str]:
    return [tool["name"] for tool in tools]


def test_the_tools_of_its_memory_are_shown_among_the_agents():
    assert names_of(component(Told()).tools) == ["remember", "forget"]
    assert names_of(component(Told(), memory=Memory(tool=False)).tools) == []

# mypy: ignore-errors
"""The components of serai_os.py on agno's own server, so that the checks themselves can be checked.

Runs only in the environment of benchmarks/peers. Called as ``reference_os.py FOLDER PORT``.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvicorn
from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.memory import MemoryManager
from agno.os import AgentOS
from fastapi import FastAPI
from reference_knowledge import knowledge_base
from reference_parts import (
    PAUSING_TOOLS,
    Calls,
    Script,
    describe_media,
    explode_at_once,
    get_weather,
    pause_first,
    report_weather,
    say_it_back,
    talk,
    text_of,
)
from reference_teams import all_teams
from reference_workflows import all_workflows


def say_it_back_late(messages):
    time.sleep(1.5)
    return say_it_back(messages)


def list_earlier_messages(messages):
    return f"Before: {', '.join(text_of(messages, 'user')[:-1]) or 'nothing'}"


def ask_the_tool_first(messages):
    if messages[-1].role == "tool":
        return f"Report: {messages[-1].content}"
    return Calls(("get_weather", '{"city": "Oslo"}'))


def call_the_broken_tool_once(messages):
    return "The tool failed." if messages[-1].role == "tool" else Calls(("explode", "{}"))


def find_a_dog(messages):
    if messages[-1].role == "tool":
        return "Done."
    return Calls(("add_memory", '{"memory": "Has a dog.", "topics": ["pets"]}'))


def nap_first(messages):
    return "Awake." if messages[-1].role == "tool" else Calls(("nap", "{}"), text="I nap. ")


async def nap() -> str:
    """Take as long as tools may."""
    await asyncio.sleep(3)
    return "slept"


def explode() -> str:
    """Fail, as tools do."""
    raise ValueError("tool exploded")


def main():
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    db = SqliteDb(db_url=f"sqlite:///{folder / 'reference.db'}")
    shared = {"db": db, "add_history_to_context": True, "telemetry": False}
    agents = [
        Agent(id="echo-agent", name="Echo", description="Says what it hears.", model=Script(say_it_back), **shared),
        Agent(id="slow-agent", name="Slow", model=Script(say_it_back_late), **shared),
        Agent(id="recall-agent", name="Recall", model=Script(list_earlier_messages), **shared),
        Agent(id="weather-agent", name="Weather", model=Script(ask_the_tool_first), tools=[get_weather], **shared),
        Agent(id="eval-agent", name="Evaluated", model=Script(report_weather), tools=[get_weather], **shared),
        Agent(
            id="broken-tool-agent",
            name="Broken tool",
            model=Script(call_the_broken_tool_once),
            tools=[explode],
            **shared,
        ),
        Agent(id="broken-model-agent", name="Broken model", model=Script(explode_at_once), **shared),
        Agent(
            id="pause-agent",
            name="Pause",
            model=Script(pause_first),
            tools=PAUSING_TOOLS,
            **shared,
        ),
        Agent(id="media-agent", name="Media", model=Script(describe_media), **shared),
        Agent(id="shape-agent", name="Shape", model=Script(lambda _messages: '{"value": 4}'), **shared),
        Agent(id="talk-agent", name="Talk", model=Script(talk, chunk_delay_s=0.05), **shared),
        Agent(
            id="memory-agent",
            name="Memory",
            model=Script(say_it_back),
            memory_manager=MemoryManager(model=Script(find_a_dog), db=db),
            update_memory_on_run=True,
            **shared,
        ),
        Agent(id="nap-agent", name="Nap", model=Script(nap_first), tools=[nap], **shared),
    ]
    server = AgentOS(
        id="reference",
        agents=agents,
        teams=all_teams(db),
        workflows=all_workflows(db),
        knowledge=[knowledge_base(db)],
        db=db,
        tracing=True,
        base_app=FastAPI(telemetry={"tracing": False}),  # else its requests are the traces, and runs are parts of them
        telemetry=False,
    )
    uvicorn.run(server.get_app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

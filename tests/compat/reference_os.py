# mypy: ignore-errors
"""The agents of serai_os.py on agno's own server, so that the checks themselves can be checked.

Runs only in the environment of benchmarks/peers. Called as ``reference_os.py FOLDER PORT``.
"""

import re
import sys
import time
from pathlib import Path
from uuid import uuid4

import uvicorn
from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS


class Script(Model):
    """Answers what ``reply(messages)`` returns: a text, or the name and arguments of a tool to call."""

    def __init__(self, reply):
        super().__init__(id="scripted", name="scripted", provider="tests")
        self.reply = reply

    def respond(self, messages):
        reply = self.reply(messages)
        response = ModelResponse(
            role="assistant", response_usage=MessageMetrics(input_tokens=7, output_tokens=3, total_tokens=10)
        )
        if isinstance(reply, str):
            response.content = reply
        else:
            name, arguments = reply
            call = {"name": name, "arguments": arguments}
            response.tool_calls = [{"id": f"call_{uuid4().hex[:12]}", "type": "function", "function": call}]
        return response

    def invoke(self, messages, *args, **kwargs):
        return self.respond(messages)

    async def ainvoke(self, messages, *args, **kwargs):
        return self.respond(messages)

    def invoke_stream(self, messages, *args, **kwargs):
        whole = self.respond(messages)
        if whole.content is None:
            yield whole
            return
        for piece in re.findall(r"\s*\S+\s*", whole.content):
            yield ModelResponse(role="assistant", content=piece)
        yield ModelResponse(response_usage=whole.response_usage)

    async def ainvoke_stream(self, messages, *args, **kwargs):
        for part in self.invoke_stream(messages):
            yield part

    def _parse_provider_response(self, response, **kwargs):
        return response

    def _parse_provider_response_delta(self, response):
        return response


def text_of(messages, role):
    return [message.content for message in messages if message.role == role]


def say_it_back(messages):
    return f"Echo: {text_of(messages, 'user')[-1]}"


def say_it_back_late(messages):
    time.sleep(1.5)
    return say_it_back(messages)


def list_earlier_messages(messages):
    return f"Before: {', '.join(text_of(messages, 'user')[:-1]) or 'nothing'}"


def ask_the_tool_first(messages):
    if messages[-1].role == "tool":
        return f"Report: {messages[-1].content}"
    return "get_weather", '{"city": "Oslo"}'


def call_the_broken_tool_once(messages):
    return "The tool failed." if messages[-1].role == "tool" else ("explode", "{}")


def explode_at_once(messages):
    raise RuntimeError("model exploded")


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny"


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
        Agent(
            id="broken-tool-agent",
            name="Broken tool",
            model=Script(call_the_broken_tool_once),
            tools=[explode],
            **shared,
        ),
        Agent(id="broken-model-agent", name="Broken model", model=Script(explode_at_once), **shared),
    ]
    server = AgentOS(id="reference", agents=agents, db=db, telemetry=False)
    uvicorn.run(server.get_app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

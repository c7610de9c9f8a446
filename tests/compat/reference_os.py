# mypy: ignore-errors
"""The agents of serai_os.py on agno's own server, so that the checks themselves can be checked.

Runs only in the environment of benchmarks/peers. Called as ``reference_os.py FOLDER PORT``.
"""

import asyncio
import json
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
from agno.tools import tool
from agno.tools.user_feedback import UserFeedbackTools


class Calls:
    """An answer that calls tools, each given by its name and arguments, after a text."""

    def __init__(self, *calls, text=None):
        self.calls = calls
        self.text = text


class Script(Model):
    """Answers what ``reply(messages)`` returns: a text, or calls of tools."""

    def __init__(self, reply, *, chunk_delay_s=0.0):
        super().__init__(id="scripted", name="scripted", provider="tests")
        self.reply = reply
        self.chunk_delay_s = chunk_delay_s

    def respond(self, messages):
        reply = self.reply(messages)
        response = ModelResponse(
            role="assistant", response_usage=MessageMetrics(input_tokens=7, output_tokens=3, total_tokens=10)
        )
        if isinstance(reply, str):
            response.content = reply
        else:
            response.content = reply.text
            response.tool_calls = [
                {
                    "id": f"call_{uuid4().hex[:12]}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for name, arguments in reply.calls
            ]
        return response

    def invoke(self, messages, *args, **kwargs):
        return self.respond(messages)

    async def ainvoke(self, messages, *args, **kwargs):
        whole = self.respond(messages)
        await asyncio.sleep(self.chunk_delay_s * len((whole.content or "").split()))
        return whole

    def invoke_stream(self, messages, *args, **kwargs):
        whole = self.respond(messages)
        for piece in re.findall(r"\s*\S+\s*", whole.content or ""):
            yield ModelResponse(role="assistant", content=piece)
        yield ModelResponse(tool_calls=whole.tool_calls, response_usage=whole.response_usage)

    async def ainvoke_stream(self, messages, *args, **kwargs):
        for part in self.invoke_stream(messages):
            yield part
            await asyncio.sleep(self.chunk_delay_s)

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
    return Calls(("get_weather", '{"city": "Oslo"}'))


def call_the_broken_tool_once(messages):
    return "The tool failed." if messages[-1].role == "tool" else Calls(("explode", "{}"))


def explode_at_once(messages):
    raise RuntimeError("model exploded")


DELETE = ("delete_file", '{"path": "/tmp/x"}')
COMMAND = ("run_command", '{"command": "ls"}')
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "red"}, {"label": "blue"}],
    "multi_select": False,
}
PAUSES = {
    "delete twice": [Calls(DELETE, ("delete_file", '{"path": "/tmp/y"}'))],
    "delete, then command": [Calls(DELETE), Calls(COMMAND, text="Now the command. ")],
    "delete": [Calls(DELETE, text="Let me see. ")],
    "mail": [Calls(("send_mail", '{"subject": "Hello"}'))],
    "command": [Calls(COMMAND)],
    "choose": [Calls(("ask_user", json.dumps({"questions": [QUESTION]})))],
}


def pause_first(messages):
    asked = max(index for index, message in enumerate(messages) if message.role == "user")
    turns = next(turns for word, turns in PAUSES.items() if word in messages[asked].content)
    step = sum(message.role == "assistant" for message in messages[asked:])
    results = text_of(messages[asked:], "tool")
    return turns[step] if step < len(turns) else f"Report: {'; '.join(map(str, results))}"


def talk(_messages):
    return "".join(f"w{number} " for number in range(100))


def describe_media(messages):
    """Say what came with the message: kind and size, or address."""
    message = messages[-1]
    kinds = {"image": message.images, "audio": message.audio, "video": message.videos, "file": message.files}
    seen = [f"{kind} {item.url or len(item.content)}" for kind, items in kinds.items() for item in items or ()]
    return f"Seen: {', '.join(seen) or 'nothing'}"


def nap_first(messages):
    return "Awake." if messages[-1].role == "tool" else Calls(("nap", "{}"), text="I nap. ")


@tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@tool(requires_user_input=True, user_input_fields=["to"])
def send_mail(subject: str, to: str) -> str:
    """Send a mail.

    Args:
        subject: The subject line.
        to: Who gets it.
    """
    return f"sent {subject} to {to}"


@tool(external_execution=True)
def run_command(command: str) -> str:
    """Run a command on the caller's machine."""
    raise NotImplementedError(command)


async def nap() -> str:
    """Take as long as tools may."""
    await asyncio.sleep(3)
    return "slept"


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
        Agent(
            id="pause-agent",
            name="Pause",
            model=Script(pause_first),
            tools=[delete_file, send_mail, run_command, UserFeedbackTools(add_instructions=False)],
            **shared,
        ),
        Agent(id="media-agent", name="Media", model=Script(describe_media), **shared),
        Agent(id="shape-agent", name="Shape", model=Script(lambda _messages: '{"value": 4}'), **shared),
        Agent(id="talk-agent", name="Talk", model=Script(talk, chunk_delay_s=0.05), **shared),
        Agent(id="nap-agent", name="Nap", model=Script(nap_first), tools=[nap], **shared),
    ]
    server = AgentOS(id="reference", agents=agents, db=db, telemetry=False)
    uvicorn.run(server.get_app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

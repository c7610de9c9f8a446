"""The agents that the published clients talk to; every answer follows from what is asked."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import AudioUrl, BinaryContent, FileUrl, ImageUrl, ModelRequest, UserPromptPart, VideoUrl

import serai
from serai import AgentOS
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn


def say_it_back(asked: Asked) -> str:
    return f"Echo: {asked.message}"


def say_it_back_late(asked: Asked) -> Turn:
    return Turn(say_it_back(asked), delay_s=1.5)


def list_earlier_messages(asked: Asked) -> str:
    parts = [part for message in asked.messages if isinstance(message, ModelRequest) for part in message.parts]
    said = [part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)]
    return f"Before: {', '.join(said[:-1]) or 'nothing'}"


def ask_the_tool_first(asked: Asked) -> Turn | str:
    if not asked.tool_results:
        return Turn(tools=[ToolCall("get_weather", {"city": "Oslo"})])
    return f"Report: {asked.tool_results[0].content}"


def call_the_broken_tool_once(asked: Asked) -> Turn | str:
    return Turn(tools=[ToolCall("explode")]) if asked.step == 0 else "The tool failed."


def report(asked: Asked) -> Turn:
    text = f"Report: {'; '.join(str(result.content) for result in asked.tool_results)}"
    return Turn(text, delay_s=1.5 if "slowly" in asked.message else 0)


DELETE = ToolCall("delete_file", {"path": "/tmp/x"})
MAIL = ToolCall("send_mail", {"subject": "Hello"})
COMMAND = ToolCall("run_command", {"command": "ls"})
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "red"}, {"label": "blue"}],
    "multi_select": False,
}
PAUSES = {
    "delete twice": [Turn(tools=[DELETE, ToolCall("delete_file", {"path": "/tmp/y"})])],
    "delete, then command": [Turn(tools=[DELETE]), Turn("Now the command. ", tools=[COMMAND])],
    "delete": [Turn("Let me see. ", tools=[DELETE])],
    "mail": [Turn(tools=[MAIL])],
    "command": [Turn(tools=[COMMAND])],
    "choose": [Turn(tools=[ToolCall("ask_user", {"questions": [QUESTION]})])],
}


def pause_first(asked: Asked) -> Turn:
    turns = next(turns for word, turns in PAUSES.items() if word in asked.message)
    return turns[asked.step] if asked.step < len(turns) else report(asked)


def talk(_asked: Asked) -> Turn:
    return Turn([f"w{number} " for number in range(100)], chunk_delay_s=0.05)


KINDS: dict[type[FileUrl], str] = {ImageUrl: "image", AudioUrl: "audio", VideoUrl: "video"}


def describe_media(asked: Asked) -> str:
    """Say what came with the message: kind and size, or address."""
    request = asked.messages[-1]
    prompts = [part for part in request.parts if isinstance(part, UserPromptPart)]
    contents = [item for part in prompts if not isinstance(part.content, str) for item in part.content]
    seen = [_describe(item) for item in contents if isinstance(item, (BinaryContent, FileUrl))]
    return f"Seen: {', '.join(seen) or 'nothing'}"


def _describe(item: BinaryContent | FileUrl) -> str:
    if isinstance(item, FileUrl):
        return f"{KINDS.get(type(item), 'file')} {item.url}"
    kind = item.media_type.partition("/")[0]
    return f"{kind if kind in ('image', 'audio', 'video') else 'file'} {len(item.data)}"


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@serai.tool(requires_user_input=["to"])
def send_mail(subject: str, to: str) -> str:
    """Send a mail.

    Args:
        subject: The subject line.
        to: Who gets it.
    """
    return f"sent {subject} to {to}"


@serai.tool(external=True)
def run_command(command: str) -> str:
    """Run a command on the caller's machine."""
    raise NotImplementedError(command)


async def nap() -> str:
    """Take as long as tools may."""
    await asyncio.sleep(3)
    return "slept"


pausing = Agent(
    ScriptedModel(pause_first), name="pause-agent", tools=[delete_file, send_mail, run_command, serai.ask_user]
)


def answer_four(asked: Asked) -> Turn | str:
    """Say 4 in the form that is asked for."""
    return Turn(tools=[ToolCall(asked.tools[0], {"value": 4})]) if asked.tools else '{"value": 4}'


shaped = Agent(ScriptedModel(answer_four), name="shape-agent")
media = Agent(ScriptedModel(describe_media), name="media-agent")
talking = Agent(ScriptedModel(talk), name="talk-agent")
napping = Agent(
    ScriptedModel(rules=[Rule("", [Turn("I nap. ", tools=[ToolCall("nap")]), "Awake."])]), name="nap-agent", tools=[nap]
)
echo = Agent(ScriptedModel(say_it_back), name="echo-agent", description="Says what it hears.")
slow = Agent(ScriptedModel(say_it_back_late), name="slow-agent")
recall = Agent(ScriptedModel(list_earlier_messages), name="recall-agent")
weather = Agent(ScriptedModel(ask_the_tool_first), name="weather-agent")
broken_tool = Agent(ScriptedModel(call_the_broken_tool_once), name="broken-tool-agent")
broken_model = Agent(ScriptedModel([Turn(error=RuntimeError("model exploded"))]), name="broken-model-agent")


@weather.tool_plain
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny"


@broken_tool.tool_plain
def explode() -> str:
    """Fail, as tools do."""
    raise ValueError("tool exploded")


agent_os = AgentOS(
    name="compat",
    agents=[echo, slow, recall, weather, broken_tool, broken_model, pausing, talking, napping, media, shaped],
)

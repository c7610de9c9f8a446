# mypy: ignore-errors
"""Scripted models and pausing tools of the components on agno's own server. Not a test itself."""

import asyncio
import json
import re
from uuid import uuid4

from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.response import ModelResponse
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
    message = next(message for message in reversed(messages) if message.role == "user")
    kinds = {"image": message.images, "audio": message.audio, "video": message.videos, "file": message.files}
    seen = [f"{kind} {item.url or len(item.content)}" for kind, items in kinds.items() for item in items or ()]
    return f"Seen: {', '.join(seen) or 'nothing'}"


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


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny"


def report_weather(messages):
    """Ask the tool, and repeat it; as a judge give nine of ten."""
    if "expert judge" in (messages[0].content or ""):
        return json.dumps({"accuracy_score": 9, "accuracy_reason": "It is sunny."})
    if messages[-1].role == "tool":
        return f"Report: {messages[-1].content}"
    return Calls(("get_weather", '{"city": "Oslo"}'))


PAUSING_TOOLS = [delete_file, send_mail, run_command, UserFeedbackTools(add_instructions=False)]

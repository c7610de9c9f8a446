"""Scripts and pausing tools that the components of serai_os.py have in common. Not a test itself."""

from __future__ import annotations

from pydantic_ai.messages import AudioUrl, BinaryContent, FileUrl, ImageUrl, ModelRequest, UserPromptPart, VideoUrl

import serai
from serai.testing import Asked, ToolCall, Turn


def say_it_back(asked: Asked) -> str:
    return f"Echo: {asked.message}"


def list_earlier_messages(asked: Asked) -> str:
    parts = [part for message in asked.messages if isinstance(message, ModelRequest) for part in message.parts]
    said = [part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)]
    return f"Before: {', '.join(said[:-1]) or 'nothing'}"


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
    prompts = [part for message in asked.messages for part in message.parts if isinstance(part, UserPromptPart)]
    content = prompts[-1].content
    contents = [] if isinstance(content, str) else content
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


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny"


def report_weather(asked: Asked) -> Turn | str:
    """Ask the tool, and repeat it; as a judge give nine of ten."""
    if "final_result" in asked.tools:
        return Turn(tools=[ToolCall("final_result", {"score": 9, "reason": "It is sunny."})])
    if not asked.tool_results:
        return Turn(tools=[ToolCall("get_weather", {"city": "Oslo"})])
    return f"Report: {asked.tool_results[0].content}"


PAUSING_TOOLS = (delete_file, send_mail, run_command, serai.ask_user)

"""The texts of a team: what its leader is told about members, what members are told, and what they report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_ai.messages import ModelMessage, ModelRequest, UserPromptPart

from serai.components.child_runs import ChildResult
from serai.components.messages import text_of
from serai.domain.json_text import dump_json
from serai.domain.run_state import RunStatus

_HOW: Final = {
    "coordinate": (
        "You lead a team. Split the request into tasks, give each to the member that suits it with "
        "delegate_task_to_member, and answer from what they report. Members see nothing but the task: say all they "
        "need. Tasks that do not depend on each other may be given in the same turn; they run side by side. Answer "
        "yourself what needs no member."
    ),
    "route": (
        "You lead a team. Choose the one member that suits the request best and hand the whole request to it with "
        "delegate_task_to_member. Its answer goes to the user as it is, so do not reword it. Members see nothing but "
        "the task."
    ),
    "broadcast": (
        "You lead a team. Give the request to all members at once with delegate_task_to_members, then answer from "
        "what they report: name where they agree and where they differ. Members see nothing but the task."
    ),
}


def leader_instructions(mode: str, members: Iterable[Any]) -> str:
    """Return what a leader is told about its team.

    Args:
        mode: how work is shared out.
        members: each with `id`, `name` and `description`; teams among them with `members`.
    """
    lines = []
    for member in members:
        inner = getattr(member, "members", ())
        kind = f" (a team of {', '.join(each.name for each in inner)})" if inner else ""
        about = f": {member.description}" if member.description else ""
        lines.append(f"- {member.id}{kind}{about}")
    return "\n".join([_HOW[mode], "", "The members, by their member_id:", *lines])


def history_text(messages: Sequence[ModelMessage]) -> str:
    """Return what was said in the team's earlier runs, as a member reads it; nothing when there were none."""
    lines = []
    for message in messages:
        if isinstance(message, ModelRequest):
            lines += [f"User: {_prompt_text(part)}" for part in message.parts if isinstance(part, UserPromptPart)]
        elif said := text_of([message]):
            lines.append(f"Team: {said}")
    return "\n".join(["What was said before in this session:", *lines]) if lines else ""


def interactions_text(responses: Iterable[Mapping[str, Any]]) -> str:
    """Return what other members answered in this run; nothing when none did."""
    lines = [
        f"{_name(response)}: {_text(response.get('content'))}"
        for response in responses
        if response.get("status") == RunStatus.COMPLETED.value
    ]
    return "\n".join(["What other members answered so far:", *lines]) if lines else ""


def report_text(results: Sequence[ChildResult]) -> str:
    """Return what members answered, as their leader reads it; of several each under its name."""
    if len(results) == 1:
        return _report(results[0])
    return "\n\n".join(f"{_name(result.output)}: {_report(result)}" for result in results)


def _report(result: ChildResult) -> str:
    text = _text(result.content)
    return text if result.status is RunStatus.COMPLETED else f"The member could not do it: {text}"


def _prompt_text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(piece for piece in part.content if isinstance(piece, str))


def _name(output: Mapping[str, Any]) -> str:
    return str(output.get("agent_name") or output.get("team_name"))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else dump_json(content).decode()

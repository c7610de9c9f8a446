"""What a paused run waits for, in words, and the command that continues it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from serai.cli.call_text import call_text, content_text
from serai.cli.invocation import own_command
from serai.cli.remote import DEFAULT_URL
from serai.cli.tables import printable, shortened
from serai.wire.steps import ErrorRequirement, StepRequirement
from serai.wire.tools import ToolExecution, UserInputField

Pending = ToolExecution | StepRequirement | ErrorRequirement
"""What waits for an answer: a tool call, a step of a workflow, or one that failed."""

_MESSAGES = {
    "confirmation": "confirmation_message",
    "output_review": "output_review_message",
    "user_input": "user_input_message",
    "route_selection": "user_input_message",
}


_HINTS = {
    'to refuse: --reject instead of --confirm, and --note "why"': {"confirmation", "output_review"},
    "to go on with another answer: --edit STEP=TEXT": {"output_review"},
    "to go on without a step: --skip instead of --retry": {"decision"},
}
"""What a command may have instead of what it is offered with, by what a run waits for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something a run waits for, and the member or the step that it is about."""

    item: Pending
    who: str | None = None

    def __str__(self) -> str:
        about = f"{printable(self.who)}: " if self.who else ""
        return f"{about}{pending_text(self.item)} waits for {_want(self.item)}"


def waiting_of(run: Any) -> list[Waiting]:
    """Return what a run, or the event that it is paused, waits for: of its own and of what is inside it."""
    steps = getattr(run, "step_requirements", None) or ()
    failed = getattr(run, "error_requirements", None) or ()
    if steps or failed:
        return [*_waiting_steps(steps), *(Waiting(one) for one in failed if one.needs)]
    if getattr(run, "team_id", None) and run.requirements:
        return list(_waiting_calls(run.requirements))
    return [Waiting(tool) for tool in getattr(run, "tools", None) or () if tool.needs]


def pending_of(run: Any) -> list[Pending]:
    """Return the calls and steps of a run that wait for an answer."""
    return [waiting.item for waiting in waiting_of(run)]


def describe_pause(run: Any, *, url: str, component: str | None = None) -> str:
    """Return lines that say what a paused run waits for and how to go on."""
    waiting = waiting_of(run)
    if not waiting:
        return f"  its event does not say for what; see: {_command('show', run, component)}{url_flag(url)}"
    command = continue_command(run, url=url, component=component)
    needs = {one.item.needs for one in waiting}
    hints = [f"  ({hint})" for hint, wanted in _HINTS.items() if needs & wanted]
    return "\n".join([*(f"  {one}" for one in waiting), "go on with:", f"  {command}", *hints])


def continue_command(run: Any, *, url: str, component: str | None = None) -> str:
    """Return the command that answers all that a run waits for; capital words are to be replaced."""
    pending = pending_of(run)
    flags = [flag for item in pending for flag in _flags(item, pending)]
    return " ".join([_command("continue", run, component), *flags]) + url_flag(url)


def follow_command(component: str, run_id: str, *, url: str) -> str:
    """Return the command that watches a run."""
    return f"{own_command()} runs follow {shlex.quote(component)} {run_id}{url_flag(url)}"


def url_flag(url: str) -> str:
    """Return the flag that makes a command speak to this server, or nothing where it does so anyway."""
    return "" if url == os.environ.get("SERAI_URL", DEFAULT_URL) else f" --url {shlex.quote(url)}"


def open_fields(item: Pending) -> list[UserInputField]:
    """Return the fields of a call or a step that have no value yet."""
    return [field for field in getattr(item, "user_input_schema", None) or () if field.value is None]


def pending_text(item: Pending) -> str:
    """Return what waits, as people read it."""
    return (
        call_text(item)
        if isinstance(item, ToolExecution)
        else f"step {printable(item.step_name or item.step_id or '')}"
    )


def wants_of(item: Pending) -> list[str]:
    """Return all that an item waits for; a step may take a yes and then values."""
    if not isinstance(item, StepRequirement) or item.needs is None:
        return [item.needs] if item.needs else []
    takes_values = item.requires_user_input and item.needs != "user_input"
    return [item.needs, "user_input"] if takes_values else [item.needs]


def names_of(item: Pending) -> tuple[str, str]:
    """Return the id by which flags name a call or a step, and its other name, which may be that of several."""
    if isinstance(item, ToolExecution):
        return item.tool_call_id or "", item.tool_name or ""
    return item.step_id or "", item.step_name or ""


def _waiting_calls(requirements: Sequence[Any], who: str | None = None) -> Iterator[Waiting]:
    for one in requirements:
        if one.tool_execution is not None and one.needs:
            yield Waiting(one.tool_execution, one.member_agent_name or one.member_agent_id or who)


def _waiting_steps(requirements: Sequence[StepRequirement]) -> Iterator[Waiting]:
    for one in requirements:
        if one.needs == "executor":
            yield from _waiting_calls(one.executor_requirements or (), who=one.executor_name or one.step_name)
        elif one.needs:
            yield Waiting(one)


def _command(name: str, run: Any, component: str | None) -> str:
    return f"{own_command()} runs {name} {shlex.quote(component or _id_of(run))} {run.run_id}"


def _id_of(run: Any) -> str:
    ids = (getattr(run, name, None) for name in ("agent_id", "team_id", "workflow_id"))
    return next((component_id for component_id in ids if component_id), "COMPONENT")


def _want(item: Pending) -> str:
    parts = [_want_of_kind(item, want) for want in wants_of(item)]
    return ", and for ".join(parts)


def _want_of_kind(item: Pending, want: str) -> str:
    message = getattr(item, _MESSAGES.get(want, ""), None)
    about = f" ({shortened(message)})" if message else ""
    match want:
        case "external_execution":
            return "its result"
        case "user_input":
            return f"values: {', '.join(map(_field_text, open_fields(item))) or 'any'}{about}"
        case "user_feedback":
            return "a choice: " + "; ".join(map(_question_text, getattr(item, "user_feedback_schema", None) or ()))
        case "route_selection":
            return f"a choice: {printable(', '.join(getattr(item, 'available_choices', None) or ()))}{about}"
        case "output_review":
            output = getattr(item, "step_output", None)
            answered = "" if output is None else f" to its answer: {shortened(content_text(output.content))}"
            return f"a yes or no{answered}{about}"
        case "decision":
            return f"a retry or a skip: {shortened(getattr(item, 'error_message', None) or '')}"
        case _:
            return f"a yes or no{about}"


def _field_text(field: UserInputField) -> str:
    allowed = f" ({', '.join(map(str, field.allowed_values))})" if field.allowed_values else ""
    return printable(f"{field.name}{allowed}")


def _question_text(question: Any) -> str:
    labels = ", ".join(option.label or "" for option in question.options or ())
    return printable(f"{question.question} ({labels})" if labels else str(question.question))


def _flags(item: Pending, pending: Sequence[Pending]) -> list[str]:
    name = shlex.quote(_flag_name(item, pending))
    return [flag for want in wants_of(item) for flag in _flags_of_kind(item, want, name)]


def _flags_of_kind(item: Pending, want: str, name: str) -> list[str]:
    match want:
        case "external_execution":
            return [f"--result {name}=TEXT"]
        case "user_input":
            fields = [field.name for field in open_fields(item)] or ["NAME"]
            return [f"--input {name}.{field}=VALUE" for field in fields]
        case "user_feedback":
            return [f"--select {name}=LABEL" for _ in getattr(item, "user_feedback_schema", None) or ()]
        case "route_selection":
            return [f"--select {name}=STEP"]
        case "decision":
            return [f"--retry {name}"]
        case _:
            return [f"--confirm {name}"]


def _flag_name(item: Pending, pending: Sequence[Pending]) -> str:
    """Return a call's id; of a step its name, where no other has the same, for ids of steps are long."""
    own_id, own_name = names_of(item)
    if isinstance(item, ToolExecution) or [names_of(other)[1] for other in pending].count(own_name) != 1:
        return own_id
    return own_name or own_id

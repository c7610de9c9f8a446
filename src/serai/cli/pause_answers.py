"""Answers to a paused run: made of flags, or asked for at the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from serai.cli.pause_view import call_text, open_fields
from serai.cli.tables import printable
from serai.wire.arguments import checked_text
from serai.wire.tools import PauseType, ToolExecution, UserFeedbackQuestion, UserInputField

_WANTS: dict[PauseType, str] = {
    "confirmation": "--confirm or --reject",
    "external_execution": "--result",
    "user_input": "--input",
    "user_feedback": "--select",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFlags:
    """The flags of ``serai runs continue`` that answer calls, each as often as it was given."""

    confirm: Sequence[str] = ()
    reject: Sequence[str] = ()
    note: str | None = None
    result: Sequence[str] = ()
    result_file: Sequence[str] = ()
    input: Sequence[str] = ()
    select: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any((self.confirm, self.reject, self.result, self.result_file, self.input, self.select))


def apply_flags(pending: Sequence[ToolExecution], flags: AnswerFlags) -> list[ToolExecution]:
    """Write the answers of flags into the calls they name, and return those calls.

    Args:
        pending: calls that wait; a flag names one by its id, or by its tool where no other call has the same.
        flags: the answers.

    Raises:
        ValueError: a flag names no such call, field or option, or the call waits for something else.
    """
    for text in (flags.note or "", *flags.result, *flags.input, *flags.select):
        checked_text("An answer", text)
    answered: dict[int, ToolExecution] = {}

    def take(tool: ToolExecution) -> ToolExecution:
        return answered.setdefault(id(tool), tool)

    for given in flags.confirm:
        confirm(take(_named(pending, given, "confirmation")), is_yes=True, note=flags.note)
    for given in flags.reject:
        confirm(take(_named(pending, given, "confirmation")), is_yes=False, note=flags.note)
    for given in flags.result:
        tool, text = _split(pending, given, "CALL=TEXT", "external_execution")
        take(tool).result = text
    for given in flags.result_file:
        tool, place = _split(pending, given, "CALL=PATH", "external_execution")
        take(tool).result = _read(place)
    for given in flags.input:
        tool, assignment = _split(pending, given, "CALL.FIELD=VALUE", "user_input")
        fill_in(take(tool), assignment)
    for given in flags.select:
        select(*_choice(pending, given, take))
    return list(answered.values())


def ask_for(pending: Sequence[ToolExecution]) -> list[ToolExecution]:
    """Ask at the terminal for the answer of each call; Ctrl-C leaves the run as it is."""
    for tool in pending:
        typer.echo(f"{call_text(tool)}")
        match tool.needs:
            case "external_execution":
                tool.result = typer.prompt("  Its result")
            case "user_input":
                for field in open_fields(tool):
                    _ask_field(field)
                tool.answered = True
            case "user_feedback":
                for question in tool.user_feedback_schema or ():
                    _ask_question(question)
                tool.answered = True
            case _:
                is_yes = typer.confirm("  Make this call?", default=False)
                note = None if is_yes else typer.prompt("  Why not", default="", show_default=False) or None
                confirm(tool, is_yes=is_yes, note=note)
    return list(pending)


def confirm(tool: ToolExecution, *, is_yes: bool, note: str | None) -> None:
    """Say yes or no to a call."""
    if tool.confirmed is not None and tool.confirmed != is_yes:
        raise ValueError(f"{tool.tool_call_id} is both confirmed and rejected")
    tool.confirmed, tool.confirmation_note = is_yes, note


def fill_in(tool: ToolExecution, assignment: str) -> None:
    """Give a field its value, from ``name=text``; text is JSON unless the field takes text."""
    name, sign, text = assignment.partition("=")
    fields = {field.name: field for field in tool.user_input_schema or ()}
    if not sign:
        raise ValueError(f"--input {tool.tool_call_id}.{name} gives no value; write CALL.FIELD=VALUE")
    if name not in fields:
        known = ", ".join(str(field) for field in fields)
        raise ValueError(f"{tool.tool_call_id} has no field {name!r}; it has: {known}")
    fields[name].value = _value(fields[name], text)
    tool.answered = not any(field.is_required for field in open_fields(tool))


def select(tool: ToolExecution, question: UserFeedbackQuestion, label: str) -> None:
    """Choose an option of a question, beside those that were chosen already."""
    question.select([*(question.selected_options or ()), label])
    tool.answered = all(one.selected_options for one in tool.user_feedback_schema or ())


def _value(field: UserInputField, text: str) -> Any:
    if field.field_type in (None, "str"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"{field.name}: {text!r} is no {field.field_type}; write it as JSON") from None


def _read(place: str) -> str:
    try:
        return checked_text(place, sys.stdin.read() if place == "-" else Path(place).read_text())
    except (OSError, ValueError) as error:  # also a path with a zero byte
        raise ValueError(f"{place} cannot be read as text: {error}") from error


def _named(pending: Sequence[ToolExecution], name: str, wanted: PauseType) -> ToolExecution:
    found = _names(pending).get(name)
    if found is None:
        known = ", ".join(f"{tool.tool_call_id} ({tool.tool_name})" for tool in pending)
        raise ValueError(f"no call {name!r} waits for an answer; these do: {known}")
    if found.needs not in (wanted, None):
        raise ValueError(f"{name} is answered by {_WANTS[found.needs]}")
    return found


def _names(pending: Sequence[ToolExecution]) -> dict[str, ToolExecution]:
    tools = [tool.tool_name for tool in pending]
    by_tool = {tool.tool_name or "": tool for tool in pending if tools.count(tool.tool_name) == 1}
    return {**by_tool, **{tool.tool_call_id or "": tool for tool in pending}}


def _split(pending: Sequence[ToolExecution], given: str, form: str, wanted: PauseType) -> tuple[ToolExecution, str]:
    """Return the call that a flag of this form begins with, and what comes after the separator."""
    separator = form.removeprefix("CALL")[0]
    for name in sorted(_names(pending), key=len, reverse=True):
        if given.startswith(f"{name}{separator}"):
            return _named(pending, name, wanted), given[len(name) + 1 :]
    name, sign, rest = given.partition(separator)
    tool = _named(pending, name, wanted)
    if not sign:
        raise ValueError(f"{given!r} gives no answer; write {form}")
    return tool, rest


def _choice(pending: Sequence[ToolExecution], given: str, take: Any) -> tuple[ToolExecution, UserFeedbackQuestion, str]:
    """Return the call, question and label that ``CALL=LABEL`` or ``CALL.NUMBER=LABEL`` names."""
    is_numbered = not any(given.startswith(f"{name}=") for name in _names(pending))
    form = "CALL.NUMBER=LABEL" if is_numbered and "." in given else "CALL=LABEL"
    tool, rest = _split(pending, given, form, "user_feedback")
    questions = tool.user_feedback_schema or []
    label = rest
    if form == "CALL.NUMBER=LABEL":
        number, _, label = rest.partition("=")
        if not number.isdecimal() or not 0 < int(number) <= len(questions):
            raise ValueError(f"{given!r}: {tool.tool_call_id} has the questions 1 to {len(questions)}")
        questions = [questions[int(number) - 1]]
    fitting = [question for question in questions if _offers(question, label)]
    if len(fitting) != 1:
        offered = "; ".join(", ".join(option.label or "" for option in one.options or ()) for one in questions)
        problem = "several questions offer" if fitting else "no question offers"
        raise ValueError(f"{problem} {label!r}; they offer: {offered}. CALL.NUMBER={label} names the question")
    return take(tool), fitting[0], label


def _offers(question: UserFeedbackQuestion, label: str) -> bool:
    labels = [option.label for option in question.options or ()]
    return label in labels or not labels


def _ask_field(field: UserInputField) -> None:
    about = f" ({printable(field.description)})" if field.description else ""
    while True:
        text = typer.prompt(f"  {printable(field.name or '')}{about}", default=None if field.is_required else "")
        if text == "" and not field.is_required:
            return
        try:
            field.value = _value(field, text)
        except ValueError as error:
            typer.echo(f"  {error}")
        else:
            return


def _ask_question(question: UserFeedbackQuestion) -> None:
    typer.echo(f"  {printable(question.question or '')}")
    labels = [option.label or "" for option in question.options or ()]
    for number, label in enumerate(labels, 1):
        typer.echo(f"    {number}  {printable(label)}")
    wanted = "numbers, with commas" if question.multi_select else "number"
    while True:
        text = typer.prompt(f"  Your choice ({wanted})" if labels else "  Your answer")
        chosen = _picked(text, labels, is_multiple=bool(question.multi_select)) if labels else [text]
        if chosen:
            question.select(chosen)
            return


def _picked(text: str, labels: Sequence[str], *, is_multiple: bool) -> list[str]:
    parts = [part.strip() for part in text.split(",")] if is_multiple else [text.strip()]
    numbers = {str(number): label for number, label in enumerate(labels, 1)}
    chosen = [part if part in labels else numbers.get(part) for part in parts]
    return [label for label in chosen if label is not None] if None not in chosen else []

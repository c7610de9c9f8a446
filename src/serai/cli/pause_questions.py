"""Asks a person at the terminal for the answers that a paused run waits for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from serai.cli.pause_answers import confirm, field_value
from serai.cli.pause_view import Pending, Waiting, open_fields, wants_of
from serai.cli.tables import printable
from serai.wire.steps import ErrorRequirement, StepRequirement
from serai.wire.tools import ToolExecution, UserFeedbackQuestion, UserInputField


def ask_for(waiting: Sequence[Waiting]) -> list[Pending]:
    """Ask for each answer; Ctrl-C leaves the run as it is."""
    for one in waiting:
        typer.echo(str(one))
        for want in wants_of(one.item):
            _ask(one.item, want)
            if getattr(one.item, "confirmed", None) is False:
                break
    return [one.item for one in waiting]


def _ask(item: Pending, want: str) -> None:
    match item, want:
        case ToolExecution(), "external_execution":
            item.result = typer.prompt("  Its result")
        case ToolExecution(), "user_feedback":
            for question in item.user_feedback_schema or ():
                _ask_question(question)
            item.answered = True
        case StepRequirement(), "route_selection":
            chosen = _ask_choice(item.available_choices or [], is_multiple=bool(item.allow_multiple_selections))
            item.selected_choices = chosen
        case ErrorRequirement(), _:
            item.decision = "retry" if typer.confirm("  Try again? (no skips the step)", default=False) else "skip"
        case _, "user_input":
            _ask_fields(item)
        case _:
            what = "Make this call" if isinstance(item, ToolExecution) else "Go on"
            is_yes = typer.confirm(f"  {what}?", default=False)
            note = None if is_yes else typer.prompt("  Why not", default="", show_default=False) or None
            confirm(item, is_yes=is_yes, note=note)


def _ask_fields(item: Pending) -> None:
    fields = open_fields(item)
    for field in fields:
        _ask_field(field)
    if isinstance(item, ToolExecution):
        item.answered = True
    elif isinstance(item, StepRequirement):
        values = {field.name or "": field.value for field in fields if field.value is not None}
        item.user_input = values if item.user_input_schema else _ask_object()


def _ask_object() -> dict[str, Any]:
    while True:
        try:
            values = json.loads(typer.prompt("  Values, as a JSON object"))
        except ValueError:
            values = None
        if isinstance(values, dict):
            return values


def _ask_field(field: UserInputField) -> None:
    about = f" ({printable(field.description)})" if field.description else ""
    while True:
        text = typer.prompt(f"  {printable(field.name or '')}{about}", default=None if field.is_required else "")
        if text == "" and not field.is_required:
            return
        try:
            field.value = field_value(field, text)
        except ValueError as error:
            typer.echo(f"  {error}")
        else:
            return


def _ask_question(question: UserFeedbackQuestion) -> None:
    typer.echo(f"  {printable(question.question or '')}")
    labels = [option.label or "" for option in question.options or ()]
    question.select(_ask_choice(labels, is_multiple=bool(question.multi_select)))


def _ask_choice(labels: Sequence[str], *, is_multiple: bool) -> list[str]:
    for number, label in enumerate(labels, 1):
        typer.echo(f"    {number}  {printable(label)}")
    wanted = "numbers, with commas" if is_multiple else "number"
    while True:
        text = typer.prompt(f"  Your choice ({wanted})" if labels else "  Your answer")
        chosen = _picked(text, labels, is_multiple=is_multiple) if labels else [text]
        if chosen:
            return chosen


def _picked(text: str, labels: Sequence[str], *, is_multiple: bool) -> list[str]:
    parts = [part.strip() for part in text.split(",")] if is_multiple else [text.strip()]
    numbers = {str(number): label for number, label in enumerate(labels, 1)}
    chosen = [part if part in labels else numbers.get(part) for part in parts]
    return [label for label in chosen if label is not None] if None not in chosen else []

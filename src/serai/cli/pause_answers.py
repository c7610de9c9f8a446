"""Answers to a paused run, made of the flags of ``serai runs continue``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serai.cli.pause_view import Pending, names_of, open_fields, wants_of
from serai.wire.arguments import checked_text
from serai.wire.steps import ErrorRequirement, StepRequirement
from serai.wire.tools import RunRequirement, ToolExecution, UserFeedbackQuestion, UserInputField

_FLAGS = {
    "confirmation": "--confirm or --reject",
    "output_review": "--confirm, --edit or --reject",
    "external_execution": "--result",
    "user_input": "--input",
    "user_feedback": "--select",
    "route_selection": "--select",
    "decision": "--retry or --skip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFlags:
    """The flags of ``serai runs continue`` that answer calls and steps, each as often as it was given."""

    confirm: Sequence[str] = ()
    reject: Sequence[str] = ()
    note: str | None = None
    result: Sequence[str] = ()
    result_file: Sequence[str] = ()
    input: Sequence[str] = ()
    select: Sequence[str] = ()
    edit: Sequence[str] = ()
    retry: Sequence[str] = ()
    skip: Sequence[str] = ()

    def __bool__(self) -> bool:
        given = (self.confirm, self.reject, self.result, self.result_file, self.input, self.select)
        return any((*given, self.edit, self.retry, self.skip))


def apply_flags(pending: Sequence[Pending], flags: AnswerFlags) -> list[Pending]:
    """Write the answers of flags into the calls and steps they name, and return those.

    Args:
        pending: what waits; a flag names one by its id, or by its name where no other has the same.
        flags: the answers.

    Raises:
        ValueError: a flag names nothing that waits, no field or no option of it, or it waits for something else.
    """
    for text in (flags.note or "", *flags.result, *flags.input, *flags.select, *flags.edit):
        checked_text("An answer", text)
    return _Answers(pending).take(flags)


def requirements_of(run: Any, answered: Sequence[Pending]) -> list[Any]:
    """Return what continues a run: the calls of an agent, the requirements of a team or a workflow that hold them."""
    steps = [one for one in getattr(run, "step_requirements", None) or () if _holds(one, answered)]
    failed = [one for one in getattr(run, "error_requirements", None) or () if _holds(one, answered)]
    members = [one for one in getattr(run, "requirements", None) or () if _holds(one, answered)]
    return [*steps, *failed, *members] or list(answered)


def _holds(requirement: Any, answered: Sequence[Pending]) -> bool:
    """Say whether a requirement, or one of those of a step's agent, is answered; write its call's answer into it."""
    if isinstance(requirement, RunRequirement):
        is_answered = any(requirement.tool_execution is item for item in answered)
        if is_answered:
            requirement.take_answer()
        return is_answered
    inner = [_holds(one, answered) for one in getattr(requirement, "executor_requirements", None) or ()]
    return any(inner) or any(requirement is item for item in answered)


def confirm(item: Pending, *, is_yes: bool, note: str | None) -> None:
    """Say yes or no to a call, or to a step or what it answered."""
    assert not isinstance(item, ErrorRequirement)
    if item.confirmed is not None and item.confirmed != is_yes:
        raise ValueError(f"{names_of(item)[0]} is both confirmed and rejected")
    item.confirmed = is_yes
    if isinstance(item, ToolExecution):
        item.confirmation_note = note
    elif not is_yes:
        item.rejection_feedback = note


def fill_in(item: Pending, assignment: str) -> None:
    """Give a field its value, from ``name=text``; text is JSON unless the field takes text."""
    assert not isinstance(item, ErrorRequirement)
    own_id, _ = names_of(item)
    name, sign, text = assignment.partition("=")
    fields = {field.name: field for field in item.user_input_schema or ()}
    if not sign:
        raise ValueError(f"--input {own_id}.{name} gives no value; write CALL.FIELD=VALUE")
    if name not in fields and (fields or isinstance(item, ToolExecution)):
        known = ", ".join(str(field) for field in fields)
        raise ValueError(f"{own_id} has no field {name!r}; it has: {known}")
    value = field_value(fields.get(name), text)
    if isinstance(item, StepRequirement):
        item.set_user_input(**{name: value})
    else:
        fields[name].value = value
        item.answered = not any(field.is_required for field in open_fields(item))


def field_value(field: UserInputField | None, text: str) -> Any:
    """Return the value that a text stands for.

    Raises:
        ValueError: the field takes another type than text, and the text is not its JSON; or it allows other values.
    """
    if field is None or field.field_type in (None, "str"):
        value: Any = text
    else:
        try:
            value = json.loads(text)
        except ValueError:
            raise ValueError(f"{field.name}: {text!r} is no {field.field_type}; write it as JSON") from None
    if field is not None:
        field.check(value)
    return value


class _Answers:
    """Flags on their way into what they name."""

    def __init__(self, pending: Sequence[Pending]) -> None:
        self._pending = pending
        self._wants = {id(item): wants_of(item) for item in pending}
        self._names = _names(pending)
        self._answered: dict[int, Pending] = {}

    def take(self, flags: AnswerFlags) -> list[Pending]:
        """Return what was answered, in the order of the flags."""
        for name in flags.confirm:
            confirm(self._named(name, "confirmation", "output_review"), is_yes=True, note=flags.note)
        for name in flags.reject:
            confirm(self._named(name, "confirmation", "output_review"), is_yes=False, note=flags.note)
        for given in flags.edit:
            self._edit(*self._split(given, "STEP=TEXT", "output_review"))
        for given in flags.result:
            item, text = self._split(given, "CALL=TEXT", "external_execution")
            self._set_result(item, text)
        for given in flags.result_file:
            item, place = self._split(given, "CALL=PATH", "external_execution")
            self._set_result(item, _read(place))
        for given in flags.input:
            fill_in(*self._split(given, "CALL.FIELD=VALUE", "user_input"))
        for given in flags.select:
            self._select(given)
        for decision, names in (("retry", flags.retry), ("skip", flags.skip)):
            for name in names:
                self._decide(self._named(name, "decision"), decision)
        return list(self._answered.values())

    def _named(self, name: str, *wanted: str) -> Pending:
        found = self._names.get(name)
        if found is None:
            known = ", ".join("{} ({})".format(*names_of(item)) for item in self._pending)
            raise ValueError(f"no call or step {name!r} waits for an answer; these do: {known}")
        wants = self._wants[id(found)]
        if not set(wants) & set(wanted):
            raise ValueError(f"{name} is answered by {_FLAGS[wants[0]]}")
        return self._answered.setdefault(id(found), found)

    def _split(self, given: str, form: str, *wanted: str) -> tuple[Pending, str]:
        """Return what a flag of this form begins with, and what comes after the separator."""
        separator = "." if "." in form else "="
        for name in sorted(self._names, key=len, reverse=True):
            if given.startswith(f"{name}{separator}"):
                return self._named(name, *wanted), given[len(name) + 1 :]
        name, sign, rest = given.partition(separator)
        item = self._named(name, *wanted)
        if not sign:
            raise ValueError(f"{given!r} gives no answer; write {form}")
        return item, rest

    def _edit(self, item: Pending, text: str) -> None:
        assert isinstance(item, StepRequirement)
        confirm(item, is_yes=True, note=None)
        item.edited_output = text

    def _set_result(self, item: Pending, text: str) -> None:
        assert isinstance(item, ToolExecution)
        item.result = text

    def _decide(self, item: Pending, decision: str) -> None:
        assert isinstance(item, ErrorRequirement)
        if item.decision not in (None, decision):
            raise ValueError(f"{names_of(item)[0]} is both retried and skipped")
        item.decision = decision

    def _select(self, given: str) -> None:
        """Take ``CALL=LABEL``, ``CALL.NUMBER=LABEL`` or ``STEP=STEP``."""
        is_numbered = not any(given.startswith(f"{name}=") for name in self._names) and "." in given
        form = "CALL.NUMBER=LABEL" if is_numbered else "CALL=LABEL"
        item, rest = self._split(given, form, "user_feedback", "route_selection")
        if isinstance(item, StepRequirement):
            item.select(*(item.selected_choices or ()), rest)
        else:
            assert isinstance(item, ToolExecution)
            question, label = _choice(item, rest, given=given, is_numbered=is_numbered)
            question.select([*(question.selected_options or ()), label])
            item.answered = all(one.selected_options for one in item.user_feedback_schema or ())


def _names(pending: Sequence[Pending]) -> dict[str, Pending]:
    names = [names_of(item) for item in pending]
    shared = [name for _, name in names]
    by_name = {name: item for (_, name), item in zip(names, pending, strict=True) if shared.count(name) == 1}
    return {**by_name, **{own_id: item for (own_id, _), item in zip(names, pending, strict=True)}}


def _read(place: str) -> str:
    try:
        return checked_text(place, sys.stdin.read() if place == "-" else Path(place).read_text())
    except (OSError, ValueError) as error:  # also a path with a zero byte
        raise ValueError(f"{place} cannot be read as text: {error}") from error


def _choice(tool: ToolExecution, rest: str, *, given: str, is_numbered: bool) -> tuple[UserFeedbackQuestion, str]:
    """Return the question and the label that the rest of a flag names."""
    questions = tool.user_feedback_schema or []
    label = rest
    if is_numbered:
        number, _, label = rest.partition("=")
        if not number.isdecimal() or not 0 < int(number) <= len(questions):
            raise ValueError(f"{given!r}: {tool.tool_call_id} has the questions 1 to {len(questions)}")
        questions = [questions[int(number) - 1]]
    fitting = [question for question in questions if _offers(question, label)]
    if len(fitting) != 1:
        offered = "; ".join(", ".join(option.label or "" for option in one.options or ()) for one in questions)
        problem = "several questions offer" if fitting else "no question offers"
        raise ValueError(f"{problem} {label!r}; they offer: {offered}. CALL.NUMBER={label} names the question")
    return fitting[0], label


def _offers(question: UserFeedbackQuestion, label: str) -> bool:
    labels = [option.label for option in question.options or ()]
    return label in labels or not labels

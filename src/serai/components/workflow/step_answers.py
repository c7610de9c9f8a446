"""What people answer to a paused workflow: checked, and laid into its stored requirements. No run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serai.components.workflow.executors import tool_answers
from serai.components.workflow.human import FIELD_TYPES
from serai.engine.active_run import Component
from serai.errors import RequestError

FindComponent = Callable[[str, str], Component | None]


def lay_in_steps(output: Mapping[str, Any], answers: Any, find_component: FindComponent) -> None:
    """Lay a caller's step requirements into those of a paused run, matched by ``step_id``; nulls say nothing.

    Args:
        output: the paused run object; its ``step_requirements`` and ``error_requirements`` are changed in place.
        answers: requirements, complete or with nothing but the id and the answer.
        find_component: the agent or team that a step waits for, by kind and id.

    Raises:
        RequestError: an answer is wrong, or for no step that waits; or one that waits has no answer.
    """
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise RequestError("step_requirements: Input should be a list of objects.")
    wanted = [*(output.get("step_requirements") or ()), *(output.get("error_requirements") or ())]
    pending = {requirement["step_id"]: requirement for requirement in wanted}
    for index, answer in enumerate(answers):
        step_id = answer.get("step_id")
        requirement = pending.get(step_id) if isinstance(step_id, str) else None
        if requirement is None:
            waiting = ", ".join(f"{step_id!r} ({one['step_name']})" for step_id, one in pending.items())
            raise _wrong(index, "step_id", f"No step with this id waits; these do: {waiting}", step_id)
        _Answer(index, answer, requirement, find_component).take()
    if unresolved := [requirement["step_name"] for requirement in wanted if not is_resolved(requirement)]:
        raise RequestError(f"Cannot continue run - unresolved step requirements: {unresolved}")


def is_resolved(requirement: Mapping[str, Any]) -> bool:
    """Return whether nothing of a requirement is left to answer."""
    if "decision" in requirement:
        return requirement["decision"] is not None
    if requirement["confirmed"] is False:
        return True
    if requirement["requires_executor_input"]:
        return bool(requirement.get("executor_resolved"))
    needs = {
        "confirmed": requirement["requires_confirmation"] or requirement["requires_output_review"],
        "user_input": requirement["requires_user_input"],
        "selected_choices": requirement["requires_route_selection"],
    }
    return not any(is_needed and requirement[name] is None for name, is_needed in needs.items())


class _Answer:
    """One answer on its way into the requirement that it is for."""

    def __init__(
        self, index: int, answer: Mapping[str, Any], requirement: dict[str, Any], find_component: FindComponent
    ) -> None:
        self._index = index
        self._answer = answer
        self._requirement = requirement
        self._find_component = find_component

    def take(self) -> None:
        """Lay the answer in."""
        requirement = self._requirement
        if "decision" in requirement:
            self._take_decision()
            return
        if requirement["requires_confirmation"] or requirement["requires_output_review"]:
            self._take_confirmation()
        if requirement["requires_user_input"]:
            self._take_input()
        if requirement["requires_route_selection"]:
            self._take_selection()
        if requirement["requires_executor_input"]:
            self._take_executor_input()

    def _take_decision(self) -> None:
        decision = self._answer.get("decision")
        if decision is None:
            return
        if decision not in ("retry", "skip"):
            raise self._wrong("decision", "Input should be 'retry' or 'skip'", decision)
        self._requirement["decision"] = decision

    def _take_confirmation(self) -> None:
        confirmed, edited = self._answer.get("confirmed"), self._answer.get("edited_output")
        if confirmed is not None and not isinstance(confirmed, bool):
            raise self._wrong("confirmed", "Input should be true or false", confirmed)
        feedback = self._answer.get("rejection_feedback")
        if feedback is not None and not isinstance(feedback, str):
            raise self._wrong("rejection_feedback", "Input should be a string", feedback)
        if edited is not None and self._requirement["requires_output_review"]:
            if confirmed is False:
                raise self._wrong("edited_output", "An output that is rejected cannot be edited", edited)
            confirmed = True
            self._requirement["edited_output"] = edited
        if confirmed is not None:
            self._requirement.update(confirmed=confirmed, rejection_feedback=feedback)

    def _take_input(self) -> None:
        given = self._answer.get("user_input")
        fields = {field["name"]: field for field in self._requirement["user_input_schema"] or ()}
        if given is None:
            given = self._values_in_schema(fields)
        if given is None or self._requirement["confirmed"] is False:
            return
        if not isinstance(given, dict):
            raise self._wrong("user_input", "Input should be an object of fields and values", given)
        if not fields:
            self._requirement["user_input"] = given
            return
        if unknown := sorted(given.keys() - fields.keys()):
            known = ", ".join(repr(name) for name in fields)
            raise self._wrong(f"user_input.{unknown[0]}", f"No such field; there are: {known}", given[unknown[0]])
        values = {name: field["value"] for name, field in fields.items() if field["value"] is not None}
        values |= {name: value for name, value in given.items() if value is not None}
        for name, field in fields.items():
            self._check_value(field, values.get(name))
            field["value"] = values.get(name)
        self._requirement["user_input"] = values

    def _values_in_schema(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values that were filled into the schema itself, as some clients do; None when there are none."""
        schema = self._answer.get("user_input_schema")
        filled = [field for field in schema if isinstance(field, dict)] if isinstance(schema, list) else []
        values = {str(field.get("name")): field["value"] for field in filled if field.get("value") is not None}
        known = {name: value for name, value in values.items() if name in fields}
        return known if any(fields[name]["value"] != value for name, value in known.items()) else None

    def _check_value(self, field: Mapping[str, Any], value: Any) -> None:
        name = f"user_input.{field['name']}"
        if value is None:
            if field["required"]:
                raise self._wrong(name, "Field required", None)
            return
        kind: type | tuple[type, ...] = FIELD_TYPES[field["field_type"]]
        is_number = kind in (int, float)
        if is_number and isinstance(value, bool):
            raise self._wrong(name, f"Input should be of type {field['field_type']}", value)
        if not isinstance(value, (int, float) if kind is float else kind):
            raise self._wrong(name, f"Input should be of type {field['field_type']}", value)
        if (allowed := field.get("allowed_values")) is not None and value not in allowed:
            known = ", ".join(repr(one) for one in allowed)
            raise self._wrong(name, f"Input should be one of {known}", value)

    def _take_selection(self) -> None:
        selected = self._answer.get("selected_choices")
        if selected is None:
            return
        chosen = [selected] if isinstance(selected, str) else selected
        if not isinstance(chosen, list) or not chosen or not all(isinstance(name, str) for name in chosen):
            raise self._wrong("selected_choices", "Input should be a list of names", selected)
        choices = self._requirement["available_choices"]
        if unknown := [name for name in chosen if name not in choices]:
            known = ", ".join(repr(name) for name in choices)
            raise self._wrong("selected_choices", f"No such choice; there are: {known}", unknown[0])
        if len(set(chosen)) < len(chosen):
            raise self._wrong("selected_choices", "A choice is selected twice", chosen)
        if len(chosen) > 1 and not self._requirement["allow_multiple_selections"]:
            raise self._wrong("selected_choices", "Only one choice may be selected", chosen)
        self._requirement["selected_choices"] = chosen

    def _take_executor_input(self) -> None:
        given = self._answer.get("executor_requirements")
        if given is None:
            return
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise self._wrong("executor_requirements", "Input should be a list of objects", given)
        requirement = self._requirement
        kind, component_id = requirement["executor_type"], requirement["executor_id"]
        component = self._find_component(kind, component_id)
        if component is None:
            raise self._wrong("executor_id", f"The workflow has no {kind} of this id any more", component_id)
        stored = requirement["executor_requirements"]
        inside = {"requirements": stored, "tools": [one["tool_execution"] for one in stored]}
        answers = tool_answers(_with_execution(item) for item in given)
        try:
            requirement["executor_resolved"] = component.take_answers(inside, answers)
        except RequestError as error:
            raise RequestError(f"step_requirements[{self._index}].executor_requirements: {error.message}") from error

    def _wrong(self, name: str, message: str, given: Any) -> RequestError:
        return _wrong(self._index, name, message, given)


def _with_execution(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answered run requirement whose tool execution has the answer, wherever it was written."""
    tool = answer.get("tool_execution")
    said = {
        "confirmed": answer.get("confirmation"),
        "confirmation_note": answer.get("confirmation_note"),
        "result": answer.get("external_execution_result"),
        "user_input_schema": answer.get("user_input_schema"),
        "user_feedback_schema": answer.get("user_feedback_schema"),
    }
    known = {name: value for name, value in (tool if isinstance(tool, dict) else {}).items() if value is not None}
    return {**answer, "tool_execution": {**{n: value for n, value in said.items() if value is not None}, **known}}


def _wrong(index: int, name: str, message: str, given: Any) -> RequestError:
    got = "" if given is None else f", not {given!r}"[:200]
    return RequestError(f"step_requirements[{index}].{name}: {message}{got}.")

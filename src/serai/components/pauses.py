"""Tool calls that a paused run waits for, as the wire shows them: asked, answered, handed to pydantic-ai. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid5

import pydantic
from pydantic_ai import DeferredToolResults, Tool, ToolApproved, ToolDenied
from pydantic_ai.exceptions import ToolFailed

from serai.components.tool import ToolOptions
from serai.domain.json_text import dump_json
from serai.domain.runs import RunRecord
from serai.engine.journal import printable
from serai.errors import RequestError

REJECTED: Final = "The user rejected this tool call."
_JSON_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}


def ask(tool: dict[str, Any], options: ToolOptions) -> None:
    """Write into a tool execution what its call waits for."""
    match options.pause:
        case "external":
            tool["external_execution_required"] = True
        case "user_feedback":
            tool["user_feedback_schema"] = [_question(question) for question in tool["tool_args"].get("questions", [])]
            tool["answered"] = False
        case "user_input":
            tool["requires_user_input"] = True
            tool["user_input_schema"] = _input_schema(options.parameters or {}, tool["tool_args"])
            tool["answered"] = False
        case _:
            tool["requires_confirmation"] = True


def requirement(tool: dict[str, Any], *, run: RunRecord, at: datetime) -> dict[str, Any]:
    """Return what the wire says of one pending call; its id is the same at every replay."""
    wanted = {
        "id": str(uuid5(run.key, f"{run.segment}/{printable(tool['tool_call_id'])}")),
        "created_at": at.isoformat(),
        "tool_execution": tool,
        "user_input_schema": tool["user_input_schema"],
        "user_feedback_schema": tool["user_feedback_schema"],
    }
    return {name: value for name, value in wanted.items() if value is not None}


def is_waiting(tool: Mapping[str, Any]) -> bool:
    """Return whether a tool execution still waits for its answer."""
    if tool.get("external_execution_required"):
        return tool.get("result") is None
    if tool.get("requires_user_input") or tool.get("user_feedback_schema"):
        return not tool.get("answered")
    return bool(tool.get("requires_confirmation")) and tool.get("confirmed") is None


def is_to_be_done(tool: Mapping[str, Any]) -> bool:
    """Return whether an answered tool execution is carried out: not one that was rejected, or that others did."""
    return not tool.get("external_execution_required") and tool.get("confirmed") is not False


def describe_pause(tools: Sequence[Mapping[str, Any]], reasons: Sequence[str | None]) -> str:
    """Return a sentence that says what a paused run waits for, and why where the tool said that."""
    waiting = [
        f"{tool['tool_name']} ({_want(tool)}{f': {reason}' if reason else ''})"
        for tool, reason in zip(tools, reasons, strict=True)
    ]
    return f"The run is paused. It waits for: {', '.join(waiting)}."


def take_answers(
    output: dict[str, Any],
    answers: Sequence[Mapping[str, Any]],
    find_tool: Callable[[Mapping[str, Any]], Tool[Any] | None],
) -> bool:
    """Lay a caller's tool executions into the output of a paused run; return whether nothing is left to answer.

    Raises:
        RequestError: an answer is wrong, incomplete, or missing.
    """
    requirements: list[dict[str, Any]] = output.get("requirements") or []
    lay_in(requirements, answers, find_tool)
    own = [_execution(wanted) for wanted in requirements if "member_run_id" not in wanted]
    answered = {tool["tool_call_id"]: tool for tool in own}
    tools = output["tools"]
    # Of calls with the same id the last one is pending; it need not be the last of all, for a call may pause twice.
    for place in range(len(tools) - 1, -1, -1):
        tools[place] = answered.pop(tools[place]["tool_call_id"], tools[place])
    return not any(is_waiting(_execution(wanted)) for wanted in requirements)


def lay_in(
    requirements: Sequence[dict[str, Any]],
    answers: Sequence[Mapping[str, Any]],
    find_tool: Callable[[Mapping[str, Any]], Tool[Any] | None],
) -> None:
    """Lay a caller's tool executions into the pending ones, matched by ``tool_call_id``; nulls say nothing.

    Args:
        requirements: of the paused run; changed in place.
        answers: tool executions, complete or with nothing but the id and the answer; the id may also be that of the
            requirement, as ``requirement_id``.
        find_tool: returns the function tool of a requirement, which knows what its arguments may be, if there is one.

    Raises:
        RequestError: an answer is wrong, incomplete, or for no pending call; or nothing is answered.
    """
    pending: dict[str, list[dict[str, Any]]] = {}
    for wanted in requirements:
        pending.setdefault(wanted["tool_execution"]["tool_call_id"], []).append(wanted)
    by_id = {wanted["id"]: wanted for wanted in requirements}
    has_news = False
    seen: dict[str, Mapping[str, Any]] = {}
    for index, answer in enumerate(answers):
        call_id, requirement_id = answer.get("tool_call_id"), answer.get("requirement_id")
        found = by_id.get(requirement_id) if isinstance(requirement_id, str) else None
        if found is None and isinstance(call_id, str):
            found = _only_one(pending.get(call_id, []), index)
        if found is None:
            if answer.get("tool_name") is not None and call_id is not None:
                continue  # an earlier call of the run, which published clients send along
            waiting = ", ".join(repr(name) for name in pending)
            raise _wrong(index, "tool_call_id", f"No pending call has this id; these have: {waiting}", call_id)
        tool = found["tool_execution"]
        _check_agreement(seen.setdefault(found["id"], answer), answer, index)
        if is_waiting(tool) and _answer(tool, answer, index, find_tool(found)):
            has_news = True
            _mirror(found, tool)
    if not has_news and (open_calls := [tool for tool in map(_execution, requirements) if is_waiting(tool)]):
        raise RequestError(
            f"tools: nothing in it answers what the run waits for: {'; '.join(map(_how_to_answer, open_calls))}."
        )


def deferred_results(requirements: Iterable[Mapping[str, Any]]) -> DeferredToolResults:
    """Return the answers of a paused run, all of them given, as pydantic-ai takes them."""
    results = DeferredToolResults()
    for tool in map(_execution, requirements):
        call_id = tool["tool_call_id"]
        if tool["external_execution_required"]:
            text = tool["result"]
            results.calls[call_id] = ToolFailed(text) if tool["tool_call_error"] else text
        elif tool["user_feedback_schema"]:
            results.calls[call_id] = tool["result"]
        elif tool["requires_user_input"]:
            values = {field["name"]: field["value"] for field in tool["user_input_schema"]}
            given = {name: value for name, value in values.items() if value is not None}
            results.approvals[call_id] = ToolApproved(override_args={**tool["tool_args"], **given})
        elif tool["confirmed"]:
            results.approvals[call_id] = True
        else:
            results.approvals[call_id] = ToolDenied(tool["result"] or REJECTED)
    return results


def _execution(requirement: Mapping[str, Any]) -> dict[str, Any]:
    tool: dict[str, Any] = requirement["tool_execution"]
    return tool


def _only_one(wanted: Sequence[dict[str, Any]], index: int) -> dict[str, Any] | None:
    """Return the pending call of an id; members of a team may have chosen the same one."""
    if len(wanted) > 1:
        ids = ", ".join(repr(one["id"]) for one in wanted)
        raise _wrong(
            index,
            "tool_call_id",
            f"Several pending calls have this id; answer by 'requirements', whose ids are {ids}",
            None,
        )
    return wanted[0] if wanted else None


def _check_agreement(first: Mapping[str, Any], answer: Mapping[str, Any], index: int) -> None:
    """Refuse two answers to one call in the same request that say different things."""
    for name in ("confirmed", "result", "user_input_schema", "user_feedback_schema"):
        said = answer.get(name)
        if said is not None and first.get(name) not in (None, said):
            raise _wrong(index, name, "This call is answered twice in one request, and not the same", said)


def _answer(tool: dict[str, Any], answer: Mapping[str, Any], index: int, function: Tool[Any] | None) -> bool:
    """Take one call's answer, and return whether there was one."""
    if tool["external_execution_required"]:
        return _take_result(tool, answer, index)
    if tool["user_feedback_schema"]:
        return _take_feedback(tool, answer, index)
    if tool["requires_user_input"]:
        return _take_input(tool, answer, index, function)
    return _take_confirmation(tool, answer, index)


def _take_result(tool: dict[str, Any], answer: Mapping[str, Any], index: int) -> bool:
    result = answer.get("result")
    if result is None:
        return False
    is_error = answer.get("tool_call_error")
    if is_error not in (None, True, False):
        raise _wrong(index, "tool_call_error", "Input should be a valid boolean", is_error)
    tool["result"] = result if isinstance(result, str) else dump_json(result).decode()
    tool["tool_call_error"] = bool(is_error)
    return True


def _take_confirmation(tool: dict[str, Any], answer: Mapping[str, Any], index: int) -> bool:
    confirmed = answer.get("confirmed")
    if confirmed is None:
        return False
    if not isinstance(confirmed, bool):
        raise _wrong(index, "confirmed", "Input should be true or false", confirmed)
    note = answer.get("confirmation_note")
    if note is not None and not isinstance(note, str):
        raise _wrong(index, "confirmation_note", "Input should be a string", note)
    tool.update(confirmed=confirmed, confirmation_note=note)
    if not confirmed:
        tool["result"] = note or REJECTED
    return True


def _take_input(tool: dict[str, Any], answer: Mapping[str, Any], index: int, function: Tool[Any] | None) -> bool:
    given = answer.get("user_input_schema") or []
    if not answer.get("answered") and not given:
        return False
    fields = {field["name"]: field for field in tool["user_input_schema"]}
    values: dict[str, Any] = {}
    for field in _objects(given, index, "user_input_schema"):
        name = field.get("name")
        if not isinstance(name, str) or name not in fields:
            known = ", ".join(repr(known) for known in fields)
            raise _wrong(index, "user_input_schema", f"No such field; the tool has: {known}", name)
        if field.get("value") is not None:
            values[name] = field["value"]
    values = {**{name: field["value"] for name, field in fields.items() if field["value"] is not None}, **values}
    if not values.keys() - tool["tool_args"].keys() and not answer.get("answered"):
        return False  # the echo of what the run asked
    missing = [name for name, field in fields.items() if field.get("required") and name not in values]
    if missing:
        raise _wrong(index, "user_input_schema", f"The field {missing[0]!r} needs a value", None)
    _check_arguments(function, values, index)
    for name, field in fields.items():
        field["value"] = values.get(name)
    tool["answered"] = True
    return True


def _check_arguments(function: Tool[Any] | None, values: dict[str, Any], index: int) -> None:
    if function is None:
        return
    try:
        function.function_schema.validator.validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise _wrong(index, "user_input_schema", f"The field {name!r}: {first['msg']}", first.get("input")) from None


def _take_feedback(tool: dict[str, Any], answer: Mapping[str, Any], index: int) -> bool:
    given = answer.get("user_feedback_schema") or []
    if not any(question.get("selected_options") for question in _objects(given, index, "user_feedback_schema")):
        return False
    questions = {question["question"]: question for question in tool["user_feedback_schema"]}
    for answered in given:
        text = answered.get("question")
        question = questions.get(text) if isinstance(text, str) else None
        if question is None:
            known = ", ".join(repr(known) for known in questions)
            raise _wrong(index, "user_feedback_schema", f"No such question; asked is: {known}", text)
        _select(question, answered.get("selected_options"), index)
    for text, question in questions.items():
        if not question["selected_options"]:
            raise _wrong(index, "user_feedback_schema", f"The question {text!r} needs selected_options", None)
    chosen = [{"question": text, "answer": question["selected_options"]} for text, question in questions.items()]
    tool.update(answered=True, result=dump_json(chosen).decode())
    return True


def _select(question: dict[str, Any], selected: Any, index: int) -> None:
    if not selected:
        return
    labels = [option["label"] for option in question["options"] or []]
    chosen = [selected] if isinstance(selected, str) else selected
    if not isinstance(chosen, list) or not all(isinstance(label, str) for label in chosen):
        raise _wrong(index, "user_feedback_schema", "selected_options should be a list of labels", selected)
    if unknown := [label for label in chosen if labels and label not in labels]:
        known = ", ".join(repr(label) for label in labels)
        raise _wrong(index, "user_feedback_schema", f"No such option; there are: {known}", unknown[0])
    if len(chosen) > 1 and not question.get("multi_select"):
        raise _wrong(index, "user_feedback_schema", "Only one option may be selected", chosen)
    question["selected_options"] = chosen
    for option in question["options"] or []:
        option["selected"] = option["label"] in chosen


def _objects(value: Any, index: int, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(index, name, "Input should be a list of objects", value)
    return value


def _mirror(wanted: dict[str, Any], tool: Mapping[str, Any]) -> None:
    """Show in a requirement what its tool execution says."""
    shown = {
        "confirmation": tool["confirmed"],
        "confirmation_note": tool["confirmation_note"],
        "external_execution_result": tool["result"] if tool["external_execution_required"] else None,
        "user_input_schema": tool["user_input_schema"],
        "user_feedback_schema": tool["user_feedback_schema"],
    }
    wanted.update({name: value for name, value in shown.items() if value is not None})


def _wrong(index: int, name: str, message: str, given: Any) -> RequestError:
    got = "" if given is None else f", not {given!r}"[:200]
    return RequestError(f"tools[{index}].{name}: {message}{got}.")


def _want(tool: Mapping[str, Any]) -> str:
    if tool["external_execution_required"]:
        return "a result from outside"
    if tool["user_feedback_schema"]:
        return "an answer"
    return "user input" if tool["requires_user_input"] else "confirmation"


def _how_to_answer(tool: Mapping[str, Any]) -> str:
    name = f"{tool['tool_name']} (tool_call_id {tool['tool_call_id']!r})"
    if tool["external_execution_required"]:
        return f"{name} needs 'result'"
    if tool["user_feedback_schema"]:
        return f"{name} needs 'selected_options' in each of user_feedback_schema"
    if tool["requires_user_input"]:
        return f"{name} needs 'value' in each of user_input_schema, and 'answered'"
    return f"{name} needs 'confirmed'"


def _input_schema(parameters: Mapping[str, Any], args: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = parameters.get("required", [])
    return [
        {
            "name": name,
            "field_type": _JSON_TYPES.get(schema.get("type", "string"), "str"),
            "description": schema.get("description", ""),
            "value": args.get(name),
            "required": name in required,
        }
        for name, schema in parameters.get("properties", {}).items()
    ]


def _question(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "question": given["question"],
        "header": given.get("header"),
        "options": [
            {"label": option["label"], "description": option.get("description"), "selected": False}
            for option in given.get("options") or []
        ],
        "multi_select": bool(given.get("multi_select")),
        "selected_options": None,
    }

"""A stored run as the wire shows it: the run object, and the row of a list."""

from __future__ import annotations

from typing import Any

from serai.components.messages import load_messages, wire_messages
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import RunRecord
from serai.storage.runs import Answer


def run_object(record: RunRecord, answer: Answer, *, name: str) -> bytes:
    """Return the run object: the stored answer with its messages, or what is known before the run rests.

    Args:
        record: the run.
        answer: its state and what it left at its last rest.
        name: of its component.
    """
    if answer.output is None or not answer.status.is_at_rest:
        return dump_json(_begun(record, answer, name))
    messages = [] if answer.messages is None else wire_messages(load_messages([answer.messages]))
    return answer.output[:-1] + b',"messages":' + dump_json(messages) + b"}"


def run_row(record: RunRecord, answer: Answer, *, name: str) -> dict[str, Any]:
    """Return a run as the published lists show it: its time is text, and what it was asked stands apart."""
    row: dict[str, Any] = load_json(run_object(record, answer, name=name))
    given = load_run_input(record.input)
    row["created_at"] = record.created_at.isoformat()
    row["run_input"] = given.message
    row["run_response_format"] = "text" if row.get("content_type", "str") == "str" else "json"
    return row


def _begun(record: RunRecord, answer: Answer, name: str) -> dict[str, Any]:
    return {
        "run_id": record.id,
        f"{record.kind}_id": record.component_id,
        f"{record.kind}_name": name,
        "session_id": record.session_id,
        "user_id": record.user_id,
        "input": {"input_content": load_run_input(record.input).message},
        "created_at": int(record.created_at.timestamp()),
        "metrics": {},
        "status": answer.status.value,
    }

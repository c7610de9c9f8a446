"""Runs as the wire shows them before they have said anything."""

from __future__ import annotations

from typing import Any

import pytest

from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.server.run_views import run_object, run_row
from serai.storage.runs import Answer
from tests.run_values import record_of


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("agent", {"input": {"input_content": "hi"}}),
        ("team", {"input": {"input_content": "hi"}, "member_responses": []}),
        ("workflow", {"input": "hi"}),
    ],
)
def test_a_run_that_has_just_begun_says_whose_it_is_and_what_it_was_asked(kind: str, own: dict[str, Any]):
    record = record_of(kind=kind, component_id="c", input=b'{"message":"hi"}')
    answer = Answer(RunStatus.RUNNING, None, None)
    run = load_json(run_object(record, answer, name="C"))
    assert run == {
        "run_id": "run-1",
        f"{kind}_id": "c",
        f"{kind}_name": "C",
        "session_id": "s",
        "user_id": None,
        "created_at": 1767312000,
        "metrics": {},
        "status": "RUNNING",
        **own,
    }
    row = run_row(record, answer, name="C")
    assert (row["run_input"], row["created_at"], row[f"{kind}_id"]) == ("hi", "2026-01-02T00:00:00+00:00", "c")


def test_a_workflows_run_object_is_as_it_was_stored():
    answer = Answer(RunStatus.COMPLETED, b'{"workflow_id":"c","content":"done"}', b"[]")
    record = record_of(kind="workflow", input=b'{"message":"hi"}')
    assert run_object(record, answer, name="C") == answer.output

"""A workflow's run that is cancelled while nobody works on it: waiting for its turn, or paused."""

from __future__ import annotations

from serai.components.logged_tokens import count_logged
from serai.components.paused_runs import with_paused_ended
from serai.components.run_input import load_run_input
from serai.components.workflow.events import WorkflowEvents, last_content
from serai.components.workflow.results import content_type_of
from serai.components.workflow.run_object import RunObject
from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine.active_run import RestingRun


def cancel_at_rest(run: RestingRun, name: str) -> Outcome:
    """Return the outcome: what the steps had answered."""
    record, output = run.record, {}
    if run.answer.output is not None:
        output = with_paused_ended(load_json(run.answer.output), RunStatus.CANCELLED)
    results = output.get("step_results") or []
    reason = f"Run {record.id} was cancelled"
    content = last_content(run.logged, record.id) or (results[-1]["content"] if results else None) or reason
    events = WorkflowEvents(run, name=name, said={})
    last = events.members("WorkflowCancelled", reason=reason, content=content)
    if not output:
        given = load_run_input(record.input)
        output = RunObject(record, given, name=name, about=run.about).members([], [], content=content)
    output |= {
        "content": content,
        "content_type": content_type_of(content),
        "cancellation_stage": run.answer.status.value,
    }
    return Outcome(
        status=RunStatus.CANCELLED,
        output=output,
        last_event=(last["event"], last),
        usage=count_logged(run.logged),
    )

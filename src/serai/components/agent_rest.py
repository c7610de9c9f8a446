"""A run of an agent or a team that is cancelled while nobody works on it: waiting for its turn, or paused."""

from __future__ import annotations

from serai.components.agent_answer import AgentAnswer, Names
from serai.components.agent_events import AgentEvents, LoggedEvents, own_events
from serai.components.logged_tokens import count_logged
from serai.components.messages import close_calls, dump_messages, text_of
from serai.components.paused_runs import with_paused_ended
from serai.components.run_input import load_run_input
from serai.components.segments import Earlier
from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine.active_run import RestingRun


def cancel_at_rest(run: RestingRun, names: Names) -> Outcome:
    """Return the outcome: what the run had said, and a history whose calls are all closed."""
    record = run.record
    earlier = Earlier(run.answer if run.answer.output is not None else None)
    content = text_of(earlier.messages) + LoggedEvents(own_events(run.logged, record.id), kind=record.kind).text
    events = AgentEvents(run, name=names.name)
    last = events.members("RunCancelled", content=content, reason=f"Run {record.id} was cancelled")
    if run.answer.output is not None:
        output = with_paused_ended(load_json(run.answer.output), RunStatus.CANCELLED)
    else:
        given = load_run_input(record.input)
        output = AgentAnswer(record, given, names, earlier, about=run.about).members(
            content=content, content_type="str"
        )
    output |= {"content": content, "content_type": "str", "cancellation_stage": run.answer.status.value}
    messages = dump_messages(close_calls(earlier.messages), has_media=bool(earlier.blobs)) if earlier.messages else None
    return Outcome(
        status=RunStatus.CANCELLED,
        output=output,
        last_event=(last["event"], last),
        messages=messages,
        usage=count_logged(run.logged),
    )

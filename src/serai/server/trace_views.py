"""Traces as the published protocol shows them: summaries, trees of spans, single spans. Nulls are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from serai.domain.json_text import load_json, without_nulls
from serai.domain.traces import COMPONENT_KINDS, SpanKind, SpanStatus, hex_of_span, hex_of_trace
from serai.server.trace_trees import Branch, tree_of
from serai.storage.spans import unsigned
from serai.storage.trace_rows import SpanRecord, TraceRecord

_OF_WORKFLOWS: Final = ("description", "steps_count", "steps", "step_types")
_CONTEXT: Final = ("run_id", "session_id", "user_id", "agent_id", "team_id", "workflow_id")
_OF_TRACES: Final = ("input", "output", "error")
_MICROSECOND: Final = timedelta(microseconds=1)


def show_trace(record: TraceRecord, *, now: datetime) -> dict[str, Any]:
    """Return a trace as lists show it; `now` is the end, so far, of one that goes on."""
    is_running = record.entry > 0 and record.duration_ns is None
    ended_at = max(record.ended_at, now) if is_running else record.ended_at
    return without_nulls(
        {
            "trace_id": hex_of_trace(record.trace_id),
            "name": record.name,
            "status": record.status,
            **_show_time(record.started_at, record.duration_ns, ended_at, is_running=is_running),
            "end_time": exact_text(ended_at),  # of all its spans: memories are looked for when the run has ended
            "total_spans": record.total_spans,
            "error_count": record.error_count,
            "input": record.input,
            **{name: getattr(record, name) for name in _CONTEXT},
            "created_at": exact_text(record.created_at),
            "total_tokens": (record.input_tokens + record.output_tokens) or None,
            "cost": record.cost,
        }
    )


def show_detail(record: TraceRecord, spans: Sequence[SpanRecord], *, now: datetime) -> dict[str, Any]:
    """Return a trace with the tree of its spans, which come by their start."""
    shown = show_trace(record, now=now)
    about = next((span for span in spans if span.span_id == record.entry_span_id), None) if record.entry else None
    if about is not None:
        has_failed = SpanStatus.ERROR in (record.status, about.status)
        shown |= without_nulls(
            {
                "input": about.input,
                "output": None if has_failed else about.output,
                "error": about.error if has_failed else None,
            }
        )
    return {**shown, "tree": [_show_branch(root, record, now) for root in tree_of(spans)]}


def show_span(span: SpanRecord, record: TraceRecord, *, now: datetime) -> dict[str, Any]:
    """Return a span by itself, with its own input and output."""
    is_running = _is_running(span, record)
    ended_at = max(now, span.started_at) if is_running else max(record.ended_at, span.started_at)
    attributes: dict[str, Any] = load_json(span.attributes) if span.attributes else {}
    step_type = attributes.pop("step_type", None)
    return without_nulls(
        {
            "id": hex_of_span(unsigned(span.span_id)),
            "name": span.name,
            "type": span.kind,
            **_show_time(span.started_at, span.duration_ns, ended_at, is_running=is_running),
            "status": span.status,
            "input": span.input,
            "output": None if span.status == SpanStatus.ERROR else span.output,
            "error": span.error,
            "step_type": None if step_type is None else str(step_type),
            "metadata": _metadata(span, record, attributes) or None,
            "extra_data": attributes or None,
        }
    )


def duration_text(duration_ns: int) -> str:
    """Return a duration for people: whole milliseconds below a second, else seconds with two decimals."""
    if duration_ns < 1_000_000_000:
        return f"{duration_ns // 1_000_000}ms"
    return f"{duration_ns / 1_000_000_000:.2f}s"


def exact_text(moment: datetime) -> str:
    """Return a time with its microseconds, as ``2026-11-20T23:16:20.839394Z``."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def _show_branch(branch: Branch, record: TraceRecord, now: datetime) -> dict[str, Any]:
    shown = show_span(branch.span, record, now=now)
    if branch.holder is None and record.entry and branch.span.span_id == record.entry_span_id:
        shown = {name: value for name, value in shown.items() if name not in _OF_TRACES}
        if branch.span.kind in COMPONENT_KINDS:
            shown["metadata"] = _totals(record) | _steps_of(branch, shown.get("metadata", {}))
    if branch.inside:
        shown["spans"] = [_show_branch(inner, record, now) for inner in branch.inside]
    return shown


def _totals(record: TraceRecord) -> dict[str, Any]:
    return without_nulls(
        {
            "total_input_tokens": record.input_tokens or None,
            "total_output_tokens": record.output_tokens or None,
            "cost": record.cost,
        }
    )


def _steps_of(root: Branch, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the root of a workflow says of its steps: what was told of them, else those that are there."""
    known = {name: told[name] for name in _OF_WORKFLOWS if name in told}
    if root.span.kind != SpanKind.WORKFLOW:
        return known
    inner = [branch.span for branch in root.inside if branch.span.kind == SpanKind.WORKFLOW and branch.span.attributes]
    steps = [(span.name, kind) for span in inner if (kind := load_json(span.attributes or "{}").get("step_type"))]
    if not steps:
        return known
    found = {"steps_count": len(steps), "steps": [name for name, _ in steps], "step_types": [kind for _, kind in steps]}
    return found | known


def _metadata(span: SpanRecord, record: TraceRecord, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a kind of span; what it takes of the attributes is no more among them."""
    known: dict[str, Any] = {}
    if span.kind in COMPONENT_KINDS:
        known = {"run_id": span.run_id, "session_id": record.session_id, "user_id": span.user_id}
        known |= {name: attributes.pop(name, None) for name in _OF_WORKFLOWS}
    elif span.kind == SpanKind.TOOL:
        known = {"tool_name": attributes.pop("tool_name", None) or span.name, "parameters": span.input}
    known |= {"model": span.model, "provider": span.provider, "cost": span.cost}
    known |= {"input_tokens": span.input_tokens, "output_tokens": span.output_tokens}
    return without_nulls(known)


def _show_time(
    started_at: datetime, duration_ns: int | None, ended_at: datetime, *, is_running: bool
) -> dict[str, Any]:
    """Return the members about time; without a duration it is the one up to `ended_at`."""
    if duration_ns is None:
        duration_ns = max(0, (ended_at - started_at) // _MICROSECOND) * 1000
    else:
        ended_at = started_at + timedelta(microseconds=duration_ns // 1000)
    return {
        "duration": duration_text(duration_ns),
        "duration_ms": duration_ns / 1_000_000,
        "is_running": is_running or None,
        "start_time": exact_text(started_at),
        "end_time": exact_text(ended_at),
    }


def _is_running(span: SpanRecord, record: TraceRecord) -> bool:
    """Return whether a span goes on: not one that nobody has ended when the trace was over."""
    if span.duration_ns is not None:
        return False
    is_waiting = span.kind == SpanKind.WAIT and record.status == SpanStatus.UNSET
    return is_waiting or (record.entry > 0 and record.duration_ns is None)

"""Spans as they are written: many of them in one statement, each trace's row brought up to date with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from serai.domain.json_text import dump_json
from serai.domain.stored_text import storable
from serai.domain.traces import ASKING_KINDS, Entry, Span, SpanStatus
from serai.storage.connection import Database

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_SHOWN: Final = 1000
"""Characters of a trace's input that its row keeps for lists."""

# A span that has ended stays as it is, for a node that takes a run over tells of it again; but a run goes on after a
# pause, and of its ends the last one counts. The statement sees spans as they were before it, so what changes is added
# to the totals of their traces.
_WRITE = """
with item as (
    select * from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::timestamptz[], $10::bigint[], $11::text[], $12::text[], $13::text[],
                         $14::bigint[], $15::bigint[], $16::float8[], $17::text[], $18::text[], $19::text[],
                         $20::text[])
        as item(project_id, trace_id, span_id, parent_id, user_id, kind, name, status, started_at, duration_ns,
                run_id, model, provider, input_tokens, output_tokens, cost, input, output, error, attributes)
), before as (
    select project_id, trace_id, span_id, kept.status, kept.input_tokens, kept.output_tokens, kept.cost
    from spans as kept join item using (project_id, trace_id, span_id)
), written as (
    insert into spans as kept (project_id, trace_id, span_id, parent_id, user_id, kind, name, status, started_at,
                               duration_ns, run_id, model, provider, input_tokens, output_tokens, cost, input, output,
                               error, attributes)
    select project_id, trace_id, span_id, parent_id, user_id, kind, name, status, started_at, duration_ns, run_id,
           model, provider, input_tokens, output_tokens, cost, input, output, error, attributes
    from item order by project_id, trace_id, span_id
    on conflict (project_id, trace_id, span_id) do update
        set parent_id = coalesce(excluded.parent_id, kept.parent_id), name = excluded.name, status = excluded.status,
            started_at = least(kept.started_at, excluded.started_at),
            duration_ns = excluded.duration_ns + greatest(
                0, 1000 * (extract(epoch from excluded.started_at - kept.started_at) * 1000000)::bigint),
            input = coalesce(excluded.input, kept.input), output = excluded.output, error = excluded.error,
            model = excluded.model, provider = excluded.provider, input_tokens = excluded.input_tokens,
            output_tokens = excluded.output_tokens, cost = excluded.cost, attributes = excluded.attributes
        where kept.duration_ns is null or kept.attributes like '%"run_status":%' and case
            when excluded.duration_ns is null then kept.attributes like '%"run_status":"PAUSED"%'
            else excluded.started_at + excluded.duration_ns / 1000 * interval '1 microsecond'
                 >= kept.started_at + kept.duration_ns / 1000 * interval '1 microsecond' end
    returning project_id, trace_id, span_id, kind, status, input_tokens, output_tokens, cost, xmax = 0 as is_new
), change as (
    select written.project_id, written.trace_id, count(*) filter (where is_new) as spans,
           sum((written.status = 'ERROR')::int - coalesce(before.status = 'ERROR', false)::int) as errors,
           sum(coalesce(written.input_tokens, 0) - coalesce(before.input_tokens, 0)) filter (where asks)
               as input_tokens,
           sum(coalesce(written.output_tokens, 0) - coalesce(before.output_tokens, 0)) filter (where asks)
               as output_tokens,
           sum(coalesce(written.cost, 0) - coalesce(before.cost, 0)) filter (where asks and written.cost is not null)
               as cost
    from written left join before using (project_id, trace_id, span_id)
    cross join lateral (select written.kind in ({asks}) as asks) as about
    group by written.project_id, written.trace_id
)
insert into traces as kept (project_id, trace_id, user_id, session_id, run_id, agent_id, team_id, workflow_id, name,
                            status, entry, entry_span_id, started_at, ended_at, duration_ns, input, total_spans,
                            error_count, input_tokens, output_tokens, cost)
select about.*, coalesce(change.spans, 0), coalesce(change.errors, 0), coalesce(change.input_tokens, 0),
       coalesce(change.output_tokens, 0), change.cost
from unnest($21::text[], $22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[],
            $29::text[], $30::text[], $31::smallint[], $32::bigint[], $33::timestamptz[], $34::timestamptz[],
            $35::bigint[], $36::text[])
    as about(project_id, trace_id, user_id, session_id, run_id, agent_id, team_id, workflow_id, name, status, entry,
             entry_span_id, started_at, ended_at, duration_ns, input)
left join change using (project_id, trace_id)
order by about.project_id, about.trace_id
on conflict (project_id, trace_id) do update
    set {taken}, input = case when {is_taken} then coalesce(excluded.input, kept.input) else kept.input end,
        entry = greatest(kept.entry, excluded.entry), started_at = least(kept.started_at, excluded.started_at),
        ended_at = greatest(kept.ended_at, excluded.ended_at), total_spans = kept.total_spans + excluded.total_spans,
        error_count = kept.error_count + excluded.error_count,
        input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens,
        cost = case when excluded.cost is null then kept.cost else coalesce(kept.cost, 0) + excluded.cost end"""

# Of two spans that a trace may be about it is the root, or the earlier one. The same span is told anew, but one that
# has ended does not go on, unless its run had paused.
_IS_TAKEN = """(excluded.entry > kept.entry or excluded.entry = kept.entry and (
    excluded.entry_span_id = kept.entry_span_id and (
        kept.duration_ns is null or excluded.duration_ns >= kept.duration_ns
        or excluded.duration_ns is null and kept.status = 'UNSET')
    or excluded.entry_span_id <> kept.entry_span_id and excluded.started_at < kept.started_at))"""
_TAKEN = ("name", "status", "entry_span_id", "duration_ns")
_TAKEN_IF_SAID = ("user_id", "session_id", "run_id")
_TAKEN_TOGETHER = ("agent_id", "team_id", "workflow_id")
_NAMES_COMPONENT = "(coalesce({0}.agent_id, {0}.team_id, {0}.workflow_id) is not null)"
_STATEMENT = _WRITE.format(
    asks=", ".join(f"'{kind}'" for kind in ASKING_KINDS),
    is_taken=_IS_TAKEN,
    taken=",\n        ".join(
        [
            *(f"{name} = case when {_IS_TAKEN} then excluded.{name} else kept.{name} end" for name in _TAKEN),
            *(
                f"{name} = case when {_IS_TAKEN} then coalesce(excluded.{name}, kept.{name}) "
                f"else coalesce(kept.{name}, excluded.{name}) end"
                for name in _TAKEN_IF_SAID
            ),
            *(
                f"{name} = case when {_NAMES_COMPONENT.format('excluded')} and ({_IS_TAKEN} "
                f"or not {_NAMES_COMPONENT.format('kept')}) then excluded.{name} else kept.{name} end"
                for name in _TAKEN_TOGETHER
            ),
        ]
    ),
)


class SpanStore:
    """The statement that writes spans; each names the project it belongs to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, spans: Sequence[Span]) -> None:
        """Write spans of any traces in one statement; the last of those with the same id counts.

        Raises:
            DatabaseUnavailableError: none is written, or all are; it may be called again.

        Safe to repeat. Cost: about 20 µs a span, most of it PostgreSQL's.
        """
        if rows := _latest(spans):
            await self._database.execute(_STATEMENT, *_span_columns(rows), *_trace_columns(rows))


def signed(span_id: int) -> int:
    """Return a span's id as PostgreSQL stores it: 64 bits with a sign."""
    return span_id - (1 << 64) if span_id >> 63 else span_id


def unsigned(stored: int) -> int:
    """Return a span's id as it was before `signed`."""
    return stored + (1 << 64) if stored < 0 else stored


def _time_of(unix_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=unix_ns // 1000)


def _latest(spans: Iterable[Span]) -> list[Span]:
    """Return each span once, as it was told last, begun when it was told to begin first."""
    latest: dict[tuple[str, UUID, int], Span] = {}
    for span in spans:
        key = (span.project_id, span.trace_id, span.span_id)
        before = latest.get(key)
        if before is not None and before.started_ns < span.started_ns:
            longer_ns = None if span.duration_ns is None else span.duration_ns + span.started_ns - before.started_ns
            latest[key] = msgspec.structs.replace(span, started_ns=before.started_ns, duration_ns=longer_ns)
        else:
            latest[key] = span
    return list(latest.values())


def _span_columns(spans: Sequence[Span]) -> Iterable[tuple[Any, ...]]:
    return zip(*(_span_row(span) for span in spans), strict=True)


def _span_row(span: Span) -> tuple[Any, ...]:
    return (
        span.project_id,
        span.trace_id,
        signed(span.span_id),
        None if span.parent_id is None else signed(span.parent_id),
        _text(span.user_id),
        span.kind,
        storable(span.name),
        span.status,
        _time_of(span.started_ns),
        span.duration_ns,
        _text(span.run_id),
        _text(span.model),
        _text(span.provider),
        span.input_tokens,
        span.output_tokens,
        span.cost,
        _text(span.input),
        _text(span.output),
        _text(span.error),
        dump_json(span.attributes).decode() if span.attributes else None,
    )


def _trace_columns(spans: Iterable[Span]) -> Iterable[tuple[Any, ...]]:
    by_trace: dict[tuple[str, UUID], list[Span]] = {}
    for span in spans:
        by_trace.setdefault((span.project_id, span.trace_id), []).append(span)
    return zip(*(_trace_row(found) for found in by_trace.values()), strict=True)


def _trace_row(spans: Sequence[Span]) -> tuple[Any, ...]:
    """Return what spans of one trace tell of it."""
    about = min(spans, key=lambda span: (-span.entry, span.started_ns))
    started_ns = min(span.started_ns for span in spans)
    ended_ns = max(span.started_ns + (span.duration_ns or 0) for span in spans)
    duration_ns = about.duration_ns if about.entry is not Entry.NONE else None
    return (
        about.project_id,
        about.trace_id,
        _text(about.user_id),
        _text(about.session_id),
        _text(about.run_id),
        *_component_ids(about),
        storable(about.name),
        about.status if about.entry is not Entry.NONE else SpanStatus.UNSET,
        about.entry.value,
        signed(about.span_id),
        _time_of(started_ns),
        _time_of(ended_ns),
        duration_ns,
        None if about.input is None else storable(about.input[:LONGEST_SHOWN]),
    )


def _component_ids(about: Span) -> tuple[str | None, str | None, str | None]:
    """Return whom a trace is of: not whoever works in it, as a team's member whose span comes first."""
    if about.entry is Entry.NONE:
        return None, None, None
    return _text(about.agent_id), _text(about.team_id), _text(about.workflow_id)


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)

"""What the commands of ``serai traces`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich.console import Console, Group
from rich.live import Live

from serai.cli.invocation import own_command
from serai.cli.lists import Columns, Part, print_list
from serai.cli.output import json_line
from serai.cli.remote import EXIT_MISUSED, EXIT_REFUSED, EXIT_STOPPED, asked, fail
from serai.cli.tables import on_one_line, shortened, time_text
from serai.cli.trace_filters import read_filter
from serai.cli.trace_view import cost_text, span_lines, status_of, trace_lines
from serai.wire.choices import TraceSearchGroupBy
from serai.wire.failures import ServerStatusError
from serai.wire.traces import TraceDetail, TraceNode, TraceSessionStats, TraceSummary

if TYPE_CHECKING:
    from serai.client import SyncAgentOSClient

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_BEGINNING: Final = re.compile(r"[0-9a-f]{4,31}")
_LONGEST_CELL: Final = 40
_NOT_FOUND: Final = 404
_POLL_S: Final = 0.3
_COMES_WITHIN_S: Final = 5.0
"""How long after its run a trace may come."""
_SETTLES_WITHIN: Final = timedelta(seconds=2)
_LATE: Final = timedelta(seconds=30)
"""How far back new traces are looked for: those of other servers come in late."""


def list_traces(
    url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, follow: bool, as_json: bool
) -> None:
    """Print traces; with `follow` go on with those that end, until Ctrl-C."""
    with asked(url, key) as client:
        if follow:
            _follow_list(client, part, filters, as_json=as_json)
            return
        found, meta = part.fetch(client.get_traces, client.iter_traces, **filters)
        print_list(found, _TRACES, as_json=as_json, meta=meta)


def show_trace(
    url: str, key: str | None, given: str | None, *, span_id: str | None, follow: bool, texts: bool, as_json: bool
) -> None:
    """Print a trace as a tree, or one span of it."""
    with asked(url, key) as client:
        deadline = time.monotonic() + _COMES_WITHIN_S
        trace_id = _find(client, given)
        while trace_id is None and follow and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            trace_id = _find(client, given)
        if trace_id is None:
            _fail_to_find(given)
        found = client.get_trace(trace_id, span_id)
        if isinstance(found, TraceNode):
            _print_span(found, as_json=as_json)
        elif follow and not _is_settled(found):
            _follow_trace(client, found, texts=texts, as_json=as_json)
        else:
            _print_trace(found, texts=texts, as_json=as_json)


def show_stats(url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the sessions that have traces."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.get_trace_session_stats, client.iter_trace_session_stats, **filters)
        print_list(found, _STATS, as_json=as_json, meta=meta)


def search_traces(
    url: str,
    key: str | None,
    part: Part,
    conditions: Sequence[str],
    filter_text: str | None,
    *,
    by_session: bool,
    as_json: bool,
) -> None:
    """Print what a filter keeps."""
    try:
        wanted = read_filter(conditions, filter_text)
    except ValueError as error:
        fail(EXIT_MISUSED, f"{error}.")
    if by_session and part.is_whole:
        fail(EXIT_MISUSED, "--all lists traces; with --by-session ask for one --page after the other.")
    with asked(url, key) as client:
        if by_session:
            page = client.search_traces(wanted, TraceSearchGroupBy.SESSION, part.page, part.limit)
            print_list(page.data, _STATS, as_json=as_json, meta=page.meta)
            return
        if part.is_whole:
            print_list(client.iter_found_traces(wanted), _TRACES, as_json=as_json)
            return
        found = client.search_traces(wanted, TraceSearchGroupBy.RUN, part.page, part.limit)
        print_list(found.data, _TRACES, as_json=as_json, meta=found.meta)


def show_trace_of_run(client: SyncAgentOSClient, run_id: str | None, *, has_ended: bool, as_json: bool) -> None:
    """Print the trace of a run that was watched, once the server has it; of one that has ended, in full."""
    deadline = time.monotonic() + _COMES_WITHIN_S
    trace = None
    while run_id is not None:
        rows = client.get_traces(run_id=run_id, limit=1).data
        trace = rows[0] if rows else None
        if (trace is not None and (_is_settled(trace) or not has_ended)) or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S / 5)
    if trace is None:
        print("The server has no trace of this run; perhaps SERAI_TRACES is off.", file=sys.stderr)
        return
    found = client.get_trace(trace.trace_id)
    if isinstance(found, TraceDetail):
        if not as_json:
            print()
        _print_trace(found, texts=False, as_json=as_json)


def _find(client: SyncAgentOSClient, given: str | None) -> str | None:
    """Return the id of the trace that an id, its beginning, or a run's id stands for; None when there is none.

    The latest one without any.
    """
    if given is None:
        rows = client.get_traces(limit=1).data
        return rows[0].trace_id if rows else None
    text = given.lower()
    if _TRACE_ID.fullmatch(text):
        try:
            client.get_trace(text)
        except ServerStatusError as error:
            if error.response.status_code != _NOT_FOUND:
                raise
        else:
            return text
    if rows := client.get_traces(run_id=given, limit=1).data:
        return rows[0].trace_id
    if not _BEGINNING.fullmatch(text):
        return None
    begins = {"op": "STARTSWITH", "key": "trace_id", "value": text}
    found = [trace.trace_id for trace in client.search_traces(begins, limit=2).data if isinstance(trace, TraceDetail)]
    if len(found) > 1:
        fail(EXIT_MISUSED, f"Several traces begin with {given}, such as {found[0]} and {found[1]}; give more of it.")
    return found[0] if found else None


def _fail_to_find(given: str | None) -> NoReturn:
    see = f"see them with: {own_command()} traces list"
    if given is None:
        fail(EXIT_REFUSED, "There are no traces.")
    fail(EXIT_REFUSED, f"No trace and no run with a trace is called {given}; {see}")


def _print_trace(trace: TraceDetail, *, texts: bool, as_json: bool) -> None:
    if as_json:
        print(json_line(trace, exclude_none=True), flush=True)
        return
    console = _console()
    for line in trace_lines(trace, console, with_texts=texts):
        console.print(line, soft_wrap=True)


def _print_span(span: TraceNode, *, as_json: bool) -> None:
    if as_json:
        print(json_line(span, exclude_none=True))
        return
    console = _console()
    for line in span_lines(span):
        console.print(line, soft_wrap=True)


def _follow_trace(client: SyncAgentOSClient, trace: TraceDetail, *, texts: bool, as_json: bool) -> None:
    """Draw a trace anew as it grows, and once more when it has ended; as JSON, or without a terminal, only then."""
    console = _console()
    is_drawn = console.is_terminal and not as_json
    try:
        with Live(console=console, auto_refresh=False, transient=True) if is_drawn else nullcontext() as live:
            while not _is_settled(trace):
                if live is not None:
                    lines = trace_lines(trace, console)
                    live.update(Group(*lines[-max(1, console.height - 1) :]), refresh=True)
                time.sleep(_POLL_S)
                trace = _again(client, trace)
    except KeyboardInterrupt:
        fail(EXIT_STOPPED, f"Stopped watching; see it with: {own_command()} traces show {trace.trace_id}")
    _print_trace(trace, texts=texts, as_json=as_json)


def _is_settled(trace: TraceSummary) -> bool:
    """Say whether no more is to come: the first spans of a run may be there before that of the run itself."""
    if status_of(trace) in ("RUNNING", "WAITING"):
        return False
    if trace.status != "UNSET":
        return True
    return datetime.now(UTC) - trace.end_time > _SETTLES_WITHIN


def _again(client: SyncAgentOSClient, trace: TraceDetail) -> TraceDetail:
    found = client.get_trace(trace.trace_id)
    return found if isinstance(found, TraceDetail) else trace


def _follow_list(client: SyncAgentOSClient, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the traces of a page, oldest first, then each one that ends."""
    rows = client.get_traces(**filters, limit=part.limit, page=1).data
    told: dict[str, datetime] = {}
    if not as_json:
        print(_FOLLOWED.format(*_TRACES.heading), flush=True)
    try:
        while True:
            news = [row for row in reversed(rows) if row.trace_id not in told and _is_settled(row)]
            for row in news:
                told[row.trace_id] = row.start_time
                line = json_line(row, exclude_none=True) if as_json else _FOLLOWED.format(*_cells(row)).rstrip()
                print(line, flush=True)
            since = _horizon(rows, told)
            told = {trace_id: began for trace_id, began in told.items() if since is None or began >= since}
            time.sleep(_POLL_S)
            rows = _since(client.iter_traces(**filters), since)
    except KeyboardInterrupt:
        fail(EXIT_STOPPED, "Stopped watching.")


def _since(latest_first: Iterator[TraceSummary], since: datetime | None) -> list[TraceSummary]:
    return list(takewhile(lambda row: since is None or row.start_time >= since, latest_first))


def _horizon(rows: Sequence[TraceSummary], told: Mapping[str, datetime]) -> datetime | None:
    """Return from when on traces are read again: those that go on must be, and so must late ones."""
    begun = [row.start_time for row in rows if not _is_settled(row)]
    latest = max([*told.values(), *begun], default=None)
    return None if latest is None else min([latest - _LATE, *begun])


def _console() -> Console:
    return Console(highlight=False)


def _trace_row(trace: TraceSummary) -> Sequence[str]:
    return (
        trace.trace_id,
        shortened(trace.name, _LONGEST_CELL),
        status_of(trace),
        time_text(trace.start_time),
        trace.duration,
        f"{trace.total_spans:,}",
        "" if trace.total_tokens is None else f"{trace.total_tokens:,}",
        cost_text(trace.cost),
        shortened(trace.input or "", _LONGEST_CELL),
    )


def _cells(trace: TraceSummary) -> Sequence[str]:
    return [on_one_line(cell) for cell in _trace_row(trace)]


def _stats_row(stats: TraceSessionStats) -> Sequence[str]:
    return (
        stats.session_id,
        stats.agent_id or stats.team_id or stats.workflow_id or "",
        stats.user_id or "",
        f"{stats.total_traces:,}",
        time_text(stats.first_trace_at),
        time_text(stats.last_trace_at),
    )


_TRACES = Columns(
    ("TRACE", "NAME", "STATUS", "BEGAN (UTC)", "TOOK", "SPANS", "TOKENS", "COST", "ASKED"),
    _trace_row,
    "There are no such traces.",
    frozenset((4, 5, 6, 7)),
)
_FOLLOWED: Final = "{:<32}  {:<20}  {:<7}  {:<19}  {:>7}  {:>5}  {:>7}  {:>8}  {}"
_STATS = Columns(
    ("SESSION", "WITH", "USER", "TRACES", "FIRST (UTC)", "LAST (UTC)"),
    _stats_row,
    "No session has such traces.",
    frozenset((3,)),
)

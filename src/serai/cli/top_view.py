"""How ``serai top`` shows a server: nodes, queue and rates in lines, runs and what is slow in tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serai.cli.tables import dollars, on_one_line, shortened
from serai.wire.model import Moment
from serai.wire.server_status import LiveRun, RecentCalls, ServerStatus

_LONGEST_NAME = 40
_SLOWEST = 5
_SLOW_LAG_S = 0.1


def shown(status: ServerStatus | None, *, url: str, away_s: float | None = None) -> RenderableType:
    """Return what people see of a status.

    Args:
        status: the last that there was; None: there was none yet.
        url: the server.
        away_s: for how many seconds it has not answered; None: it has just answered.
    """
    lines: list[RenderableType] = [_heading(status, url=url, away_s=away_s)]
    if status is None:
        return Group(*lines)
    lines += [_nodes(status), _queue(status), _rates(status), Text("")]
    lines.append(_runs(status.runs) if status.runs else Text("No run is under way.", style="dim"))
    for title, calls in (("MODEL (last minute)", status.models), ("TOOL (last minute)", status.tools)):
        if calls:
            lines += [Text(""), _calls(title, calls[:_SLOWEST])]
    return Group(*lines)


def _heading(status: ServerStatus | None, *, url: str, away_s: float | None) -> Text:
    heading = Text.assemble(("serai top", "bold"), f"  {on_one_line(url)}")
    if away_s is not None:
        heading.append(f"  no server answers since {_span(away_s)}; trying again", style="bold red")
    elif status is not None and status.database != "up":
        heading.append("  its database does not answer", style="bold red")
    else:
        heading.append(f"  {datetime.now(UTC):%H:%M:%S} UTC", style="dim")
    return heading


def _nodes(status: ServerStatus) -> Text:
    names = ", ".join(f"{shortened(node.name or node.id, _LONGEST_NAME)} ({node.runs})" for node in status.nodes)
    line = Text.assemble(("nodes   ", "dim"), f"{len(status.nodes)}: {names}" if status.nodes else "unknown")
    lag = f"   event loop {_milliseconds(status.loop_lag_s)}"
    line.append(lag, style="yellow" if status.loop_lag_s > _SLOW_LAG_S else "")
    if status.spans.lost:
        line.append(f"   {status.spans.lost:,} spans lost", style="yellow")
    return line


def _queue(status: ServerStatus) -> Text:
    counts = status.run_counts
    line = Text.assemble(
        ("runs    ", "dim"),
        f"{counts.get('RUNNING', 0):,} at work   {counts.get('PENDING', 0):,} waiting   "
        f"{counts.get('PAUSED', 0):,} paused for a person",
    )
    if status.queue.runs:
        line.append(f"   queue {status.queue.runs:,}, the oldest {_span(status.queue.oldest_s or 0.0)}", style="yellow")
    return line


def _rates(status: ServerStatus) -> Text:
    rates = status.rates
    parts = [
        f"{rates.get('runs_ended', 0.0):,.2f} runs/s",
        f"{rates.get('requests', 0.0):,.2f} requests/s",
        f"{rates.get('input_tokens', 0.0) * 60:,.0f} tokens in/min",
        f"{rates.get('output_tokens', 0.0) * 60:,.0f} out/min",
    ]
    if cost := rates.get("cost", 0.0):
        parts.append(f"{dollars(cost * 3600)}/h")
    line = Text.assemble(("rates   ", "dim"), "   ".join(parts))
    if failed := rates.get("runs_failed", 0.0):
        line.append(f"   {failed * 60:,.1f} failed/min", style="red")
    return line


def _runs(runs: Sequence[LiveRun]) -> Table:
    table = _table("STATUS", "SINCE", "COMPONENT", "RUN", "NODE", "LAST STEP")
    for run in runs:
        kind = f"{run.kind} " if run.kind != "agent" else ""
        taken = f" (taken over {run.takeovers}×)" if run.takeovers else ""
        table.add_row(
            Text((run.status or "").lower(), style="green" if run.status == "RUNNING" else "yellow"),
            _age(run.since),
            Text(shortened(f"{kind}{run.component_id}", _LONGEST_NAME)),
            Text(on_one_line(run.run_id)),
            Text(shortened(f"{run.node or ''}{taken}", _LONGEST_NAME)),
            Text(shortened(run.last_step or "", _LONGEST_NAME)),
        )
    return table


def _calls(title: str, calls: Sequence[RecentCalls]) -> Table:
    table = _table(title, "CALLS", "ERRORS", "MEAN", "LONGEST", right=(1, 2, 3, 4))
    for call in calls:
        table.add_row(
            Text(shortened(call.name, _LONGEST_NAME)),
            f"{call.calls:,}",
            Text(f"{call.errors:,}", style="red" if call.errors else ""),
            _milliseconds(call.mean_s),
            _milliseconds(call.longest_s),
        )
    return table


def _table(*columns: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(columns):
        table.add_column(name, no_wrap=True, justify="right" if index in right else "left")
    return table


def _age(moment: Moment | None) -> str:
    return "" if moment is None else _span(max(0.0, (datetime.now(UTC) - moment).total_seconds()))


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _milliseconds(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:,.1f} ms"

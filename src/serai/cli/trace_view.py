"""How a trace is drawn: its spans as a tree, each with a bar for where in the trace's time it was, and how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from serai.cli.tables import dollars, on_one_line, printable, shortened, time_text
from serai.wire.traces import TraceDetail, TraceNode, TraceSummary

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

PLAIN_WIDTH: Final = 120
"""Columns of a drawing that no terminal limits."""

_STYLES: Final = {"OK": "green", "ERROR": "red", "UNSET": "yellow", "RUNNING": "cyan", "WAITING": "cyan"}
_MOST_BAR: Final = 60
_LEAST_BAR: Final = 8
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """The signs of a drawing, for terminals that have them and for those that do not."""

    branch: str
    last: str
    past: str
    bar: str
    rail: str


_FULL: Final = _Glyphs("├─ ", "└─ ", "│  ", "█", "·")
_ASCII: Final = _Glyphs("|- ", "`- ", "|  ", "#", ".")


@dataclass(frozen=True, slots=True)
class _Line:
    """One span of the drawing; ``below`` is what lines under it begin with."""

    node: TraceNode
    label: str
    below: str
    facts: Sequence[str]


def trace_lines(trace: TraceDetail, console: Console, *, with_texts: bool = False) -> list[Text]:
    """Return the lines of a drawing: what it is about, then its tree.

    Args:
        trace: what is drawn.
        console: whose width and characters limit it.
        with_texts: also write what each span was given and what came of it.
    """
    glyphs = _ASCII if console.options.ascii_only else _FULL
    width = console.width if console.is_terminal else PLAIN_WIDTH
    return [*_heading(trace, width), Text(), *_tree(trace, glyphs, width, with_texts=with_texts)]


def span_lines(node: TraceNode) -> list[Text]:
    """Return the lines that tell all of one span."""
    facts = [
        ("span", node.id),
        ("type", kind_of(node)),
        ("status", status_of(node)),
        ("began", f"{time_text(node.start_time)} UTC"),
        ("took", node.duration),
        *((name, str(value)) for name, value in (node.metadata or {}).items()),
    ]
    lines = [Text(on_one_line(node.name), style="bold")]
    lines += [Text.assemble((f"{name}: ", "dim"), on_one_line(value)) for name, value in facts]
    for name, text in (("input", node.input), ("output", node.output), ("error", node.error)):
        if text:
            lines += [Text(), Text(f"{name}:", style="dim"), Text(printable(text), style=_text_style(name))]
    return lines


def status_of(item: TraceSummary | TraceNode) -> str:
    """Return what people read as the status; that of a trace in full knows whether it waits for somebody."""
    if isinstance(item, TraceDetail) and item.status == "UNSET":
        going_on = {span.type for span in item.spans if span.is_running}
        if going_on == {"WAIT"}:
            return "WAITING"
        if going_on:
            return "RUNNING"
    return "RUNNING" if item.is_running else item.status


def kind_of(node: TraceNode) -> str:
    """Return what people read as the kind of a span."""
    return node.step_type or node.type


def cost_text(cost: float | None) -> str:
    """Return a cost in US dollars; nothing for none."""
    return "" if cost is None else dollars(cost)


def _heading(trace: TraceDetail, width: int) -> Iterator[Text]:
    spans = f"{trace.total_spans:,} {'span' if trace.total_spans == 1 else 'spans'}"
    failed = f"{trace.error_count:,} failed" if trace.error_count else ""
    tokens = f"{trace.total_tokens:,} tokens" if trace.total_tokens else ""
    facts = [trace.duration, spans, failed, tokens, cost_text(trace.cost)]
    yield Text.assemble(
        (on_one_line(trace.name), "bold"),
        _GAP,
        (status_of(trace), _style(trace)),
        *(f"{_GAP}{fact}" for fact in facts if fact),
    )
    ids = [("trace", trace.trace_id), ("run", trace.run_id), ("session", trace.session_id), ("user", trace.user_id)]
    told = [f"{name} {on_one_line(value)}" for name, value in ids if value]
    yield Text(_GAP.join([*told, f"{time_text(trace.start_time)} UTC"]), style="dim")
    for name, text in (("asked", trace.input), ("answer", trace.output), ("error", trace.error)):
        if text:
            line = shortened(text, max(20, width - len(name) - 2))
            yield Text.assemble((f"{name}: ", "dim"), (line, _text_style(name)))


def _tree(trace: TraceDetail, glyphs: _Glyphs, width: int, *, with_texts: bool) -> Iterator[Text]:
    lines = list(_walk(trace.tree, glyphs))
    label_width = min(_widest(line.label for line in lines), max(16, width * 2 // 5))
    kind_width = _widest(kind_of(line.node) for line in lines)
    fact_widths = [_widest(column) for column in zip(*(line.facts for line in lines), strict=True)]
    shown = [index for index, fact_width in enumerate(fact_widths) if fact_width]
    taken = label_width + kind_width + sum(fact_widths) + len(_GAP) * (2 + len(shown))
    bar_width = max(_LEAST_BAR, min(_MOST_BAR, width - taken))
    total_ms = _total_ms(trace, lines)
    for line in lines:
        node, style = line.node, _style(line.node)
        text = Text(set_cell_size(_cut(line.label, label_width), label_width))
        text.append(f"{_GAP}{kind_of(node):<{kind_width}}{_GAP}", style="dim")
        text.append_text(_bar(_offset_ms(trace, node.start_time), node.duration_ms, total_ms, bar_width, glyphs, style))
        for index in shown:
            text.append(f"{_GAP}{line.facts[index]:>{fact_widths[index]}}", style="" if index == 0 else "dim")
        text.rstrip()
        yield text
        if node.error and not with_texts:
            yield _below(line, "", shortened(node.error, max(20, width - cell_len(line.below))), "red")
        if with_texts:
            for name, content in (("input", node.input), ("output", node.output), ("error", node.error)):
                for number, part in enumerate(printable(content or "").splitlines()):
                    yield _below(line, " " * (len(name) + 2) if number else f"{name}: ", part, _text_style(name))


def _walk(roots: Sequence[TraceNode], glyphs: _Glyphs) -> Iterator[_Line]:
    waiting = [(node, "", "") for node in reversed(roots)]
    while waiting:
        node, sign, below = waiting.pop()
        inner = node.spans or []
        yield _Line(node, f"{sign}{on_one_line(node.name)}", f"{below}{glyphs.past if inner else '   '}", _facts(node))
        for child in reversed(inner):
            is_last = child is inner[-1]
            sign = f"{below}{glyphs.last if is_last else glyphs.branch}"
            waiting.append((child, sign, f"{below}{'   ' if is_last else glyphs.past}"))


def _facts(node: TraceNode) -> Sequence[str]:
    """Return duration, tokens and cost of a span; a root tells those of its trace."""
    known = node.metadata or {}
    read = known.get("input_tokens", known.get("total_input_tokens"))
    written = known.get("output_tokens", known.get("total_output_tokens"))
    tokens = "" if read is None and written is None else f"{read or 0:,}+{written or 0:,}"
    cost = known.get("cost")
    return (node.duration, tokens, cost_text(cost if isinstance(cost, (int, float)) else None))


def _total_ms(trace: TraceSummary, lines: Sequence[_Line]) -> float:
    """Return the time that the bars share: to the end of the last span, or to now."""
    ends = (_offset_ms(trace, line.node.start_time) + line.node.duration_ms for line in lines)
    return max([trace.duration_ms, 0.001, *ends])


def _bar(begin_ms: float, length_ms: float, total_ms: float, width: int, glyphs: _Glyphs, style: str) -> Text:
    first = min(width - 1, max(0, int(begin_ms / total_ms * width)))
    past = min(width, max(first + 1, round((begin_ms + length_ms) / total_ms * width)))
    return Text.assemble(
        (glyphs.rail * first, "dim"), (glyphs.bar * (past - first), style), (glyphs.rail * (width - past), "dim")
    )


def _offset_ms(trace: TraceSummary, moment: datetime) -> float:
    return (moment - trace.start_time).total_seconds() * 1000


def _below(line: _Line, name: str, text: str, style: str) -> Text:
    return Text.assemble((f"{line.below}{name}", "dim"), (text, style))


def _style(item: TraceSummary | TraceNode) -> str:
    return _STYLES.get(status_of(item), "")


def _text_style(name: str) -> str:
    return "red" if name == "error" else ""


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"

"""Folding a log: fewer events that say the same, to whoever puts the text together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serai.domain.event_folding import CONTENT_NAMES, fold_content
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import Event
from serai.wire.events import BaseEvent, StepRestartedEvent
from serai.wire.streamed_text import StreamedText


def event(seq: int, name: str, /, **members: Any) -> Event:
    return Event(seq=seq, name=name, data=dump_json({"event": name, **members, "event_index": seq}))


def piece(seq: int, text: str, *, run_id: str = "r", thought: str = "", name: str = "RunContent") -> Event:
    return event(seq, name, created_at=seq, run_id=run_id, content=text, reasoning_content=thought)


def test_pieces_side_by_side_become_one_at_the_place_of_the_last():
    log = [event(0, "RunStarted"), piece(1, "Hel"), piece(2, "lo", thought="hm"), event(3, "RunCompleted")]
    folded = fold_content(log)
    assert [(each.seq, each.name) for each in folded] == [(0, "RunStarted"), (2, "RunContent"), (3, "RunCompleted")]
    members = load_json(folded[1].data)
    assert (members["content"], members["reasoning_content"], members["event_index"]) == ("Hello", "hm", 2)
    assert (folded[0].data, folded[2].data) == (log[0].data, log[3].data)


def test_pieces_of_different_runs_and_structured_content_stay_apart():
    structured = event(3, "RunContent", run_id="r", content={"answer": 1})
    log = [piece(0, "a"), piece(1, "b", run_id="other"), piece(2, "c"), structured, piece(4, "d")]
    assert fold_content(log) == log


def test_void_pieces_of_a_restarted_step_are_left_out():
    restart = event(3, "CustomEvent", name="step_restarted", run_id="r", from_index=1)
    log = [piece(0, "kept "), piece(1, "void"), piece(2, "other's", run_id="o"), restart, piece(4, "anew")]
    assert [each.seq for each in fold_content(log)] == [0, 2, 3, 4]


LOGS = st.lists(
    st.tuples(
        st.sampled_from(["RunContent", "TeamRunContent", "ToolCallStarted", "step_restarted"]),
        st.sampled_from(["r", "s"]),
        st.text(max_size=3),
        st.integers(min_value=0, max_value=20),
    ),
    max_size=20,
)


def _log(parts: list[tuple[str, str, str, int]]) -> list[Event]:
    log = []
    for seq, (name, run_id, text, index) in enumerate(parts):
        if name == "step_restarted":
            log.append(event(seq, "CustomEvent", name=name, run_id=run_id, from_index=min(index, seq)))
        elif name == "ToolCallStarted":
            log.append(event(seq, name, run_id=run_id, content=text))
        else:
            log.append(piece(seq, text, run_id=run_id, name=name))
    return log


def _text(log: list[Event], run_id: str) -> str:
    text = StreamedText(run_id)
    for each in log:
        kind = StepRestartedEvent if each.name == "CustomEvent" else BaseEvent
        text.add(kind.model_validate_json(each.data))
    return str(text)


@given(parts=LOGS)
def test_whoever_reads_the_folded_log_reads_the_same_text(parts: list[tuple[str, str, str, int]]):
    log = _log(parts)
    folded = fold_content(log)
    for run_id in ("r", "s"):
        assert _text(folded, run_id) == _text(log, run_id)
    others = [each for each in log if each.name not in CONTENT_NAMES]
    assert [each for each in folded if each.name not in CONTENT_NAMES] == others
    assert fold_content(folded) == folded
    assert [each.seq for each in folded] == sorted({each.seq for each in folded})
    for before, after in pairwise(folded):
        assert before.seq < after.seq

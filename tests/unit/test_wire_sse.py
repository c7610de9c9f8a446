"""The parser of event streams: any chunking, any line end, and nothing but the line ends of the standard."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serai.wire.sse import Frame, SSEParser

LINE_ENDS = st.sampled_from(["\n", "\r", "\r\n"])
TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


def parse(data: bytes, cuts: list[int] | None = None) -> list[Frame]:
    parser = SSEParser()
    frames = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    for start, end in pairwise(edges):
        frames += parser.feed(data[start:end])
    return frames + parser.finish()


@given(
    frames=st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3), TEXT), max_size=4),
    line_end=LINE_ENDS,
    cuts=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12),
)
def test_frames_survive_any_chunking_and_line_end(frames, line_end, cuts):
    lines = []
    for event, data, identifier in frames:
        lines += [f"event: {event}", *(f"data: {line}" for line in data), f"id: {identifier}", ": heartbeat", ""]
    body = "".join(line + line_end for line in lines).encode()
    assert parse(body, cuts) == [Frame(event, "\n".join(data), identifier) for event, data, identifier in frames]


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(min_value=0, max_value=100), max_size=8))
def test_chunking_never_changes_the_frames_of_arbitrary_bytes(data, cuts):
    assert parse(data, cuts) == parse(data)


def test_unicode_line_separators_are_text():
    text = "a\u2028b\u2029c\u0085d\u000be\u000cf"
    assert parse(f"data: {text}\n\n".encode()) == [Frame(None, text, None)]


def test_data_may_come_with_or_without_a_space():
    assert [frame.data for frame in parse(b"data:x\n\ndata: x\n\ndata:  x\n\n")] == ["x", "x", " x"]


def test_comments_and_unknown_fields_and_frames_without_data_are_dropped():
    assert parse(b": hello\n\nevent: nothing\n\nretry: 5\nwhat: x\ndata: y\n\n") == [Frame(None, "y", None)]


def test_a_byte_order_mark_is_dropped():
    assert parse(b"\xef\xbb\xbfdata: x\n\n") == [Frame(None, "x", None)]


def test_an_id_with_a_null_is_ignored():
    assert parse(b"id: a\0b\ndata: x\n\n") == [Frame(None, "x", None)]


def test_a_last_frame_without_its_blank_line_counts():
    assert parse(b"data: x\n\ndata: y") == [Frame(None, "x", None), Frame(None, "y", None)]


def test_nothing_is_a_frame_until_its_blank_line():
    parser = SSEParser()
    assert parser.feed(b"data: x\r") == []
    assert parser.feed(b"\n") == []
    assert parser.feed(b"\r") == [Frame(None, "x", None)]
    assert parser.feed(b"\ndata: y\n\n") == [Frame(None, "y", None)]

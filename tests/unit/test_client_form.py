"""How arguments become form fields."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from serai.client._form import encode_form, media_text
from serai.media import File, Image

VALID_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALID_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALID_TEXT, inner, max_size=3),
    max_leaves=8,
)


class Shape(BaseModel):
    side: int


def decode(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("ascii"), keep_blank_values=True)


@given(name=VALID_TEXT, text=VALID_TEXT)
def test_any_text_arrives_as_it_was(name, text):
    assert decode(encode_form({name: text})) == [(name, text)]


@given(value=st.dictionaries(VALID_TEXT, JSON, max_size=4))
def test_any_object_arrives_as_json(value):
    [(name, text)] = decode(encode_form({"session_state": value}))
    assert name == "session_state"
    assert json.loads(text) == value


@given(values=st.lists(VALID_TEXT, min_size=1, max_size=4))
def test_a_list_of_texts_becomes_a_repeated_field(values):
    assert decode(encode_form({"tag": values})) == [("tag", value) for value in values]


def test_scalars_have_their_json_form_and_none_is_left_out():
    fields = {"a": True, "b": False, "c": 3, "d": 2.5, "e": None, "f": "", "g": [1, True]}
    expected = [("a", "true"), ("b", "false"), ("c", "3"), ("d", "2.5"), ("f", ""), ("g", "1"), ("g", "true")]
    assert decode(encode_form(fields)) == expected


def test_a_list_with_objects_is_json():
    assert decode(encode_form({"knowledge_filters": [{"op": "EQ"}]})) == [("knowledge_filters", '[{"op": "EQ"}]')]


def test_pydantic_models_and_classes_are_json():
    fields = dict(decode(encode_form({"value": Shape(side=2), "schema": Shape, "nested": {"shape": Shape(side=3)}})))
    assert json.loads(fields["value"]) == {"side": 2}
    assert json.loads(fields["schema"])["properties"]["side"] == {"title": "Side", "type": "integer"}
    assert json.loads(fields["nested"]) == {"shape": {"side": 3}}


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": float("inf")}, "\ud800"])
def test_what_cannot_be_sent_is_refused(value):
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        encode_form({"field": value})


def test_media_go_as_base64_and_a_file_named_by_its_path_is_read(tmp_path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"a note")
    text = media_text([Image(content=b"\x00"), File(filepath=path, filename="note.txt"), Image(url="http://x/y")])
    assert json.loads(text or "") == [
        {"content": "AA=="},
        {"content": "a note", "mime_type": "text/plain", "filename": "note.txt"},
        {"url": "http://x/y"},
    ]
    assert media_text([]) is None


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"a note", "a note"),
        (b"", ""),
        (b"TestData", "VGVzdERhdGE="),
        (b"caf\xe9", "Y2Fm6Q=="),
        ("é\n".encode(), "é\n"),
    ],
)
def test_a_text_file_goes_as_its_text_unless_that_looks_like_base64(content, sent):
    file = File(content=content, mime_type="text/plain")
    assert json.loads(media_text([file]) or "")[0]["content"] == sent


def test_a_text_file_is_read_as_its_text_and_any_other_as_base64():
    assert File.model_validate({"content": "TestData", "mime_type": "text/plain"}).content == b"TestData"
    assert File.model_validate({"content": "VGVzdA==", "mime_type": "application/pdf"}).content == b"Test"

"""What spans keep of contents: cut, and without secrets."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.telemetry.capture import _VALUE, MASK, SECRET_NAMES, Capture, _masked

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"headers": {"X-API-Key": SECRET, "Set-Cookie": f"id={SECRET}; Path=/"}},
        {"OPENAI_API_KEY": SECRET},
        {"nested": [{"clientSecret": SECRET}, {"client-secret": SECRET}, {"client_secret": SECRET}]},
        {"access_token": SECRET, "max_tokens": 5},
        {"password": [SECRET, SECRET]},
        {"credentials": {"user": "u", "value": SECRET}},
        {"password": f'with "quotes" {SECRET}'},
        json.dumps(json.dumps({"password": SECRET})),
        json.dumps(json.dumps(json.dumps({"password": SECRET, "rest": 1}))),
        f'password="abc\\\n{SECRET}"',
        f"curl -H 'Authorization: Bearer {SECRET}' https://example.com",
        f"password={SECRET}&user=me",
        f"token: {SECRET}",
        f"export API_KEY={SECRET}",
        f"the header is Bearer {SECRET}",
        f"sk-{SECRET}{SECRET}",
        f"{{'api_key': '{SECRET}'}}",
        f'{{"passwd": "{SECRET}',
    ],
)
def test_secrets_are_masked_by_the_names_of_their_fields_and_by_their_form(value: object):
    text = Capture().text(value)
    assert text is not None
    assert SECRET not in text
    assert MASK in text


@pytest.mark.parametrize(
    "value", ["", "the tokens of a poem", {"max_tokens": 10}, {"key": "a"}, {"author": "x"}, "a cookie is a biscuit"]
)
def test_other_texts_stay_as_they_are(value: object):
    assert Capture().text(value) == (value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


def test_masked_json_is_json_still():
    value = {"password": "x", "api_key": None, "token": 5, "secret": ["a", "b"], "rest": {"a": 'b"c'}}
    masked = json.loads(Capture().text(value) or "")
    assert masked["rest"] == value["rest"]
    assert masked["password"] == MASK
    assert masked["api_key"] is None


def test_fields_of_the_users_own_are_masked_beside_the_known_ones():
    text = Capture(secret_names=["iban", "Patient-Name"]).text({"iban": SECRET, "patient_name": SECRET, "name": "n"})
    assert text is not None
    assert SECRET not in text
    assert '"name":"n"' in text


def test_a_text_is_cut_where_it_is_too_long_and_says_how_long_it_was():
    assert Capture(most_characters=5).text("abcdefgh") == "abcde… (8 characters)"
    assert Capture(most_characters=8).text("abcdefgh") == "abcdefgh"


def test_a_secret_at_the_cut_is_masked_whole():
    text = Capture(most_characters=20).text(f"password={SECRET}")
    assert text is not None
    assert "hunter" not in text


def test_nothing_is_kept_where_contents_are_not_wanted():
    assert Capture(is_on=False).text("anything") is None


PIECES = st.sampled_from(
    [
        *(
            "key",
            "api_key",
            "api key",
            "token",
            "TOKEN",
            "x-",
            "access",
            "-",
            "_",
            ":",
            "=",
            "=>",
            " ",
            "\n",
            ",",
            "a",
            "1",
        ),
        *(
            '"',
            "'",
            "\\",
            '\\"',
            "[",
            "]",
            "{",
            "}",
            "b'",
            "null",
            "bearer ",
            "password",
            "client",
            "secret",
            "set-",
            "cookie",
        ),
    ]
)
NAME = rf"""(?isx) (?<![a-z0-9])
    (?:{"|".join(re.sub("[-_]", "[-_ ]?", name) for name in SECRET_NAMES)})"""


@given(st.lists(PIECES, max_size=20).map("".join))
def test_every_value_behind_a_secret_name_is_masked_and_nothing_else(text: str):
    whole = re.compile(f"{NAME} {_VALUE.pattern.removeprefix('(?isx)')}")
    expected = whole.sub(lambda found: found[0][: found.start("between") - found.start()] + _masked(found), text)
    assert Capture()._mask_fields(text) == expected


@given(st.text(alphabet=st.sampled_from("ab-_=:\"'\\ {}[]key token"), max_size=4000))
def test_no_text_takes_long(text: str):
    began = time.process_time()
    Capture(most_characters=1000).text(text)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("piece", ["a-", "token-", "token ", 'token:"', "token=[", "key_", 'password:\\"', "a"])
def test_no_repeated_piece_takes_long(piece: str):
    began = time.process_time()
    Capture(most_characters=10_000).text(piece * 40_000)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("offset", range(8))
def test_a_value_that_is_read_up_to_a_backslash_is_masked_whole(offset: int):
    key = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 100)
    text = Capture(most_characters=50 + offset).text({"rest": "x" * 40, "private_key": key})
    assert text is not None
    assert "MIIE" not in text


def test_a_text_that_masking_makes_short_says_how_long_it_was_and_ends_before_what_was_not_read():
    text = Capture(most_characters=100).text(json.dumps({"password": "p" * 1000}) + "sk-" + "k" * 500)
    assert text is not None
    assert text.endswith(" characters)")
    assert "sk-" not in text

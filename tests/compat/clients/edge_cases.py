"""The table of edge cases that every client of records is taken through. Uses the standard library alone.

Records are named by a letter, in the order of their creation; an expected answer is a row of letters.
"""

import json
from pathlib import Path

TABLE = json.loads((Path(__file__).parent / "edge_cases.json").read_text())
RECORDS = TABLE["records"]
SELECTIVE_FILTERS = [
    (condition, expected)
    for section in TABLE["filters"].values()
    for condition, expected in section
    if expected not in ("", "DCBA")
][::3]
"""Filters that find some records and not others, with what they find."""


def equal(actual, expected, note=""):
    assert actual == expected, f"{note}: expected {expected!r}, got {actual!r}"


def letters(payloads):
    """Return the letters of payloads."""
    return "".join(letter_of(payload) for payload in payloads)


def letter_of(payload):
    """Return the letter of a payload; null has none."""
    return next((letter for letter, record in RECORDS.items() if record == payload), None)


def exactly(value):
    """Return a value in a form in which ``1``, ``1.0``, ``"1"`` and ``true`` differ."""
    return json.dumps(value, sort_keys=True)

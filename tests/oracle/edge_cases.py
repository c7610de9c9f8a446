"""The protocol's table of edge cases. Records are named by letters, in the order of insertion."""

from __future__ import annotations

from typing import Any

RECORDS: dict[str, dict[str, Any]] = {
    "A": {"v": 1, "t": ["x", "y"], "c": {"city": "Rome"}},
    "B": {"v": "1", "t": "x"},
    "C": {"v": None, "t": []},
    "D": {"w": True},
}

SEARCHES: dict[str, tuple[dict[str, Any], str]] = {
    "eq 1": ({"filter": {"v": {"eq": 1}}}, "A"),
    "eq 1.0": ({"filter": {"v": {"eq": 1.0}}}, "A"),
    "eq text 1": ({"filter": {"v": {"eq": "1"}}}, "B"),
    "eq null": ({"filter": {"v": {"eq": None}}}, "DC"),
    "ne null": ({"filter": {"v": {"ne": None}}}, "BA"),
    "ne 1": ({"filter": {"v": {"ne": 1}}}, "DCB"),
    "gte 0": ({"filter": {"v": {"gte": 0}}}, "A"),
    "gt empty text": ({"filter": {"v": {"gt": ""}}}, "B"),
    "lt null": ({"filter": {"v": {"lt": None}}}, ""),
    "includes x": ({"filter": {"t": {"includes": ["x"]}}}, "BA"),
    "includes nothing": ({"filter": {"t": {"includes": []}}}, ""),
    "excludes nothing": ({"filter": {"t": {"excludes": []}}}, "DCBA"),
    "excludes x": ({"filter": {"t": {"excludes": ["x"]}}}, "DC"),
    "includes null": ({"filter": {"t": {"includes": [None]}}}, "D"),
    "eq x is not includes": ({"filter": {"t": {"eq": "x"}}}, "B"),
    "arrays are not indexed": ({"filter": {"t.0": {"eq": "x"}}}, ""),
    "path": ({"filter": {"c.city": {"eq": "Rome"}}}, "A"),
    "path with data": ({"filter": {"data.c.city": {"eq": "Rome"}}}, "A"),
    "eq true": ({"filter": {"w": {"eq": True}}}, "D"),
    "true is not 1": ({"filter": {"w": {"eq": 1}}}, ""),
    "nothing is above and below 0": ({"filter": {"v": {"gt": 0, "lt": 0}}}, ""),
    "created since a date": ({"filter": {"created_at": {"gte": "2024-01-01"}}}, "DCBA"),
    "no filter": ({"filter": None}, "DCBA"),
    "empty filter": ({"filter": {}}, "DCBA"),
    "no conditions": ({"filter": {"v": {}}}, "DCBA"),
    "no order": ({}, "DCBA"),
    "blank order": ({"order_by": " "}, "DCBA"),
    "order v": ({"order_by": "v"}, "ABDC"),
    "order data.v": ({"order_by": "data.v"}, "ABDC"),
    "order data.v desc": ({"order_by": "data.v desc"}, "BADC"),
    "order v, oldest first": ({"order_by": "v, created_at"}, "ABCD"),
    "offset 1": ({"order_by": "created_at", "page_size": 2, "offset": 1}, "BC"),
    "page of nothing": ({"page_size": 0, "include_total": True}, ""),
    "page of all": ({"page_size": 4}, "DCBA"),
    "offset past the end": ({"offset": 4000}, ""),
}

REFUSED_FILTERS: dict[str, Any] = {
    "unknown operator": {"v": {"contains": "1"}},
    "operand an array": {"v": {"eq": [1]}},
    "operand an object": {"v": {"gt": {"a": 1}}},
    "includes without a list": {"v": {"includes": "x"}},
    "includes of an array": {"v": {"includes": [[1]]}},
    "field without operators": {"v": 1},
    "field of null": {"v": None},
    "filter a list": [],
    "filter a text": "v",
    "empty path": {"": {"eq": 1}},
    "empty path without conditions": {"": {}},
    "empty segment": {"v..w": {"eq": 1}},
    "nothing after data": {"data.": {"eq": 1}},
    "open quote": {'"v': {"eq": 1}},
    "text after a quote": {'"v"w': {"eq": 1}},
    "created at a number": {"created_at": {"gte": 1704067200}},
    "created at true": {"created_at": {"eq": True}},
    "created yesterday": {"created_at": {"lt": "yesterday"}},
    "created on no day": {"updated_at": {"lt": "2024-02-30"}},
    "created at ten digits": {"created_at": {"lt": "2024-01-01T00:00:00.1234567890Z"}},
    "one condition of two": {"v": {"eq": 1, "equals": 1}},
    "one field of two": {"v": {"eq": 1}, "w": {"like": "x"}},
}

REFUSED_ORDERS = (",", "v,", ",v", "v,,w", "v up", "v asc desc", "data.", ".v", "v.", "v..w", '"v', '"v"w', "v. w")

GROUPS: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], int]]]] = {
    "group by v": ({"group_by": ["v"]}, [({"v": 1}, 1), ({"v": "1"}, 1), ({"v": None}, 2)]),
    "group by c.city": ({"group_by": ["c.city"]}, [({"c.city": "Rome"}, 1), ({"c.city": None}, 3)]),
    "nothing matches": ({"filter": {"v": {"eq": "none"}}}, [({}, 0)]),
    "no group for no match": ({"filter": {"v": {"eq": "none"}}, "group_by": ["v"]}, []),
    "all in one": ({"group_by": []}, [({}, 4)]),
    "named as written": ({"group_by": ["data.w"]}, [({"data.w": True}, 1), ({"data.w": None}, 3)]),
    "largest first": (
        {"group_by": ["v"], "order_by": "count desc"},
        [({"v": None}, 2), ({"v": 1}, 1), ({"v": "1"}, 1)],
    ),
    "nulls last": ({"group_by": ["v"], "order_by": "v desc"}, [({"v": "1"}, 1), ({"v": 1}, 1), ({"v": None}, 2)]),
}

REFUSED_GROUPS: dict[str, dict[str, Any]] = {
    "order of another field": {"group_by": ["v"], "order_by": "w"},
    "order without groups": {"order_by": "v"},
    "timestamp": {"group_by": ["created_at"]},
    "repeated": {"group_by": ["v", "v"]},
    "malformed": {"group_by": ["v."]},
    "empty": {"group_by": [""]},
}

"""What a tool returns may look like media and be none: it stays as it was."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.components.blob_references import blobs_of, find_media, refer, resolve
from serai.components.media import with_bytes
from serai.components.run_media import RunMedia, media_of
from serai.domain.json_text import dump_json, load_json
from serai.storage.blobs import BlobStore
from serai.storage.connection import Database
from tests.run_values import record_of

RECORD = record_of()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["binary", "image-url", "tool-return", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "sha256", "media_type", "url", "part_kind", "content", "audio", "a"]), inner
        )
    ),
    max_leaves=20,
)


def keep(payload: Any) -> dict[str, Any]:
    """Keep a payload's media in a store that nobody can reach."""
    return asyncio.run(RunMedia(BlobStore(Database("postgresql://")), RECORD).keep(payload))


@given(JSON)
def test_odd_results_of_tools_are_left_alone(payload: Any):
    before = copy.deepcopy(payload)
    media_of(keep(payload))
    assert payload == before
    assert refer(payload) == []
    resolve(payload, ["ab" * 32], {})
    assert payload == before


@pytest.mark.parametrize("data", ["not base64!", "Y", 7, None])
def test_what_is_no_base64_is_no_medium(data: Any):
    payload = {"result": {"kind": "binary", "media_type": "image/png", "data": data}, "kind": "tool_return"}
    assert keep(payload) == {}
    assert payload["result"]["data"] == data  # type: ignore[index]


def test_addresses_that_a_tool_returns_are_listed():
    payload = {
        "result": [{"kind": "image-url", "url": "https://x/a.png", "media_type": "image/png", "identifier": "a"}]
    }
    (item,) = media_of(keep(payload))
    assert (item.kind, item.url, item.media_type, item.shown) == ("image", "https://x/a.png", "image/png", {"id": "a"})


def test_media_are_found_in_order_and_arguments_of_calls_are_not_media():
    def picture(name: str) -> dict[str, Any]:
        return {"kind": "binary", "media_type": "image/png", "data": "YQ==", "identifier": name}

    document = [
        {"part_kind": "tool-call", "args": picture("no")},
        {"part_kind": "user-prompt", "content": ["x", picture("a"), picture("b")]},
        {
            "kind": "tool-return",
            "metadata": picture("no"),
            "return_value": {"x": [picture("c")]},
            "content": [picture("d")],
        },
    ]
    assert [item["identifier"] for item in find_media(document)] == ["a", "b", "c", "d"]


def test_media_of_runs_and_steps_inside_a_run_get_their_bytes():
    def picture() -> list[dict[str, str]]:
        return [{"sha256": "ab", "mime_type": "image/png"}]

    member = {"blobs": ["ab"], "agent_id": "a", "input": {"input_content": "hi", "images": picture()}}
    team = {"blobs": ["ab"], "team_id": "t", "member_responses": [member], "images": None}
    inner = {"step_name": "inner", "images": picture(), "steps": None}
    run = {
        "blobs": ["ab"],
        "workflow_id": "w",
        "input": "hi",
        "step_results": [{"step_name": "outer", "steps": [inner]}],
        "step_executor_runs": [team],
        "step_requirements": [{"step_id": "s", "step_output": inner}],
    }
    shown = load_json(with_bytes(dump_json(run), {"ab": b"abc"}))
    (shown_team,) = shown["step_executor_runs"]
    for holder in (
        shown["step_results"][0]["steps"][0],
        shown["step_requirements"][0]["step_output"],
        shown_team["member_responses"][0]["input"],
    ):
        assert holder["images"][0]["content"] == "YWJj"
    assert not any("blobs" in part for part in (shown, shown_team, shown_team["member_responses"][0]))


@pytest.mark.parametrize("document", [None, b"", b"[]", b"{}", b'{"a":1}', b'{"run_id":"x","blobs":["y"]}'])
def test_a_document_that_does_not_begin_with_blobs_has_none(document: bytes | None):
    assert blobs_of(document) == []

"""Extracted data by our module and by the published ones: the same answers, but for what is known to be wrong there."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import serai.agent_data
from tests.compat.clients.extraction_cases import Person, outcome_of
from tests.compat.clients.roster import CLIENTS
from tests.compat.published_clients import run_script

CASES = 1500
PERSON = {"name": "Ada", "age": 36}
SERVICES = "llama_cloud_services"
LLAMA_CLOUD = "llama_cloud"
MODULES = {
    SERVICES: "llama_cloud_services.beta.agent_data",
    LLAMA_CLOUD: "llama_cloud.types.beta.extracted_data",
}


class Trees:
    """Random trees of field metadata, as extractions write them; none of the shapes that the packages get wrong."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def case(self) -> dict[str, Any]:
        chance = self._random
        options = {
            "status": chance.choice(["pending_review", "accepted", "rejected", "error", "of mine"]),
            "file_id": chance.choice([None, "f"]),
            "file_name": chance.choice([None, "a.pdf"]),
            "file_hash": chance.choice([None, "0f"]),
            "metadata": chance.choice([None, {}, {"tokens": 3, "job_id": "mine"}]),
        }
        return {
            "data": chance.choice([{}, {"name": "Ada", "tags": [1, None, {"a": 1.5}]}, {"data": {"x": True}}]),
            "field_metadata": self.root(),
            "options": options,
            "extracted": chance.choice([{"name": "Ada", "age": 36}, {"name": "Ada"}, {"age": "x"}, None]),
            "as_job": chance.random() < 0.5,
        }

    def root(self) -> dict[str, Any]:
        tree = self.inner(0)
        if self._random.random() < 0.1:
            tree["error"] = "the model gave up"
        return tree

    def node(self, depth: int) -> Any:
        kinds = ["leaf"] if depth > 3 else ["leaf", "leaf", "leaf", "inner", "list"]
        kind = self._random.choice(kinds)
        if kind == "leaf":
            return self.leaf()
        return self.inner(depth) if kind == "inner" else self.list(depth)

    def inner(self, depth: int) -> dict[str, Any]:
        names = self._random.sample(["name", "age", "Invoice No.", "a.b", "\u00e9", "confidences", "reason"], k=3)
        tree = {name: self.node(depth + 1) for name in names[: self._random.randint(0, 3)]}
        if self._random.random() < 0.3:
            tree["reasoning"] = self._random.choice(["VERBATIM EXTRACTION", ""])
        if self._random.random() < 0.05:
            # A field of the payload that is named like a member of a leaf.
            tree[self._random.choice(["confidence", "citation", "reasoning"])] = {"width": self.leaf()}
        return tree

    def list(self, depth: int) -> list[Any]:
        return [self.node(depth + 1) for _ in range(self._random.randint(0, 3))]

    def leaf(self) -> dict[str, Any]:
        chance = self._random
        members: dict[str, Any] = {
            "confidence": chance.choice([None, 0, 1, round(chance.random(), 3)]),
            "extraction_confidence": chance.random(),
            "citation": chance.choice([None, [], [self.citation()], [self.citation(), self.citation()]]),
        }
        kept = chance.sample(sorted(members), k=chance.randint(1, 3))
        leaf = {name: members[name] for name in kept}
        rest = {"parsing_confidence": 0.5, "reasoning": "INFERRED", "source": {"unknown": [1]}}
        return leaf | {name: value for name, value in rest.items() if chance.random() < 0.2}

    def citation(self) -> dict[str, Any]:
        chance = self._random
        citation: dict[str, Any] = {"page": chance.choice([None, 1, 12]), "matching_text": "Ada \u00e9"}
        if chance.random() < 0.5:
            citation["bounding_boxes"] = [{"x": 1, "y": 2.5, "w": 10, "h": 20, "unknown": 1}]
            citation["page_dimensions"] = {"width": 612, "height": 792.5}
        return citation


def case_of(field_metadata: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = {"data": {"a": 1}, "options": {}, "extracted": PERSON, "as_job": False}
    return {**plain, "field_metadata": field_metadata, **changes}


def outcomes_by(name: str, cases: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Run the cases in a published client's environment."""
    file = folder / "cases.json"
    file.write_text(json.dumps(cases))
    client = next(client for client in CLIENTS if client.name == name)
    done = run_script(client, "extraction_cases.py", MODULES[name], str(file))
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def our_outcomes(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(outcome_of(serai.agent_data, case))) for case in cases]


@pytest.mark.parametrize("name", MODULES)
def test_extracted_data_is_what_the_published_module_makes_of_it(name: str, tmp_path: Path) -> None:
    trees = Trees(seed=20260)
    cases = [{**case, "as_job": name == LLAMA_CLOUD} for case in (trees.case() for _ in range(CASES))]
    for case, theirs, ours in zip(cases, outcomes_by(name, cases, tmp_path), our_outcomes(cases), strict=True):
        for call, answer in theirs.items():
            assert ours[call] == answer, f"{call} of {json.dumps(case)}"


CORNERS: tuple[dict[str, Any], ...] = (
    {},
    {"error": {"confidence": 0.5}, "a": {"confidence": 1}},
    {"reasoning": "of the root", "a": {"b": {"confidence": 1}}},
    {"reasoning": {"confidence": 0.5}},
    {"a": {"reasoning": "outer", "b": {"reasoning": "inner", "confidence": 0.5}, "c": {"d": {"confidence": 0.1}}}},
    {"a": {"reasoning": "outer", "list": [{"confidence": 0.5}, [{"confidence": 0.7}]]}},
    {"a": {"confidence": {"confidence": 0.5}, "citation": {"confidence": 0.25}}},
    {"a": {"citation": []}, "b": {"confidence": None}, "c": {}, "d": [], "e": [[]], "f": [{}]},
    {"a": {"confidence": 0.5, "error": "kept out"}, "b": {"error": {"confidence": 0.25}}},
    {"a": {"confidence": "0.5"}, "b": {"confidence": True}, "c": {"extraction_confidence": 1, "citation": None}},
    {"": {"confidence": 0.5}, "a.b": {"confidence": 0.25}, "\u0000": {"confidence": 0.75}},
)

UNFIT: tuple[dict[str, Any], ...] = (
    {"a": {"confidence": "high"}},
    {"a": {"citation": [{"page": "first"}]}},
    {"a": {"citation": "page 1", "confidence": 0.5}},
    {"a": {"confidence": 0.5, "reasoning": 7}},
)


@pytest.mark.parametrize("name", MODULES)
def test_corners_of_trees_are_what_the_published_module_makes_of_them(name: str, tmp_path: Path) -> None:
    cases = [case_of(tree, as_job=name == LLAMA_CLOUD, extracted=data) for tree in CORNERS for data in (PERSON, {})]
    for case, theirs, ours in zip(cases, outcomes_by(name, cases, tmp_path), our_outcomes(cases), strict=True):
        assert ours == theirs, json.dumps(case)


@pytest.mark.parametrize("name", MODULES)
def test_unfit_leaves_are_refused_as_by_the_published_module(name: str, tmp_path: Path) -> None:
    cases = [case_of(tree, as_job=name == LLAMA_CLOUD) for tree in UNFIT]
    for theirs, ours in zip(outcomes_by(name, cases, tmp_path), our_outcomes(cases), strict=True):
        assert (ours["parsed"], ours["created"]) == (theirs["parsed"], theirs["created"]) == ("ValueError",) * 2
        # Theirs lets the ValueError of the tree out; ours has the payload.
        assert theirs["extracted"] == "ValueError"
        assert ours["extracted"]["invalid_item"]["data"] == PERSON


@pytest.mark.parametrize("name", MODULES)
def test_what_the_published_modules_get_wrong_is_right_here(name: str, tmp_path: Path) -> None:
    only_parsing = case_of({"name": {"parsing_confidence": 0.5}})
    scalar = case_of({"name": {"confidence": 0.5}, "note": "by hand", "pages": 3})
    outside = case_of({"name": {"confidence": 17}})
    cases = [only_parsing, scalar, outside]
    assert [answers["parsed"] for answers in outcomes_by(name, cases, tmp_path)][:2] == ["ValueError", "ValueError"]
    ours = our_outcomes(cases)
    assert ours[0]["parsed"]["name"]["leaf"]["parsing_confidence"] == 0.5
    assert list(ours[1]["parsed"]) == ["name"]
    assert ours[1]["confidence"] == 0.5
    assert ours[2]["parsed"] == "ValueError"


def test_original_data_does_not_follow_edits() -> None:
    item = serai.agent_data.ExtractedData.create(data=Person(name="Ada", age=36))
    item.data.age = 37
    assert item.original_data.age == 36

"""Extracted data: field metadata as a tree, the confidence of the whole, and results of extractions."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from serai.agent_data import (
    BoundingBox,
    ExtractedData,
    ExtractedFieldMetadata,
    FieldCitation,
    InvalidExtractionData,
    PageDimensions,
    calculate_overall_confidence,
    parse_extracted_field_metadata,
)


class Person(BaseModel):
    name: str
    age: int = 0


ADA = Person(name="Ada", age=36)
LEAF = {"confidence": 0.5}
CITED = {"page": 1, "matching_text": "t", "bounding_boxes": [{"x": 1, "y": 2, "w": 3, "h": 4}]}


def leaf(confidence: float | None = 0.5, **members: Any) -> ExtractedFieldMetadata:
    return ExtractedFieldMetadata(confidence=confidence, **members)


@pytest.mark.parametrize(
    ("node", "parsed"),
    [
        (LEAF, leaf()),
        ({"extraction_confidence": 0.5}, leaf(None, extraction_confidence=0.5)),
        ({"citation": []}, leaf(None, citation=[])),
        ({"citation": None, "confidence": None}, leaf(None)),
        ({**LEAF, "unknown": 1, "deeper": LEAF}, leaf()),
        ({"reasoning": "x"}, {}),
        ({"street": LEAF, "lines": [LEAF, {"b": LEAF}, []]}, {"street": leaf(), "lines": [leaf(), {"b": leaf()}, []]}),
        ({"reasoning": "why", "b": LEAF, "c": [LEAF]}, {"b": leaf(reasoning="why"), "c": [leaf()]}),
        ({"reasoning": "why", "b": {**LEAF, "reasoning": "own"}}, {"b": leaf(reasoning="why")}),
        ({"reasoning": LEAF}, {"reasoning": leaf()}),
        ({"confidence": LEAF, "citation": LEAF}, {"confidence": leaf(), "citation": leaf()}),
        ({"error": LEAF}, {"error": leaf()}),
        ([[LEAF]], [[leaf()]]),
        (leaf(), leaf()),
        ({}, {}),
    ],
    ids=repr,
)
def test_field_metadata_is_a_tree_of_leaves(node, parsed):
    given = {"field": node}
    before = copy.deepcopy(given)
    assert parse_extracted_field_metadata(given) == {"field": parsed}
    assert given == before
    assert parse_extracted_field_metadata({"field": parsed}) == {"field": parsed}


def test_the_root_loses_its_error_and_its_reasoning():
    parsed = parse_extracted_field_metadata({"error": "text", "reasoning": "root", "a": LEAF})
    assert parsed == {"a": leaf()}
    assert parse_extracted_field_metadata({"error": LEAF, "reasoning": LEAF}) == {"reasoning": leaf()}


def test_citations_say_where_a_value_was_read():
    dimensions = {"width": 5, "height": 6}
    parsed = parse_extracted_field_metadata({"a": {"citation": [{**CITED, "page_dimensions": dimensions, "junk": 1}]}})
    citation = FieldCitation(
        page=1,
        matching_text="t",
        bounding_boxes=[BoundingBox(x=1, y=2, w=3, h=4)],
        page_dimensions=PageDimensions(width=5, height=6),
    )
    assert parsed == {"a": leaf(None, citation=[citation])}


def test_a_leaf_that_is_not_what_it_should_be_is_named():
    with pytest.raises(ValueError, match=r"^field_metadata\.a\.l\.0\.confidence: .*number"):
        parse_extracted_field_metadata({"a": {"l": [{"confidence": "high"}]}})
    with pytest.raises(ValueError, match="an object of fields, not list"):
        parse_extracted_field_metadata([])  # type: ignore[arg-type] # as it may come from elsewhere
    with pytest.raises(ValidationError):
        ExtractedFieldMetadata(sure=True)  # type: ignore[call-arg] # unknown members are forbidden


@pytest.mark.parametrize(
    ("tree", "mean"),
    [
        ({}, None),
        ({"a": LEAF}, None),
        ({"a": leaf(None)}, None),
        ({"a": leaf(0.5), "b": [leaf(1), {"c": leaf(0.0)}], "d": leaf(None)}, 0.5),
    ],
    ids=repr,
)
def test_the_overall_confidence_is_the_mean_of_the_leaves(tree, mean):
    assert calculate_overall_confidence(tree) == mean


def test_created_data_waits_for_review():
    item = ExtractedData.create(ADA, field_metadata={"name": LEAF}, file_id="f", file_hash="h", metadata={"a": 1})
    assert (item.status, item.overall_confidence, item.original_data, item.data) == ("pending_review", 0.5, ADA, ADA)
    assert (item.file_id, item.file_name, item.file_hash, item.metadata) == ("f", None, "h", {"a": 1})
    assert ExtractedData.create(ADA, "my own status").status == "my own status"
    assert ExtractedData.create(ADA).metadata == {}


def test_the_round_trip_through_json_keeps_everything():
    item = ExtractedData[Person].create(
        ADA.model_copy(), field_metadata={"name": {**LEAF, "citation": [CITED]}}, file_name="n"
    )
    item.data.age = 37
    loaded = ExtractedData[Person].model_validate_json(item.model_dump_json())
    assert loaded == item
    assert isinstance(loaded.field_metadata["name"], ExtractedFieldMetadata)
    assert set(item.model_dump()) == {
        "original_data",
        "data",
        "status",
        "overall_confidence",
        "field_metadata",
        "file_id",
        "file_name",
        "file_hash",
        "metadata",
    }


def test_a_confidence_that_was_given_holds_until_the_fields_change():
    members = {"original_data": ADA, "data": ADA, "status": "accepted", "field_metadata": {"name": LEAF}}
    item = ExtractedData[Person].model_validate({**members, "overall_confidence": 0.9})
    assert item.overall_confidence == 0.9
    item.field_metadata["name"].confidence = 0.25  # type: ignore[union-attr] # it is a leaf
    assert item.overall_confidence == 0.25
    item.overall_confidence = 1.0
    assert ExtractedData[Person].model_validate(item.model_dump()).overall_confidence == 1.0
    assert ExtractedData[Person].model_validate(members).overall_confidence is None


def test_plain_objects_are_data_too():
    assert ExtractedData.create({"a": 1}).data == {"a": 1}
    assert ExtractedData[dict[str, Any]].model_validate({"original_data": {}, "data": {}, "status": "x"}).data == {}


def extraction(**members: Any) -> Any:
    usual = {
        "data": {"name": "Ada", "age": 36},
        "extraction_metadata": {"field_metadata": {"name": LEAF}},
        "job_id": "j",
        "error": None,
        "file": SimpleNamespace(id="file", name="a.pdf"),
    }
    return SimpleNamespace(**usual | members)


def test_the_result_of_an_extraction_becomes_data_to_review():
    item = ExtractedData.from_extraction_result(extraction(), Person)
    assert (item.data, item.original_data, item.overall_confidence) == (ADA, ADA, 0.5)
    assert (item.file_id, item.file_name, item.metadata) == ("file", "a.pdf", {"job_id": "j"})
    own = ExtractedData.from_extraction_result(
        extraction(), Person, file_hash="h", file_name="n", file_id="i", status="accepted", metadata={"job_id": "mine"}
    )
    assert (own.file_hash, own.file_name, own.file_id, own.status) == ("h", "n", "i", "accepted")
    assert own.metadata == {"job_id": "mine"}


def test_an_error_of_the_fields_is_kept_in_the_metadata():
    result = extraction(extraction_metadata={"field_metadata": {"error": "unclear", "name": LEAF}})
    item = ExtractedData.from_extraction_result(result, Person)
    assert item.metadata == {"job_id": "j", "field_errors": "unclear"}
    assert item.field_metadata == {"name": leaf()}


@pytest.mark.parametrize("missing", [{"extraction_metadata": None}, {"extraction_metadata": {}}, {"file": None}])
def test_a_result_may_lack_its_file_and_its_metadata(missing):
    assert ExtractedData.from_extraction_result(extraction(**missing), Person).data == ADA


def test_a_result_that_does_not_fit_is_handed_over_as_it_is():
    with pytest.raises(InvalidExtractionData, match=r"^Extraction error: bad scan$") as caught:
        ExtractedData.from_extraction_result(extraction(data={"nom": 1}, error="bad scan"), Person, metadata={"a": 1})
    item, metadata = caught.value.invalid_item, caught.value.invalid_item.metadata or {}
    assert (item.data, item.original_data, item.status) == ({"nom": 1}, {"nom": 1}, "error")
    assert "Field required" in metadata.pop("extraction_error")
    assert metadata == {"job_error": "bad scan", "a": 1}
    assert (item.overall_confidence, item.file_id, caught.value.extraction_error) == (0.5, "file", "bad scan")
    assert isinstance(caught.value.__cause__, ValidationError)


@pytest.mark.parametrize("data", [None, [{"name": "Ada"}], "text"])
def test_a_result_that_is_no_object_is_an_empty_one(data):
    with pytest.raises(InvalidExtractionData, match="Not able to parse") as caught:
        ExtractedData.from_extraction_result(extraction(data=data), Person)
    assert (caught.value.invalid_item.data, caught.value.extraction_error) == ({}, None)


def test_metadata_that_are_not_what_they_should_be_make_the_result_invalid():
    fields = {"name": {"confidence": 7}, "age": LEAF}
    with pytest.raises(InvalidExtractionData) as caught:
        ExtractedData.from_extraction_result(extraction(extraction_metadata={"field_metadata": fields}), Person)
    item = caught.value.invalid_item
    assert (item.data["name"], item.field_metadata) == ("Ada", {"age": leaf()})
    assert "name.confidence" in (item.metadata or {})["extraction_error"]


def test_an_extract_job_becomes_data_to_review():
    job = SimpleNamespace(
        id="j",
        extract_result={"name": "Ada", "age": 36},
        extract_metadata=SimpleNamespace(field_metadata=SimpleNamespace(document_metadata={"name": LEAF})),
        error_message=None,
        file_input="file",
    )
    item = ExtractedData.from_extract_job(job, Person)
    assert (item.data, item.overall_confidence, item.file_id) == (ADA, 0.5, "file")
    assert item.metadata == {"job_id": "j"}
    job.extract_result = None
    with pytest.raises(InvalidExtractionData):
        ExtractedData.from_extract_job(job, Person)

"""What an extraction says about each field: how sure it is, and where it was read. A tree shaped like the payload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class BoundingBox(BaseModel):
    """A rectangle on a page."""

    model_config = ConfigDict(defer_build=True)

    x: float
    y: float
    w: float
    h: float


class PageDimensions(BaseModel):
    """The size of a page, in the unit of its bounding boxes."""

    model_config = ConfigDict(defer_build=True)

    width: float
    height: float


class FieldCitation(BaseModel):
    """Where a value was read."""

    model_config = ConfigDict(defer_build=True)

    page: int | None = None
    matching_text: str | None = None
    bounding_boxes: list[BoundingBox] | None = None
    page_dimensions: PageDimensions | None = None


class ExtractedFieldMetadata(BaseModel):
    """What is known about one field: a leaf of the tree.

    Attributes:
        reasoning: why the value is what it is.
        confidence: how sure the extraction is in all, from 0 to 1.
        extraction_confidence: how sure it is of having understood the text.
        parsing_confidence: how sure it is of having read the text.
        citation: where the value was read.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, defer_build=True)

    reasoning: str | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    extraction_confidence: float | None = Field(default=None, ge=0, le=1)
    parsing_confidence: float | None = Field(default=None, ge=0, le=1)
    citation: list[FieldCitation] | None = None


ExtractedFieldMetaDataDict = dict[str, ExtractedFieldMetadata | dict[str, Any] | list[Any]]
"""Field names to leaves, to objects of further fields, or to lists of either."""

_MEMBERS = frozenset(ExtractedFieldMetadata.model_fields)
_MARKS = _MEMBERS - {"reasoning"}
"""An object with one of these is a leaf."""


def parse_extracted_field_metadata(field_metadata: dict[str, Any]) -> ExtractedFieldMetaDataDict:
    """Return the tree with its leaves as objects; a tree that has them already stays as it is.

    An object is a leaf when it has ``confidence``, ``extraction_confidence``, ``parsing_confidence`` or ``citation``
    and they are what they should be; its unknown members are dropped. Other objects and lists are walked. A text named
    ``reasoning`` in an inner object moves to the leaves right below it. ``reasoning`` (a text) and ``error`` of the
    root are dropped, and so is any plain value where a leaf should be; in a list an empty object takes its place.

    Raises:
        ValueError: the tree is no object, or a leaf has a confidence outside 0 to 1 or another unfit value.
    """
    if not isinstance(field_metadata, Mapping):
        raise ValueError(f"field metadata is an object of fields, not {type(field_metadata).__name__}")
    return _inner({name: node for name, node in field_metadata.items() if name != "error"}, None, ("field_metadata",))


def calculate_overall_confidence(metadata: Mapping[str, Any]) -> float | None:
    """Return the mean of ``confidence`` over all leaves that have one, at any depth; None when there are none."""
    values = [leaf.confidence for leaf in _leaves(metadata) if leaf.confidence is not None]
    return sum(values) / len(values) if values else None


def _leaves(node: Any) -> Iterator[ExtractedFieldMetadata]:
    if isinstance(node, ExtractedFieldMetadata):
        yield node
    elif isinstance(node, Mapping | list):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _leaves(child)


def _parse(
    node: Any, reasoning: str | None, at: tuple[str, ...]
) -> ExtractedFieldMetadata | dict[str, Any] | list[Any]:
    """Return the parsed node; plain values are empty objects."""
    if isinstance(node, list):
        return [_parse(child, None, (*at, str(index))) for index, child in enumerate(node)]
    if isinstance(node, Mapping):
        leaf = _leaf(node, at)
        if leaf is None:
            own = node.get("reasoning")
            return _inner(node, own if isinstance(own, str) else None, at)
        node = leaf
    if isinstance(node, ExtractedFieldMetadata):
        return node if reasoning is None else node.model_copy(update={"reasoning": reasoning})
    return {}


def _inner(node: Mapping[str, Any], reasoning: str | None, at: tuple[str, ...]) -> ExtractedFieldMetaDataDict:
    return {
        name: _parse(child, reasoning, (*at, name))
        for name, child in node.items()
        if isinstance(child, Mapping | list | ExtractedFieldMetadata)
    }


def _leaf(node: Mapping[str, Any], at: tuple[str, ...]) -> ExtractedFieldMetadata | None:
    """Return the leaf that an object is; None for fields that happen to be named like a leaf's members."""
    marks = [node[name] for name in _MARKS if name in node]
    if not marks:
        return None
    try:
        return ExtractedFieldMetadata.model_validate({name: node[name] for name in _MEMBERS if name in node})
    except ValidationError as error:
        if all(isinstance(value, Mapping | ExtractedFieldMetadata) for value in marks):
            return None
        issue = error.errors(include_url=False)[0]
        where = ".".join((*at, *map(str, issue["loc"])))
        raise ValueError(f"{where}: {issue['msg']}") from error

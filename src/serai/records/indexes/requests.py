"""What indexes of records are asked for, and how each is named. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from serai.records.paths import format_path
from serai.records.place import Place
from serai.records.shapes import Shape, shape_from_json, shape_to_json
from serai.records.slots import can_have_slot

Kind = Literal["gin", "shape"]

PREFIX = "serai_ix_"
MOST_FIELDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """An index that questions of one shape to one collection would like.

    Attributes:
        place: the collection.
        shape: what the questions ask.
        is_declared: a person asked for it: it is made however small the collection is, and never dropped as unused.
    """

    place: Place
    shape: Shape
    is_declared: bool = False

    @property
    def key(self) -> str:
        """Digest of the collection and the shape: two requests with the same one are one."""
        return digest(self.place, shape_to_json(self.shape))

    @property
    def first_kind(self) -> Kind:
        """The kind of index to be tried first; a person who names fields means an index on just these."""
        is_equality_alone = not (self.shape.order or self.shape.ranged or self.shape.group)
        return "gin" if self.shape.contains or (is_equality_alone and not self.is_declared) else "shape"

    @property
    def name(self) -> str:
        """Name of the index to be tried first."""
        return index_name(self.place, self.first_kind, self.shape_of(self.first_kind))

    def shape_of(self, kind: Kind) -> dict[str, Any]:
        """Return as JSON what an index of a kind would be for."""
        return {} if kind == "gin" else shape_to_json(self.shape)

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON."""
        return {
            "project_id": self.place.project_id,
            "deployment_name": self.place.deployment_name,
            "collection": self.place.collection,
            "shape": shape_to_json(self.shape),
            "declared": self.is_declared,
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> IndexRequest:
        """Return the request that `to_json` wrote."""
        place = Place(
            project_id=members["project_id"],
            deployment_name=members["deployment_name"],
            collection=members["collection"],
        )
        return cls(place=place, shape=shape_from_json(members["shape"]), is_declared=members["declared"])


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLimits:
    """How many indexes there may be, in one collection and in all."""

    per_collection: int = 8
    total: int = 200


def index_name(place: Place, kind: Kind, shape: Mapping[str, Any]) -> str:
    """Return the name of an index in PostgreSQL: nothing of it is a caller's text."""
    return PREFIX + digest(place, {"kind": kind, **shape})


def digest(place: Place, members: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that stand for a collection and JSON about it."""
    parts = (place.project_id, place.deployment_name, place.collection, sorted(members.items()))
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def is_indexable(shape: Shape) -> bool:
    """Tell whether any index can help questions of a shape."""
    return bool(shape.fields) and not shape.uses_updated_at


def why_no_shape_index(shape: Shape) -> str | None:
    """Return why there can be no index on slots for a shape, None if there can."""
    if not is_indexable(shape):
        return "the time of the last update, or no field at all, makes no index"
    if len(shape.fields) > MOST_FIELDS:
        return f"{len(shape.fields)} fields are more than the {MOST_FIELDS} that an index may have"
    for path in shape.fields:
        if not can_have_slot(path):
            return f"{format_path(path)} has a number among its names, and can have no slot"
    return None

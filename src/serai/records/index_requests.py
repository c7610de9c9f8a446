"""What indexes of records are asked for, and how each is named. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from serai.records.place import Place
from serai.records.shapes import Shape, shape_from_json, shape_to_json

Kind = Literal["gin", "shape"]

PREFIX = "serai_ix_"


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


def wants_gin(shape: Shape) -> bool:
    """Tell whether an index on whole payloads is to be tried before one on slots."""
    is_equality_alone = bool(shape.equal) and not (shape.order or shape.ranged or shape.group)
    return bool(shape.contains) or is_equality_alone


def is_indexable(shape: Shape) -> bool:
    """Tell whether any index can help questions of a shape."""
    return bool(shape.fields) and not shape.uses_updated_at

"""Indexes of records that a person asks for, whether questions are slow or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serai.errors import ConfigurationError, InvalidFieldError
from serai.records.filters import Term
from serai.records.indexes.requests import IndexRequest, why_no_shape_index
from serai.records.orders import parse_order
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.place import Place
from serai.records.shapes import Shape, shape_of
from serai.storage.connection import Database

# Those declared indexes that are there; others are declared no more.
_SETTLE = """
with forgotten as (
    update record_indexes set declared = false where declared and name <> all($1::text[])
)
select name from record_indexes where declared and state = 'ready' and name = any($1::text[])
"""


@dataclass(frozen=True)
class RecordIndex:
    """An index of a collection that is made when the server starts and stays as long as it is declared.

    All fields are paths as in filters. One index on them serves questions with the same conditions of equality and the
    same order, and questions with the same groups; `includes` makes another one, on all of the payload.

    Args:
        collection: what it is for.
        deployment_name: of which deployment.
        project_id: of which project.
        filter: fields that are compared with `eq`.
        ranges: fields that are compared in other ways.
        order_by: the order as in a search, for example `"data.amount desc, created_at"`.
        group_by: fields that are grouped by.
        includes: fields whose `includes` and `excludes` matter; an array may be in them.

    Raises:
        ConfigurationError: a field is not valid, there is none, or there are more than five.
    """

    collection: str
    deployment_name: str = "_public"
    project_id: str = "default"
    filter: Sequence[str] = ()
    ranges: Sequence[str] = ()
    order_by: str | None = None
    group_by: Sequence[str] = ()
    includes: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.requests()

    def requests(self) -> list[IndexRequest]:
        """Return the indexes that this asks for: one on payloads, one on fields, or both."""
        terms = [Term(path, operator, ()) for path, operator in self._terms()]
        try:
            order = parse_order(self.order_by)
        except InvalidFieldError as error:
            raise self._wrong("order_by", str(self.order_by), str(error)) from error
        groups = [path for _, path in self._paths("group_by")]
        shape = shape_of(tuple(terms), order, groups)
        place = Place(project_id=self.project_id, deployment_name=self.deployment_name, collection=self.collection)
        found = []
        if contains := tuple(path for _, path in self._paths("includes")):
            found.append(IndexRequest(place=place, shape=Shape(contains=contains), is_declared=True))
        if shape.fields or not found:
            if reason := why_no_shape_index(shape):
                raise ConfigurationError(f"RecordIndex({self.collection!r}): {reason}.")
            found.append(IndexRequest(place=place, shape=shape, is_declared=True))
        return found

    def _terms(self) -> Iterator[tuple[Path, str]]:
        for member, operator in (("filter", "eq"), ("ranges", "gt")):
            for text, path in self._paths(member):
                if text == "updated_at":
                    raise self._wrong(member, text, "no index holds the time of the last update")
                if text not in TIMESTAMPS:  # the time of creation is part of every index
                    yield path, operator

    def _paths(self, member: str) -> Iterator[tuple[str, Path]]:
        texts = getattr(self, member)
        if isinstance(texts, str):
            raise self._wrong(member, texts, "write a list of fields")
        for text in texts:
            try:
                yield text, parse_path(text)
            except (PathError, TypeError, AttributeError) as error:
                raise self._wrong(member, text, str(error)) from error
            if text in TIMESTAMPS and member in ("group_by", "includes"):
                raise self._wrong(member, text, f"a payload's own member of that name is data.{text}")

    def _wrong(self, member: str, given: str, reason: str) -> ConfigurationError:
        return ConfigurationError(f"RecordIndex({self.collection!r}): {member} has {given!r}: {reason}.")


async def settle_declared(database: Database, requests: Sequence[IndexRequest]) -> list[IndexRequest]:
    """Note which indexes are declared now, and return those that are to be made."""
    rows = await database.fetch(_SETTLE, [request.name for request in requests])
    ready = {row["name"] for row in rows}
    return [request for request in requests if request.name not in ready]

"""Where the rows of a collection are read from."""

from __future__ import annotations

from dataclasses import dataclass

from serai.records.arguments import Arguments
from serai.records.fields import Fields, PayloadFields
from serai.records.place import Place


@dataclass(frozen=True, slots=True)
class Source:
    """A table that holds a collection's rows, among others.

    Attributes:
        table: its name; it has the columns `id` and `created_at`.
        scope: the condition that finds the collection's rows.
        fields: where their fields are.
    """

    table: str
    scope: str
    fields: Fields


def records_of(place: Place, arguments: Arguments) -> Source:
    """Return the collection's rows in the table of records."""
    scope = (
        f"project_id = {arguments.add(place.project_id, 'text')} "
        f"and deployment_name = {arguments.add(place.deployment_name, 'text')} "
        f"and collection = {arguments.add(place.collection, 'text')}"
    )
    return Source("records", scope, PayloadFields(arguments))

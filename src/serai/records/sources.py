"""Where the rows of a collection are read from: the table of records, or the narrow one that copies its hot fields."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from serai.records.arguments import Arguments
from serai.records.fields import Fields, PayloadFields, SlotFields
from serai.records.place import Place
from serai.records.shapes import Plan, Shape, SlotPlan
from serai.storage.connection import Database


@dataclass(frozen=True, slots=True)
class Source:
    """A table that holds a collection's rows, among others.

    Attributes:
        table: its name; it has the columns `id` and `created_at`.
        scope: the condition that finds the collection's rows.
        fields: where their fields are.
        guard: SQL, false when the table lacks something of the collection; the scope is empty then.
    """

    table: str
    scope: str
    fields: Fields
    guard: str = "true"


class IncompleteError(Exception):
    """A source lacks something that the question needs; the next one must answer."""


class Planner(Protocol):
    """Knows what indexes there are, and learns which are missing."""

    def plans(self, place: Place, shape: Shape) -> Sequence[Plan]:
        """Return the ways to answer a question, the best first; the last reads payloads."""

    def learn(self, place: Place, shape: Shape, seconds: float) -> None:
        """Take note of how long an answer took."""


class PlainPlanner:
    """A planner that knows of the table of records only."""

    def plans(self, place: Place, shape: Shape) -> Sequence[Plan]:  # noqa: ARG002 - a planner's signature
        """Return the one way."""
        return (None,)

    def learn(self, place: Place, shape: Shape, seconds: float) -> None:
        """Forget."""


async def answer(planner: Planner, place: Place, shape: Shape, ask: Callable[[Plan], Awaitable[bytes]]) -> bytes:
    """Return the first complete answer that the planner's ways lead to."""
    started = time.perf_counter()
    for plan in planner.plans(place, shape):
        try:
            found = await ask(plan)
        except IncompleteError:
            continue
        planner.learn(place, shape, time.perf_counter() - started)
        return found
    raise AssertionError("the table of records is complete")


async def check_whole(database: Database, source: Source) -> None:
    """Raise `IncompleteError` when the guard closed a source."""
    if source.guard != "true" and not await database.fetchval(f"select {source.guard}"):
        raise IncompleteError


async def fetch_count(database: Database, statement: str, arguments: Arguments) -> int:
    """Return the number that a statement answers beside its source's guard, `is_whole`.

    Raises:
        IncompleteError: the guard closed the source.
    """
    row = await database.fetchrow(statement, *arguments.values)
    assert row is not None
    if not row["is_whole"]:
        raise IncompleteError
    count: int = row["count"]
    return count


def source_of(place: Place, plan: Plan, arguments: Arguments) -> Source:
    """Return the source that a plan names."""
    if not isinstance(plan, SlotPlan):
        scope = scope_of(place, arguments) if plan is None else _literal_scope(place)
        return Source("records", scope, PayloadFields(arguments))
    scope = f"place = {int(plan.place)} and (select {plan.guard})"
    return Source("record_slots", scope, SlotFields(plan.slots, arguments), plan.guard)


def scope_of(place: Place, arguments: Arguments) -> str:
    """Return the condition that finds a collection in the table of records."""
    return (
        f"project_id = {arguments.add(place.project_id, 'text')} "
        f"and deployment_name = {arguments.add(place.deployment_name, 'text')} "
        f"and collection = {arguments.add(place.collection, 'text')}"
    )


def _literal_scope(place: Place) -> str:
    """Return the same with the names as literals; they name a collection that PostgreSQL has an index of."""
    return (
        f"project_id = {_quote(place.project_id)} and deployment_name = {_quote(place.deployment_name)} "
        f"and collection = {_quote(place.collection)}"
    )


def _quote(text: str) -> str:
    """Quote a text so that PostgreSQL reads it the same way under every setting."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'::text"

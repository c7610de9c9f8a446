"""Schedules that stand in code: `serai.Schedule`, checked when it is built, and stored when the server starts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from serai.domain.schedules import ScheduleRecord, ScheduleSpec, next_fire, redeclare
from serai.errors import ConfigurationError
from serai.server.schedule_values import ScheduleValues, find_kind
from serai.server.scope import DEFAULT_PROJECT
from serai.storage.connection import Connection, Database
from serai.storage.schedules import ScheduleStore, read_clock

_log = structlog.get_logger("serai.schedules")


@dataclass(frozen=True)
class Schedule(ScheduleValues):
    """Starts runs of a component at the times of a cron expression.

    Args:
        cron: minute, hour, day of month, month, day of week, for example `"0 7 * * 1-5"`; or `"@hourly"`, `"@daily"`,
            `"@weekly"`, `"@monthly"`, `"@yearly"`.
        component_id: the agent, team or workflow.
        message: what it is asked; anything but text is sent as JSON.
        name: what it is known by from one start to the next; by default made of component and expression.
        kind: `"agent"`, `"team"` or `"workflow"`; needed when several have the id.
        description: one line about what it is for.
        timezone: in which the expression is read, for example `"Europe/Berlin"`.
        session_id: the session of all its runs, which take turns there; by default each has a session of its own.
        user_id: on whose behalf.
        session_state: merged over the session's stored state.
        dependencies: values for instructions and tools.
        metadata: kept with each run.
        knowledge_filters: what the search for knowledge is limited to.
        misfire: what becomes of times at which no node was up: `"skip"` them, one run for all of them (`"once"`), or
            one for each (`"all"`, at most the last 100).
        misfire_grace_s: how many seconds late `"skip"` still starts a run.
        is_paused: whether it waits for somebody to resume it. What people pause or resume stays so over restarts,
            until this changes.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __post_init__(self) -> None:
        try:
            problem = next(self.problems(), None)
        except (TypeError, AttributeError) as error:
            raise ConfigurationError(f"Schedule({self.name or self.component_id!r}): {error}.") from error
        if problem is not None:
            raise ConfigurationError(f"Schedule({self.full_name!r}), {problem[0]}: {problem[1]}.")


def resolve(schedules: Sequence[Schedule], components: Collection[tuple[str, str]]) -> tuple[ScheduleSpec, ...]:
    """Return schedules as they are stored.

    Args:
        schedules: as they stand in code.
        components: kind and id of the components that there are.

    Raises:
        ConfigurationError: two have the same name, or one is for no component or for several.
    """
    specs: dict[str, ScheduleSpec] = {}
    for schedule in schedules:
        try:
            spec = schedule.spec(find_kind(schedule.component_id, schedule.kind, components))
        except (LookupError, ValueError) as error:
            raise ConfigurationError(f"Schedule({schedule.full_name!r}): {error.args[0]}.") from error
        if spec.name in specs:
            raise ConfigurationError(f"Two schedules have the name {spec.name!r}: give one of them name='…'.")
        specs[spec.name] = spec
    return tuple(specs[name] for name in sorted(specs))


async def declare(database: Database, os_id: str, specs: Sequence[ScheduleSpec]) -> None:
    """Store the schedules of an OS, and remove those that it declared before and declares no more."""
    store = ScheduleStore(database)
    async with database.transaction() as connection:
        found = await store.hold_declared(connection, DEFAULT_PROJECT, os_id, [spec.name for spec in specs])
        kept = {record.name: record for record in found}
        for spec in specs:
            await _store(store, connection, os_id, spec, kept.pop(spec.name, None))
        for record in kept.values():
            _log.info("schedule_removed", schedule=record.name)
            await store.delete(connection, record)


async def _store(
    store: ScheduleStore, connection: Connection, os_id: str, spec: ScheduleSpec, kept: ScheduleRecord | None
) -> None:
    now = await read_clock(connection)
    if kept is None:
        next_at = next_fire(spec, kept=None, now=now)
        await store.create(connection, DEFAULT_PROJECT, spec, next_at=next_at, declared_by=os_id)
        return
    if kept.declared_by != os_id:
        _log.warning("schedule_taken_over", schedule=kept.name, declared_by=kept.declared_by)
    wanted = redeclare(spec, kept=kept)
    next_at = next_fire(wanted, kept=kept, now=now)
    declared = (os_id, spec.is_paused)
    if (wanted, next_at, declared) != (kept.spec(), kept.next_fire_at, (kept.declared_by, kept.declared_paused)):
        await store.update(connection, kept, wanted, next_at=next_at, declared=declared)

"""What a person says about a schedule, in code or over HTTP: one form, checked in one place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from serai.components.run_input import RunInput, load_run_input
from serai.domain.cron import CronTimes, read_timezone
from serai.domain.json_text import MOST_LEVELS, dump_json, is_too_deep
from serai.domain.schedules import DEFAULT_GRACE_S, Misfire, ScheduleRecord, ScheduleSpec
from serai.domain.stored_text import is_storable
from serai.errors import InvalidFieldError
from serai.server.scope import check_name

LONGEST_DESCRIPTION: Final = 1000
LONGEST_GRACE_S: Final = 31_536_000
_POLICIES: Final = [policy.value for policy in Misfire]


@dataclass(frozen=True)
class ScheduleValues:
    """A schedule as it is given, not checked yet; the attributes are those of `serai.Schedule`."""

    cron: str
    component_id: str
    _: KW_ONLY
    message: Any
    name: str | None = None
    kind: str | None = None
    description: str | None = None
    timezone: str = "UTC"
    session_id: str | None = None
    user_id: str | None = None
    session_state: Mapping[str, Any] | None = None
    dependencies: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    knowledge_filters: Any = None
    misfire: str = Misfire.ONCE.value
    misfire_grace_s: float = DEFAULT_GRACE_S
    is_paused: bool = False

    @property
    def full_name(self) -> str:
        """The name, or the one made of component and expression."""
        return self.name or f"{self.component_id} {' '.join(self.cron.split())}"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each attribute that is wrong with the reason, as half a sentence."""
        yield from self._wrong_times()
        names = {"name": self.full_name, "component_id": self.component_id}
        for name, text in {**names, "session_id": self.session_id, "user_id": self.user_id}.items():
            if text is not None and (reason := _why_no_name(text)):
                yield name, reason
        if self.description is not None and (reason := _why_no_text(self.description)):
            yield "description", reason
        if self.message is None or (isinstance(self.message, str) and not self.message.strip()):
            yield "message", "it must not be empty: it is what the component is asked"
        for name in ("message", "session_state", "dependencies", "metadata", "knowledge_filters"):
            value = getattr(self, name)
            if is_too_deep(value):
                yield name, f"it is nested more than {MOST_LEVELS} levels"
            elif name not in ("message", "knowledge_filters") and not isinstance(value, Mapping | None):
                yield name, "it must be an object"

    def spec(self, kind: str) -> ScheduleSpec:
        """Return it as it is stored; everything but a text message is sent as JSON."""
        message = self.message if isinstance(self.message, str) else dump_json(self.message).decode()
        given = RunInput(
            message=message,
            session_state=dict(self.session_state or {}),
            dependencies=dict(self.dependencies or {}),
            metadata=dict(self.metadata or {}),
            knowledge_filters=self.knowledge_filters,
        )
        return ScheduleSpec(
            name=self.full_name,
            description=self.description,
            kind=kind,
            component_id=self.component_id,
            cron=" ".join(self.cron.split()),
            timezone=self.timezone,
            input=dump_json(given),
            session_id=self.session_id,
            user_id=self.user_id,
            misfire=Misfire(self.misfire),
            misfire_grace_s=float(self.misfire_grace_s),
            is_paused=self.is_paused,
        )

    def _wrong_times(self) -> Iterator[tuple[str, str]]:
        try:
            read_timezone(self.timezone)
        except ValueError as error:
            yield "timezone", f"{self.timezone!r}: {error}"
        try:
            CronTimes(self.cron, "UTC")
        except ValueError as error:
            yield "cron", f"{self.cron!r} is no cron expression: {error}; an example is '0 7 * * 1-5'"
        if self.misfire not in _POLICIES:
            yield "misfire", f"it must be one of {', '.join(_POLICIES)}"
        if not 0 <= self.misfire_grace_s <= LONGEST_GRACE_S:
            yield "misfire_grace_s", f"it must be from 0 to {LONGEST_GRACE_S} seconds"


def values_of(record: ScheduleRecord) -> ScheduleValues:
    """Return a stored schedule as it would be given."""
    given = load_run_input(record.input)
    return ScheduleValues(
        record.cron,
        record.component_id,
        message=given.message,
        name=record.name,
        kind=record.kind,
        description=record.description,
        timezone=record.timezone,
        session_id=record.session_id,
        user_id=record.user_id,
        session_state=given.session_state,
        dependencies=given.dependencies,
        metadata=given.metadata,
        knowledge_filters=given.knowledge_filters,
        misfire=record.misfire.value,
        misfire_grace_s=record.misfire_grace_s,
        is_paused=record.is_paused,
    )


def find_kind(component_id: str, kind: str | None, components: Collection[tuple[str, str]]) -> str:
    """Return the kind of the component that a schedule runs.

    Raises:
        LookupError: there is no such component; its text says which there are.
        ValueError: several kinds have the id, and none was given.
    """
    kinds = [known for known, one in components if one == component_id and kind in (None, known)]
    if not kinds:
        known = ", ".join(f"{kind} {one!r}" for kind, one in sorted(components)[:20]) or "none at all"
        raise LookupError(f"there is no {kind or 'component'} {component_id!r}; there are: {known}")
    if len(kinds) > 1:
        raise ValueError(f"{component_id!r} is the id of several components: say which kind, {' or '.join(kinds)}")
    return kinds[0]


def _why_no_name(text: str) -> str | None:
    try:
        check_name(text, ())
    except InvalidFieldError as error:
        return str(error.issues[0]["msg"])
    return None


def _why_no_text(text: str) -> str | None:
    if len(text) > LONGEST_DESCRIPTION:
        return f"it is longer than {LONGEST_DESCRIPTION} characters"
    if not is_storable(text):
        return "U+0000 and lone surrogates cannot be stored"
    return None

"""The JSON body of a schedule: our names and those of the published protocol, read into one form."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, UnsetType

from serai.domain.schedules import ScheduleRecord, ScheduleSpec
from serai.errors import InvalidFieldError
from serai.server.bodies import parse_json
from serai.server.schedule_values import ScheduleValues, find_kind, values_of

PAYLOAD_MEMBERS: Final = (
    *("message", "session_id", "user_id", "session_state", "dependencies", "metadata", "knowledge_filters"),
)
WITHOUT_EFFECT: Final = ("timeout_seconds", "max_retries", "retry_delay_seconds")
"""Members of the published protocol: a run has the limits of its component, and is not tried again when it failed."""

_WIRE_NAMES: Final = {"cron": "cron_expr", "is_paused": "enabled"}
_AS_THEY_ARE: Final = (
    *("name", "description", "timezone", "kind", "component_id", "misfire", "misfire_grace_s", "cron", "is_paused"),
    *PAYLOAD_MEMBERS,
)
_ENDPOINT: Final = re.compile(r"/(agent|team|workflow)s/([^/]+)/runs/?")
Loc = tuple[str, ...]


class ScheduleBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request says about a schedule; a member that is left out is UNSET."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    cron_expr: str | UnsetType = UNSET
    cron: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    kind: Literal["agent", "team", "workflow"] | UnsetType | None = UNSET
    component_id: str | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType | None = UNSET
    message: Any | UnsetType = UNSET
    session_id: str | UnsetType | None = UNSET
    user_id: str | UnsetType | None = UNSET
    session_state: dict[str, Any] | UnsetType | None = UNSET
    dependencies: dict[str, Any] | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    knowledge_filters: Any | UnsetType = UNSET
    misfire: Literal["skip", "once", "all"] | UnsetType = UNSET
    misfire_grace_s: float | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    is_paused: bool | UnsetType = UNSET
    timeout_seconds: Any | UnsetType = UNSET
    max_retries: Any | UnsetType = UNSET
    retry_delay_seconds: Any | UnsetType = UNSET


_decoder = msgspec.json.Decoder(ScheduleBody)


@dataclass(slots=True)
class Changes:
    """What a body says, by attribute of `ScheduleValues`, and where it says so.

    Attributes:
        ignored: members that mean nothing to this server; named in a response header.
    """

    given: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Loc] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def put(self, name: str, value: Any, place: Loc) -> None:
        """Note one attribute; raise `InvalidFieldError` when two members disagree about it."""
        if name in self.given and self.given[name] != value:
            other = ".".join(self.places[name][1:])
            raise InvalidFieldError.of(place, f"It says otherwise than '{other}': send one of them", kind="conflict")
        self.given[name] = value
        self.places[name] = place

    def place_of(self, name: str) -> Loc:
        """Return where an attribute stands, or would."""
        return self.places.get(name, ("body", _WIRE_NAMES.get(name, name)))


def read_changes(raw: bytes) -> Changes:
    """Parse a body.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is unknown, of the wrong type, or contradicts another.
    """
    body = parse_json(_decoder, raw)
    changes = Changes()
    for name in _AS_THEY_ARE:
        if (value := getattr(body, name)) is not UNSET:
            changes.put(name, value, ("body", name))
    if body.cron_expr is not UNSET:
        changes.put("cron", body.cron_expr, ("body", "cron_expr"))
    if body.enabled is not UNSET:
        changes.put("is_paused", not body.enabled, ("body", "enabled"))
    for name, value in (body.payload or {}).items() if body.payload is not UNSET else ():
        if name in PAYLOAD_MEMBERS:
            changes.put(name, value, ("body", "payload", name))
        else:
            changes.ignored.append(f"payload.{name}")
    for name, value in _target(body):
        changes.put(name, value, ("body", "endpoint"))
    changes.ignored += [name for name in WITHOUT_EFFECT if getattr(body, name) is not UNSET]
    return changes


def new_spec(changes: Changes, components: Collection[tuple[str, str]]) -> ScheduleSpec:
    """Return the schedule that a body asks for.

    Raises:
        InvalidFieldError: members are missing or wrong; names each of them.
    """
    missing = [name for name in ("cron", "component_id", "message") if name not in changes.given]
    if missing:
        raise InvalidFieldError(
            [
                {"type": "missing", "loc": list(changes.place_of(name)), "msg": "Field required", "input": None}
                for name in missing
            ]
        )
    values = _checked(ScheduleValues(**changes.given), changes)
    return values.spec(_kind_of(values, changes, components))


def changed_spec(record: ScheduleRecord, changes: Changes, components: Collection[tuple[str, str]]) -> ScheduleSpec:
    """Return a stored schedule with a body's changes.

    Raises:
        InvalidFieldError: members are wrong; names each of them.
    """
    is_moved = "component_id" in changes.given or "kind" in changes.given
    kind = {"kind": None} if "component_id" in changes.given else {}
    values = _checked(replace(values_of(record), **{**kind, **changes.given}), changes)
    return values.spec(_kind_of(values, changes, components) if is_moved else record.kind)


def _target(body: ScheduleBody) -> Iterator[tuple[str, str]]:
    """Yield kind and id of the component that a request of the published protocol would go to."""
    if body.method is not UNSET and body.method.upper() != "POST":
        raise InvalidFieldError.of(("body", "method"), "Input should be 'POST': a schedule starts runs", kind="enum")
    if body.endpoint is not UNSET:
        match = _ENDPOINT.fullmatch(body.endpoint)
        if match is None:
            msg = "Input should be the address of a component's runs, as in /agents/my-agent/runs"
            raise InvalidFieldError.of(("body", "endpoint"), msg, given=body.endpoint[:200])
        yield "kind", match[1]
        yield "component_id", unquote(match[2])


def _checked(values: ScheduleValues, changes: Changes) -> ScheduleValues:
    for name in ("session_id", "user_id"):
        if not isinstance(getattr(values, name), str | None):
            raise InvalidFieldError.of(changes.place_of(name), "Input should be a string", kind="string_type")
    issues = [
        {"type": "value_error", "loc": list(changes.place_of(name)), "msg": reason, "input": None}
        for name, reason in values.problems()
    ]
    if issues:
        raise InvalidFieldError(issues)
    return values


def _kind_of(values: ScheduleValues, changes: Changes, components: Collection[tuple[str, str]]) -> str:
    try:
        return find_kind(values.component_id, values.kind, components)
    except LookupError as error:
        raise InvalidFieldError.of(
            changes.place_of("component_id"), error.args[0], given=values.component_id[:200]
        ) from error
    except ValueError as error:
        raise InvalidFieldError.of(changes.place_of("kind"), str(error), kind="missing") from error

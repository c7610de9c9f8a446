"""Stored records and groups with their payload as an object of the caller's type, and what does not fit it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serai.errors import SeraiError
from serai.wire.records import AgentData, AgentDataGroup, etag_of

AgentDataT = TypeVar("AgentDataT", bound=BaseModel)

OnInvalid = Literal["raise", "skip", "keep"]
"""What becomes of records that do not fit the type: an error once all others are had, a warning in the log, or a place
in ``invalid_items`` beside that warning."""


class TypedAgentData(BaseModel, Generic[AgentDataT]):
    """One stored record.

    Attributes:
        id: given by the server, or chosen at its creation.
        deployment_name: the deployment it belongs to.
        collection: the collection it belongs to.
        data: the payload.
        created_at: when it was stored.
        updated_at: when its payload was last replaced.
    """

    model_config = ConfigDict(defer_build=True)

    id: str
    deployment_name: str
    collection: str = "default"
    data: AgentDataT
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def etag(self) -> str | None:
        """What ``if_match`` takes so that a write happens only while the record is as it is here."""
        return None if self.updated_at is None else etag_of(self.updated_at)

    @classmethod
    def from_raw(cls, record: AgentData, validator: type[AgentDataT]) -> TypedAgentData[AgentDataT]:
        """Return a record with its payload as an object; the payload may name fields by name or by alias.

        Raises:
            ValidationError: the payload does not fit.
        """
        return cls.model_construct(
            id=record.id,
            deployment_name=record.deployment_name,
            collection=record.collection,
            data=read_payload(record.data, validator),
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class TypedAggregateGroup(BaseModel, Generic[AgentDataT]):
    """Records that agree in the grouped fields.

    Attributes:
        group_key: the fields, named as they were asked for, and their values.
        count: how many records there are, when that was asked for.
        first_item: the payload of the earliest of them, when that was asked for.
    """

    model_config = ConfigDict(defer_build=True)

    group_key: dict[str, Any]
    count: int | None = None
    first_item: AgentDataT | None = None

    @classmethod
    def from_raw(cls, group: AgentDataGroup, validator: type[AgentDataT]) -> TypedAggregateGroup[AgentDataT]:
        """Return a group with its first payload as an object.

        Raises:
            ValidationError: the payload does not fit.
        """
        first = None if group.first_item is None else read_payload(group.first_item, validator)
        return cls.model_construct(group_key=group.group_key, count=group.count, first_item=first)


def read_payload(data: dict[str, Any], validator: type[AgentDataT]) -> AgentDataT:
    """Return a payload as an object; a strict type reads it as JSON, where a date is a string.

    Raises:
        ValidationError: the payload does not fit.
    """
    with suppress(ValidationError):
        return validator.model_validate(data, by_alias=True, by_name=True)
    return validator.model_validate_json(json.dumps(data), by_alias=True, by_name=True)


@dataclass(frozen=True, slots=True)
class InvalidAgentData:
    """A stored record whose payload does not fit the caller's type, and why."""

    record: AgentData
    error: ValidationError

    def __str__(self) -> str:
        return f"record {self.record.id} ({reasons(self.error)})"


@dataclass(frozen=True, slots=True)
class InvalidAggregateGroup:
    """A group whose first payload does not fit the caller's type, and why."""

    group: AgentDataGroup
    error: ValidationError

    def __str__(self) -> str:
        return f"the first record of group {json.dumps(self.group.group_key)} ({reasons(self.error)})"


def reasons(error: ValidationError) -> str:
    """Return what is wrong without the values, which may be private."""
    issues = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, issue['loc'])) or 'payload'}: {issue['msg']}" for issue in issues)


class TypedAgentDataItems(BaseModel, Generic[AgentDataT]):
    """A page of a search.

    Attributes:
        items: the records whose payload fits the caller's type.
        total: how many records match, when that was asked for.
        has_more: whether more records follow this page.
        next_page_token: continues after this page.
        invalid_items: the page's other records, each with the reason.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)

    items: list[TypedAgentData[AgentDataT]]
    total: int | None = None
    has_more: bool
    next_page_token: str | None = None
    invalid_items: list[InvalidAgentData] = Field(default_factory=list)


class TypedAggregateGroupItems(BaseModel, Generic[AgentDataT]):
    """A page of groups.

    Attributes:
        items: the groups whose first payload, if asked for, fits the caller's type.
        total: how many groups there are, when that was asked for.
        has_more: whether more groups follow this page.
        next_page_token: continues after this page.
        invalid_items: the page's other groups, each with the reason.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)

    items: list[TypedAggregateGroup[AgentDataT]]
    total: int | None = None
    has_more: bool
    next_page_token: str | None = None
    invalid_items: list[InvalidAggregateGroup] = Field(default_factory=list)


class InvalidAgentDataError(SeraiError, ValueError):
    """Stored records do not fit the caller's type; its cause is pydantic's ``ValidationError`` of the first.

    Attributes:
        invalid_items: those records or groups, each with its reason.
        page: the page they came with, whose ``items`` are the others; None when those were yielded before.
    """

    def __init__(
        self,
        invalid_items: Sequence[InvalidAgentData | InvalidAggregateGroup],
        type_name: str,
        page: TypedAgentDataItems[Any] | TypedAggregateGroupItems[Any] | None = None,
    ) -> None:
        named = ", ".join(str(item) for item in invalid_items[:3])
        more = f" and {len(invalid_items) - 3} more" if len(invalid_items) > 3 else ""
        super().__init__(
            f"Not every payload fits {type_name}: {named}{more}. "
            "All others are there; to go on without these pass on_invalid='skip' or 'keep'."
        )
        self.invalid_items = list(invalid_items)
        self.page = page


class PartlyCreatedError(SeraiError):
    """Of many new records some are stored and the rest are not; its cause is what befell the next batch.

    Attributes:
        created: the records that are stored, in the order of their payloads. When the cause is
            `RemoteServerUnavailableError`, the next batch may be stored as well.
        missing: how many payloads of the call are not among them.
    """

    def __init__(self, created: Sequence[TypedAgentData[Any]], *, missing: int, reason: Exception) -> None:
        total = len(created) + missing
        super().__init__(f"{len(created)} of {total} records are stored, the others are not: {reason}")
        self.created = list(created)
        self.missing = missing

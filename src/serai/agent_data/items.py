"""Stored records with their payload as an object of the caller's type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serai.wire.records import AgentData

AgentDataT = TypeVar("AgentDataT", bound=BaseModel)


class TypedAgentData(BaseModel, Generic[AgentDataT]):
    """One stored record.

    Attributes:
        id: given by the server.
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

    @classmethod
    def from_raw(cls, record: AgentData, validator: type[AgentDataT]) -> TypedAgentData[AgentDataT]:
        """Return a record with its payload as an object; the payload may name fields by name or by alias.

        Raises:
            ValidationError: the payload does not fit.
        """
        data = validator.model_validate(record.data, by_alias=True, by_name=True)
        return cls.model_construct(
            id=record.id,
            deployment_name=record.deployment_name,
            collection=record.collection,
            data=data,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


@dataclass(frozen=True, slots=True)
class InvalidAgentData:
    """A stored record whose payload does not fit the caller's type, and why."""

    record: AgentData
    error: ValidationError


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

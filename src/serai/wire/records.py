"""Agent Data on the wire: records, pages, groups and collections as a server sends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from serai.wire.model import ListOrNull, WireModel

BASE_PATH = "/api/v1/beta/agent-data"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def etag_of(updated_at: datetime) -> str:
    """Return the ``ETag`` of a record that was last changed at this time; without a zone it is UTC."""
    moment = updated_at if updated_at.tzinfo else updated_at.replace(tzinfo=UTC)
    return f'"{(moment - _EPOCH) // timedelta(microseconds=1)}"'


class AgentData(WireModel):
    """One stored record; ``data`` is the payload."""

    id: str
    deployment_name: str = ""
    project_id: str | None = None
    collection: str = "default"
    data: dict[str, Any]
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def etag(self) -> str | None:
        """What ``if_match`` takes so that a write happens only while the record is as it is here."""
        return None if self.updated_at is None else etag_of(self.updated_at)


class AgentDataPage(WireModel):
    """A page of records; ``total_size`` only when it was asked for."""

    items: ListOrNull[AgentData]
    next_page_token: str | None = None
    total_size: int | None = None


class AgentDataGroup(WireModel):
    """Records that agree in the grouped fields."""

    group_key: dict[str, Any]
    count: int | None = None
    first_item: dict[str, Any] | None = None


class AgentDataGroupPage(WireModel):
    """A page of groups."""

    items: ListOrNull[AgentDataGroup]
    next_page_token: str | None = None
    total_size: int | None = None


class AgentDataBatch(WireModel):
    """The records that one request has created, in its order."""

    items: list[AgentData]


class DeletedCount(WireModel):
    """How many records a delete by query has removed."""

    deleted_count: int


class AgentDataField(WireModel):
    """A field of the payloads of a collection and the JSON types seen in it."""

    path: str
    types: ListOrNull[str] = Field(default_factory=list)


class AgentDataIndex(WireModel):
    """An index of a collection.

    Attributes:
        name: of the index in PostgreSQL.
        kind: ``gin`` serves ``eq`` and ``includes`` of any field, ``shape`` the questions of one shape.
        fields: paths of the shape.
        shape: the questions it is for: ``equal``, ``ranged``, ``contains``, ``order`` and ``group``, as far as used.
        declared: whether a person has asked for it: then it is never dropped as unused.
        state: ``building``, ``ready``, ``dropping`` or ``failed``.
        error: why it failed.
        bytes: its size; None while there is none.
        uses: how often PostgreSQL has scanned it.
        created_at: when it was decided upon.
        built_at: when it was ready.
        last_used_at: when it last served a question.
    """

    name: str
    kind: str = ""
    fields: ListOrNull[str] = Field(default_factory=list)
    shape: dict[str, Any] = Field(default_factory=dict)
    declared: bool = False
    state: str = ""
    error: str | None = None
    bytes: int | None = None
    uses: int = 0
    created_at: datetime | None = None
    built_at: datetime | None = None
    last_used_at: datetime | None = None


class AgentDataCollection(WireModel):
    """One collection: how much is in it, what its payloads look like, and which indexes serve it."""

    deployment_name: str
    collection: str
    count: int
    bytes: int | None = None
    fields: ListOrNull[AgentDataField] = Field(default_factory=list)
    indexes: ListOrNull[AgentDataIndex] = Field(default_factory=list)


class AgentDataCollections(WireModel):
    """A page of collections."""

    items: ListOrNull[AgentDataCollection]
    next_page_token: str | None = None

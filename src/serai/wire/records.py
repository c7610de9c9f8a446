"""Agent Data on the wire: records, pages, and the requests for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from serai.wire.model import ListOrNull, WireModel

BASE_PATH = "/api/v1/beta/agent-data"


class AgentData(WireModel):
    """One stored record; ``data`` is the payload."""

    id: str
    deployment_name: str = ""
    project_id: str | None = None
    collection: str = "default"
    data: dict[str, Any]
    created_at: datetime | None = None
    updated_at: datetime | None = None


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


class CreateRequest(WireModel):
    """The body of a create."""

    deployment_name: str
    collection: str = "default"
    data: dict[str, Any]


class SearchRequest(WireModel):
    """The body of a search; members that are null are left out."""

    deployment_name: str
    collection: str = "default"
    filter: dict[str, dict[str, Any]] | None = None
    order_by: str | None = None
    page_size: int | None = None
    offset: int | None = None
    page_token: str | None = None
    include_total: bool = False

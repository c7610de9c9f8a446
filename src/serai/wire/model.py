"""The base of everything read from a server: lenient, and built at its first use so that importing it is cheap."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

Item = TypeVar("Item")


class WireModel(BaseModel):
    """A JSON object of the protocol; unknown members are dropped, absent ones take their default."""

    model_config = ConfigDict(
        extra="ignore", defer_build=True, protected_namespaces=(), validate_by_name=True, validate_by_alias=True
    )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, members that are null left out."""
        return self.model_dump(mode="json", exclude_none=True)


class OpenModel(WireModel):
    """A JSON object that is sent back or whose members nobody can list: unknown members are kept."""

    model_config = ConfigDict(extra="allow")


def _empty_when_null(value: Any) -> Any:
    return () if value is None else value


ListOrNull = Annotated[list[Item], BeforeValidator(_empty_when_null)]
"""A list that a server may also send as null, which reads as empty."""


def _no_members_when_null(value: Any) -> Any:
    return {} if value is None else value


ObjectOrNull = Annotated[dict[str, Any], BeforeValidator(_no_members_when_null)]
"""A JSON object that a server may also send as null, which reads as empty."""


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _blank_when_null(value: Any) -> Any:
    return "" if value is None else value


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time with its zone, from ISO text or Unix seconds; text without a zone is in UTC."""

TextOrNull = Annotated[str, BeforeValidator(_blank_when_null)]
"""A text that a server may also send as null, which reads as empty."""

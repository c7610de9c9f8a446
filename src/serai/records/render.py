"""Records as JSON, spliced from the text of their columns: a payload is never parsed on its way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

_encode = msgspec.json.Encoder().encode


_RECORD = b'{"id":%b,"deployment_name":%b,"project_id":%b,"collection":%b,"data":%b,"created_at":%b,"updated_at":%b}'


class Row(Protocol):
    """A row of the table, or a dictionary with the same members."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""


def render_record(row: Row) -> bytes:
    """Return one record; `data` of the row is JSON text, its times are aware and in UTC."""
    return _RECORD % (
        _encode(row["id"]),
        _encode(row["deployment_name"]),
        _encode(row["project_id"]),
        _encode(row["collection"]),
        row["data"].encode(),
        _time(row["created_at"]),
        _time(row["updated_at"]),
    )


def render_items(items: Sequence[bytes], *, next_page_token: str | None, total: int | None) -> bytes:
    """Return a page of what is JSON already."""
    return b'{"items":[%b],"next_page_token":%b,"total_size":%b}' % (
        b",".join(items),
        _encode(next_page_token),
        _encode(total),
    )


def render_page(rows: Sequence[Row], *, next_page_token: str | None, total: int | None) -> bytes:
    """Return a page of records."""
    return render_items([render_record(row) for row in rows], next_page_token=next_page_token, total=total)


def render_group(key: Mapping[str, str | None], *, count: int | None, first_item: str | None) -> bytes:
    """Return one group; the key's values and the first item are JSON text, None is null."""
    members = b",".join(b"%b:%b" % (_encode(name), _text(value)) for name, value in key.items())
    return b'{"group_key":{%b},"count":%b,"first_item":%b}' % (members, _encode(count), _text(first_item))


def _text(value: str | None) -> bytes:
    return b"null" if value is None else value.encode()


def render_time(time: datetime) -> str:
    """Return `2025-01-02T03:04:05.678901Z` for an aware time in UTC."""
    return f"{time.isoformat(timespec='microseconds')[:26]}Z"


def _time(time: datetime) -> bytes:
    return b'"%bZ"' % time.isoformat(timespec="microseconds")[:26].encode()

"""Records as JSON, spliced from the text of their columns: a payload is never parsed on its way out."""

from __future__ import annotations

from collections.abc import Sequence
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


def render_page(rows: Sequence[Row], *, next_page_token: str | None, total: int | None) -> bytes:
    """Return a page of records."""
    return b'{"items":[%b],"next_page_token":%b,"total_size":%b}' % (
        b",".join(map(render_record, rows)),
        _encode(next_page_token),
        _encode(total),
    )


def _time(time: datetime) -> bytes:
    """Return `2025-01-02T03:04:05.678901Z`, with quotes."""
    return b'"%bZ"' % time.isoformat(timespec="microseconds")[:26].encode()

"""Records as JSON, spliced from the text of their columns: a payload is never parsed on its way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import asyncpg
import msgspec

from serai.records.place import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


_RECORD = (
    b'{"id":%b,"deployment_name":%b,"project_id":%b,"collection":%b,"data":%b,"created_at":"%b","updated_at":"%b"}'
)


def render_record(
    project_id: str, record_id: str, deployment: str, collection: str, data: str, created_at: int, updated_at: int
) -> bytes:
    """Return one record; `data` is JSON text, the times are in microseconds, see `microseconds`."""
    return _RECORD % (
        _encode(record_id),
        _encode(deployment),
        _encode(project_id),
        _encode(collection),
        data.encode(),
        format_time(created_at),
        format_time(updated_at),
    )


def render_items(items: Sequence[bytes], *, next_page_token: str | None, total: int | None) -> bytes:
    """Return a page of what is JSON already."""
    return b'{"items":[%b],"next_page_token":%b,"total_size":%b}' % (
        b",".join(items),
        _encode(next_page_token),
        _encode(total),
    )


def render_found(rows: Sequence[asyncpg.Record], place: Place) -> list[bytes]:
    """Return records of one collection; their times are in microseconds, see `microseconds`."""
    where = b',"deployment_name":%b,"project_id":%b,"collection":%b,"data":' % (
        _encode(place.deployment_name),
        _encode(place.project_id),
        _encode(place.collection),
    )
    # By position: a name costs as much as the value.
    return [
        b'{"id":"%b"%b%b,"created_at":"%b","updated_at":"%b"}'
        % (row[0].encode(), where, row[1].encode(), format_time(row[2]), format_time(row[3]))
        for row in rows
    ]


def render_group(key: Mapping[str, str | None], *, count: int | None, first_item: str | None) -> bytes:
    """Return one group; the key's values and the first item are JSON text, None is null."""
    members = b",".join(b"%b:%b" % (_encode(name), _text(value)) for name, value in key.items())
    return b'{"group_key":{%b},"count":%b,"first_item":%b}' % (members, _encode(count), _text(first_item))


def _text(value: str | None) -> bytes:
    return b"null" if value is None else value.encode()


def microseconds(column: str) -> str:
    """Return the SQL of a time as whole microseconds since 1970: as a number it costs a tenth of a datetime."""
    return f"(date_part('epoch', {column}) * 1e6)::bigint"


def format_time(microseconds: int) -> bytes:
    """Return `2025-01-02T03:04:05.678901Z`."""
    second, rest = divmod(microseconds, 1_000_000)
    return b"%b%06dZ" % (_format_second(second), rest)


@lru_cache(maxsize=8192)
def _format_second(second: int) -> bytes:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.").encode()

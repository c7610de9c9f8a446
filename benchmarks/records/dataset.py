"""The records that are measured: PostgreSQL makes them from their numbers, so they are alike in every store."""

from __future__ import annotations

STATUSES = ("open", "paid", "late", "draft", "void")
REGIONS = 8
TAGS = 50
OTHER_COLLECTIONS = 10
BATCH = 100
COLLECTION = "invoices"

# The records by number: every second one is in the collection that is asked, the others are spread over ten.
# Column `payload` is about 300 bytes of JSON.
ROWS = f"""
with chance as (
    select number, hashint8extended(number, 1) & 2147483647 as a, hashint8extended(number, 2) & 2147483647 as b,
        hashint8extended(number, 3) & 2147483647 as c, hashint8extended(number, 4) & 2147483647 as d,
        hashint8extended(number, 5) & 2147483647 as e, hashint8extended(number, 6) & 2147483647 as f
    from generate_series(1, {{rows}}::bigint) as number
), source as (
    select number,
        lpad(to_hex(1750000000000 + number), 12, '0') as clock,
        case when number % 2 = 0 then '{COLLECTION}' else 'other-' || number % {2 * OTHER_COLLECTIONS} / 2 end
            as collection,
        jsonb_build_object(
            'number', 'INV-' || lpad(number::text, 9, '0'),
            'status', (array{list(STATUSES)})[1 + a % {len(STATUSES)}],
            'region', 'region-' || b % {REGIONS},
            'vendor', jsonb_build_object('name', 'Vendor ' || c % 1000, 'country', (array['DE', 'FR'])[1 + c % 2]),
            'amount', round((d % 1000000) / 100.0, 2),
            'priority', 1 + e % 9,
            'batch', 'batch-' || lpad((number / {2 * BATCH})::text, 7, '0'),
            'tags', jsonb_build_array('tag-' || e % {TAGS}, 'tag-' || f % {TAGS}),
            'note', repeat(md5(number::text) || ' ', 3)
        ) as payload
    from chance
), rows as (
    select number, collection, payload,
        timestamptz '2025-06-15 15:06:40Z' + number * interval '1 millisecond' as at,
        substr(clock, 1, 8) || '-' || substr(clock, 9, 4) || '-7000-8000-' || lpad(to_hex(number), 12, '0') as id
    from source
)
"""


def record_id(number: int) -> str:
    """Return the id of a record, a UUID of version 7, as `ROWS` makes it."""
    clock = f"{1750000000000 + number:012x}"
    return f"{clock[:8]}-{clock[8:]}-7000-8000-{number:012x}"


def some_number(index: int, rows: int) -> int:
    """Return the number of a record in the collection; those of successive indexes lie far apart.

    The newest tenth is left out: some of it is deleted before anything is measured.
    """
    members = rows // 2 * 9 // 10
    return 2 * (1 + index * 7919 % members)


def batch_name(number: int) -> str:
    """Return what the hundred records of a batch have in their member `batch`."""
    return f"batch-{number:07d}"


def batches(rows: int) -> int:
    """Return how many batches are complete: those from 1 to this number."""
    return rows // (2 * BATCH) - 1


def new_payload(index: int) -> dict[str, object]:
    """Return a payload to store that looks like the others and is in no batch."""
    return {
        "number": f"INV-{900_000_000 + index}",
        "status": STATUSES[index % len(STATUSES)],
        "region": f"region-{index % REGIONS}",
        "vendor": {"name": f"Vendor {index % 1000}", "country": "DE"},
        "amount": index % 1_000_000 / 100,
        "priority": 1 + index % 9,
        "batch": "none",
        "tags": [f"tag-{index % TAGS}", f"tag-{(index + 1) % TAGS}"],
        "note": f"{index:032x} " * 3,
    }

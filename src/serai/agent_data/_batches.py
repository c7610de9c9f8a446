"""How many new records go into one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MOST_RECORDS = 1000
MOST_BYTES = 16 * 1024 * 1024


def batches(encoded: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut records into batches of at most 1,000 and 16 MiB; a larger record is a batch of its own."""
    batch: list[bytes] = []
    size_bytes = 0
    for record in encoded:
        if batch and (len(batch) == MOST_RECORDS or size_bytes + len(record) > MOST_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += len(record)
    if batch:
        yield batch

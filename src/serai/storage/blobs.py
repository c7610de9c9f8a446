"""Media by content hash: stored once per project, never inside a JSON document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serai.storage.connection import Database

# Stores bytes unless the project has them already.
_PUT = """
insert into blobs (project_id, sha256, user_id, size, media_type, bytes) values ($1, $2, $3, $4, $5, $6)
on conflict (project_id, sha256) do update set created_at = now()
where blobs.created_at < now() - interval '12 hours'"""

# Which of these blobs the project has. One that is used again is as good as new: what nobody uses is swept by its age.
_KNOWN = """
with known as (
    select sha256, created_at from blobs where project_id = $1 and sha256 = any($2::bytea[])
), renewed as (
    update blobs set created_at = now() from known
    where project_id = $1 and blobs.sha256 = known.sha256 and known.created_at < now() - interval '12 hours'
)
select sha256 from known"""

_GET = "select media_type, bytes from blobs where project_id = $1 and sha256 = $2"

_GET_ALL = "select sha256, bytes from blobs where project_id = $1 and sha256 = any($2::bytea[])"


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes and what they are, for example ``image/png``."""

    media_type: str
    bytes: bytes


class BlobStore:
    """Blobs of all projects; each project sees its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, project_id: str, blob: Blob, *, user_id: str | None = None) -> str:
        """Store a blob and return its SHA-256 in hexadecimal digits; the same bytes again change nothing.

        Durable when it returns. Cost: one write of the blob's size.
        """
        digest = hashlib.sha256(blob.bytes).digest()
        await self._database.execute(_PUT, project_id, digest, user_id, len(blob.bytes), blob.media_type, blob.bytes)
        return digest.hex()

    async def put_all(self, project_id: str, blobs: Mapping[str, Blob], *, user_id: str | None = None) -> None:
        """Store blobs by their hashes; what the project has already is not sent again.

        Args:
            project_id: whose they are.
            blobs: by the SHA-256 of their bytes, in hexadecimal digits.
            user_id: who brought them.

        Durable when it returns. Cost: one look, and a write of its size for each new blob.
        """
        digests = {bytes.fromhex(sha256): blob for sha256, blob in blobs.items()}
        known = {row[0] for row in await self._database.fetch(_KNOWN, project_id, list(digests))}
        for digest, blob in digests.items():
            if digest not in known:
                size = len(blob.bytes)
                await self._database.execute(_PUT, project_id, digest, user_id, size, blob.media_type, blob.bytes)

    async def get_all(self, project_id: str, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of a project's blobs by hash; those that it lacks are missing. One query."""
        digests = [bytes.fromhex(sha256) for sha256 in hashes]
        rows = await self._database.fetch(_GET_ALL, project_id, digests)
        return {row["sha256"].hex(): row["bytes"] for row in rows}

    async def get(self, project_id: str, sha256: str) -> Blob | None:
        """Return a project's blob by its hash, or None."""
        row = await self._database.fetchrow(_GET, project_id, bytes.fromhex(sha256))
        return None if row is None else Blob(row["media_type"], row["bytes"])

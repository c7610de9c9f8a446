"""Media on a real PostgreSQL: stored once, by their hash, and seen by their project only."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from serai.storage.blobs import Blob, BlobStore
from serai.storage.connection import Database


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 3, b"x" * 3_000_000], ids=["empty", "binary", "long"])
async def test_bytes_come_back_as_they_were(database: Database, data: bytes):
    blobs = BlobStore(database)
    digest = await blobs.put("p", Blob("image/png", data))
    assert digest == hashlib.sha256(data).hexdigest()
    assert await blobs.get("p", digest) == Blob("image/png", data)


async def test_the_same_bytes_are_stored_once_and_keep_their_first_type(database: Database):
    blobs = BlobStore(database)
    digests = await asyncio.gather(*(blobs.put("p", Blob("image/png", b"cat"), user_id="ada") for _ in range(5)))
    await blobs.put("p", Blob("text/plain", b"cat"))
    assert len(set(digests)) == 1
    rows = await database.fetch("select user_id, size, media_type from blobs")
    assert [tuple(row) for row in rows] == [("ada", 3, "image/png")]


async def test_a_project_sees_its_own_blobs_only(database: Database):
    blobs = BlobStore(database)
    digest = await blobs.put("p", Blob("image/png", b"cat"))
    assert await blobs.get("q", digest) is None
    await blobs.put("q", Blob("image/png", b"cat"))
    assert await blobs.get("q", digest) is not None


@pytest.mark.parametrize("sha256", ["", "00", "00" * 32])
async def test_an_unknown_hash_is_none(database: Database, sha256: str):
    assert await BlobStore(database).get("p", sha256) is None


async def test_many_blobs_are_stored_and_read_together(database: Database):
    blobs = BlobStore(database)
    known = await blobs.put("p", Blob("image/png", b"cat"), user_id="ada")
    other = hashlib.sha256(b"dog").hexdigest()
    await blobs.put_all("p", {known: Blob("text/plain", b"cat"), other: Blob("text/plain", b"dog")}, user_id="bob")
    assert await blobs.get_all("p", [known, other, "00" * 32]) == {known: b"cat", other: b"dog"}
    assert await blobs.get_all("q", [known]) == {}
    rows = await database.fetch("select user_id, media_type from blobs order by user_id")
    assert [tuple(row) for row in rows] == [("ada", "image/png"), ("bob", "text/plain")]

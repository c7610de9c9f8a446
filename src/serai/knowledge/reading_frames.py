"""What is said between the server and its reading processes: frames of msgpack, each after its length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Final, TypeAlias

import msgspec

from serai.knowledge.passages import Passage, ReadLimits
from serai.knowledge.readers.choice import Called

Block: TypeAlias = bytes | memoryview
"""Of single bytes."""

_LENGTH_BYTES: Final = 4
_BATCH_CHARACTERS: Final = 50_000
_MOST_IN_BATCH: Final = 500


class CutSpec(msgspec.Struct, frozen=True, tag=True):
    """How to cut passages into chunks."""

    chunker: str
    size: int
    overlap: int


class Job(msgspec.Struct, frozen=True):
    """What a process is to do: read a document that is called so, or cut passages.

    The document's bytes or the passages follow in further frames, then an empty one.
    """

    limits: ReadLimits
    work: Called | CutSpec


class Outcome(msgspec.Struct, frozen=True):
    """The last frame of an answer, after those with passages.

    Attributes:
        refusal: why the document cannot be read.
        chunker: the one that suits it.
        is_last: the process ends now.
    """

    refusal: str | None = None
    chunker: str = ""
    is_last: bool = False


encode: Final = msgspec.msgpack.Encoder().encode
decode_job: Final = msgspec.msgpack.Decoder(Job).decode
decode_passages: Final = msgspec.msgpack.Decoder(list[Passage]).decode
decode_answer: Final = msgspec.msgpack.Decoder(list[Passage] | Outcome).decode


def write_frame(stream: IO[bytes], data: Block) -> None:
    """Write one frame; an empty one ends a request."""
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(data)


def read_frame(stream: IO[bytes]) -> bytes:
    """Return the next frame.

    Raises:
        EOFError: the other side is gone.
    """
    length = int.from_bytes(_read(stream, _LENGTH_BYTES), "big")
    return _read(stream, length) if length else b""


def read_request(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the frames up to the empty one."""
    while frame := read_frame(stream):
        yield frame


def batches(passages: Iterable[Passage]) -> Iterator[bytes]:
    """Yield passages in frames that are neither many nor large."""
    batch: list[Passage] = []
    size = 0
    for passage in passages:
        if batch and (size > _BATCH_CHARACTERS or len(batch) >= _MOST_IN_BATCH):
            yield encode(batch)
            batch, size = [], 0
        batch.append(passage)
        size += len(passage.text)
    if batch:
        yield encode(batch)


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data

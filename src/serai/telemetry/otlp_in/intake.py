"""The way in for spans of other programs: bytes to spans, and these to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from serai.errors import RequestError, RetryLaterError
from serai.telemetry.otlp_in import json_text, protobuf
from serai.telemetry.otlp_in.batch import Batch, check_size, inflate, read_batch
from serai.telemetry.otlp_in.mapping import SpanMapper
from serai.telemetry.otlp_in.received import ReceivedSpan
from serai.telemetry.writer import SpanWriter

RETRY_S: Final = 1
MOST_BYTES: Final = 20 * 1024 * 1024
"""Of a request when it is unpacked; collectors have the same limit."""
AT_ONCE: Final = 2
"""Requests that are read at a time: each keeps a processor busy, and many times its size in memory."""
_PACKED: Final = ("gzip", "deflate")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How requests and answers are written.

    Attributes:
        media_type: as `Content-Type` names it.
        read: yields the spans of a request.
        write_response: writes an answer; `rejected` and `message` say what was not kept.
        write_status: writes an error: its gRPC code and its message.
    """

    media_type: str
    read: Callable[[bytes], Iterator[ReceivedSpan]]
    write_response: Callable[..., bytes]
    write_status: Callable[[int, str], bytes]


PROTOBUF: Final = Encoding(
    "application/x-protobuf", protobuf.read_protobuf, protobuf.write_response, protobuf.write_status
)
JSON: Final = Encoding("application/json", json_text.read_json, json_text.write_response, json_text.write_status)


class SpanIntake:
    """Takes spans that other programs send.

    Args:
        writer: writes them, and knows what of contents is kept.
        project_id: to which they belong.
        most_bytes: of an unpacked request, where that is less than `MOST_BYTES`.

    Attributes:
        turn: of a request that is read.
    """

    def __init__(self, writer: SpanWriter, *, project_id: str, most_bytes: int) -> None:
        self._writer = writer
        self._mapper = SpanMapper(writer, project_id=project_id)
        self._most_bytes = min(most_bytes, MOST_BYTES)
        self.turn = asyncio.Semaphore(AT_ONCE)

    def encoding_of(self, media_type: str) -> Encoding | None:
        """Return the encoding that a media type names; None for one that is not spoken here."""
        return next((known for known in (PROTOBUF, JSON) if known.media_type == media_type), None)

    def read(self, encoding: Encoding, body: bytes, *, packing: str) -> Batch:
        """Return the spans of a request; it touches nothing that others change.

        Raises:
            RequestError: the body cannot be read as what it should be.
            BodyTooLargeError: it is too large when it is unpacked, or there are too many spans in it.

        Cost: 20 to 25 µs a span.
        """
        if packing in _PACKED:
            body = inflate(body, most_bytes=self._most_bytes)
        elif packing not in ("", "identity"):
            raise RequestError("Content-Encoding must be gzip, deflate or identity.")
        check_size(len(body), most_bytes=self._most_bytes)
        return read_batch(encoding.read(body), self._mapper)

    def take(self, batch: Batch) -> None:
        """Have the spans of a request written, all or none.

        Raises:
            RetryLaterError: too many wait already.
        """
        if not self._writer.receive(batch.spans):
            raise RetryLaterError("So many spans wait to be written that no more are taken now.", retry_after_s=RETRY_S)

"""What one request brings: the spans that are kept, and why others are not. No I/O."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from serai.domain.traces import COMPONENT_KINDS, Entry, Span
from serai.errors import BodyTooLargeError, RequestError
from serai.telemetry.otlp_in.mapping import SpanMapper, refusal_of
from serai.telemetry.otlp_in.received import ReceivedSpan

MOST_SPANS: Final = 10_000
"""Of one request; exporters send 512 unless they are told otherwise."""
_MOST_MEMBERS: Final = 100
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class Batch:
    """The spans of one request.

    Attributes:
        spans: those that are kept.
        rejected: how many are not.
        message: why, for people; empty when all are kept.
    """

    spans: Sequence[Span]
    rejected: int = 0
    message: str = ""


def read_batch(received: Iterable[ReceivedSpan], mapper: SpanMapper) -> Batch:
    """Return the spans of a request as ours.

    Raises:
        BodyTooLargeError: there are too many.
    """
    spans: list[Span] = []
    refusals: Counter[str] = Counter()
    for count, span in enumerate(received):
        if count == MOST_SPANS:
            raise BodyTooLargeError(
                f"A request may bring {MOST_SPANS:,} spans: let the exporter send fewer at a time "
                "(OTEL_BSP_MAX_EXPORT_BATCH_SIZE)."
            )
        if reason := refusal_of(span):
            refusals[reason] += 1
        else:
            spans.append(mapper.map(span))
    message = "; ".join(f"{count} of the spans: {reason}" for reason, count in refusals.items())
    return Batch(_settled(spans), refusals.total(), message)


def check_size(size_bytes: int, *, most_bytes: int) -> None:
    """Refuse what is too large.

    Raises:
        BodyTooLargeError: it is.
    """
    if size_bytes > most_bytes:
        raise BodyTooLargeError(
            f"The unpacked body is over {most_bytes:,} bytes: let the exporter send fewer spans at a time "
            "(OTEL_BSP_MAX_EXPORT_BATCH_SIZE)."
        )


def inflate(body: bytes, *, most_bytes: int) -> bytes:
    """Return a body that was packed by gzip or zlib.

    Raises:
        RequestError: it is neither, or it ends too early.
        BodyTooLargeError: what is in it is over the limit.
    """
    whole: list[bytes] = []
    size = 0
    while body:
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            whole.append(unpacker.decompress(body, most_bytes - size + 1))
        except zlib.error as error:
            raise RequestError(f"The body is not what Content-Encoding says: {error}.") from error
        size += len(whole[-1])
        check_size(size, most_bytes=most_bytes)
        if not unpacker.eof:
            raise RequestError("The body is not what Content-Encoding says: it ends too early.")
        if len(whole) == _MOST_MEMBERS and unpacker.unused_data:
            raise RequestError(f"The body is packed in more than {_MOST_MEMBERS} pieces: pack it as one.")
        body = unpacker.unused_data  # several in a row count as one
    return b"".join(whole)


def _settled(spans: list[Span]) -> list[Span]:
    """Return spans of which none tells what its trace is about when it lies in one that does."""
    doubtful = [index for index, span in enumerate(spans) if span.entry is Entry.LOCAL]
    if doubtful:
        by_id = {(span.trace_id.int, span.span_id): span for span in spans}
        for index in doubtful:
            if any(span.kind in COMPONENT_KINDS for span in _above(spans[index], by_id)):
                spans[index] = msgspec.structs.replace(spans[index], entry=Entry.NONE)
    return spans


def _above(span: Span, by_id: Mapping[tuple[int, int], Span]) -> Iterator[Span]:
    """Yield the spans around one, from the inside out, as far as they have come with it."""
    seen = {span.span_id}
    while span.parent_id is not None and span.parent_id not in seen:
        above = by_id.get((span.trace_id.int, span.parent_id))
        if above is None:
            return
        yield above
        seen.add(above.span_id)
        span = above

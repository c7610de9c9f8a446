"""Spans that other programs send by OTLP over HTTP; answers are in the protocol's own shapes, errors too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from serai.errors import NotFoundError, RetryLaterError, SeraiError
from serai.server.bodies import read_body
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.large_work import LARGE_BYTES, make
from serai.server.middleware import find_header
from serai.server.openapi import errors, header_parameter

if TYPE_CHECKING:
    from serai.telemetry.otlp_in.batch import Batch
    from serai.telemetry.otlp_in.intake import Encoding

_UNSUPPORTED: Final = 415
_CODES: Final = {400: 3, 404: 12, 413: 8, 415: 3, 503: 14}
"""What gRPC calls an error, by its HTTP status."""
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_PARSED: Final = 4
"""How many times as large a packed body is taken to be."""


async def receive_spans(request: Request) -> Response:
    """Take the spans of one request, all that are in order or none."""
    intake = runtime_of(request).tracing.intake
    media_type = _header(request, b"content-type").partition(";")[0].strip()
    encoding = intake.encoding_of(media_type)
    if encoding is None:
        as_json = intake.encoding_of(_JSON)
        assert as_json is not None
        return _refuse(as_json, _UNSUPPORTED, f"Content-Type must be {_PROTOBUF} or {_JSON}.")
    try:
        batch = await _take(request, encoding)
    except SeraiError as error:
        if error.status not in _CODES:
            raise
        return _refuse(encoding, error.status, error.message, error=error)
    body = encoding.write_response(rejected=batch.rejected, message=batch.message)
    return Response(body, media_type=encoding.media_type)


async def _take(request: Request, encoding: Encoding) -> Batch:
    runtime = runtime_of(request)
    if not runtime.settings.traces:
        raise NotFoundError("This server keeps no traces: SERAI_TRACES is off.")
    packing = _header(request, b"content-encoding")
    body = await read_body(request)
    intake = runtime.tracing.intake
    async with intake.turn:
        read = partial(intake.read, encoding, body, packing=packing)
        batch = await make(read, size_bytes=LARGE_BYTES if packing else _PARSED * len(body))
    intake.take(batch)
    return batch


def _header(request: Request, name: bytes) -> str:
    return (find_header(request.scope, name) or b"").decode("latin-1").strip().lower()


def _refuse(encoding: Encoding, status: int, message: str, *, error: SeraiError | None = None) -> Response:
    headers: Mapping[str, str] = {}
    if isinstance(error, RetryLaterError):
        headers = {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    return Response(encoding.write_status(_CODES[status], message), status, headers, encoding.media_type)


_CONTENT: Final = {
    _PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
    _JSON: {"schema": {"type": "object"}},
}
_REFUSALS: Final = {
    400: "The body is no `ExportTraceServiceRequest`, or not packed as `Content-Encoding` says.",
    404: "The server keeps no traces.",
    413: "The body, or what is packed in it, is over the limit, or there are too many spans in it.",
    415: "Neither protobuf nor JSON.",
    503: "Too many spans wait to be written; `Retry-After` says when to repeat it.",
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/traces",
        handler=receive_spans,
        summary="Take spans from another program",
        description=(
            "OTLP over HTTP: `ExportTraceServiceRequest` in protobuf or JSON, as it is or packed by gzip. Spans that "
            "follow the conventions for agents become parts of traces as those of runs here do. A span may be sent "
            "again. Spans that cannot be kept are counted in `partial_success`; errors have `google.rpc.Status`."
        ),
        tags=("traces",),
        parameters=(header_parameter("Content-Encoding", "`gzip`, `deflate` or `identity`."),),
        body={"required": True, "content": _CONTENT},
        responses={
            200: {"description": "`ExportTraceServiceResponse`.", "content": _CONTENT},
            **errors(401, 403),
            **{status: {"description": text, "content": _CONTENT} for status, text in _REFUSALS.items()},
        },
    ),
)

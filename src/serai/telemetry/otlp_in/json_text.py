"""Requests in OTLP's JSON, where ids are hexadecimal and 64-bit numbers are texts, and the answers. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from serai.domain.json_text import dump_json
from serai.errors import RequestError
from serai.telemetry.otlp_in.names import USES
from serai.telemetry.otlp_in.received import MOST_ATTRIBUTES, MOST_EVENTS, ReceivedSpan, bytes_of_hex

_LONGEST_NUMBER: Final = 40
_KINDS: Final = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUSES: Final = {"OK": 1, "ERROR": 2}


class _Message(msgspec.Struct, rename="camel"):
    """Members that are null count as left out, unknown ones are ignored."""


class _List(_Message):
    values: list[_Value] | None = None


class _Members(_Message):
    values: list[_Pair] | None = None


class _Value(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | float | str | None = None
    double_value: int | float | str | None = None
    array_value: _List | None = None
    kvlist_value: _Members | None = None
    bytes_value: str | None = None


class _Pair(_Message):
    key: str = ""
    value: _Value | None = None


class _Event(_Message):
    name: str | None = None
    attributes: list[_Pair] | None = None


class _Status(_Message):
    code: int | str | None = None
    message: str | None = None


class _Span(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    flags: int | str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: int | float | str | None = None
    end_time_unix_nano: int | float | str | None = None
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _Scope(_Message):
    name: str | None = None


class _OfScope(_Message):
    scope: _Scope | None = None
    spans: list[_Span] | None = None


class _Resource(_Message):
    attributes: list[_Pair] | None = None


class _OfResource(_Message):
    resource: _Resource | None = None
    scope_spans: list[_OfScope] | None = None


class _Request(_Message):
    resource_spans: list[_OfResource] | None = None


_decoder: Final = msgspec.json.Decoder(_Request)


def read_json(body: bytes) -> Iterator[ReceivedSpan]:
    """Yield the spans of a request.

    Raises:
        RequestError: the body is no such request.
    """
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"The body is no ExportTraceServiceRequest in JSON: {error}") from error
    except RecursionError as error:
        raise RequestError("The body is nested too deeply.") from error
    return _spans_of(request)


def write_response(*, rejected: int = 0, message: str = "") -> bytes:
    """Return the answer to spans that were taken, all or but for some."""
    if not rejected and not message:
        return b"{}"
    return dump_json({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}})


def write_status(code: int, message: str) -> bytes:
    """Return the answer to a request that was refused."""
    return dump_json({"code": code, "message": message})


def _spans_of(request: _Request) -> Iterator[ReceivedSpan]:
    for of_resource in request.resource_spans or ():
        resource = of_resource.resource
        service = None if resource is None else _attributes_of(resource.attributes).get("service.name")
        name = service if isinstance(service, str) else None
        for of_scope in of_resource.scope_spans or ():
            scope = "" if of_scope.scope is None else of_scope.scope.name or ""
            for span in of_scope.spans or ():
                yield _span_of(span, scope, name)


def _span_of(span: _Span, scope: str, service: str | None) -> ReceivedSpan:
    status = span.status or _Status()
    return ReceivedSpan(
        bytes_of_hex(span.trace_id or ""),
        bytes_of_hex(span.span_id or ""),
        bytes_of_hex(span.parent_span_id or ""),
        _whole(span.flags),
        span.name or "",
        _choice(span.kind, _KINDS, "SPAN_KIND_"),
        _whole(span.start_time_unix_nano),
        _whole(span.end_time_unix_nano),
        _choice(status.code, _STATUSES, "STATUS_CODE_"),
        status.message or "",
        _attributes_of(span.attributes),
        [(event.name or "", _attributes_of(event.attributes)) for event in (span.events or [])[-MOST_EVENTS:]],
        scope,
        service,
    )


def _attributes_of(pairs: Sequence[_Pair] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs or ():
        if USES[pair.key][0]:
            found[pair.key] = _value_of(pair.value)
            if len(found) == MOST_ATTRIBUTES:
                break
    return found


def _value_of(value: _Value | None) -> Any:
    if value is None:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _whole(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _real(value.double_value)
    if value.array_value is not None:
        return [_value_of(item) for item in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return {pair.key: _value_of(pair.value) for pair in value.kvlist_value.values or ()}
    return None if value.bytes_value is None else f"({len(value.bytes_value) * 3 // 4} bytes)"


def _whole(given: float | str | None) -> int:
    """Return a number that may be written as a text; 0 for what is none."""
    try:
        if isinstance(given, str):
            return int(given) if len(given) <= _LONGEST_NUMBER else 0
        return int(given or 0)
    except (ValueError, OverflowError):
        return 0


def _real(given: float | str) -> float | None:
    """Return a number that may be written as a text, such as NaN."""
    try:
        return float(given)
    except (ValueError, OverflowError):
        return None


def _choice(given: int | str | None, names: dict[str, int], prefix: str) -> int:
    """Return an enumeration's number; some senders write its name."""
    if isinstance(given, str):
        return names.get(given.upper().removeprefix(prefix), 0)
    return given or 0

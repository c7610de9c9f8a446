"""The client without its I/O: builds requests, reads answers and event streams, decides what to do when one is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from serai.client._calls import Answer as Expected
from serai.client._calls import Call, RunCall, RunReference
from serai.client._form import encode_form, encode_multipart, json_text
from serai.errors import RemoteServerUnavailableError
from serai.wire.arguments import check_headers
from serai.wire.events import PAUSE_EVENTS, TERMINAL_EVENTS, BaseEvent, CustomEvent, parse_event
from serai.wire.exchange import Answer, Flow, Request, Send, Sleep, Work, exchange
from serai.wire.failures import ServerStatusError, raise_for_error, timed_out, was_sent
from serai.wire.pages import Page
from serai.wire.retry import NOT_TAKEN, UNCERTAIN, RetryPolicy
from serai.wire.sse import Frame, SSEParser
from serai.wire.status import RunStatus
from serai.wire.streamed_text import CONTENT_EVENTS
from serai.wire.streaming import Emit, Open, Read, StreamFlow

Result = TypeVar("Result")

LOST = frozenset({408, 502, 504})
"""Statuses by which something before the server says that it lost the answer."""


class Missing(Enum):
    """Why a run could not be found."""

    NOT_RECEIVED = "the server never got it"
    UNCERTAIN = "this server cannot say"


@dataclass(slots=True)
class _Cursor:
    """Where the reader of a run's events stands.

    Attributes:
        run_id: whose end is the end of the stream.
        last_id: the id of the last event that was read.
        last_end: its name, if it is one that ends a stream.
        is_live: all events came as they happened: a pause among them is the end of the stream. In a log that is read
            later the run may have been continued since.
        is_at_rest: the run was known to rest before the last read.
    """

    run_id: str | None
    last_id: str | None
    is_live: bool
    has_events: bool = False
    has_news: bool = False
    is_at_rest: bool = False
    last_end: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.last_end is not None and (self.is_live or self.last_id is None or not self.is_paused)

    @property
    def is_paused(self) -> bool:
        return self.last_end in PAUSE_EVENTS

    def is_repeated(self, frame_id: str | None) -> bool:
        if frame_id is None or self.last_id is None:
            return False
        return frame_id.isdecimal() and self.last_id.isdecimal() and int(frame_id) <= int(self.last_id)


class Core:
    """What both clients know and decide; see `serai.wire.exchange` for the flows it returns.

    Attributes:
        base_url: the server.
        run_timeout_s: how long to wait for the end of what goes on at the server, unless a call says otherwise.
        clock: tells how much of that is over.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        policy: RetryPolicy,
        run_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._policy = policy
        self._patient = replace(policy, max_requests=policy.max_reconnects)
        self.run_timeout_s = run_timeout_s
        self.clock = clock

    def request(self, call: Call[Any]) -> Request:
        """Return the request of a call; a write carries a new ``Idempotency-Key`` unless the caller gave one.

        A file is read.

        Raises:
            ArgumentError: an argument cannot be sent.
            OSError: the file cannot be read.
        """
        arguments = call.arguments
        check_headers(arguments.headers or {})
        headers: dict[str, str] = {}
        content: bytes | None = None
        form = {
            name: value() if isinstance(value, partial) else value for name, value in (arguments.form or {}).items()
        }
        if arguments.file is not None:
            headers["content-type"], content = encode_multipart(form, arguments.file())
        elif arguments.form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = encode_form(form)
        elif arguments.json is not None:
            headers["content-type"] = "application/json"
            content = json_text(arguments.json).encode()
        if call.operation.method != "GET":
            headers["idempotency-key"] = str(uuid4())
        if call.answer.streams:
            headers["accept"] = "text/event-stream"
        return self._compose(call.operation.method, call.target, headers | _lowered(arguments.headers), content)

    def converse(self, call: Call[Result]) -> Flow[Result]:
        """Return the flow that carries out a call and ends with what the caller gets."""
        if call.arguments.flow is not None:
            return call.arguments.flow(self, call)
        if call.arguments.run is not None:
            return self._converse_about_run(call, call.arguments.run)
        return self._converse_plainly(call)

    def _compose(self, method: str, target: str, headers: Mapping[str, str], content: bytes | None) -> Request:
        return Request(method, f"{self.base_url}{target}", {**self._headers, **headers}, content)

    def _prepare(self, call: Call[Any]) -> Generator[Work, Any, Request]:
        if not call.arguments.reads_files:
            return self.request(call)
        request: Request = yield Work(lambda: self.request(call))
        return request

    def _converse_plainly(self, call: Call[Result]) -> Flow[Result]:
        request = yield from self._prepare(call)
        answer, _ = yield from exchange(request, policy=self._policy, repeatable=True)
        return read_answer(call, answer)

    def _converse_about_run(self, call: Call[Result], run: RunReference) -> Flow[Result]:
        request = yield from self._prepare(call)
        attempt = 0
        while True:
            attempt += 1
            delay_s: float | None = self._policy.delay_s(attempt)
            failure, answer = yield from _attempt(request)
            if failure is None and answer.status_code in NOT_TAKEN:
                delay_s = self._policy.delay_after_answer_s(attempt, answer.headers)
            elif failure is None and answer.status_code not in LOST:
                return read_answer(call, answer)
            elif failure is None or was_sent(failure):
                outcome = yield from self._await_run(call, run)
                if not isinstance(outcome, Missing):
                    return read_answer(call, outcome)
                if outcome is Missing.UNCERTAIN and not _may_repeat(run, failure):
                    delay_s = None
            if delay_s is None or attempt >= self._policy.max_requests:
                if failure is not None:
                    raise failure
                return read_answer(call, answer)
            yield Sleep(delay_s)

    def _find_run(self, run: RunReference, headers: Mapping[str, str] | None) -> Flow[Answer | Missing]:
        """Ask for a run whose answer was lost.

        The first question leaves the session out. A Serai server answers it, and its 404 is final, because it stores
        a run before it does anything else. Servers that insist on the session may know a run only when it has ended.
        """
        answer = yield from self._ask(run.path, headers)
        if answer.status_code == 404:
            return Missing.NOT_RECEIVED
        if answer.status_code >= 400 and run.session_id is not None:
            answer = yield from self._ask(f"{run.path}?{urlencode({'session_id': run.session_id})}", headers)
            if run.kind is RunCall.CONTINUE and answer.status_code < 400 and _status(answer) is RunStatus.PAUSED:
                return Missing.UNCERTAIN  # what such a server shows until the continued run has ended
        return answer if answer.status_code < 400 else Missing.UNCERTAIN

    def _ask(self, target: str, headers: Mapping[str, str] | None) -> Flow[Answer]:
        request = self._compose("GET", target, _lowered(headers), None)
        answer: Answer
        answer, _ = yield from exchange(request, policy=self._patient, repeatable=True)
        return answer

    def _await_run(self, call: Call[Any], run: RunReference) -> Flow[Answer | Missing]:
        limit_s = self.run_timeout_s if run.timeout_s is None else run.timeout_s
        deadline = self.clock() + limit_s
        polls = 0
        while True:
            found = yield from self._find_run(run, call.arguments.headers)
            if isinstance(found, Missing):
                return found if polls == 0 else Missing.UNCERTAIN
            output = read_answer(call, found)
            if run.kind is RunCall.CONTINUE and output.is_paused and polls == 0:
                return Missing.NOT_RECEIVED
            if output.is_terminal or not run.waits:
                return found
            if self.clock() >= deadline:
                message = f"Run {run.run_id} has not ended within {limit_s:g} s; it goes on, ask for it by its id"
                raise RemoteServerUnavailableError(message, self.base_url)
            polls += 1
            yield Sleep(self._policy.delay_s(min(polls, 3)))

    def stream(self, call: Call[Any]) -> StreamFlow[Any]:
        """Return the flow that yields a call's events; it takes a broken stream up again without gap or repetition."""
        if call.arguments.flow is not None:
            yield from call.arguments.flow(self, call)
            return
        run = call.arguments.run
        if run is None:
            raise ValueError(f"{call.operation.name} names no run to stream")
        first = request = yield from self._prepare(call)
        cursor = _Cursor(run.run_id, run.after, is_live=run.kind is not RunCall.FOLLOW)
        if run.after is not None:
            request = self._follow(call, run, run.after)
        attempt = 0
        while True:
            attempt += 1
            cursor.has_news = False
            try:
                answer = yield Open(request)
                if answer.status_code >= 400:
                    is_read = request is not first or run.kind is RunCall.FOLLOW
                    if answer.status_code in LOST and not is_read and attempt < self._policy.max_requests:
                        cursor.is_live = False
                        request = yield from self._restart(call, run, first, ServerStatusError(answer))
                        yield Sleep(self._policy.delay_s(attempt))
                    else:
                        yield Sleep(self._delay_or_raise(answer, attempt, is_read=is_read))
                    continue
                yield from self._read_events(cursor, run)
                is_numbered = cursor.last_id is not None or not cursor.has_events
                if cursor.has_ended or not is_numbered or (cursor.is_at_rest and not cursor.has_news):
                    return
                failure = RemoteServerUnavailableError("The stream ended before its run did", self.base_url)
                cursor.is_at_rest = yield from self._is_at_rest(call, run, cursor)
            except RemoteServerUnavailableError as error:
                failure, cursor.is_at_rest = error, False
            if cursor.has_ended:
                return
            cursor.is_live = False
            attempt = 1 if cursor.has_news else attempt
            request = yield from self._resume(call, run, cursor, first, failure, attempt)
            if not cursor.is_at_rest:
                yield Sleep(self._policy.delay_s(attempt))

    def _is_at_rest(self, call: Call[Any], run: RunReference, cursor: _Cursor) -> Flow[bool]:
        """Say whether a run rests whose stream ended with an old pause, or brought nothing: one more read tells all."""
        if cursor.last_id is None and run.kind is not RunCall.FOLLOW:
            return False
        if cursor.has_news and not cursor.is_paused:
            return False
        found = yield from self._find_run(run, call.arguments.headers)
        return not isinstance(found, Missing) and _status(found).is_terminal

    def _delay_or_raise(self, answer: Any, attempt: int, *, is_read: bool) -> float:
        again = NOT_TAKEN | UNCERTAIN if is_read else NOT_TAKEN
        limit = self._policy.max_reconnects if is_read else self._policy.max_requests
        if answer.status_code in again and attempt < limit:
            delay_s = self._policy.delay_after_answer_s(attempt, answer.headers)
            if delay_s is not None:
                return delay_s
        raise ServerStatusError(answer)

    def _read_events(self, cursor: _Cursor, run: RunReference) -> StreamFlow[BaseEvent]:
        parser = SSEParser()
        while True:
            chunk = yield Read()
            for frame in parser.finish() if chunk is None else parser.feed(chunk):
                event = None if cursor.is_repeated(frame.id) else read_event(frame)
                if event is None:
                    continue
                cursor.has_events = cursor.has_news = True
                cursor.is_at_rest = False
                cursor.last_id = frame.id or cursor.last_id
                is_end = event.event in TERMINAL_EVENTS and event.run_id in (None, cursor.run_id)
                cursor.last_end = event.event if is_end else None
                if cursor.is_live or not run.is_content_only or is_end or _is_content(event):
                    yield Emit(event)
            if chunk is None:
                return

    def _resume(
        self,
        call: Call[Any],
        run: RunReference,
        cursor: _Cursor,
        first: Request,
        failure: RemoteServerUnavailableError,
        attempt: int,
    ) -> Flow[Request]:
        """Return the request that takes a broken stream up again; raise the failure when there is none."""
        if cursor.last_id is not None:
            if attempt >= self._policy.max_reconnects:
                raise failure
            return self._follow(call, run, cursor.last_id)
        if cursor.has_events or attempt >= self._policy.max_requests:
            raise failure
        if run.kind is RunCall.FOLLOW or not was_sent(failure):
            return first
        return (yield from self._restart(call, run, first, failure))

    def _restart(self, call: Call[Any], run: RunReference, first: Request, failure: Exception) -> Flow[Request]:
        """Return the request that gets a stream whose first event was never seen; raise the failure when none may."""
        if run.kind is RunCall.CONTINUE:
            answer = yield from self._ask(run.path, call.arguments.headers)
            if answer.status_code >= 400 and answer.status_code != 404:
                raise failure  # a server that insists on the session may know no keys, and continue the run twice
            return first  # its key lets the server attach it to the request that it may have
        found = yield from self._find_run(run, call.arguments.headers)
        if found is Missing.UNCERTAIN and not _may_repeat(run, failure):
            raise failure
        return first if isinstance(found, Missing) else self._follow(call, run, None)

    def _follow(self, call: Call[Any], run: RunReference, last_id: str | None) -> Request:
        headers = _lowered(call.arguments.headers) | {"accept": "text/event-stream"}
        if last_id is not None:
            headers["last-event-id"] = last_id
        return self._compose("GET", f"{run.path}/events", headers, None)


def _attempt(request: Request) -> Flow[tuple[RemoteServerUnavailableError | None, Any]]:
    try:
        return None, (yield Send(request))
    except RemoteServerUnavailableError as error:
        return error, None


def read_answer(call: Call[Result], answer: Any) -> Result:
    """Return what the caller gets for an answer.

    Raises:
        ServerStatusError: the answer is an error.
        ValueError: the answer is not what the operation promises; pydantic's ``ValidationError`` is one.
    """
    raise_for_error(answer)
    wanted = call.answer
    if wanted.place is None:
        return None  # type: ignore[return-value]
    reader = _reader_of(wanted)
    content = answer.content or b"null"
    try:
        return reader.validate_json(content)  # type: ignore[no-any-return]
    except ValidationError:
        try:
            data = json.loads(content)
        except ValueError:
            data = None
        if data is None:
            raise
        # It is JSON nevertheless, with half a character in its text, which pydantic's parser does not take.
        return reader.validate_python(data)  # type: ignore[no-any-return]


@cache
def _reader_of(wanted: Expected[Any]) -> TypeAdapter[Any]:
    """Return what reads an answer that is not empty."""
    module, _, name = str(wanted.place).partition(":")
    kind = getattr(import_module(f"serai.wire.{module}"), name)
    if wanted.many:
        return TypeAdapter(list[kind])  # type: ignore[valid-type]
    return TypeAdapter(Page[kind] if wanted.paged_by else kind)  # type: ignore[valid-type]


def _status(answer: Any) -> RunStatus:
    """Return the status in a run's JSON; one that this version does not know counts as an end."""
    try:
        return RunStatus(json.loads(answer.content)["status"])
    except (ValueError, KeyError, TypeError):
        return RunStatus.COMPLETED


def read_event(frame: Frame) -> BaseEvent | None:
    """Return the event in a frame, or None when the frame holds none."""
    try:
        data = json.loads(frame.data)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    if "event" not in data and frame.event is not None:
        if frame.event == "WorkflowRunOutput":
            return None  # agno's own server sends the run once more after its pause
        data["event"] = frame.event
    event = parse_event(data)
    if event.event_index is None and frame.id is not None and frame.id.isdecimal():
        event.event_index = int(frame.id)
    return event


def _is_content(event: BaseEvent) -> bool:
    """Say whether an event is a piece of the answer: what the run itself says, or what a workflow's step does."""
    if event.event in CONTENT_EVENTS:
        return getattr(event, "parent_run_id", None) in (None, getattr(event, "workflow_run_id", None))
    return event.event == "StepOutput" or isinstance(event, CustomEvent)


def _may_repeat(run: RunReference, failure: Exception | None) -> bool:
    """Say whether a run that an unknowing server may have got can be sent anew.

    After a dropped connection most likely nobody works on it; after a silence somebody may. An answer from something
    before the server (any other failure, or none) tells as little as a silence, and so does a stream without events.
    """
    if run.kind is not RunCall.CREATE or not isinstance(failure, RemoteServerUnavailableError):
        return False
    return failure.original_error is not None and not timed_out(failure)


def _lowered(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}

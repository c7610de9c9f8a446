"""Conversations with a server as generators: they yield what to do and are sent what came of it. No I/O in here.

A flow yields `Send` (answered with an `Answer`), `Work` and `Sleep`; what they raise is thrown into it. The same flow
serves a blocking and an asynchronous client, which differ only in the few lines that drive it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from serai.errors import RemoteServerUnavailableError
from serai.wire.retry import NOT_TAKEN, UNCERTAIN, RetryPolicy

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``url`` is complete, query included."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Answer(Protocol):
    """A server's whole answer; an ``httpx.Response`` is one."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, found in any case."""

    @property
    def content(self) -> bytes:
        """The body."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request and return the whole answer."""

    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Call the function, which may take its time, and return what it returns."""

    do: Callable[[], Any]


Step = TypeVar("Step")
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Calls a function where it keeps no other task waiting, as ``asyncio.to_thread`` does."""

Flow = Generator[Send | Sleep | Work, Any, Result]
"""A conversation that ends with a result; sent an `Answer` for each `Send`, what `Work` returns, and else None."""


def exchange(request: Request, *, policy: RetryPolicy, repeatable: bool) -> Flow[tuple[Any, bool]]:
    """Send a request until it is answered for good.

    Args:
        request: what to send.
        policy: how often, and the waits between.
        repeatable: whether sending it twice does no harm: it only reads, or it carries an ``Idempotency-Key``.
            Other requests are sent again only when the server cannot have acted on them.

    Returns:
        The answer, of any status, and whether an earlier attempt may have been acted on already.

    Raises:
        RemoteServerUnavailableError: no answer in ``policy.max_requests`` attempts.
    """
    return (yield from attempts(Send(request), policy=policy, repeatable=repeatable))


def attempts(step: Step, *, policy: RetryPolicy, repeatable: bool) -> Generator[Step | Sleep, Any, tuple[Any, bool]]:
    """Take a step that is answered like a `Send` until it is answered for good; else as `exchange`."""
    from serai.wire.failures import was_sent  # noqa: PLC0415 - loads httpx

    uncertain = False
    attempt = 0
    while True:
        attempt += 1
        delay_s: float | None
        try:
            answer = yield step
        except RemoteServerUnavailableError as error:
            sent = was_sent(error)
            uncertain = uncertain or sent
            if attempt >= policy.max_requests or (sent and not repeatable):
                raise
            delay_s = policy.delay_s(attempt)
        else:
            again = answer.status_code in NOT_TAKEN or (repeatable and is_uncertain(answer.status_code))
            delay_s = policy.delay_after_answer_s(attempt, answer.headers) if again else None
            if delay_s is None or attempt >= policy.max_requests:
                return answer, uncertain
            uncertain = uncertain or is_uncertain(answer.status_code)
        yield Sleep(delay_s)


def is_uncertain(status: int) -> bool:
    """Say whether the server may have acted on a request that it answered with this error status."""
    return status in UNCERTAIN or status > 504


async def drive_async(
    flow: Flow[Result],
    send: Callable[[Request], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]],
    in_thread: InThread,
) -> Result:
    """Run a flow to its end with the caller's own way to send, to wait and to work; the result is the flow's."""
    try:
        step = next(flow)
        while True:
            try:
                came = await take_async(step, send, sleep, in_thread)
            except Exception as error:  # noqa: BLE001 - the flow's business
                step = flow.throw(error)
            else:
                step = flow.send(came)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def drive(flow: Flow[Result], send: Callable[[Request], Answer], sleep: Callable[[float], None]) -> Result:
    """Run a flow to its end, blocking; else as `drive_async`."""
    try:
        step = next(flow)
        while True:
            try:
                came = take(step, send, sleep)
            except Exception as error:  # noqa: BLE001 - the flow's business
                step = flow.throw(error)
            else:
                step = flow.send(came)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def take_async(
    step: Send | Sleep | Work,
    send: Callable[[Request], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]],
    in_thread: InThread,
) -> Any:
    """Take a step, and return what its flow is sent."""
    match step:
        case Send(request):
            return await send(request)
        case Sleep(seconds):
            return await sleep(seconds)
        case Work(do):
            return await in_thread(do)


def take(step: Send | Sleep | Work, send: Callable[[Request], Answer], sleep: Callable[[float], None]) -> Any:
    """Take a step, blocking; else as `take_async`."""
    match step:
        case Send(request):
            return send(request)
        case Sleep(seconds):
            return sleep(seconds)
        case Work(do):
            return do()

"""When a request is sent again, and how long is waited first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from serai.errors import RemoteServerUnavailableError
from serai.wire.exchange import Request, drive, exchange
from serai.wire.retry import RetryPolicy, retry_after_s

REQUEST = Request("POST", "http://test/")
STEADY = RetryPolicy(draw=lambda: 1.0)


def lost(error: type[httpx.TransportError]) -> RemoteServerUnavailableError:
    return RemoteServerUnavailableError("lost", "http://test", error("lost"))


class Script:
    """Answers requests in order and notes the waits between."""

    def __init__(self, *outcomes: httpx.Response | RemoteServerUnavailableError) -> None:
        self.outcomes = list(outcomes)
        self.waits: list[float] = []

    def send(self, request: Request) -> httpx.Response:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, RemoteServerUnavailableError):
            raise outcome
        return outcome

    def run(self, *, repeatable: bool = True, policy: RetryPolicy = STEADY) -> tuple[httpx.Response, bool]:
        return drive(exchange(REQUEST, policy=policy, repeatable=repeatable), self.send, self.waits.append)


def test_waits_double_up_to_a_limit_and_are_spread():
    assert [STEADY.delay_s(attempt) for attempt in (1, 2, 3, 9, 5000)] == [0.5, 1.0, 2.0, 10.0, 10.0]
    assert RetryPolicy(draw=lambda: 0.0).delay_s(2) == 0.5


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_three_times_in_all(status):
    script = Script(*[httpx.Response(status)] * 3)
    answer, _ = script.run()
    assert answer.status_code == status
    assert script.waits == [0.5, 1.0]


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 422])
def test_other_answers_are_final(status):
    script = Script(httpx.Response(status))
    answer, uncertain = script.run()
    assert (answer.status_code, uncertain, script.waits) == (status, False, [])


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError])
def test_a_lost_answer_is_asked_for_again(error):
    script = Script(lost(error), httpx.Response(200))
    answer, uncertain = script.run()
    assert answer.status_code == 200
    assert uncertain is (error is not httpx.ConnectError)


@pytest.mark.parametrize(("error", "requests"), [(httpx.ReadTimeout, 1), (httpx.ConnectError, 3)])
def test_what_must_not_be_repeated_is_sent_again_only_when_it_cannot_have_arrived(error, requests):
    script = Script(*[lost(error)] * 3)
    with pytest.raises(RemoteServerUnavailableError):
        script.run(repeatable=False)
    assert len(script.outcomes) == 3 - requests


def test_retry_after_is_honoured():
    script = Script(httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200))
    script.run()
    assert script.waits == [7.0]


def test_a_server_that_wants_too_long_a_wait_is_not_asked_again():
    script = Script(httpx.Response(503, headers={"Retry-After": "3600"}))
    answer, _ = script.run()
    assert answer.status_code == 503
    assert script.waits == []


def test_retry_after_may_be_a_date_and_may_be_nonsense():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    asked_s = retry_after_s({"retry-after": soon})
    assert asked_s is not None
    assert 25 < asked_s <= 30
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None

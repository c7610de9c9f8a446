"""When to send a request again, and how long to wait first. Pure rules, shared by all clients."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NOT_TAKEN = frozenset({425, 429, 503})
"""Statuses that say the server did not act on the request."""

UNCERTAIN = frozenset({408, 500, 502, 504})
"""Statuses after which the server may have acted on the request."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent, and the waits between.

    Attributes:
        max_requests: how often one request is sent at most, the first time included.
        max_reconnects: how often a run that goes on is asked for again in a row without any news of it.
        base_s: the longest first wait; each further one is up to twice as long.
        max_s: no wait is longer, unless the server names one.
        max_retry_after_s: a server that asks for a longer wait than this is not asked again.
        draw: a number from 0 to 1 that spreads the waits of many clients.
    """

    max_requests: int = 3
    max_reconnects: int = 10
    base_s: float = 0.5
    max_s: float = 10.0
    max_retry_after_s: float = 60.0
    draw: Callable[[], float] = random.random

    def delay_s(self, attempt: int) -> float:
        """Return the seconds to wait after the given attempt (1, 2 …): between half and all of a doubling limit."""
        limit: float = min(self.max_s, self.base_s * 2 ** min(attempt - 1, 30))
        return limit * (1 + self.draw()) / 2

    def delay_after_answer_s(self, attempt: int, headers: Mapping[str, str]) -> float | None:
        """Return the seconds to wait after an error answer, or None when the server wants too long a wait."""
        asked_s = retry_after_s(headers)
        if asked_s is None:
            return self.delay_s(attempt)
        return asked_s if asked_s <= self.max_retry_after_s else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks for (a number or a date), or None without a readable one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    from datetime import UTC, datetime  # noqa: PLC0415 - dates are rare here
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

"""What a client was constructed with, and the parts made of it at the first call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from serai.wire.arguments import check_headers, check_key
from serai.wire.base_url import checked_base_url

if TYPE_CHECKING:
    from serai.client._core import Core
    from serai.client._transport import Timeouts
    from serai.wire.retry import RetryPolicy

CONNECT_TIMEOUT_S = 10.0


@dataclass
class Options:
    """The arguments of either client; durations in seconds."""

    base_url: str
    timeout: float
    headers: Mapping[str, str] | None
    security_key: str | None
    connect_timeout: float | None
    stream_idle_timeout: float | None
    run_timeout: float
    retry: RetryPolicy | None

    def __post_init__(self) -> None:
        self.base_url = checked_base_url(self.base_url)
        check_headers(self.headers or {})
        if self.security_key is not None:
            check_key(self.security_key)

    @cached_property
    def core(self) -> Core:
        """The part that decides; the first use loads httpx."""
        from serai.client._core import Core  # noqa: PLC0415
        from serai.wire.retry import RetryPolicy  # noqa: PLC0415

        headers = {name.lower(): value for name, value in (self.headers or {}).items()}
        if self.security_key is not None:
            headers["authorization"] = f"Bearer {self.security_key}"
        return Core(self.base_url, headers=headers, policy=self.retry or RetryPolicy(), run_timeout_s=self.run_timeout)

    @cached_property
    def timeouts(self) -> Timeouts:
        """The limits of the transport."""
        from serai.client._transport import Timeouts  # noqa: PLC0415

        return Timeouts(
            connect_s=min(self.timeout, CONNECT_TIMEOUT_S) if self.connect_timeout is None else self.connect_timeout,
            read_s=self.timeout,
            stream_idle_s=self.timeout if self.stream_idle_timeout is None else self.stream_idle_timeout,
        )

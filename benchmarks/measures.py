"""The figures of a sample, as functions: reports and aims take them as arguments."""

from __future__ import annotations

from typing import Protocol


class Timed(Protocol):
    """What every sample of a server under load has; times in milliseconds for each request or run."""

    @property
    def wall_ms(self) -> float:
        """The time in all over their number."""

    @property
    def p50_ms(self) -> float:
        """What half of them took at most."""

    @property
    def server_cpu_ms(self) -> float | None:
        """Of the server's processes."""

    @property
    def database_cpu_ms(self) -> float | None:
        """Of PostgreSQL's."""

    @property
    def cpu_ms(self) -> float | None:
        """Of both."""


def cpu_ms(sample: Timed) -> float | None:
    """Return the CPU time of server and PostgreSQL."""
    return sample.cpu_ms


def server_ms(sample: Timed) -> float | None:
    """Return the server's CPU time."""
    return sample.server_cpu_ms


def database_ms(sample: Timed) -> float | None:
    """Return PostgreSQL's CPU time."""
    return sample.database_cpu_ms


def wall_ms(sample: Timed) -> float | None:
    """Return the time in all over the requests or runs."""
    return sample.wall_ms


def p50_ms(sample: Timed) -> float | None:
    """Return what half of the requests or runs took at most."""
    return sample.p50_ms

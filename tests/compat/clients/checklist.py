"""The frame of the scripts that drive a published client: named checks, one JSON line of outcome each.

Runs inside the client's own environment, so it uses the standard library alone.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CHECK_TIMEOUT_S = 40


@dataclass(frozen=True)
class Target:
    """The servers to talk to: one open to all, and the same one behind a security key."""

    base_url: str
    keyed_url: str
    key: str


Check = Callable[[Target], Awaitable[None]]
_CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its function's name is the check's name."""
    _CHECKS.append(function)
    return function


def check_generation(*generations: int) -> Callable[[Check], Check]:
    """Register a check for these major versions of the client only."""

    def register(function: Check) -> Check:
        function.generations = generations
        return check(function)

    return register


def main(*, generation: int | None = None, at_once: int = 1) -> None:
    """Run all checks against ``BASE_URL KEYED_URL KEY`` from the command line and print their outcomes.

    ``at_once`` says how many checks go on at a time: for scripts whose checks mostly wait.
    """
    target = Target(*sys.argv[1:4])
    chosen = [c for c in _CHECKS if generation in getattr(c, "generations", (generation,))]
    asyncio.run(_run(chosen, target, at_once))


async def _run(checks: list[Check], target: Target, at_once: int) -> None:
    places = asyncio.Semaphore(at_once)
    for one, running in [(one, asyncio.create_task(_details(one, target, places))) for one in checks]:
        details = await running
        _print(one, not details, details)


async def _details(one: Check, target: Target, places: asyncio.Semaphore) -> str:
    """Return the traceback of a check that fails."""
    async with places:
        try:
            await asyncio.wait_for(one(target), CHECK_TIMEOUT_S)
        except Exception:  # noqa: BLE001 - a check may fail in any way
            return traceback.format_exc(limit=-6)
    return ""


def _print(one: Check, ok: bool, detail: str) -> None:
    print(json.dumps({"name": one.__name__, "ok": ok, "detail": detail}), flush=True)

"""How long an event loop was blocked, told by the server that is measured; imported by the peers, too."""

from __future__ import annotations

import asyncio
import time

PATH = "/longest-lag"
_TICK_S = 0.002


class LagWatch:
    """Looks every other millisecond whether its event loop comes back in time, from the first question on."""

    def __init__(self) -> None:
        self._longest_s = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def read(self) -> dict[str, float]:
        """Return by how many milliseconds it came back too late at the most, since it was asked before."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._look())
        longest_s, self._longest_s = self._longest_s, 0.0
        return {"longest_ms": longest_s * 1000}

    async def _look(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self._longest_s = max(self._longest_s, time.perf_counter() - began - _TICK_S)

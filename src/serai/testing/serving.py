"""Runs an AgentOS behind real HTTP inside the test's own process, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from serai.server.app import AgentOS

_CUT_AFTER_S = 1


@contextmanager
def serving(agent_os: AgentOS, *, start_timeout_s: float = 60.0) -> Iterator[str]:
    """Serve an OS on a free port of loopback for the length of the block.

    Args:
        agent_os: with the settings of its database: ``settings=Settings(data_dir=…)`` or ``database_url=…``.
        start_timeout_s: seconds it may take to start; a new data folder needs a few.

    Yields:
        The base URL.

    Raises:
        ConfigurationError: it cannot start as configured.
        TimeoutError: it has not started in time.

    An OS can be served once: its app keeps what it was built with.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        served = _Served(agent_os, listener)
        try:
            served.started_well.result(start_timeout_s)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            served.stop()


class _Served(uvicorn.Server):
    """The server with its thread and event loop; ``started_well`` has the error when the start fails."""

    def __init__(self, agent_os: AgentOS, listener: socket.socket) -> None:
        self.started_well: Future[None] = Future()
        self._app = agent_os.app
        self._listener = listener
        super().__init__(
            uvicorn.Config(
                self._app,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=_CUT_AFTER_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="serai-serving", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_well.set_result(None)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve_app())
        except BaseException as error:
            if self.started_well.done():
                raise
            self.started_well.set_exception(error)

    async def _serve_app(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            await self.serve(sockets=[self._listener])

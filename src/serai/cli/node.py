"""Runs an AgentOS in this process until it is told to stop: with HTTP for ``serve``, without for ``worker``."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import uvicorn

from serai.cli.stopping import StopSignals
from serai.errors import ConfigurationError

if TYPE_CHECKING:
    from serai.server.app import AgentOS
    from serai.settings import Settings

_LAST_ANSWERS_S = 1.0
_CUT_AFTER_S = 2
_IDLE_CONNECTION_S = 75  # longer than the usual client keeps one, so that it is the client who closes


@runtime_checkable
class Drains(Protocol):
    """A runtime that can finish its work before it is stopped."""

    async def drain(self, *, timeout_s: float) -> None:
        """Take no new run, wait for those that run here, hand over what is left after ``timeout_s``.

        May be called again when it was cancelled.
        """


def run_until_stopped(work: Callable[[StopSignals], Coroutine[Any, Any, None]]) -> None:
    """Run ``work`` on an event loop of its own, with the signals taken over."""

    async def main() -> None:
        signals = StopSignals()
        signals.install()
        try:
            await work(signals)
        except asyncio.CancelledError:
            if not signals.stop.is_set():
                raise

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


async def serve_http(
    agent_os: AgentOS, *, settings: Settings, signals: StopSignals, announce: Callable[[str], None]
) -> None:
    """Serve the OS over HTTP until the first signal, then drain.

    Args:
        agent_os: what to serve.
        settings: where to listen, how long to drain.
        signals: installed already.
        announce: called with the base URL once connections are accepted.

    Raises:
        ConfigurationError: the address is taken, or the runtime cannot start.
    """
    listener = _bind(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listener.getsockname()[1]}"
    with listener:
        async with _started(agent_os, signals) as state:
            config = uvicorn.Config(
                agent_os.app,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_IDLE_CONNECTION_S,
                timeout_graceful_shutdown=_CUT_AFTER_S,
            )
            server = _Server(
                config,
                state=state,
                on_listening=lambda: announce(url),
                drain=lambda: _drain(agent_os, settings, signals),
            )
            watch = asyncio.create_task(_stop_at_signal(server, signals))
            try:
                await server.serve(sockets=[listener])
            finally:
                watch.cancel()


async def work_without_http(
    agent_os: AgentOS, *, settings: Settings, signals: StopSignals, announce: Callable[[], None]
) -> None:
    """Work on runs until the first signal, then drain.

    Raises:
        ConfigurationError: the runtime cannot start.
    """
    async with _started(agent_os, signals):
        announce()
        await signals.stop.wait()
        await _drain(agent_os, settings, signals)


class _Server(uvicorn.Server):
    """Uvicorn, with the app's lifespan and the signals left to the caller."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        state: Mapping[str, Any],
        on_listening: Callable[[], None],
        drain: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(config)
        self._state = state
        self._on_listening = on_listening
        self._drain = drain

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # New connections are refused first; streams go on to their run's end, within the drain's bound.
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._drain()
        await self._let_answers_end()
        await super().shutdown(sockets)

    async def _let_answers_end(self) -> None:
        deadline = time.monotonic() + _LAST_ANSWERS_S
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110 - a plain set of uvicorn's
            await asyncio.sleep(0.02)
        # A closed transport ends a stream as its client would; left to uvicorn it would end as a logged error.
        for connection in list(self.server_state.connections):
            connection.transport.close()


@asynccontextmanager
async def _started(agent_os: AgentOS, signals: StopSignals) -> AsyncIterator[Mapping[str, Any]]:
    app = agent_os.app
    lifespan = app.router.lifespan_context(app)
    async with signals.cancelling():
        state = await lifespan.__aenter__()
    # What stands now stands until the end: collections that pass over it cost a small request a quarter of its time.
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 50)  # a run makes thousands of objects that die by themselves: a tenth of its time
    try:
        yield state or {}
    finally:
        await lifespan.__aexit__(None, None, None)


async def _drain(agent_os: AgentOS, settings: Settings, signals: StopSignals) -> None:
    runtime = getattr(agent_os.app.state, "serai", None)
    if isinstance(runtime, Drains) and not await signals.unless_hurried(runtime.drain(timeout_s=settings.drain_s)):
        await runtime.drain(timeout_s=0)


async def _stop_at_signal(server: uvicorn.Server, signals: StopSignals) -> None:
    await signals.stop.wait()
    server.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    """Take the address without listening yet: until the runtime stands, connections are refused, not kept waiting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Give another --port (0 takes a free one) or "
            "--host, or stop what listens there."
        ) from error
    listener.setblocking(False)
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop

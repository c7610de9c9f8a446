"""What ``serai top`` does: looks at a server again and again, over HTTP, and says so when it is away."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console
from rich.live import Live

from serai.cli.output import json_line
from serai.cli.remote import EXIT_STOPPED, connect, fail, failures_told
from serai.cli.top_view import shown
from serai.client import SyncAgentOSClient
from serai.errors import RemoteServerUnavailableError
from serai.wire.retry import RetryPolicy
from serai.wire.server_status import ServerStatus

_PATIENCE = RetryPolicy(max_requests=1)
_ANSWERS_WITHIN_S = 10.0
_WIDTH = 160
"""Of what is no terminal."""
_QUIT = (b"q", b"Q", b"")


def print_looks(url: str, key: str | None, *, limit: int, interval_s: float | None, as_json: bool) -> None:
    """Print what a server is doing, once, or again and again; without a server the command ends."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    try:
        with failures_told(url), _client(url, key) as client:
            while True:
                status = client.get_server_status(limit)
                if as_json:
                    print(json_line(status), flush=True)
                else:
                    console.print(shown(status, url=url))
                if interval_s is None:
                    return
                time.sleep(interval_s)
    except KeyboardInterrupt:
        fail(EXIT_STOPPED, "Stopped watching.")


def watch(url: str, key: str | None, *, limit: int, interval_s: float) -> None:
    """Show what a server is doing until q or Ctrl-C is pressed."""
    status: ServerStatus | None = None
    away_since: float | None = None
    console = Console(highlight=False)
    with _keys() as has_keys, failures_told(url), _client(url, key) as client:
        try:
            with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
                while True:
                    try:
                        status, away_since = client.get_server_status(limit), None
                    except (RemoteServerUnavailableError, httpx.HTTPStatusError) as error:
                        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
                            raise
                        away_since = away_since or time.monotonic()
                    away_s = None if away_since is None else time.monotonic() - away_since
                    live.update(shown(status, url=url, away_s=away_s), refresh=True)
                    if _is_quit(interval_s, has_keys=has_keys):
                        return
        except KeyboardInterrupt:
            return


def _client(url: str, key: str | None) -> SyncAgentOSClient:
    with connect(url, key):  # says what is wrong with the arguments
        return SyncAgentOSClient(url, _ANSWERS_WITHIN_S, security_key=key, retry=_PATIENCE)


def _is_quit(interval_s: float, *, has_keys: bool) -> bool:
    """Wait, and tell whether q was pressed meanwhile."""
    ends_at = time.monotonic() + interval_s
    while (left_s := ends_at - time.monotonic()) > 0:
        if not has_keys:
            time.sleep(left_s)
        elif select.select([sys.stdin], [], [], left_s)[0] and os.read(sys.stdin.fileno(), 1) in _QUIT:
            return True
    return False


@contextmanager
def _keys() -> Iterator[bool]:
    """Have each key come at once, without being shown; yields whether there are keys to read."""
    try:
        import termios  # noqa: PLC0415 - not on Windows
        import tty  # noqa: PLC0415
    except ImportError:
        yield False
        return
    if not sys.stdin.isatty():
        yield False
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield True
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

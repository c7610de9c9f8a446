"""A standby of PostgreSQL that stores nothing and confirms what it receives a while later.

With it as the synchronous standby a commit takes as long as on a database whose copy is some milliseconds away:
meanwhile the transaction keeps its locks and is not seen by others, and other commits pass by.
Source: PostgreSQL's documentation, "Frontend/Backend Protocol", messages and streaming replication.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.database import Server, execute, fetchval

NAME = "serai_benchmark"
_PROTOCOL = 196608
_PORT = 5432
_IDLE_S = 0.0005
_READY_S = 10.0


class StandbyError(Exception):
    """PostgreSQL refuses to replicate; the message is its own."""


class DelayedStandby:
    """A synchronous standby for as long as the context lasts.

    Args:
        server: whose commits wait for it.
        delay_s: from the receipt of a piece of the log to its confirmation; may be changed at any time.
    """

    def __init__(self, server: Server, *, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self._server = server
        self._socket = socket.socket(socket.AF_UNIX)
        self._due: deque[tuple[float, int]] = deque()
        self._is_closed = False

    def __enter__(self) -> Self:
        _allow_replication(self._server)
        self._socket.connect(f"{self._server.socket_folder}/.s.PGSQL.{_PORT}")
        self._start_up()
        for act in (self._receive, self._confirm):
            threading.Thread(target=act, name=f"standby-{act.__name__}", daemon=True).start()
        try:
            execute(self._server.url, f"alter system set synchronous_standby_names = '{NAME}'")
            execute(self._server.url, "select pg_reload_conf()")
            self._wait_until_synchronous()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        execute(self._server.url, "alter system reset synchronous_standby_names")
        execute(self._server.url, "select pg_reload_conf()")
        self._is_closed = True
        self._socket.close()

    def _start_up(self) -> None:
        settings = ("user", "serai", "replication", "true", "application_name", NAME)
        body = struct.pack("!i", _PROTOCOL) + b"".join(part.encode() + b"\0" for part in settings) + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._read_until(b"Z")
        row = self._ask("IDENTIFY_SYSTEM", until=b"Z")
        timeline, position = row[1].decode(), row[2].decode()
        self._ask(f"START_REPLICATION PHYSICAL {position} TIMELINE {timeline}", until=b"W")
        high, low = position.split("/")
        self._due.append((0.0, (int(high, 16) << 32) + int(low, 16)))

    def _ask(self, command: str, *, until: bytes) -> list[bytes]:
        self._send(b"Q", command.encode() + b"\0")
        return self._read_until(until)

    def _read_until(self, kind: bytes) -> list[bytes]:
        """Read messages until one of a kind; return the fields of the last row before it."""
        fields: list[bytes] = []
        while True:
            got, body = self._read()
            if got == b"E":
                raise StandbyError(body.replace(b"\0", b" ").decode(errors="replace"))
            if got == b"D":
                fields = _fields(body)
            if got == kind:
                return fields

    def _receive(self) -> None:
        try:
            while True:
                kind, body = self._read()
                if kind != b"d" or body[:1] not in (b"w", b"k"):
                    continue
                (position,) = struct.unpack_from("!q", body, 1)
                if body[:1] == b"w":
                    position += len(body) - 25  # its head: kind, start, end, time
                self._due.append((time.monotonic() + self.delay_s, position))
        except OSError:
            return  # closed

    def _confirm(self) -> None:
        try:
            while not self._is_closed:
                position = None
                while self._due and self._due[0][0] <= time.monotonic():
                    position = self._due.popleft()[1]
                if position is not None:
                    self._send(b"d", b"r" + struct.pack("!qqqqb", position, position, position, 0, 0))
                time.sleep(min(_IDLE_S, max(0.0, self._due[0][0] - time.monotonic())) if self._due else _IDLE_S / 5)
        except OSError:
            return  # closed

    def _read(self) -> tuple[bytes, bytes]:
        head = self._read_exactly(5)
        return head[:1], self._read_exactly(struct.unpack("!i", head[1:])[0] - 4)

    def _read_exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._socket.recv(size)
            if not piece:
                raise OSError("PostgreSQL closed the connection")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _wait_until_synchronous(self) -> None:
        ends_at = time.monotonic() + _READY_S
        while fetchval(self._server.url, "select count(*) from pg_stat_replication where sync_state = 'sync'") != 1:
            if time.monotonic() > ends_at:
                raise StandbyError("PostgreSQL does not take us for its synchronous standby")
            time.sleep(0.02)


def _allow_replication(server: Server) -> None:
    rules = Path(fetchval(server.url, "show hba_file"))
    text, rule = rules.read_text(), "local replication all peer map=serai\n"
    if rule not in text:
        rules.write_text(text + rule)
        execute(server.url, "select pg_reload_conf()")


def _fields(body: bytes) -> list[bytes]:
    (count,), at, fields = struct.unpack_from("!h", body), 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        fields.append(body[at : at + max(size, 0)])
        at += max(size, 0)
    return fields

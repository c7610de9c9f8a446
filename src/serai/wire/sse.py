"""An incremental parser of server-sent events. Works on bytes, splits lines only at LF, CR and CRLF, does no I/O."""

from __future__ import annotations

from typing import NamedTuple

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One event of a stream: its name, its data (lines joined by LF) and the id given with it, if any."""

    event: str | None
    data: str
    id: str | None


class SSEParser:
    """Turns chunks of bytes, cut anywhere, into frames.

    Comments and unknown fields are dropped, and so are frames without data. Bytes that are no UTF-8 become U+FFFD.
    Source: WHATWG HTML 9.2.6, interpreting an event stream; except that `id` does not carry over to later frames.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._at_start = True
        self._event: str | None = None
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        frames: list[Frame] = []
        for line in chunk.splitlines(keepends=True):
            self._line += line
            if line.endswith((b"\n", b"\r")):
                self._take_line(bytes(self._line.rstrip(b"\r\n")), frames)
                self._line.clear()
        return frames

    def finish(self) -> list[Frame]:
        """Return the last frame when the body ended without the blank line after it, as some servers do."""
        frames: list[Frame] = []
        if self._line:
            self._take_line(bytes(self._line), frames)
            self._line.clear()
        self._take_line(b"", frames)
        return frames

    def _take_line(self, line: bytes, frames: list[Frame]) -> None:
        if self._at_start:
            line = line.removeprefix(BYTE_ORDER_MARK)
            self._at_start = False
        if not line:
            if self._data:
                frames.append(Frame(self._event, "\n".join(self._data), self._id))
            self._event, self._data, self._id = None, [], None
            return
        name, _, raw = line.partition(b":")
        value = raw.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and "\0" not in value:
            self._id = value

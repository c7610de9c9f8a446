"""Standard output: text it can always take, JSON lines that lose nothing, and what to say when it cannot be written."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


class _Raw(io.FileIO):
    """Standard output below its buffers; knows why it could not be written."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def writing_output() -> Iterator[None]:
    """Replace characters that the terminal's encoding lacks, and write everything out at the end.

    When standard output cannot be written, one line says so and the exit code is 1; a closed pipe is silent.
    """
    raw = _take_over()
    try:
        try:
            yield
        except SystemExit:
            if raw is not None and raw.failure is None:
                sys.stdout.flush()
            raise
    except OSError as error:
        if raw is None or raw.failure is None:
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, raw.fileno())  # the interpreter flushes once more when it ends
        if error.errno != errno.EPIPE:
            print(f"serai: Cannot write to standard output: {error.strerror}.", file=sys.stderr)
        sys.exit(1)


def _take_over() -> _Raw | None:
    """Put our own file below standard output; None where that is no plain file, pipe or terminal."""
    old = sys.stdout
    if not isinstance(old, io.TextIOWrapper):
        return None
    old.reconfigure(errors="replace")
    if not isinstance(getattr(old.buffer, "raw", old.buffer), io.FileIO):
        return None
    raw = _Raw(old.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        raw if old.write_through else io.BufferedWriter(raw),
        encoding=old.encoding,
        errors="replace",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
    return raw


def json_line(model: BaseModel, *, exclude_none: bool = False) -> str:
    """Return a model as JSON on one line; in ASCII where it holds what standard output's encoding cannot carry."""
    from pydantic_core import PydanticSerializationError  # noqa: PLC0415 - loaded with the model

    try:
        text = model.model_dump_json(exclude_none=exclude_none)
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(model.model_dump(exclude_none=exclude_none), default=_plain, separators=(",", ":"))
    return text


def _plain(value: Any) -> Any:
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - loaded with the model

    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else to_jsonable_python(value)

"""Errors in the user's own code, told in one paragraph that names the place in it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serai.errors import ConfigurationError, SeraiError

_OURS = Path(__file__).parents[1]


@contextmanager
def errors_in_one_paragraph(place: str) -> Iterator[None]:
    """Run user code; what it raises comes out as a `ConfigurationError` from the original.

    Args:
        place: the file or module that is loaded, named when no line of the user's is to be found.

    Raises:
        ConfigurationError: the code raised. Errors of ours pass through, since they are one paragraph already.
    """
    try:
        yield
    except SeraiError:
        raise
    except Exception as error:
        where = _place(error) or place
        said = " ".join(_message(error).split())
        raise ConfigurationError(
            f"{where}: {type(error).__name__}{': ' if said else ''}{said} (SERAI_LOG_LEVEL=debug "
            "shows the whole traceback.)"
        ) from error


def _message(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _place(error: Exception) -> str | None:
    """Return file and line of the user's own innermost frame, or of the syntax error."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    own = [(filename, line) for filename, line in frames if _is_the_users(filename)]
    return f"{own[-1][0]}, line {own[-1][1]}" if own else None


def _is_the_users(filename: str) -> bool:
    libraries = [_OURS, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    path = Path(filename).resolve()
    return not filename.startswith("<") and not any(path.is_relative_to(library.resolve()) for library in libraries)

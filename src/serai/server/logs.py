"""Logs: structlog's rendering on standard logging, with request and run ids, and secrets masked. Never a file."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from serai.settings import Settings

ACCESS_LOGGER = "serai.access"
ACCESS_FIELDS = "access"  # the record's attribute that holds an access line's fields

_MASK = "***"
_SECRET_FIELDS = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "openai_api_key",
        "password",
        "proxy-authorization",
        "refresh_token",
        "secret",
        "security_key",
        "set-cookie",
        "token",
        "x-api-key",
    }
)
_SECRET_VALUES = (
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), _MASK),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{4,}"), rf"\1{_MASK}"),
    (re.compile(r"(\w://[^\s:/@\"']*:)[^\s@/\"']+(?=@)"), rf"\1{_MASK}"),
    (re.compile(r"(?i)\b(password=)[^\s&\"']+"), rf"\1{_MASK}"),
)
_request_id: ContextVar[str | None] = ContextVar("serai_request_id", default=None)


@contextmanager
def bind_request_id(request_id: str) -> Iterator[None]:
    """Put a request's id into every line logged inside the block."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


@contextmanager
def bind_run_id(run_id: str) -> Iterator[None]:
    """Put a run's id into every line logged inside the block.

    Layers below the server bind `run_id` with `structlog.contextvars`, which has the same effect.
    """
    with structlog.contextvars.bound_contextvars(run_id=run_id):
        yield


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send all logs of this process, uvicorn's too, to one stream in one form.

    Args:
        settings: level and form; its secrets are masked wherever they occur.
        stream: default standard error.
    """
    stream = stream or sys.stderr
    text = settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    formatter = _formatter(text=text, colors=text and stream.isatty(), secrets=_known_secrets(settings))
    handler.setFormatter(formatter if text else _AccessLines(formatter))
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    # The middleware writes the access lines: without handlers uvicorn does not even build its own.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    route_structlog()
    # One line per request of every model call and statement is noise at info.
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING if settings.log_level != "debug" else logging.NOTSET)


def route_structlog() -> None:
    """Let structlog's loggers write through standard logging, unless the program has set structlog up itself."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(*, text: bool, colors: bool, secrets: Iterable[str]) -> logging.Formatter:
    mask = _Mask(secrets)
    renderer = (
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        if text
        else _render_json
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_origin,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(() if text else (structlog.processors.format_exc_info,)),
            mask.fields,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            renderer,
            mask.line,
        ],
    )


class _AccessLines(logging.Formatter):
    """Writes access lines itself, as JSON like all others but in a tenth of the time, and leaves the rest to another.

    Nothing in them needs a mask: no header, no query, no message.
    """

    def __init__(self, others: logging.Formatter) -> None:
        super().__init__()
        self._others = others

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        if record.name != ACCESS_LOGGER:
            return self._others.format(record)
        access: dict[str, Any] = record.__dict__[ACCESS_FIELDS]
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6]
        line = {
            "event": record.msg,
            **access,
            "request_id": _request_id.get(),
            "level": record.levelname.lower(),
            "logger": ACCESS_LOGGER,
            "time": f"{time}Z",
        }
        return msgspec.json.encode(line).decode()


def _add_origin(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event.pop("color_message", None)  # uvicorn's copy of the message
    event.update(event.pop(ACCESS_FIELDS, ()))
    event["level"] = record.levelname.lower()
    event["logger"] = record.name
    if (request_id := _request_id.get()) is not None:
        event["request_id"] = request_id
    return event


def _render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (UnicodeEncodeError, TypeError):
        # A lone surrogate, or a key that is no text.
        plain = {str(key): repr(value) for key, value in event.items()}
        return msgspec.json.encode(plain).decode()


class _Mask:
    """Blanks secrets: by the name of their field, by their form, and those of the settings wherever they occur."""

    def __init__(self, secrets: Iterable[str]) -> None:
        literal = "|".join(re.escape(secret) for secret in secrets if len(secret) >= 4)
        self._patterns = list(_SECRET_VALUES)
        if literal:
            self._patterns.insert(0, (re.compile(literal), _MASK))

    def fields(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if key in _SECRET_FIELDS:
                event[key] = _MASK
            elif isinstance(value, (dict, list, tuple)) and key[0] != "_":
                event[key] = _mask_nested(value)
        return event

    def line(self, _logger: WrappedLogger, _name: str, line: Any) -> Any:
        for pattern, replacement in self._patterns:
            line = pattern.sub(replacement, line)
        return line


def _mask_nested(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _MASK if str(key).lower() in _SECRET_FIELDS else _mask_nested(member) for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_mask_nested(member) for member in value]
    return value


def _known_secrets(settings: Settings) -> list[str]:
    secrets = []
    if settings.security_key is not None:
        secrets.append(settings.security_key.get_secret_value())
    return secrets

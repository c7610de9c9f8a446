"""Log lines: their form, the ids they carry, and the secrets they must not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from serai.server.logs import bind_request_id, bind_run_id, configure_logging
from serai.settings import Settings

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog_config = structlog.get_config()
    structlog.reset_defaults()
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").propagate = True
    structlog.configure(**structlog_config)


@pytest.fixture
def read(stream: io.StringIO) -> Read:
    settings = Settings(security_key=SecretStr("open-sesame"), database_url=SecretStr("postgresql://u:pa55@db/x"))
    configure_logging(settings, stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_without_a_terminal_each_line_is_json(read: Read):
    logging.getLogger("app").info("took %d items", 3, extra={"queue": "q1"})
    [line] = read()
    assert line["event"] == "took 3 items"
    assert (line["level"], line["logger"], line["queue"]) == ("info", "app", "q1")
    assert line["time"].endswith("Z")


def test_lines_carry_the_ids_of_request_and_run(read: Read):
    log = logging.getLogger("app")
    with bind_request_id("r-1"), bind_run_id("run-1"):
        log.info("inside")
    log.info("outside")
    inside, outside = read()
    assert (inside["request_id"], inside["run_id"]) == ("r-1", "run-1")
    assert {"request_id", "run_id"}.isdisjoint(outside)


def test_structlogs_loggers_write_the_same_lines(read: Read):
    structlog.get_logger("serai.engine").info("run_claimed", run_id="run-2")
    [line] = read()
    assert (line["event"], line["run_id"], line["logger"]) == ("run_claimed", "run-2", "serai.engine")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("calling with sk-proj-abcdefgh12345678", "sk-proj-abcdefgh12345678"),
        ("Authorization: Bearer eyJhbGciOi.J9", "eyJhbGciOi.J9"),
        ("cannot reach postgresql://serai:hunter2@db:5432/serai", "hunter2"),
        ("dsn host=db password=hunter2 dbname=x", "hunter2"),
        ("the key open-sesame was given", "open-sesame"),
        ("the url is postgresql://u:pa55@db/x", "pa55"),
    ],
)
def test_secrets_in_messages_are_masked(read: Read, text: str, secret: str):
    logging.getLogger("app").warning(text)
    [line] = read()
    assert secret not in json.dumps(line)
    assert "***" in line["event"]


def test_secrets_in_fields_are_masked_at_any_depth(read: Read):
    headers = {"Authorization": "Basic eHl6", "Accept": "*/*"}
    logging.getLogger("app").info(
        "sent", extra={"api_key": "abc", "request": {"headers": [headers]}, "input_tokens": 7}
    )
    [line] = read()
    assert line["api_key"] == "***"
    assert line["request"]["headers"] == [{"Authorization": "***", "Accept": "*/*"}]
    assert line["input_tokens"] == 7


def test_secrets_in_stacks_are_masked(read: Read):
    try:
        raise RuntimeError("refused sk-abcdefgh12345678")
    except RuntimeError:
        logging.getLogger("app").exception("failed")
    [line] = read()
    assert "RuntimeError: refused ***" in line["exception"]


def test_uvicorn_writes_through_the_same_handler_and_its_access_log_is_off(read: Read):
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    logging.getLogger("uvicorn.access").info("127.0.0.1 - GET /health")
    [line] = read()
    assert line["event"] == "Started"
    assert "color_message" not in line


def test_what_cannot_be_encoded_is_still_logged(read: Read):
    logging.getLogger("app").info("odd", extra={"text": "\ud800", "thing": object()})
    [line] = read()
    assert line["event"].strip("'") == "odd"


def test_lines_below_the_level_are_dropped(stream: io.StringIO):
    configure_logging(Settings(log_level="warning"), stream=stream)
    logging.getLogger("app").info("quiet")
    structlog.get_logger("serai.engine").info("quiet")
    assert stream.getvalue() == ""


def test_text_form_is_one_readable_line_without_colours_for_a_file(stream: io.StringIO):
    configure_logging(Settings(log_format="text"), stream=stream)
    with bind_request_id("r-9"):
        logging.getLogger("app").info("hello", extra={"path": "/x"})
    [line] = stream.getvalue().splitlines()
    assert "hello" in line
    assert "path=/x" in line
    assert "request_id=r-9" in line
    assert "\x1b" not in line

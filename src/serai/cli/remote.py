"""What commands that speak to a running server have in common: their flags, exit codes, and how failures are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from serai.cli.invocation import own_command
from serai.cli.tables import printable

if TYPE_CHECKING:
    from serai.client import SyncAgentOSClient

DEFAULT_URL = "http://127.0.0.1:7777"
EXIT_FAILED, EXIT_MISUSED, EXIT_UNREACHABLE, EXIT_REFUSED, EXIT_PAUSED = 1, 2, 3, 4, 5
EXIT_STOPPED = 130

Url = Annotated[str, typer.Option(help="The server.", envvar="SERAI_URL")]
Key = Annotated[
    str | None,
    typer.Option(help="The server's security key.", envvar="SERAI_SECURITY_KEY", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def connect(url: str, key: str | None) -> SyncAgentOSClient:
    """Return a client of a server; end the command when the URL is none."""
    from serai.client import SyncAgentOSClient  # noqa: PLC0415 - loaded when it is wanted
    from serai.wire.arguments import ArgumentError  # noqa: PLC0415

    try:
        return SyncAgentOSClient(base_url=url, security_key=key)
    except ArgumentError as error:
        fail(EXIT_MISUSED, f"--key: {error}.")
    except ValueError as error:
        fail(EXIT_MISUSED, f"--url: {error}")


@contextmanager
def asked(url: str, key: str | None) -> Iterator[SyncAgentOSClient]:
    """Lend a client of a server; what it raises in the block ends the command."""
    with failures_told(url), connect(url, key) as client:
        yield client


@contextmanager
def failures_told(url: str) -> Iterator[None]:
    """Turn what the clients raise in the block into one paragraph on standard error and an exit code."""
    import httpx  # noqa: PLC0415 - the client is loaded when it is wanted
    from pydantic import ValidationError  # noqa: PLC0415

    from serai.errors import RemoteServerUnavailableError  # noqa: PLC0415
    from serai.wire.arguments import ArgumentError  # noqa: PLC0415
    from serai.wire.failures import was_sent  # noqa: PLC0415

    try:
        yield
    except RemoteServerUnavailableError as error:
        if was_sent(error):
            fail(EXIT_UNREACHABLE, error.message)
        fail(EXIT_UNREACHABLE, f"No server answers at {url} ({error.message}). Start one with: {own_command()} serve")
    except httpx.HTTPStatusError as error:
        fail(EXIT_REFUSED, f"The server refused: {error.response.status_code}, {_detail(error.response)}")
    except ArgumentError as error:
        fail(EXIT_MISUSED, f"{error}.")
    except (httpx.HTTPError, json.JSONDecodeError, ValidationError) as error:
        fail(EXIT_FAILED, f"The answer of {url} is none of an AgentOS server ({' '.join(str(error).split())[:200]}).")


def fail(code: int, text: str) -> NoReturn:
    """End the command with one paragraph on standard error."""
    print(f"serai: {printable(text)}", file=sys.stderr)
    raise typer.Exit(code)


def _detail(response: Any) -> str:
    try:
        body = json.loads(response.read())
    except (ValueError, RuntimeError):
        return str(response.reason_phrase)
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, list):
        return "; ".join(_issue(one) for one in detail)
    return detail if isinstance(detail, str) else json.dumps(detail)


def _issue(issue: Any) -> str:
    """Return what is wrong with one field."""
    if not isinstance(issue, dict) or not isinstance(issue.get("loc"), list):
        return json.dumps(issue)
    return f"{'.'.join(str(part) for part in issue['loc'])}: {issue.get('msg')}"

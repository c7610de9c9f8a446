"""``serai run``: ask an agent of a running server, and watch it answer."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from serai.cli.invocation import own_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serai.client import SyncAgentOSClient

DEFAULT_URL = "http://127.0.0.1:7777"
EXIT_FAILED, EXIT_MISUSED, EXIT_UNREACHABLE, EXIT_REFUSED = 1, 2, 3, 4


def run(
    agent: Annotated[str, typer.Argument(help="Id of the agent, for example my-agent.")],
    message: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    *,
    url: Annotated[str, typer.Option(help="The server.", envvar="SERAI_URL")] = DEFAULT_URL,
    session: Annotated[
        str | None, typer.Option(help="Session to go on with; a new one without it.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(help="User on whose behalf to ask.", show_default=False)] = None,
    key: Annotated[
        str | None,
        typer.Option(help="The server's security key.", envvar="SERAI_SECURITY_KEY", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events (or the run) as JSON, one a line.")] = False,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")] = True,
) -> None:
    """Ask an agent and print its answer, with the tools it uses.

    Exit code: 0 answered; 1 the run failed, was cancelled or is paused; 2 an argument is wrong; 3 no server answers;
    4 the server refused.
    """
    import httpx  # noqa: PLC0415 - the client is loaded when it is wanted

    from serai.cli.answer_view import AnswerView, JsonView  # noqa: PLC0415
    from serai.errors import RemoteServerUnavailableError  # noqa: PLC0415

    view = JsonView() if as_json else AnswerView()
    client = _client(url, key)
    question = sys.stdin.read() if message == "-" else message
    try:
        for answer in _ask(client, agent=agent, message=question, session=session, user=user, stream=stream):
            view.show(answer)
    except RemoteServerUnavailableError as error:
        _fail(EXIT_UNREACHABLE, f"No server answers at {url} ({error.message}). Start one with: {own_command()} serve")
    except httpx.HTTPStatusError as error:
        _fail(EXIT_REFUSED, f"The server refused: {error.response.status_code}, {_detail(error.response)}")
    except KeyboardInterrupt:
        _fail(130, "Stopped watching; the run goes on at the server.")
    view.close()
    if not view.succeeded:
        raise typer.Exit(EXIT_FAILED)


def _client(url: str, key: str | None) -> SyncAgentOSClient:
    from serai.client import SyncAgentOSClient  # noqa: PLC0415

    try:
        return SyncAgentOSClient(base_url=url, security_key=key)
    except ValueError as error:
        _fail(EXIT_MISUSED, f"--url: {error}")


def _ask(
    client: SyncAgentOSClient, *, agent: str, message: str, session: str | None, user: str | None, stream: bool
) -> Iterator[Any]:
    """Yield the run's events, or its result as the only item."""
    with client:
        if stream:
            yield from client.run_agent_stream(agent, message, session_id=session, user_id=user)
        else:
            yield client.run_agent(agent, message, session_id=session, user_id=user)


def _detail(response: Any) -> str:
    try:
        body = json.loads(response.read())
    except (ValueError, RuntimeError):
        return str(response.reason_phrase)
    detail = body.get("detail", body) if isinstance(body, dict) else body
    return detail if isinstance(detail, str) else json.dumps(detail)


def _fail(code: int, text: str) -> NoReturn:
    print(f"serai: {text}", file=sys.stderr)
    raise typer.Exit(code)

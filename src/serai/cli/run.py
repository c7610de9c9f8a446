"""``serai run``: ask an agent of a running server, and watch it answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serai.cli.remote import DEFAULT_URL, EXIT_MISUSED, Key, Url, connect, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serai.client import SyncAgentOSClient


def run(
    agent: Annotated[str, typer.Argument(help="Id of the agent, for example my-agent.")],
    message: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    *,
    url: Url = DEFAULT_URL,
    session: Annotated[
        str | None, typer.Option(help="Session to go on with; a new one without it.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(help="User on whose behalf to ask.", show_default=False)] = None,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events (or the run) as JSON, one a line.")] = False,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")] = True,
) -> None:
    """Ask an agent and print its answer, with the tools it uses.

    A run that waits for you says for what, and with which command it goes on.

    Exit code: 0 answered; 1 the run failed or was cancelled; 2 an argument is wrong; 3 no server answers;
    4 the server refused; 5 the run is paused.
    """
    from serai.cli.watch import watch  # noqa: PLC0415 - loaded when it is wanted

    client = connect(url, key)
    question = _read_question() if message == "-" else message
    answers = _ask(client, agent=agent, message=question, session=session, user=user, stream=stream)
    watch(answers, agent=agent, url=url, as_json=as_json)


def _read_question() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        fail(EXIT_MISUSED, "What standard input holds is no text in UTF-8.")


def _ask(
    client: SyncAgentOSClient, *, agent: str, message: str, session: str | None, user: str | None, stream: bool
) -> Iterator[Any]:
    """Yield the run's events, or its result as the only item."""
    with client:
        if stream:
            yield from client.run_agent_stream(agent, message, session_id=session, user_id=user)
        else:
            yield client.run_agent(agent, message, session_id=session, user_id=user)

"""``serai run``: ask an agent, a team or a workflow of a running server, and watch it answer."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serai.cli.component import Component, ComponentId, find_component
from serai.cli.remote import DEFAULT_URL, EXIT_MISUSED, EXIT_PAUSED, Key, Url, connect, fail, failures_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serai.cli.outcome import Outcome
    from serai.client import SyncAgentOSClient


def run(  # noqa: PLR0913 - its flags
    component: ComponentId,
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
    trace: Annotated[bool, typer.Option("--trace", help="Then draw its trace: what took how long.")] = False,
) -> None:
    """Ask an agent, a team or a workflow and print its answer, with the tools, members and steps it uses.

    What goes on inside a run is indented below it; lines of those that speak at the same time begin with their names.
    A run that waits for you says for what, and with which command it goes on.

    Exit code: 0 answered; 1 the run failed or was cancelled; 2 an argument is wrong; 3 no server answers;
    4 the server refused; 5 the run is paused.
    """
    from serai.cli.watch import watch  # noqa: PLC0415 - loaded when it is wanted

    question = _read_question() if message == "-" else message
    with connect(url, key) as client:
        with failures_told(url):
            named = find_component(client, component)
        answers = _ask(client, named, message=question, session=session, user=user, stream=stream)
        watch(
            answers,
            component=named,
            url=url,
            as_json=as_json,
            then=partial(_show_trace, client, as_json=as_json) if trace else None,
        )


def _show_trace(client: SyncAgentOSClient, outcome: Outcome, *, as_json: bool) -> None:
    from serai.cli.traces_work import show_trace_of_run  # noqa: PLC0415 - loaded when it is wanted

    show_trace_of_run(client, outcome.run_id, has_ended=outcome.exit_code != EXIT_PAUSED, as_json=as_json)


def _read_question() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        fail(EXIT_MISUSED, "What standard input holds is no text in UTF-8.")


def _ask(
    client: SyncAgentOSClient,
    component: Component,
    *,
    message: str,
    session: str | None,
    user: str | None,
    stream: bool,
) -> Iterator[Any]:
    """Yield the run's events, or its result as the only item."""
    if stream:
        yield from component.ask(client, "run_{}_stream", message, session_id=session, user_id=user)
    else:
        yield component.ask(client, "run_{}", message, session_id=session, user_id=user)

"""What the commands of ``serai runs`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serai.cli.answer_view import AnswerView
from serai.cli.component import Component, find_component
from serai.cli.lists import Columns, print_list
from serai.cli.output import json_line
from serai.cli.pause_answers import AnswerFlags, apply_flags, requirements_of
from serai.cli.pause_questions import ask_for
from serai.cli.pause_view import describe_pause, waiting_of
from serai.cli.remote import EXIT_MISUSED, EXIT_REFUSED, asked, fail
from serai.cli.tables import printable, shortened, time_text
from serai.cli.watch import watch
from serai.client import SyncAgentOSClient
from serai.wire.runs import RunSchema
from serai.wire.status import UNDER_WAY, RunStatus
from serai.wire.workflow_runs import WorkflowRunSchema

__all__ = ["AnswerFlags", "Server", "cancel_run", "continue_run", "fetch_runs", "follow_run", "show_run", "show_runs"]

_LONGEST_CELL = 50

Listed = RunSchema | WorkflowRunSchema
"""A run in a list."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask."""

    url: str
    key: str | None

    @contextmanager
    def asked_for(self, given: str) -> Iterator[tuple[SyncAgentOSClient, Component]]:
        """Return a client and the component that a command names; what the client raises ends the command."""
        with asked(self.url, self.key) as client:
            yield client, find_component(client, given)


def fetch_runs(server: Server, component: str, session: str, status: str | None) -> list[Listed]:
    """Return a component's runs of a session."""
    with server.asked_for(component) as (client, named):
        runs: list[Listed] = named.ask(client, "list_{}_runs", session, status)
        return runs


def show_runs(runs: Sequence[Listed], *, as_json: bool) -> None:
    """Print runs as a table, or as JSON."""
    print_list(runs, _RUNS, as_json=as_json)


def show_run(server: Server, component: str, run_id: str, session: str | None, *, as_json: bool) -> None:
    """Print a run as it is now."""
    with server.asked_for(component) as (client, named):
        run = named.ask(client, "get_{}_run", run_id, session)
    if as_json:
        print(json_line(run, exclude_none=True))
        return
    began = ""
    if run.created_at is not None:
        began = f", created {time_text(datetime.fromtimestamp(run.created_at, UTC))} UTC"
    print(printable(f"{_status(run)}{began}, session {run.session_id}"))
    if run.input is not None:
        print(f"> {printable(_text(getattr(run.input, 'input_content', run.input)))}")
    if run.status in UNDER_WAY:
        return
    view = AnswerView(url=server.url, component=named.given)
    view.show(run)
    view.close()


def follow_run(server: Server, component: str, run_id: str, after: int | None, *, as_json: bool) -> None:
    """Show a run's events until it rests."""
    with server.asked_for(component) as (client, named):
        watch(
            named.ask(client, "follow_{}_run", run_id, after=after),
            component=named,
            url=server.url,
            as_json=as_json,
            is_live=False,
            ask=lambda: named.ask(client, "get_{}_run", run_id),
        )


def cancel_run(server: Server, component: str, run_id: str, session: str | None, *, as_json: bool) -> None:
    """Cancel a run and say what became of it."""
    import httpx  # noqa: PLC0415 - loaded with the client

    with server.asked_for(component) as (client, named):
        named.ask(client, "cancel_{}_run", run_id, session_id=session)
        try:
            status = _status(named.ask(client, "get_{}_run", run_id, session))
        except httpx.HTTPStatusError:
            status = ""  # the cancel was accepted; servers that need the session do not tell without it
    if as_json:
        print(json.dumps({"run_id": run_id, "status": status or None}))
    elif status == RunStatus.CANCELLED:
        print(f"Run {run_id} is cancelled.")
    elif status in (*UNDER_WAY, RunStatus.PAUSED):
        print(f"Run {run_id} is being cancelled.")
    elif status:
        print(f"Run {run_id} had ended before: {status}.")
    else:
        print(f"No run {run_id} is known yet; it is cancelled when it comes.")


def continue_run(
    server: Server,
    component: str,
    run_id: str,
    flags: AnswerFlags,
    *,
    session: str | None,
    as_json: bool,
    stream: bool,
) -> None:
    """Answer a paused run, from flags or the terminal, and show how it goes on."""
    with server.asked_for(component) as (client, named):
        run = named.ask(client, "get_{}_run", run_id, session)
        if not run.is_paused:
            fail(EXIT_REFUSED, f"Run {run_id} is not paused, it is {_status(run)}.")
        answers = _answers(server, named, run, flags)

        def goes_on() -> Iterator[Any]:
            if stream:
                yield from named.ask(client, "continue_{}_run_stream", run_id, answers, run.session_id)
            else:
                yield named.ask(client, "continue_{}_run", run_id, answers, run.session_id)

        watch(goes_on(), component=named, url=server.url, as_json=as_json)


def _answers(server: Server, component: Component, run: Any, flags: AnswerFlags) -> list[Any]:
    """Return what continues a run: the calls of an agent, the requirements of a team or a workflow."""
    waiting = waiting_of(run)
    if not flags and not sys.stdin.isatty():
        told = describe_pause(run, url=server.url, component=component.given)
        fail(EXIT_MISUSED, f"Run {run.run_id} needs answers:\n{told}")
    try:
        answered = apply_flags([one.item for one in waiting], flags) if flags else ask_for(waiting)
    except ValueError as error:
        fail(EXIT_MISUSED, f"{error}.")
    return requirements_of(run, answered)


def _status(run: Any) -> str:
    return str(getattr(run.status, "value", run.status) or "")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)


def _row(run: Listed) -> Sequence[str]:
    return (
        run.run_id or "",
        _status(run),
        time_text(run.created_at),
        shortened(run.run_input or "", _LONGEST_CELL),
        shortened(_text(run.content), _LONGEST_CELL),
    )


_RUNS = Columns(("RUN", "STATUS", "CREATED (UTC)", "ASKED", "ANSWER"), _row, "There are no such runs.")

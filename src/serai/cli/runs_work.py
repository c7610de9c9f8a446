"""What the commands of ``serai runs`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serai.cli.answer_view import AnswerView
from serai.cli.output import json_line
from serai.cli.pause_answers import AnswerFlags, apply_flags, ask_for
from serai.cli.pause_view import describe_pause, pending_calls
from serai.cli.remote import EXIT_MISUSED, EXIT_REFUSED, connect, fail, failures_told
from serai.cli.tables import printable, shortened, table_text
from serai.cli.watch import watch
from serai.client import SyncAgentOSClient
from serai.wire.runs import RunOutput, RunSchema
from serai.wire.status import RunStatus
from serai.wire.tools import ToolExecution

__all__ = ["AnswerFlags", "Server", "cancel_run", "continue_run", "fetch_runs", "follow_run", "show_run", "show_runs"]

_LONGEST_CELL = 50


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask."""

    url: str
    key: str | None

    def connect(self) -> SyncAgentOSClient:
        """Return a client of it."""
        return connect(self.url, self.key)


def fetch_runs(server: Server, agent: str, session: str, status: str | None) -> list[RunSchema]:
    """Return an agent's runs of a session."""
    with failures_told(server.url), server.connect() as client:
        return client.list_agent_runs(agent, session, status)


def show_runs(runs: Sequence[RunSchema], *, as_json: bool) -> None:
    """Print runs as a table, or as JSON."""
    if as_json:
        for run in runs:
            print(json_line(run, exclude_none=True))
        return
    if not runs:
        print("There are no such runs.", file=sys.stderr)
        return
    rows = [
        (
            run.run_id or "",
            _status(run),
            "" if run.created_at is None else f"{run.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            shortened(run.run_input or "", _LONGEST_CELL),
            shortened(_text(run.content), _LONGEST_CELL),
        )
        for run in runs
    ]
    print(table_text(("RUN", "STATUS", "CREATED (UTC)", "ASKED", "ANSWER"), rows))


def show_run(server: Server, agent: str, run_id: str, session: str | None, *, as_json: bool) -> None:
    """Print a run as it is now."""
    with failures_told(server.url), server.connect() as client:
        run = client.get_agent_run(agent, run_id, session)
    if as_json:
        print(json_line(run, exclude_none=True))
        return
    began = (
        ""
        if run.created_at is None
        else f", created {datetime.fromtimestamp(run.created_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    print(printable(f"{_status(run)}{began}, session {run.session_id}"))
    if run.input is not None:
        print(f"> {printable(_text(run.input.input_content))}")
    if run.status in (RunStatus.PENDING, RunStatus.RUNNING):
        return
    view = AnswerView(url=server.url)
    view.show(run)
    view.close()


def follow_run(server: Server, agent: str, run_id: str, after: int | None, *, as_json: bool) -> None:
    """Show a run's events until it rests."""

    def events() -> Iterator[Any]:
        with server.connect() as client:
            yield from client.follow_agent_run(agent, run_id, after=after)

    def ask() -> RunOutput:
        with server.connect() as client:
            return client.get_agent_run(agent, run_id)

    watch(events(), agent=agent, url=server.url, as_json=as_json, ask=ask)


def cancel_run(server: Server, agent: str, run_id: str, session: str | None, *, as_json: bool) -> None:
    """Cancel a run and say what became of it."""
    import httpx  # noqa: PLC0415 - loaded with the client

    with failures_told(server.url), server.connect() as client:
        client.cancel_agent_run(agent, run_id, session_id=session)
        try:
            status = _status(client.get_agent_run(agent, run_id, session))
        except httpx.HTTPStatusError:
            status = ""  # the cancel was accepted; servers that need the session do not tell without it
    if as_json:
        print(json.dumps({"run_id": run_id, "status": status or None}))
    elif status == RunStatus.CANCELLED:
        print(f"Run {run_id} is cancelled.")
    elif status in (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED):
        print(f"Run {run_id} is being cancelled.")
    elif status:
        print(f"Run {run_id} had ended before: {status}.")
    else:
        print(f"No run {run_id} is known yet; it is cancelled when it comes.")


def continue_run(
    server: Server,
    agent: str,
    run_id: str,
    flags: AnswerFlags,
    *,
    session: str | None,
    as_json: bool,
    stream: bool,
) -> None:
    """Answer a paused run, from flags or the terminal, and show how it goes on."""
    with failures_told(server.url), server.connect() as client:
        run = client.get_agent_run(agent, run_id, session)
    if not run.is_paused:
        fail(EXIT_REFUSED, f"Run {run_id} is not paused, it is {_status(run)}.")
    tools = _answers(server, run, flags)

    def answers() -> Iterator[Any]:
        with server.connect() as client:
            if stream:
                yield from client.continue_agent_run_stream(agent, run_id, tools, run.session_id)
            else:
                yield client.continue_agent_run(agent, run_id, tools, run.session_id)

    watch(answers(), agent=agent, url=server.url, as_json=as_json)


def _answers(server: Server, run: RunOutput, flags: AnswerFlags) -> list[ToolExecution]:
    pending = pending_calls(run)
    if not flags and not sys.stdin.isatty():
        fail(EXIT_MISUSED, f"Run {run.run_id} needs answers:\n{describe_pause(run, url=server.url)}")
    try:
        return apply_flags(pending, flags) if flags else ask_for(pending)
    except ValueError as error:
        fail(EXIT_MISUSED, f"{error}.")


def _status(run: Any) -> str:
    return str(getattr(run.status, "value", run.status) or "")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)

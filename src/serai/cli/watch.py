"""Shows a run as it comes and ends the command with what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import typer

from serai.cli.answer_view import AnswerView, JsonView, exit_code_of, status_text
from serai.cli.pause_view import follow_command
from serai.cli.remote import fail, failures_told


def watch(items: Iterable[Any], *, agent: str, url: str, as_json: bool, ask: Callable[[], Any] | None = None) -> None:
    """Show the events of a run, or its result as the only item; leave with its exit code.

    Args:
        items: what a client yields; its errors end the command.
        agent: whose run it is.
        url: the server.
        as_json: one JSON object a line instead of text.
        ask: returns the run; called when there were no events, for the exit code that is the run's.
    """
    view = JsonView() if as_json else AnswerView(url=url)
    try:
        with failures_told(url):
            is_empty = True
            for item in items:
                is_empty = False
                view.show(item)
            if is_empty and ask is not None:
                run = ask()
                view.exit_code = exit_code_of(run.status)
                print(f"There are no further events; the run is {status_text(run)}.", file=sys.stderr)
    except KeyboardInterrupt:
        view.close()
        again = f" Watch it with: {follow_command(agent, view.run_id, url=url)}" if view.run_id else ""
        fail(130, f"Stopped watching; the run goes on at the server.{again}")
    view.close()
    if view.exit_code:
        raise typer.Exit(view.exit_code)

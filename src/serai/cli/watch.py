"""Shows a run as it comes and ends the command with what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import typer

from serai.cli.answer_view import AnswerView
from serai.cli.component import Component
from serai.cli.json_view import JsonView
from serai.cli.outcome import Outcome, status_text
from serai.cli.pause_view import follow_command
from serai.cli.remote import fail, failures_told


def watch(
    items: Iterable[Any],
    *,
    component: Component,
    url: str,
    as_json: bool,
    is_live: bool = True,
    ask: Callable[[], Any] | None = None,
    then: Callable[[Outcome], None] | None = None,
) -> None:
    """Show the events of a run, or its result as the only item; leave with its exit code.

    Args:
        items: what a client yields; its errors end the command.
        component: whose run it is.
        url: the server.
        as_json: one JSON object a line instead of text.
        is_live: whether events come as they happen.
        ask: returns the run; called when there were no events, for the exit code that is the run's.
        then: called once the run rests, before the command ends.
    """
    view = JsonView() if as_json else AnswerView(url=url, component=component.given, is_live=is_live)
    outcome = view.outcome
    try:
        with failures_told(url):
            is_empty = True
            for item in items:
                is_empty = False
                view.show(item)
            if is_empty and ask is not None:
                run = ask()
                outcome.learn(run)
                print(f"There are no further events; the run is {status_text(run)}.", file=sys.stderr)
    except KeyboardInterrupt:
        view.close()
        again = f" Watch it with: {follow_command(component.given, outcome.run_id, url=url)}" if outcome.run_id else ""
        fail(130, f"Stopped watching; the run goes on at the server.{again}")
    view.close()
    if then is not None:
        with failures_told(url):
            then(outcome)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)

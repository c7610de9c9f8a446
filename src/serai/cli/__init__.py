"""The command ``serai``. Commands load what they need when they run, so that ``serai --help`` is quick."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from serai.cli import (
    db,
    evals,
    knowledge,
    memories,
    metrics,
    records,
    retention,
    run,
    runs,
    schedules,
    serve,
    sessions,
    top,
    traces,
    users,
    worker,
)
from serai.cli.output import writing_output
from serai.errors import SeraiError

app = typer.Typer(
    name="serai",
    help="A self-hosted home for AI agents: one server for runs, sessions and records.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("run")(run.run)
app.add_typer(runs.app, name="runs")
app.add_typer(sessions.app, name="sessions")
app.add_typer(memories.app, name="memories")
app.add_typer(knowledge.app, name="knowledge")
app.command("metrics")(metrics.metrics)
app.command("top")(top.top)
app.add_typer(traces.app, name="traces")
app.add_typer(evals.app, name="evals")
app.add_typer(schedules.app, name="schedules")
app.add_typer(records.app, name="records")
app.add_typer(retention.app, name="retention")
app.add_typer(users.app, name="users")
app.add_typer(db.app, name="db")


def main() -> None:
    """Run the command line; errors of ours end it with one paragraph on standard error and exit code 1.

    When SERAI_LOG_LEVEL (or --log-level) is debug, the traceback is printed before it.
    """
    try:
        with writing_output():
            app()
    except SeraiError as error:
        if os.environ.get("SERAI_LOG_LEVEL", "").lower() == "debug":
            traceback.print_exception(error)
        print(f"serai: {error.message}", file=sys.stderr)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms

        print(f"serai {version('serai')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass

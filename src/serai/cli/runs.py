"""``serai runs …``: look at runs, follow, cancel and continue them. ``runs_work`` has what they do."""

from __future__ import annotations

from enum import StrEnum
from types import ModuleType
from typing import Annotated

import typer

from serai.cli.component import ComponentId
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="runs",
    help="The runs of agents, teams and workflows on a running server: list, show, follow, cancel, continue.\n\n"
    "Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused. Of `follow` and `continue` "
    "also: 1 the run failed or was cancelled; 5 it is paused.",
    no_args_is_help=True,
)


class Status(StrEnum):
    """The states of ``--status``."""

    pending = "pending"
    running = "running"
    paused = "paused"
    completed = "completed"
    cancelled = "cancelled"
    error = "error"


Run = Annotated[str, typer.Argument(help="Id of the run.")]
Session = Annotated[
    str | None, typer.Option(help="The run's session; only agno's own server needs it.", show_default=False)
]


@app.command("list")
def list_(
    component: ComponentId,
    *,
    session: Annotated[str, typer.Option(help="The session whose runs are listed.")],
    status: Annotated[Status | None, typer.Option(help="Only runs in this state.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of a component in a session, oldest first."""
    work = _work()
    work.show_runs(work.fetch_runs(work.Server(url, key), component, session, status and status.value), as_json=as_json)


@app.command()
def show(
    component: ComponentId,
    run: Run,
    *,
    session: Session = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a run as it is now: what was asked, tools and steps, the answer; of a paused one also what it waits for."""
    work = _work()
    work.show_run(work.Server(url, key), component, run, session, as_json=as_json)


@app.command()
def follow(
    component: ComponentId,
    run: Run,
    *,
    after: Annotated[
        int | None,
        typer.Option(
            help="Number of the last event already seen.", min=0, max=2**31 - 1, show_default="from the start"
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Watch a run that was started elsewhere, from its start to its end or pause."""
    work = _work()
    work.follow_run(work.Server(url, key), component, run, after, as_json=as_json)


@app.command()
def cancel(
    component: ComponentId,
    run: Run,
    *,
    session: Session = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a run, whether it waits, runs or is paused. Repeating it changes nothing; nor does it for an ended one."""
    work = _work()
    work.cancel_run(work.Server(url, key), component, run, session, as_json=as_json)


@app.command("continue")
def continue_(  # noqa: PLR0913 - its flags
    component: ComponentId,
    run: Run,
    *,
    confirm: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL", help="Make this call, or go on with this step.", show_default=False),
    ] = None,
    reject: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL", help="Do not make this call, or this step.", show_default=False),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="Why: what the model is told about what was refused.", show_default=False)
    ] = None,
    result: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL=TEXT", help="What came of a call that you executed.", show_default=False),
    ] = None,
    result_file: Annotated[
        list[str] | None,
        typer.Option(metavar="CALL=PATH", help="The same, from a file; - is standard input.", show_default=False),
    ] = None,
    input: Annotated[  # noqa: A002 - the protocol's word
        list[str] | None,
        typer.Option(
            metavar="CALL.FIELD=VALUE",
            help="A value that a call or a step asks for; JSON unless the field is text.",
            show_default=False,
        ),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALL=LABEL",
            help="An option or a route that you choose; CALL.2=LABEL for the second question.",
            show_default=False,
        ),
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP=TEXT", help="Go on with this instead of what the step answered.", show_default=False
        ),
    ] = None,
    retry: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Do this failed step again.", show_default=False)
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Go on without this failed step.", show_default=False)
    ] = None,
    session: Session = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")] = True,
) -> None:
    """Continue a paused run with the answers it waits for.

    CALL is the id of a call, as `serai runs show` tells it, or the name of its tool where only one call has it; or the
    name or id of a workflow's step. The flags may be repeated, one for each. Without any, a terminal is asked. With
    some of the answers only, the server keeps those to calls and the run stays paused.
    """
    work = _work()
    flags = work.AnswerFlags(
        confirm=confirm or (),
        reject=reject or (),
        note=note,
        result=result or (),
        result_file=result_file or (),
        input=input or (),
        select=select or (),
        edit=edit or (),
        retry=retry or (),
        skip=skip or (),
    )
    work.continue_run(work.Server(url, key), component, run, flags, session=session, as_json=as_json, stream=stream)


def _work() -> ModuleType:
    from serai.cli import runs_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return runs_work

"""``serai evals …``: measure agents and teams, and look at what was found. ``evals_work`` has what they do."""

from __future__ import annotations

from enum import StrEnum
from types import ModuleType
from typing import Annotated

import typer

from serai.cli.lists import DEFAULT_LIMIT, Limit, PageNumber, Part, Whole
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url
from serai.wire.choices import EvalType

app = typer.Typer(
    name="evals",
    help="Evals of the agents and teams of a running server: list, show, run, remove, cancel.\n\n"
    "Exit code: 0 done; 1 the eval failed; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)


class Scoring(StrEnum):
    """The ways of ``--scoring``."""

    binary = "binary"
    numeric = "numeric"


Eval = Annotated[str, typer.Argument(help="Id of the eval.")]


@app.command("list")
def list_(  # noqa: PLR0913 - its flags
    *,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.", show_default=False)] = None,
    team: Annotated[str | None, typer.Option(help="Only of this team.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="Only with the model of this id.", show_default=False)] = None,
    kind: Annotated[
        list[EvalType] | None,
        typer.Option("--type", help="Only those that measure this; may be repeated.", show_default=False),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List evals, latest first, each with its outcome."""
    filters = {"agent_id": agent, "team_id": team, "model_id": model, "eval_types": kind}
    _work().list_evals(url, key, Part(limit, page, whole), filters, as_json=as_json)


@app.command()
def show(eval_id: Eval, *, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Show an eval and what it has found, so far or in the end."""
    _work().show_eval(url, key, eval_id, as_json=as_json)


@app.command()
def run(  # noqa: PLR0913 - its flags
    eval_type: Annotated[EvalType, typer.Argument(help="What is measured.")],
    question: Annotated[str, typer.Argument(help="What the component is asked.")],
    *,
    agent: Annotated[str | None, typer.Option(help="The agent; or --team.", show_default=False)] = None,
    team: Annotated[str | None, typer.Option(help="The team; or --agent.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="What the eval is called.", show_default=False)] = None,
    iterations: Annotated[int, typer.Option(min=1, max=100, help="How often the component is asked.")] = 1,
    expected: Annotated[
        str | None, typer.Option(help="Of accuracy: what a good answer says.", show_default=False)
    ] = None,
    guidelines: Annotated[str | None, typer.Option(help="What the judge keeps to.", show_default=False)] = None,
    context: Annotated[str | None, typer.Option(help="What the judge must know.", show_default=False)] = None,
    criteria: Annotated[
        str | None, typer.Option(help="Of agent_as_judge: what a good answer is like.", show_default=False)
    ] = None,
    scoring: Annotated[
        Scoring | None, typer.Option(help="Of agent_as_judge: how answers are scored.", show_default="binary")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(min=1, max=10, help="Of numeric scores: the least that passes.", show_default="7")
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(help="Of reliability: a tool that must be called; may be repeated.", show_default=False),
    ] = None,
    tool_arguments: Annotated[
        str | None,
        typer.Option(help='Of reliability: arguments, as JSON: {"add": {"a": 1}}.', show_default=False),
    ] = None,
    other_tools: Annotated[
        bool, typer.Option("--other-tools", help="Of reliability: other tools may be called, too.")
    ] = False,
    warmup: Annotated[
        int | None,
        typer.Option(min=0, max=10, help="Of performance: how often it is asked before that counts.", show_default="0"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model that judges, as provider:id.", show_default="the component's own")
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(
            help="The least average score (accuracy), or per cent passed; with less, the command fails.",
            show_default=False,
        ),
    ] = None,
    background: Annotated[bool, typer.Option("--background", help="Do not wait for the outcome.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Measure an agent or a team, and show what was found; the eval goes on when the command is stopped.

    It fails, with exit code 1, when the eval does, when tools were not called as expected, and below --at-least.
    """
    work = _work()
    asked = {
        "eval_type": eval_type,
        "input_text": question,
        "agent_id": agent,
        "team_id": team,
        "name": name,
        "num_iterations": iterations,
        "expected_output": expected,
        "additional_guidelines": guidelines,
        "additional_context": context,
        "criteria": criteria,
        "scoring_strategy": scoring and scoring.value,
        "threshold": threshold,
        "expected_tool_calls": tool,
        "expected_tool_call_arguments": work.read_tool_arguments(tool_arguments),
        "allow_additional_tool_calls": other_tools,
        "warmup_runs": warmup,
        **work.read_model(model),
    }
    work.check_least(eval_type, at_least, waits=not background)
    work.run_eval(url, key, asked, waits=not background, at_least=at_least, as_json=as_json)


@app.command()
def rm(
    evals: Annotated[list[str], typer.Argument(help="Ids of the evals.")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Remove evals; ids that nobody knows are passed over."""
    _work().remove_evals(url, key, evals)


@app.command()
def cancel(eval_id: Eval, *, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Stop an eval that runs; what it has found so far is kept."""
    _work().cancel_eval(url, key, eval_id, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import evals_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return evals_work

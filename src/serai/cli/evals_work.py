"""What the commands of ``serai evals`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from serai.cli.lists import Columns, Part, print_list, print_removed
from serai.cli.output import json_line
from serai.cli.remote import EXIT_FAILED, EXIT_MISUSED, asked, fail
from serai.cli.tables import facts_text, json_text, shortened, table_text, time_text
from serai.wire.evals import EvalSchema, EvalType
from serai.wire.status import UNDER_WAY, RunStatus

_LONGEST_CELL = 50
_LONGEST_FACT = 500
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 2.0
_OUTCOMES = {
    EvalType.ACCURACY: ("avg_score", "score"),
    EvalType.AGENT_AS_JUDGE: ("pass_rate", "% passed"),
    EvalType.PERFORMANCE: ("avg_run_time", "s a run"),
}
"""Of each kind the member of its data that says most, and what to call it."""
_LEASTS = {
    EvalType.ACCURACY: "avg_score",
    EvalType.AGENT_AS_JUDGE: "pass_rate",
    EvalType.RELIABILITY: "pass_rate",
}
"""Of each kind the member of which a least value can be asked."""


def list_evals(url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print evals."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.list_eval_runs, client.iter_eval_runs, **filters)
        print_list(found, _EVALS, as_json=as_json, meta=meta)


def show_eval(url: str, key: str | None, eval_id: str, *, as_json: bool) -> None:
    """Print an eval."""
    with asked(url, key) as client:
        found = client.get_eval_run(eval_id)
    _show(found, as_json=as_json)


def check_least(eval_type: EvalType, at_least: float | None, *, waits: bool) -> None:
    """End the command when ``--at-least`` is asked of what has no outcome to compare."""
    if at_least is None:
        return
    if eval_type not in _LEASTS:
        fail(EXIT_MISUSED, f"--at-least is for {', '.join(_LEASTS)}; {eval_type} has times only.")
    if not waits:
        fail(EXIT_MISUSED, "--at-least needs the outcome, for which --background does not wait.")


def run_eval(
    url: str,
    key: str | None,
    question: Mapping[str, Any],
    *,
    waits: bool,
    at_least: float | None = None,
    as_json: bool,
) -> None:
    """Run an eval and print it, when asked to once it has ended; exit code 1 says that it has not passed."""
    with asked(url, key) as client:
        found = client.run_eval(**question, background=True)  # agno's own server waits nevertheless
        delay_s = _FIRST_DELAY_S
        while waits and found is not None and found.status in UNDER_WAY:
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
            found = client.get_eval_run(found.id)
    if found is None:
        print("The server says nothing about evals of components that it has elsewhere.", file=sys.stderr)
        return
    _show(found, as_json=as_json)
    if not _has_passed(found, at_least):
        raise typer.Exit(EXIT_FAILED)


def cancel_eval(url: str, key: str | None, eval_id: str, *, as_json: bool) -> None:
    """Stop an eval and print it."""
    with asked(url, key) as client:
        found = client.cancel_eval_run(eval_id)
    _show(found, as_json=as_json)


def remove_evals(url: str, key: str | None, eval_ids: Sequence[str]) -> None:
    """Remove evals and say so."""
    with asked(url, key) as client:
        client.delete_eval_runs(eval_ids)
    print_removed(eval_ids)


def read_model(text: str | None) -> dict[str, str]:
    """Return what ``--model`` says, as the client's arguments."""
    if text is None:
        return {}
    provider, colon, model = text.partition(":")
    if not (provider and colon and model):
        fail(EXIT_MISUSED, f"--model must be provider:id, such as openai:gpt-5-mini, not {text!r}.")
    return {"model_provider": provider, "model_id": model}


def read_tool_arguments(text: str | None) -> Any:
    """Return what ``--tool-arguments`` says."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        fail(EXIT_MISUSED, f"--tool-arguments is no JSON: {error}.")
    if not isinstance(found, dict):
        fail(EXIT_MISUSED, '--tool-arguments must be an object, such as {"add": {"a": 1}}.')
    return found


def _has_passed(found: EvalSchema, at_least: float | None) -> bool:
    if found.status == RunStatus.ERROR:
        return False
    if at_least is None:
        return found.eval_data.get("eval_status") != "FAILED"
    outcome: float = found.eval_data.get(_LEASTS[EvalType(found.eval_type)], 0)
    return outcome >= at_least


def _show(found: EvalSchema, *, as_json: bool) -> None:
    if as_json:
        print(json_line(found, exclude_none=True))
        return
    results = [result for result in found.eval_data.get("results") or () if isinstance(result, dict)]
    data = {name: value for name, value in found.eval_data.items() if name not in ("results", "run_id")}
    facts = [
        ("eval", found.id),
        ("name", found.name or ""),
        ("measures", str(found.eval_type)),
        *((kind, getattr(found, f"{kind}_id") or "") for kind in ("agent", "team", "workflow")),
        ("model", _model(found)),
        ("status", _status(found)),
        ("error", found.error or ""),
        ("created", time_text(found.created_at)),
        ("asked", json_text({k: v for k, v in (found.eval_input or {}).items() if v is not None}, _LONGEST_FACT)),
        *((name, _value(value)) for name, value in data.items()),
    ]
    print(facts_text(facts))
    if results:
        names = [name for name in ("input", "output", "score", "passed", "reason") if name in results[0]]
        rows = [[shortened(str(result.get(name, "")), _LONGEST_CELL) for name in names] for result in results]
        print(f"\n{table_text([name.upper() for name in names], rows)}")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json_text(value, _LONGEST_FACT)


def _model(found: EvalSchema) -> str:
    return ":".join(part for part in (found.model_provider, found.model_id) if part)


def _status(found: EvalSchema) -> str:
    done = found.progress or {}
    if found.status in UNDER_WAY and "of" in done:
        return f"{found.status}, {done.get('finished')} of {done['of']}"
    return str(found.status or "")


def _outcome(found: EvalSchema) -> str:
    if verdict := found.eval_data.get("eval_status"):
        return str(verdict)
    member, unit = _OUTCOMES.get(found.eval_type, ("", "")) if isinstance(found.eval_type, EvalType) else ("", "")
    value = found.eval_data.get(member)
    return "" if value is None else f"{value:.4g} {unit}"


def _row(found: EvalSchema) -> Sequence[str]:
    return (
        found.id,
        str(found.eval_type),
        found.agent_id or found.team_id or found.workflow_id or "",
        shortened(found.name or "", _LONGEST_CELL),
        _status(found),
        _outcome(found),
        time_text(found.created_at),
    )


_EVALS = Columns(
    ("EVAL", "MEASURES", "COMPONENT", "NAME", "STATUS", "OUTCOME", "CREATED (UTC)"), _row, "There are no such evals."
)

"""The rows of the table that are about evals. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from serai.client._calls import NOTHING, Answer, Arguments, Headers
from serai.client._rows import LIST_PAGE_SIZE, Rows, check_list, check_size, choose, given
from serai.wire.arguments import ArgumentError
from serai.wire.choices import EvalFilterType, EvalType

if TYPE_CHECKING:
    from serai.wire.evals import EvalPage, EvalSchema

EVAL: Answer[EvalSchema] = Answer("evals:EvalSchema")
STARTED: Answer[EvalSchema | None] = Answer("evals:EvalOutcome")
EVALS: Answer[EvalPage] = Answer("evals:EvalPage")
ALL_EVALS: Answer[EvalSchema] = Answer("evals:EvalSchema", paged_by="id")

MOST_ITERATIONS = 100
MOST_NAME_CHARACTERS = 255

_ONE = "/eval-runs/{eval_run_id}"
_TEXTS = {
    "eval_run_id": "the eval; unknown is status 404.",
    "name": f"what it is called, in 1 to {MOST_NAME_CHARACTERS} characters.",
}
_row = Rows(_TEXTS)
_LISTED = {
    "agent_id": "only those of this agent.",
    "team_id": "only those of this team.",
    "workflow_id": "only those of this workflow.",
    "model_id": "only those with this model.",
    "filter_type": "only those of components of this kind.",
    "eval_types": "only those that measure one of these.",
}


@_row("GET", "/eval-runs", EVALS, **_LISTED)
def list_eval_runs(  # noqa: PLR0913, PLR0917 - the published parameters
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    model_id: str | None = None,
    filter_type: EvalFilterType | None = None,
    eval_types: Sequence[EvalType] | None = None,
    limit: int = 20,
    page: int = 1,
    sort_by: str = "created_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the evals, latest first."""
    kinds = [choose(EvalType, "eval_types", kind) for kind in eval_types or ()]
    query = {
        "agent_id": agent_id,
        "team_id": team_id,
        "workflow_id": workflow_id,
        "model_id": model_id,
        "type": None if filter_type is None else choose(EvalFilterType, "filter_type", filter_type),
        "eval_types": ",".join(kinds) or None,
        "limit": limit,
        "page": page,
        "sort_by": sort_by,
        "sort_order": sort_order,
        "db_id": db_id,
        "table": table,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", "/eval-runs", ALL_EVALS, **_LISTED)
def iter_eval_runs(  # noqa: PLR0913, PLR0917 - those of list_eval_runs
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    model_id: str | None = None,
    filter_type: EvalFilterType | None = None,
    eval_types: Sequence[EvalType] | None = None,
    page_size: int = LIST_PAGE_SIZE,
    sort_by: str = "created_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all evals, latest first, each once, asking for pages as they are needed."""
    return list_eval_runs.arrange(
        agent_id,
        team_id,
        workflow_id,
        model_id,
        filter_type,
        eval_types,
        limit=page_size,
        sort_by=sort_by,
        sort_order=sort_order,
        db_id=db_id,
        table=table,
        headers=headers,
    )


@_row("GET", _ONE, EVAL)
def get_eval_run(
    eval_run_id: str, db_id: str | None = None, table: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Return an eval and what it has found so far."""
    return Arguments(path={"eval_run_id": eval_run_id}, query={"db_id": db_id, "table": table}, headers=headers)


@_row("DELETE", "/eval-runs", NOTHING, eval_run_ids="the evals; ids that nobody knows are passed over.")
def delete_eval_runs(
    eval_run_ids: Sequence[str], db_id: str | None = None, table: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Remove evals."""
    ids = check_list("eval_run_ids", eval_run_ids)
    return Arguments(query={"db_id": db_id, "table": table}, json={"eval_run_ids": ids}, headers=headers)


@_row("PATCH", _ONE, EVAL)
def update_eval_run(
    eval_run_id: str, name: str, db_id: str | None = None, table: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Give an eval a name and return it."""
    check_size("name", name, MOST_NAME_CHARACTERS)
    return Arguments(
        path={"eval_run_id": eval_run_id}, query={"db_id": db_id, "table": table}, json={"name": name}, headers=headers
    )


@_row(
    "POST",
    "/eval-runs",
    STARTED,
    eval_type="what is measured.",
    input_text="what the component is asked.",
    agent_id="the agent that is asked; or",
    team_id="the team that is asked.",
    model_id="the model that judges instead of the component's own; with `model_provider`.",
    model_provider="that model's provider.",
    expected_output="of accuracy: what a good answer says.",
    expected_tool_calls="of reliability: the tools that must be called.",
    allow_additional_tool_calls="of reliability: other tools may be called, too.",
    expected_tool_call_arguments="of reliability: for a tool the arguments, or a list of arguments, of its calls.",
    num_iterations=f"how often it is asked, 1 to {MOST_ITERATIONS}.",
    criteria="of agent_as_judge: what a good answer is like.",
    scoring_strategy="of agent_as_judge: `binary`, as by default, or `numeric`.",
    threshold="of numeric scores: the least that passes, 1 to 10; 7 by default.",
    warmup_runs="of performance: how often it is asked before that counts.",
    additional_guidelines="what the judge keeps to.",
    additional_context="what the judge must know.",
    background="return at once with the status PENDING; `get_eval_run` tells the rest. Serai servers only.",
)
def run_eval(  # noqa: PLR0913, PLR0917 - what may be said about an eval
    eval_type: EvalType,
    input_text: str,
    agent_id: str | None = None,
    team_id: str | None = None,
    model_id: str | None = None,
    model_provider: str | None = None,
    expected_output: str | None = None,
    expected_tool_calls: Sequence[str] | None = None,
    allow_additional_tool_calls: bool = False,
    expected_tool_call_arguments: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]] | None = None,
    num_iterations: int = 1,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    *,
    name: str | None = None,
    criteria: str | None = None,
    scoring_strategy: Literal["binary", "numeric"] | None = None,
    threshold: int | None = None,
    warmup_runs: int | None = None,
    additional_guidelines: str | None = None,
    additional_context: str | None = None,
    background: bool = False,
) -> Arguments:
    """Measure an agent or a team, wait for the outcome and return it. A long one is best run with ``background``."""
    check_size("input_text", input_text)
    if name is not None:
        check_size("name", name, MOST_NAME_CHARACTERS)
    if not 1 <= num_iterations <= MOST_ITERATIONS:
        raise ArgumentError(f"num_iterations must be from 1 to {MOST_ITERATIONS}, not {num_iterations}")
    body = given(
        eval_type=choose(EvalType, "eval_type", eval_type),
        input=input_text,
        agent_id=agent_id,
        team_id=team_id,
        model_id=model_id,
        model_provider=model_provider,
        expected_output=expected_output,
        expected_tool_calls=expected_tool_calls,
        allow_additional_tool_calls=allow_additional_tool_calls,
        expected_tool_call_arguments=expected_tool_call_arguments,
        num_iterations=num_iterations,
        name=name,
        criteria=criteria,
        scoring_strategy=scoring_strategy,
        threshold=threshold,
        warmup_runs=warmup_runs,
        additional_guidelines=additional_guidelines,
        additional_context=additional_context,
    )
    return Arguments(
        query={"db_id": db_id, "table": table, "background": background or None}, json=body, headers=headers
    )


@_row("POST", f"{_ONE}/cancel", EVAL)
def cancel_eval_run(eval_run_id: str, headers: Headers | None = None) -> Arguments:
    """Stop an eval and return it with what it has found so far; Serai servers only."""
    return Arguments(path={"eval_run_id": eval_run_id}, headers=headers)

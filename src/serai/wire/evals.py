"""Evals of agents and teams on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from serai.wire.choices import EvalFilterType, EvalType
from serai.wire.model import Moment, ObjectOrNull, WireModel
from serai.wire.pages import Page
from serai.wire.status import Status

__all__ = ["EvalFilterType", "EvalOutcome", "EvalPage", "EvalSchema", "EvalType"]


def _read_type(value: Any) -> Any:
    return EvalType(value) if value in list(EvalType) else value


class EvalSchema(WireModel):
    """An eval and what it found.

    Attributes:
        eval_data: what was found, by the kind of eval; empty before it has ended.
        eval_input: what was asked for.
        status: of a Serai server: ``PENDING``, ``RUNNING``, ``COMPLETED``, ``ERROR`` or ``CANCELLED``.
        progress: of a Serai server: how many iterations are ``finished``, ``of`` how many.
        error: why it failed.
    """

    id: str
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    model_id: str | None = None
    model_provider: str | None = None
    name: str | None = None
    evaluated_component_name: str | None = None
    user_id: str | None = None
    eval_type: Annotated[EvalType | str, BeforeValidator(_read_type)]
    eval_data: ObjectOrNull = Field(default_factory=dict)
    eval_input: dict[str, Any] | None = None
    status: Status | None = None
    progress: dict[str, Any] | None = None
    error: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


EvalOutcome = EvalSchema | None
"""A new eval; agno's own server answers nothing for agents that it has elsewhere."""

EvalPage = Page[EvalSchema]
"""A page of evals."""

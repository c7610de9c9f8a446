"""What differs between the runs of agents, teams and workflows on the wire: form fields and events. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NOT_SERVED: Final = frozenset({"version", "factory_input", "fork", "regenerate", "replace_original", "continue_from"})
"""Fields of the run form that no kind serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind:
    """The runs of one kind of component.

    Attributes:
        name: of the kind.
        title: the same in a sentence.
        is_modelled: a model answers, in a conversation; else steps do, and there are neither history nor uploads.
        refused: fields of the run form that are not served.
        answers: fields of the continue form that hold what a paused run waits for.
        paused: members of the run object that say what a paused run waits for.
        content: events of the run itself that a stream of nothing but content has.
        steps_content: events of its steps' runs that such a stream has.
    """

    name: str
    title: str
    is_modelled: bool = True
    refused: frozenset[str] = NOT_SERVED
    answers: tuple[str, ...] = ("tools", "requirements")
    paused: tuple[str, ...] = ("session_id", "content", "tools", "requirements")
    content: frozenset[str] = frozenset()
    steps_content: frozenset[str] = frozenset()


RUN_KINDS: Final[Mapping[str, RunKind]] = {
    kind.name: kind
    for kind in (
        RunKind(name="agent", title="an agent", content=frozenset({"RunContent"})),
        RunKind(name="team", title="a team", content=frozenset({"TeamRunContent"})),
        RunKind(
            name="workflow",
            title="a workflow",
            is_modelled=False,
            refused=NOT_SERVED | {"output_schema", "use_json_schema"},
            answers=("step_requirements",),
            paused=(
                *("session_id", "content", "status", "pause_kind", "paused_step_index", "paused_step_name"),
                *("step_requirements", "error_requirements", "step_results", "step_executor_runs", "metadata"),
            ),
            steps_content=frozenset({"RunContent", "TeamRunContent"}),
        ),
    )
}
"""By name, in the order of the routes."""

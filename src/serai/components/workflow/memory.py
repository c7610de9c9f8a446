"""What a workflow's run knows of what it did: carried over pauses, so that nothing is done or said twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from serai.components.workflow.definition import Condition, Loop, Node, Step
from serai.components.workflow.places import Place
from serai.components.workflow.results import StepResult
from serai.domain.json_text import dump_json, loader_of
from serai.errors import SeraiError


class WorkflowChangedError(SeraiError):
    """A run cannot go on because the workflow's steps are not the same any more."""

    code = "workflow_changed"


class Memory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was done, decided, answered and said; of finished constructs only the result is kept.

    Attributes:
        done: results by path.
        decisions: what predicates, selectors and the like returned, by path and purpose.
        answers: what people answered, by path and question.
        asked: the question that each step id waits with, by step id.
        asked_inside: of a step whose own workflow is paused: the step ids that wait in there.
        attempts: how often a step was begun and given up, by path.
        retries: how often it was tried again in this round, by path.
        rounds: how often a person had it done again, by path.
        drafts: outputs that are not approved yet, by path.
        failures: text and type of the error of steps that a person decides on, by path.
        said: how often each event was said of a step that is not finished, by step id.
        worked_s: seconds of work so far; waiting for a person is none.
    """

    done: dict[str, StepResult] = {}
    decisions: dict[str, Any] = {}
    answers: dict[str, dict[str, Any]] = {}
    asked: dict[str, str] = {}
    asked_inside: dict[str, list[str]] = {}
    attempts: dict[str, int] = {}
    retries: dict[str, int] = {}
    rounds: dict[str, int] = {}
    drafts: dict[str, StepResult] = {}
    failures: dict[str, tuple[str, str]] = {}
    said: dict[str, dict[str, int]] = {}
    worked_s: float = 0.0

    def finish(self, place: Place, result: StepResult) -> None:
        """Keep a result, and forget what led to it."""
        for table in (self.done, self.decisions, self.answers, self.attempts, self.rounds, self.drafts, self.failures):
            for key in [key for key in table if is_within(key, place.path)]:
                del table[key]
        for step_id in _ids(result):
            self.said.pop(step_id, None)
        self.done[place.path] = result

    def dump(self) -> bytes:
        """Return it as JSON."""
        return dump_json(self)


load_memory = loader_of(Memory)


def is_within(key: str, path: str) -> bool:
    """Return whether a key is that of a step, or of something inside it."""
    return key.startswith(path) and key[len(path) :][:1] in ("", "/", "|")


def has_place(nodes: Iterable[Node], key: str) -> bool:
    """Return whether a key, less what is outside of these steps, is that of one of them, or of something inside it."""
    for number, node in enumerate(nodes):
        path = f"{number}:{node.name}"
        if not is_within(key, path):
            continue
        rest = key[len(path) :]
        if isinstance(node, Step) or not rest.startswith("/"):
            return not rest.startswith("/")
        inner = rest[1:].partition("/")[2] if isinstance(node, Loop) else rest[1:]
        return has_place(node.nodes, inner) or (isinstance(node, Condition) and has_place(node.else_nodes, inner))
    return False


def _ids(result: StepResult) -> Iterator[str]:
    yield result.id
    for step in result.steps:
        yield from _ids(step)

"""What one segment of a run hands to the next when it pauses, and what the next begins from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic_ai import DeferredToolResults
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from serai.components.blob_references import StoredBytes, blobs_of
from serai.components.media import MediaItem
from serai.components.messages import load_messages
from serai.components.pauses import deferred_results
from serai.domain.json_text import load_json, loader_of
from serai.storage.runs import Answer

_usage = TypeAdapter(RunUsage)


class Delegation(msgspec.Struct, kw_only=True):
    """A call with which a team's leader gave work to members.

    Attributes:
        call_id: the model's name of it.
        name: its name in the run.
        member_ids: whom it gave the work to.
        task: what they were to do.
    """

    call_id: str
    name: str
    member_ids: list[str]
    task: str


class Carried(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a paused run keeps for itself, JSON in its row.

    Attributes:
        turn: model requests made so far.
        usage: tokens so far, as the wire names them.
        cost: US dollars so far, of the requests whose price is known.
        run_usage: what pydantic-ai's usage limits count.
        worked_s: seconds of work so far; waiting for a person is none.
        first_token_s: from the first request to the first token.
        media: what the model and its tools made so far.
        delegations: a team's calls that wait for members that paused.
        memories: what its tools stored of its user so far, as events show it.
        references: what its searches for knowledge found so far.
    """

    turn: int = 0
    usage: dict[str, int] = {}
    cost: float | None = None
    run_usage: dict[str, Any] = {}
    worked_s: float = 0.0
    first_token_s: float | None = None
    media: list[MediaItem] = []
    delegations: list[Delegation] = []
    memories: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []


_load_carried = loader_of(Carried)


class Earlier:
    """What a run did before this segment; nothing, when it is its first.

    Args:
        paused: what it paused with, the caller's answers laid in.

    Attributes:
        messages: its messages; their media are empty until `fill`.
        blobs: the hashes of these media.
        requirements: what it paused for, answered; `own_requirements` without those of its members.
        responses: the run objects of its members so far.
    """

    def __init__(self, paused: Answer | None) -> None:
        output: dict[str, Any] = {}
        self.carried = Carried()
        self.messages: list[ModelMessage] = []
        self.is_first = paused is None
        if paused is not None:
            output = load_json(paused.output) if paused.output else {}
            self.carried = _load_carried(paused.carried) if paused.carried else Carried()
            self.messages = load_messages([paused.messages]) if paused.messages else []
        self.blobs = blobs_of(paused.messages) if paused is not None else []
        self._paused = paused
        self.tools: list[dict[str, Any]] = output.get("tools") or []
        self.requirements: list[dict[str, Any]] = output.get("requirements") or []
        self.own_requirements = [wanted for wanted in self.requirements if "member_run_id" not in wanted]
        self.responses: list[dict[str, Any]] = output.get("member_responses") or []

    def fill(self, blobs: Mapping[str, StoredBytes]) -> None:
        """Read the messages again, with their media."""
        if self.blobs and self._paused is not None and self._paused.messages:
            self.messages = load_messages([self._paused.messages], blobs)

    def results(self) -> DeferredToolResults | None:
        """Return what the pending calls were answered with."""
        return None if self.is_first else deferred_results(self.own_requirements)

    def run_usage(self) -> RunUsage | None:
        """Return the usage so far, for limits hold for the whole run."""
        return None if self.is_first else _usage.validate_python(self.carried.run_usage)


def dump_run_usage(usage: RunUsage) -> dict[str, Any]:
    """Return a usage as JSON knows it."""
    dumped: dict[str, Any] = _usage.dump_python(usage, mode="json")
    return dumped

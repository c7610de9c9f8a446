"""The run object of an agent's or a team's run as it comes about: its tool calls, its tokens, its time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from pydantic_ai.usage import RunUsage

from serai.components.media import MediaItem, made_members, shown_items
from serai.components.pauses import is_to_be_done
from serai.components.run_input import RunInput
from serai.components.segments import Carried, Earlier, dump_run_usage
from serai.domain.runs import RunRecord
from serai.domain.usage import Usage, cost_member, used

_NO_TOKENS: Final = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
_PARENT_MEMBERS: Final = (
    ("parent_run_id", "parent_run_id"),
    ("workflow_id", "workflow_id"),
    ("workflow_step_id", "step_id"),
)


class Names(Protocol):
    """How the wire names an agent or a team, and its model."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def model_name(self) -> str | None:
        """Its model, for example ``gpt-5-mini``."""
        ...

    @property
    def model_provider(self) -> str | None:
        """Who serves the model, for example ``openai``."""
        ...


class AgentAnswer:
    """What a run has so far.

    Args:
        record: the run.
        given: what it was asked.
        names: whose run it is.
        earlier: what it did before this segment.
        about: whose child it is, as its events say.

    Attributes:
        memories: what its tools stored of its user, as events show it.
        references: what its searches for knowledge found, as the run object shows it.
    """

    def __init__(
        self, record: RunRecord, given: RunInput, names: Names, earlier: Earlier, *, about: Mapping[str, Any]
    ) -> None:
        self._record = record
        self._about = about
        self._given = given
        self._names = names
        self._carried = earlier.carried
        self._tools = list(earlier.tools)
        self._media = list(earlier.carried.media)
        self.memories = list(earlier.carried.memories)
        self.references = list(earlier.carried.references)
        self._pending = {
            tool["tool_call_id"]: tool
            for tool in (wanted["tool_execution"] for wanted in earlier.own_requirements)
            if is_to_be_done(tool)  # a later turn may use the ids of the others again
        }
        self._usage = Counter(earlier.carried.usage)
        self._cost = earlier.carried.cost
        self._new_cost: float | None = None
        self._first_token_s = earlier.carried.first_token_s
        self._began_at = time.perf_counter()

    def pending(self, call_id: str) -> dict[str, Any] | None:
        """Return the tool execution that the run paused for, its answer laid in."""
        tool = self._pending.get(call_id)
        return None if tool is None else dict(tool)

    def put_tool(self, tool: dict[str, Any]) -> None:
        """Add a tool execution; one that the run paused for takes the place that it had."""
        if self._pending.pop(tool["tool_call_id"], None) is None:
            self._tools.append(tool)
            return
        last = max(n for n, other in enumerate(self._tools) if other["tool_call_id"] == tool["tool_call_id"])
        self._tools[last] = tool

    def add_media(self, media: Iterable[MediaItem]) -> None:
        """Add media that the model or a tool made."""
        self._media += media

    def add_usage(self, usage: dict[str, int], *, cost: float | None, first_token_s: float | None) -> None:
        """Count a model request's tokens, and its US dollars where the price is known."""
        self._usage.update(usage)
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost
            self._new_cost = (self._new_cost or 0.0) + cost
        if self._first_token_s is None:
            self._first_token_s = first_token_s

    def new_usage(self) -> Usage:
        """Return the tokens of this segment, and their cost."""
        tokens = {name: count - self._carried.usage.get(name, 0) for name, count in self._usage.items()}
        return used(self._names.model_name, self._names.model_provider, tokens, self._new_cost)

    def metrics(self) -> dict[str, Any]:
        """Return tokens, dollars and seconds of the whole run; seconds of work, not of waiting for people."""
        used_so_far = {**_NO_TOKENS, **self._usage, **cost_member(self._cost)}
        metrics: dict[str, Any] = {**used_so_far, "duration": self._worked_s()}
        if self._first_token_s is not None:
            metrics["time_to_first_token"] = self._first_token_s
        details = {"id": self._names.model_name, "provider": self._names.model_provider, **used_so_far}
        return {**metrics, "details": {"model": [details]}}

    def members(self, *, content: Any, content_type: str) -> dict[str, Any]:
        """Return the run object's members."""
        record = self._record
        blobs = [item.sha256 for item in (*self._given.media, *self._media) if item.sha256 is not None]
        return {
            **({"blobs": blobs} if blobs else {}),
            "run_id": record.id,
            **{name: self._about[key] for name, key in _PARENT_MEMBERS if key in self._about},
            f"{record.kind}_id": self._names.id,
            f"{record.kind}_name": self._names.name,
            "session_id": record.session_id,
            "user_id": record.user_id,
            "content": content,
            "content_type": content_type,
            "model": self._names.model_name,
            "model_provider": self._names.model_provider,
            "tools": self._tools,
            "metrics": self.metrics(),
            "metadata": self._given.metadata or None,
            "input": self._given.shown(),
            "created_at": int(record.created_at.timestamp()),
            **shown_items(self._media),
            **({"references": self.references} if self.references else {}),
        }

    def made(self) -> dict[str, Any]:
        """Return the media that the model and its tools made, as an event lists them."""
        return made_members(self._media)

    def carry(self, *, turn: int, run_usage: RunUsage) -> Carried:
        """Return what the next segment takes up."""
        return Carried(
            turn=turn,
            usage=dict(self._usage),
            cost=self._cost,
            run_usage=dump_run_usage(run_usage),
            worked_s=self._worked_s(),
            media=self._media,
            first_token_s=self._first_token_s,
            memories=self.memories,
            references=self.references,
        )

    def _worked_s(self) -> float:
        return round(self._carried.worked_s + time.perf_counter() - self._began_at, 6)

"""What is remembered of a run's user: told to its model, changed by its tools, looked for anew when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_ai import FunctionToolset
from pydantic_ai.exceptions import ModelRetry

from serai.components.deps import current_tool_call
from serai.components.run_input import RunInput
from serai.domain.memories import AutomaticChange, MemoryAction, MemoryChange, MemoryOrigin, MemoryRecord
from serai.domain.runs import NextJob, RunRecord
from serai.engine.active_run import ActiveRun
from serai.engine.journal import printable
from serai.engine.spans import Telling
from serai.memory.changes import Wanted, plan_changes
from serai.memory.options import Memory
from serai.memory.recall import MOST_LOOKED_AT, choose_aside, context_text
from serai.storage.connection import retry_while_unavailable
from serai.storage.memory_changes import ChangeSource
from serai.storage.user_memories import Plan

RECALL_STEP: Final = "memory_recall"
_TOOLSET_ID: Final = "serai-memory"
current_memory: ContextVar[RunMemory | None] = ContextVar("serai_memory", default=None)


def extraction_kind(kind: str, component_id: str) -> str:
    """Return the kind of the jobs that look for memories in a component's runs; nodes that have it do them."""
    return f"memory.extract/{kind}/{component_id}"


def source_of(record: RunRecord, origin: MemoryOrigin, operation_id: str) -> ChangeSource:
    """Return where changes of memories come from that a run brings about."""
    return ChangeSource(
        origin=origin,
        operation_id=operation_id,
        run_id=record.id,
        session_id=record.session_id,
        agent_id=record.component_id if record.kind == "agent" else None,
        team_id=record.component_id if record.kind == "team" else None,
    )


def memory_toolsets(options: Memory | None) -> list[FunctionToolset[Any]]:
    """Return the tools ``remember`` and ``forget``, if a component that remembers so has them."""
    return [_TOOLS] if options is not None and options.tool else []


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that a run is told."""

    id: UUID
    memory: str


class RunMemory:
    """The memory of one segment of a run.

    Args:
        run: the claimed run, of a known user.
        options: what its component remembers.

    Attributes:
        context: what the model is told of what is remembered, or None.
    """

    def __init__(self, run: ActiveRun, options: Memory) -> None:
        assert run.record.user_id is not None
        self.context: str | None = None
        self._run = run
        self._user_id = run.record.user_id
        self._options = options
        self._told: list[Recalled] = []
        self._stored: dict[str, list[dict[str, Any]]] = {}

    @property
    def toolsets(self) -> list[FunctionToolset[Any]]:
        """The tools that the run has for it."""
        return memory_toolsets(self._options)

    async def recall(self, message: str) -> None:
        """Look up what has to do with the user's message, in a step: a replay is told the same."""
        if not self._options.recall:
            return

        async def look_up() -> list[dict[str, Any]]:
            memories = await self._read()
            chosen = await choose_aside(memories, message, token_budget=self._options.token_budget)
            return [{"id": str(one.id), "memory": one.memory} for one in chosen]

        telling = Telling(name="recall memories", input=lambda: message)
        found = await self._run.journal.run(RECALL_STEP, "1", given=None, body=look_up, telling=telling)
        self._told = [Recalled(UUID(one["id"]), one["memory"]) for one in found]
        self.context = context_text([one.memory for one in self._told]) if self._told else None

    async def remember(self, text: str, topics: Sequence[str], number: int | None) -> str:
        """Store a memory, or put it in the place of one that the run was told; return what the model is told of it."""
        told = None if number is None else self._told_as(number)
        if not text.strip():
            raise ModelRetry("The memory is empty; say what is to be remembered.")

        def plan(current: Sequence[MemoryRecord]) -> list[AutomaticChange]:
            replaced = next((one for one in current if told is not None and one.id == told.id), None)
            return plan_changes([Wanted(text=text, topics=topics, replaces=replaced)], current)

        changed = await self._change(plan)
        return f"Remembered: {changed[0].after.memory}" if changed and changed[0].after else "That is known already."

    async def forget(self, number: int) -> str:
        """Remove a memory that the run was told; return what the model is told of it."""
        told = self._told_as(number)
        change = AutomaticChange(action=MemoryAction.DELETED, memory_id=told.id)
        changed = await self._change(lambda _: [change])
        return f"Forgotten: {told.memory}" if changed else "That was forgotten already."

    def take_stored(self, call: str) -> list[dict[str, Any]]:
        """Return the memories that a tool call stored, as events show them, for its step to keep."""
        return self._stored.pop(call, [])

    def next_jobs(self, given: RunInput) -> tuple[NextJob, ...]:
        """Return the job that looks for memories in what the user wrote, once the run has ended well."""
        record = self._run.record
        is_of_user = given.is_learnt_from and record.parent_key is None  # what a child is asked its parent wrote
        if not self._options.extract or not is_of_user or not given.message.strip():
            return ()
        return (NextJob(kind=extraction_kind(record.kind, record.component_id), payload={"run_id": record.id}),)

    def _told_as(self, number: int) -> Recalled:
        if not 0 < number <= len(self._told):
            raise ModelRetry(f"There is no memory number {number} among those that you were told.")
        return self._told[number - 1]

    async def _read(self) -> list[MemoryRecord]:
        project_id = self._run.record.project_id
        found: list[MemoryRecord] = await retry_while_unavailable(
            lambda: self._run.memories.list_latest(project_id, self._user_id, limit=MOST_LOOKED_AT)
        )
        return found

    async def _change(self, plan: Plan) -> list[MemoryChange]:
        """Change memories once for this tool call, however often its node dies in the middle of it."""
        record, call = self._run.record, current_tool_call.get()
        assert call is not None
        source = source_of(record, MemoryOrigin.TOOL, f"{record.key}:{printable(call)}")
        changed: list[MemoryChange] = await retry_while_unavailable(
            lambda: self._run.memories.change(
                record.project_id,
                self._user_id,
                plan,
                root_key=record.root_key,
                source=source,
                looked_at=MOST_LOOKED_AT,
            )
        )
        self._stored[call] = [_shown(change.after) for change in changed if change.after is not None]
        return changed


def _shown(memory: MemoryRecord) -> dict[str, Any]:
    """Return a memory as the wire shows it."""
    return {
        "memory_id": str(memory.id),
        "memory": memory.memory,
        "topics": list(memory.topics),
        "agent_id": memory.agent_id,
        "team_id": memory.team_id,
        "user_id": memory.user_id,
        "updated_at": f"{memory.updated_at:%Y-%m-%dT%H:%M:%SZ}",
    }


async def _remember(memory: str, topics: list[str] | None = None, replaces: int | None = None) -> str:
    """Remember a lasting fact about the user for later conversations, when they ask for it or correct what is known.

    Args:
        memory: the fact, one short sentence that is understood by itself.
        topics: one to three words that say what it is about.
        replaces: when it corrects a remembered fact, that one's number.
    """
    return await _memory().remember(memory, topics or [], replaces)


async def _forget(number: int) -> str:
    """Forget a remembered fact about the user, when they ask for it.

    Args:
        number: the fact's number among those that are remembered.
    """
    return await _memory().forget(number)


def _memory() -> RunMemory:
    memory = current_memory.get()
    assert memory is not None  # only runs with memory have the tools
    return memory


_TOOLS: Final = FunctionToolset[Any](id=_TOOLSET_ID)
_TOOLS.add_function(_remember, takes_ctx=False, name="remember")
_TOOLS.add_function(_forget, takes_ctx=False, name="forget")

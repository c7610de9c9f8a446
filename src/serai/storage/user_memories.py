"""The memories of one user while a run or a job works with them: read as they are, changed while nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from serai.domain.memories import AutomaticChange, MemoryChange, MemoryRecord
from serai.errors import FencedError
from serai.storage import memory_rows
from serai.storage.connection import Database
from serai.storage.memories import LATEST_OF_USER, MemoryStore
from serai.storage.memory_changes import ChangeSource, apply_automatic
from serai.storage.memory_rows import record_of

_IS_DONE = """
select exists(select from memory_changes
              where project_id = $1 and user_id = $2 and operation_id = $3 and undoes is null)"""

_HAS_RUN = "select exists(select from runs where key = $1)"

Plan = Callable[[Sequence[MemoryRecord]], Sequence[AutomaticChange]]
"""From a user's memories as they are to what is to be changed."""


class UserMemories:
    """What runs and their jobs do with memories; each call names the user."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = MemoryStore(database)

    async def list_latest(self, project_id: str, user_id: str, *, limit: int) -> list[MemoryRecord]:
        """Return a user's memories, those that were changed last first."""
        return await self._store.list_of_user(project_id, user_id, limit=limit)

    async def is_done(self, project_id: str, user_id: str, operation_id: str) -> bool:
        """Return whether an operation has changed something."""
        return bool(await self._database.fetchval(_IS_DONE, project_id, user_id, operation_id))

    async def change(
        self, project_id: str, user_id: str, plan: Plan, *, root_key: UUID, source: ChangeSource, looked_at: int
    ) -> list[MemoryChange]:
        """Change a user's memories as a plan says that is made while nobody else writes them.

        Args:
            project_id: the user's project.
            user_id: whose memories.
            plan: is given the latest memories.
            root_key: of the run that they come from, which may have been removed with all that is known of the user.
            source: where the changes come from; the same operation again changes nothing and returns what it did.
            looked_at: how many of the latest memories the plan is given.

        Raises:
            ConflictError: a memory has another revision than the plan expects.
            FencedError: the run was removed.

        Durable when it returns.
        """
        async with self._database.transaction() as connection:
            await memory_rows.hold_user(connection, project_id, user_id)
            if not await connection.fetchval(_HAS_RUN, root_key):
                raise FencedError(f"run {source.run_id} was removed")
            rows = await connection.fetch(LATEST_OF_USER, project_id, user_id, looked_at)
            changes = plan([record_of(row) for row in rows])
            return await apply_automatic(connection, project_id, user_id, changes, source=source)

"""What is remembered about users, as the clients return it."""

from serai.wire.memories import (
    MemoryAudit,
    MemoryChange,
    MemoryChangePage,
    OptimizeMemoriesResponse,
    UserMemoryPage,
    UserMemorySchema,
    UserStatsPage,
    UserStatsSchema,
)

__all__ = [
    "MemoryAudit",
    "MemoryChange",
    "MemoryChangePage",
    "OptimizeMemoriesResponse",
    "UserMemoryPage",
    "UserMemorySchema",
    "UserStatsPage",
    "UserStatsSchema",
]

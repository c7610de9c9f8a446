"""Traces of runs, as the clients return them, and what a caller names when it searches them."""

from serai.wire.traces import (
    FilterFieldSchema,
    FilterSchemaResponse,
    FoundTraces,
    TraceDetail,
    TraceDetailPage,
    TraceNode,
    TracePage,
    TraceResult,
    TraceSearchGroupBy,
    TraceSessionStats,
    TraceSessionStatsPage,
    TraceSummary,
)

__all__ = [
    "FilterFieldSchema",
    "FilterSchemaResponse",
    "FoundTraces",
    "TraceDetail",
    "TraceDetailPage",
    "TraceNode",
    "TracePage",
    "TraceResult",
    "TraceSearchGroupBy",
    "TraceSessionStats",
    "TraceSessionStatsPage",
    "TraceSummary",
]

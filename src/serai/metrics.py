"""Daily metrics, as the clients return them."""

from serai.wire.metrics import (
    DayAggregatedMetrics,
    MetricsRefreshResponse,
    MetricsRefreshStatusResponse,
    MetricsResponse,
)

__all__ = ["DayAggregatedMetrics", "MetricsRefreshResponse", "MetricsRefreshStatusResponse", "MetricsResponse"]

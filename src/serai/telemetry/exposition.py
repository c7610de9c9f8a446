"""Series as Prometheus reads them. It takes 30 ms to load, and is loaded when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from serai.telemetry.series import Snapshot
from serai.telemetry.tally import Counter, Histogram, Labels


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that rises and falls: its name, what it tells, and the names of its labels."""

    name: str
    help: str
    labels: Labels = ()

    def collect(self, values: Iterable[tuple[Labels, float]]) -> GaugeMetricFamily:
        """Return it with these values, as Prometheus knows it."""
        family = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


LOOP_LAG: Final = Gauge("serai_loop_lag_seconds", "The longest wait of this node's event loop in the last 30 seconds.")
DATABASE_UP: Final = Gauge("serai_database_up", "1 while the database answers this node.")
RUNS: Final = Gauge("serai_runs", "Runs on all nodes that have not ended.", ("kind", "status"))
JOBS: Final = Gauge("serai_jobs", "Background jobs on all nodes that have not ended.", ("kind", "status"))
QUEUE_RUNS: Final = Gauge("serai_queue_runs", "Runs whose turn has come and that no node has taken.")
QUEUE_OLDEST: Final = Gauge("serai_queue_oldest_seconds", "Seconds that the oldest of them waits.")
NODES: Final = Gauge("serai_nodes", "Nodes that are alive.")
GAUGES: Final = (LOOP_LAG, DATABASE_UP, RUNS, JOBS, QUEUE_RUNS, QUEUE_OLDEST, NODES)


def render(snapshot: Snapshot, *, accept: str) -> tuple[bytes, str]:
    """Return the text of all series and its media type, as an `Accept` header asks for it.

    Cost: 0.3 ms for each set of labels of a histogram; call it in a thread.
    """
    registry = CollectorRegistry()
    registry.register(_Collected(snapshot))
    ProcessCollector(registry=registry)
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # it asks for a version that is none
        encode, media_type = choose_encoder("")
    return encode(registry), media_type


def collect_tally(tally: Counter | Histogram) -> Metric:
    """Return a counter or a histogram as Prometheus knows it."""
    if isinstance(tally, Histogram):
        histogram = HistogramMetricFamily(tally.name, tally.help, labels=tally.labels)
        for labels, buckets, total in tally.buckets():
            histogram.add_metric(labels, buckets, total)
        return histogram
    counter = CounterMetricFamily(tally.name, tally.help, labels=tally.labels)
    for labels, value in tally.values.items() or (() if tally.labels else (((), 0.0),)):
        counter.add_metric(labels, value)
    return counter


class _Collected(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @override
    def collect(self) -> Iterator[Metric]:
        yield from map(collect_tally, self._snapshot.tallies)
        yield LOOP_LAG.collect([((), self._snapshot.loop_lag_s)])
        census = self._snapshot.census
        yield DATABASE_UP.collect([((), float(census is not None))])
        if census is not None:
            yield RUNS.collect(census.runs.items())
            yield JOBS.collect(census.jobs.items())
            yield QUEUE_RUNS.collect([((), census.queued)])
            yield QUEUE_OLDEST.collect([((), census.oldest_s)])
            yield NODES.collect([((), census.nodes)])

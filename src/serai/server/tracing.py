"""What traces the runs of a server: the writer of spans, and whatever else is told of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serai.components.step_spans import StepSpans
from serai.engine.tracing import Tracer
from serai.server.scope import DEFAULT_PROJECT
from serai.settings import Settings
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.telemetry.capture import Capture
from serai.telemetry.otel_environment import wants_export
from serai.telemetry.otlp_in.intake import SpanIntake
from serai.telemetry.series import Series
from serai.telemetry.writer import SpanWriter

if TYPE_CHECKING:
    from serai.telemetry.otlp_out import SpanExport


class Tracing:
    """Traces runs as the settings say.

    Args:
        settings: whether, and what is kept.
        database: where traces are.
        series: counts the spans.
        os_id: what the server calls itself to collectors.

    Attributes:
        spans: the writer.
        tracer: begins the traces of runs.
        intake: takes spans of other programs.

    Raises:
        ConfigurationError: the ``OTEL_…`` variables ask for what there is not.
    """

    def __init__(self, settings: Settings, database: Database, series: Series, *, os_id: str) -> None:
        capture = Capture(
            is_on=settings.trace_content,
            most_characters=settings.trace_characters,
            secret_names=settings.trace_secrets,
        )
        is_on = settings.traces
        self.spans = SpanWriter(
            SpanStore(database),
            capture,
            takes_libraries=is_on and settings.trace_libraries,
            on_write=partial(series.batch_written, "spans"),
        )
        series.spans = self.spans
        self.intake = SpanIntake(self.spans, project_id=DEFAULT_PROJECT, most_bytes=settings.max_body_bytes)
        self.tracer = Tracer(self.spans if is_on else None, StepSpans())
        self._export: SpanExport | None = None
        if is_on and wants_export():
            from serai.telemetry.otlp_out import SpanExport  # noqa: PLC0415 - pulls in the exporter's HTTP client

            self._export = SpanExport(os_id)
            self.spans.listen(self._export.tell)
        if is_on and settings.trace_libraries:
            from serai.telemetry import library_spans  # noqa: PLC0415 - pulls in OpenTelemetry's SDK

            library_spans.install()

    def start(self) -> None:
        """Begin to write."""
        self.spans.start()

    async def stop(self) -> None:
        """Write and send what waits, as far as that is possible within some seconds."""
        await self.spans.stop()
        if self._export is not None:
            await self._export.stop()

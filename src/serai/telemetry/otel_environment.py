"""What the standard ``OTEL_…`` variables ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from serai.errors import ConfigurationError

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def wants_export(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the variables ask for spans to be sent on.

    They do with ``OTEL_TRACES_EXPORTER`` ``otlp`` or ``console``, or with an endpoint and no such variable.

    Raises:
        ConfigurationError: they name an exporter or a protocol that there is not.

    Source: OpenTelemetry, environment variable specification.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "none", "otlp", "console"):
        raise ConfigurationError(
            f"OTEL_TRACES_EXPORTER is {exporter!r}; traces are sent as 'otlp', shown by 'console', or kept with 'none'."
        )
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    is_wanted = exporter in ("otlp", "console") or (not exporter and any(environment.get(name) for name in _ENDPOINTS))
    if is_wanted and exporter != "console" and protocol != "http/protobuf":
        raise ConfigurationError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; traces are sent as 'http/protobuf', to port 4318 of most "
            "collectors."
        )
    return is_wanted

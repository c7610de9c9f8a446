"""``serai worker``: a node that works on runs and serves no HTTP."""

from __future__ import annotations

import gc
import time
from typing import Annotated

import typer

from serai.cli.flags import DatabaseUrl, DataDir, Format, Level, ModelName, Target, apply_flags, read_settings


def worker(
    target: Target = None,
    *,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    model: ModelName = None,
    max_runs: Annotated[
        int | None, typer.Option(help="Runs held at a time.", envvar="SERAI_MAX_RUNS", show_default="64")
    ] = None,
    drain_s: Annotated[
        float | None,
        typer.Option(
            help="Seconds to wait for runs when stopping; the rest is handed over.",
            envvar="SERAI_DRAIN_S",
            show_default="20",
        ),
    ] = None,
    log_level: Level = None,
    log_format: Format = None,
) -> None:
    """Work on the runs that servers on the same database accept; no HTTP.

    Give it the TARGET of those servers: a run is taken by a node that has its agent.
    """
    started_at = time.perf_counter()
    gc.disable()  # until the server stands: collections among half-loaded modules are a sixth of a start
    flags = {
        "data_dir": data_dir,
        "database_url": database_url,
        "model": model,
        "max_runs": max_runs,
        "drain_s": drain_s,
        "log_level": log_level,
        "log_format": log_format,
    }
    settings = read_settings(**flags)
    from serai.cli.banner import print_worker_banner  # noqa: PLC0415 - the server is loaded when it is wanted
    from serai.cli.node import run_until_stopped, work_without_http  # noqa: PLC0415
    from serai.cli.target import load_target  # noqa: PLC0415
    from serai.server.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings)
    agent_os = load_target(target, settings=settings)
    settings = apply_flags(agent_os, **flags)

    def announce() -> None:
        print_worker_banner(agent_os, settings=settings, took_s=time.perf_counter() - started_at)

    run_until_stopped(
        lambda signals: work_without_http(agent_os, settings=settings, signals=signals, announce=announce)
    )

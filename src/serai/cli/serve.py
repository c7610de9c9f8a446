"""``serai serve``: the server."""

from __future__ import annotations

import gc
import time
from typing import Annotated

import typer

from serai.cli.flags import DatabaseUrl, DataDir, Format, Level, ModelName, Target, apply_flags, read_settings


def serve(  # noqa: PLR0913 - one parameter a flag
    target: Target = None,
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", envvar="SERAI_HOST", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 takes a free one.", envvar="SERAI_PORT", show_default="7777"),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    security_key: Annotated[
        str | None,
        typer.Option(
            help="Bearer key that every request must carry. Better given by the variable: flags are seen by others.",
            envvar="SERAI_SECURITY_KEY",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Allow an address other than loopback without a key.", envvar="SERAI_INSECURE"),
    ] = False,
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
    """Serve agents over HTTP; without TARGET those of the demo.

    Every flag is also a variable, SERAI_<NAME>. SIGTERM or Ctrl-C stops the server when its runs are done or handed
    over; a second one hands them over at once.
    """
    started_at = time.perf_counter()
    gc.disable()  # until the server stands: collections among half-loaded modules are a sixth of a start
    flags = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "database_url": database_url,
        "security_key": security_key,
        "insecure": insecure or None,
        "model": model,
        "max_runs": max_runs,
        "drain_s": drain_s,
        "log_level": log_level,
        "log_format": log_format,
    }
    settings = read_settings(**flags)
    from serai.cli.banner import print_banner  # noqa: PLC0415 - the server is loaded when it is wanted
    from serai.cli.node import run_until_stopped, serve_http  # noqa: PLC0415
    from serai.cli.target import load_target  # noqa: PLC0415
    from serai.server.access import check_bind  # noqa: PLC0415
    from serai.server.logs import configure_logging  # noqa: PLC0415

    check_bind(settings)
    configure_logging(settings)
    agent_os = load_target(target, settings=settings)
    settings = apply_flags(agent_os, **flags)
    check_bind(settings)

    def announce(url: str) -> None:
        print_banner(agent_os, settings=settings, url=url, took_s=time.perf_counter() - started_at)

    run_until_stopped(lambda signals: serve_http(agent_os, settings=settings, signals=signals, announce=announce))

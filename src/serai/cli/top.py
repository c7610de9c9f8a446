"""``serai top``: what a running server is doing, watched live. ``top_work`` has what it does."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url


def top(
    *,
    interval: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and leave.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many runs to show.")] = 100,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Watch the nodes, the runs and the queue of a server, its rates, and its slowest tools and models.

    Leave it with q or Ctrl-C. While the server is away it says so, and goes on when the server is back.

    Exit code: 0 left; 1 the answer is none of a Serai server; 2 an argument is wrong; 3 no server answers (--once,
    --json); 4 the server refused.
    """
    from serai.cli import top_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    if once or as_json:
        top_work.print_looks(url, key, limit=limit, interval_s=None if once else interval, as_json=as_json)
    else:
        top_work.watch(url, key, limit=limit, interval_s=interval)

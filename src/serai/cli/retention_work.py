"""What ``serai retention`` and ``serai users`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer

from serai.cli.output import json_line
from serai.cli.remote import EXIT_FAILED, EXIT_MISUSED, asked, fail
from serai.cli.tables import facts_text, printable, table_text, time_text
from serai.wire.status import UNDER_WAY, RunStatus


def show_rules(url: str, key: str | None, *, as_json: bool) -> None:
    """Print how long each kind of data is kept."""
    with asked(url, key) as client:
        found = client.get_retention()
    if as_json:
        print(json_line(found))
        return
    rows = [(name, _span(days)) for name, days in found.rules.items()]
    print(table_text(("DATA", "KEPT"), rows))
    if found.last is not None:
        facts = [
            ("last applied (UTC)", time_text(found.last.started_at)),
            ("status", str(found.last.status or "")),
            ("removed", f"{sum(found.last.removed.values()):,} rows"),
            ("error", found.last.error or ""),
        ]
        print(f"\n{facts_text(facts)}")


def apply_rules(url: str, key: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Remove what is older than the rules keep, and print how much that was."""
    with asked(url, key) as client:
        report = client.apply_retention(dry_run=dry_run)
    if as_json:
        print(json_line(report))
    else:
        _print_counts(report.removed, dry_run=dry_run)
    if report.status == RunStatus.ERROR:
        fail(EXIT_FAILED, f"It failed: {report.error}")
    if report.status in UNDER_WAY:
        print("It goes on in the background; `serai retention show` tells how far it is.", file=sys.stderr)


def erase_user(url: str, key: str | None, user_id: str, *, dry_run: bool, ask: bool, as_json: bool) -> None:
    """Remove all that is stored about a user, after asking, and print how much that was."""
    if ask and not dry_run and not sys.stdin.isatty():
        fail(EXIT_MISUSED, "There is no terminal to ask on: say --yes to erase the user, or --dry-run to only count.")
    with asked(url, key) as client:
        if ask and not dry_run:
            rows = sum(client.erase_user(user_id, dry_run=True).removed.values())
            question = f"Remove all {rows:,} rows about {printable(user_id)} for good?"
            if not typer.confirm(question, err=True):
                fail(EXIT_FAILED, "Nothing was removed.")
        report = client.erase_user(user_id, dry_run=dry_run)
    if as_json:
        print(json_line(report))
        return
    _print_counts(report.removed, dry_run=dry_run)


def _span(days: float | None) -> str:
    return "for ever" if days is None else f"{days:g} day{'' if days == 1 else 's'}"


def _print_counts(removed: Mapping[str, int], *, dry_run: bool) -> None:
    rows = [(name, f"{count:,}") for name, count in removed.items() if count]
    if not rows:
        print("There is nothing to remove.", file=sys.stderr)
        return
    print(table_text(("DATA", "WOULD BE REMOVED" if dry_run else "REMOVED"), rows, right=frozenset((1,))))

"""Writes the generated pages of docs/reference from the code: ``just docs``. A test compares them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from docs.compatibility import render_compatibility
from serai import errors
from serai.cli import app
from serai.demo.guide import PAGES
from serai.server.app import all_routes
from serai.server.run_kinds import NOT_SERVED, RUN_KINDS
from serai.server.run_schemas import run_form
from serai.settings import Settings
from serai.telemetry.exposition import GAUGES
from serai.telemetry.series import Series
from serai.telemetry.tally import Counter
from tests.compat.clients.roster import (
    AGENT_SCRIPTS,
    AGENTS_CLIENTS,
    CANCEL_SCRIPTS,
    RECORDS_CLIENTS,
    STATE_SCRIPTS,
    STORES,
    TEAM_SCRIPTS,
    TRACE_SCRIPTS,
    WORKFLOW_SCRIPTS,
    PublishedClient,
)

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py; change the code, then run `just docs`. -->\n"

_SETTINGS_PAGE = """{note}
# Settings

Each setting is a variable of the environment. Some have a flag of `serai serve` and `serai worker` too; the flag wins.
Durations are in seconds, sizes in bytes.

| variable | flag | default | meaning |
|---|---|---|---|
{rows}

The providers' own variables (`OPENAI_API_KEY`, `OPENAI_BASE_URL` …) are read by pydantic-ai.
Commands that speak to a running server read `SERAI_URL`, the server to ask.
"""
_ERRORS_PAGE = """{note}
# Errors

Everything Serai raises on purpose is a `serai.errors.SeraiError`. The branches follow what the caller can do:

- `RetryLaterError`: send the same request again after `Retry-After` seconds;
- `RequestError`: change the request;
- `AccessError`: ask for the right;
- `ConfigurationError`: the operator changes a setting.

`code` is stable. Those without a status never become an answer.

| code | HTTP | class | when |
|---|---|---|---|
{rows}
"""


_HTTP_PAGE = """{note}
# HTTP API and compatibility

Two published protocols on one port: AgentOS (agents, teams, workflows, their runs and sessions) and Agent Data
(records). The schemas of requests and answers are in the server's own OpenAPI document, at `/docs` and `/openapi.json`.
A trailing slash makes no difference.

| route | what it does |
|---|---|
{routes}

## The form of a run

Sent as `application/x-www-form-urlencoded` or `multipart/form-data`. An empty value means "not given".

{fields}

Beside the published protocol:

- every frame of a stream has the event's number as its `id:`; a stream is resumed, on any node, by
  `GET /agents/{{agent_id}}/runs/{{run_id}}/events` with `Last-Event-ID`, of teams and workflows likewise;
- closing a connection never ends a run;
- a silent stream gets a comment every `SERAI_HEARTBEAT_S` seconds;
- `session_id` may be left out wherever the run's id is given;
- JSON text that cannot be parsed, or is nested more than 100 levels, is refused with a 422 that names its field; the
  reference server drops it silently;
- two different answers to one call of a paused run in the same request are refused with 400;
- a model request that was cut off by the death of its node starts again: a `CustomEvent` named `step_restarted` says
  with `from_index` which events to drop. Clients that do not know it have the whole answer in `RunCompleted`.

## Sessions

- Each is answered in the shape of what it is, whatever `type` says; all shapes have `agent_session_id`, and the id of a
  component is empty, not null, when it has none yet: both generations of the published client can read it.
- A session's runs are those that were started in it; runs inside them are in their answers.
- A list's items have `session_data` and `summary`, where the published clients look for state, metrics and summary.
- An unknown `sort_by` is `created_at`. A search counts up to 1,000: then `meta` has `total_is_lower_bound`.
- The published clients do not encode slashes in ids. In a session's id they may stay as they are, unless it ends in
  `/runs`, `/run-previews` or `/rename`, or has `/runs/` before its last part: then they are sent as `%2F`. `?` and `#`
  end the path unless they are encoded.

## What the unmodified clients were seen to do

Each line is a check that the tests run with the published package as it is. A blank means that the package has no
such call, or that the check is made with others.

### Agents

{agents_checks}

### Teams

{teams_checks}

### Workflows

{workflows_checks}

### Teams and workflows that are cancelled

{cancels_checks}

### Sessions, memories, metrics, evals, databases

{state_checks}

### Traces

{trace_checks}

### Agent Data

{records_checks}

### Workflows whose state is kept as records

{stores_checks}
"""


_SERIES_PAGE = """{note}
# Series for Prometheus

What `GET /-/metrics` answers. Counters and histograms are of the node that is asked, since it started; so are the event
loop's lag and `serai_database_up`. The other gauges are of all nodes, at most three seconds old: take the greatest of
them, not the sum.

A histogram has `_bucket`, `_sum` and `_count`. Labels are few by nature, and bounded: what comes after some hundred
models, tools or routes is counted as `(other)`, and a path that no route is for as `(unmatched)`. `status` of a request
is its class, as `2xx`. Runs inside of runs (members of teams, steps of workflows) are not counted by themselves, but
their models and tools are. [Watch a server](../how-to/watch-a-server.md) says how to use them.

| series | kind | labels | what it tells |
|---|---|---|---|
{rows}

Beside these, on Linux, the usual ones of the process: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and `process_max_fds`.
"""


def render_http() -> str:
    """Return the page of routes, the fields of a run, and the checks of the published clients."""
    return _HTTP_PAGE.format(
        note=_NOTE,
        routes="\n".join(f"| `{route.method} {route.path}` | {route.summary} |" for route in all_routes()),
        fields="\n".join(_render_fields()),
        agents_checks="\n".join(_render_checks(AGENTS_CLIENTS, AGENT_SCRIPTS)),
        teams_checks="\n".join(_render_checks(AGENTS_CLIENTS, TEAM_SCRIPTS)),
        workflows_checks="\n".join(_render_checks(AGENTS_CLIENTS, WORKFLOW_SCRIPTS)),
        cancels_checks="\n".join(_render_checks(AGENTS_CLIENTS, CANCEL_SCRIPTS)),
        state_checks="\n".join(_render_checks(AGENTS_CLIENTS, STATE_SCRIPTS)),
        trace_checks="\n".join(_render_checks(AGENTS_CLIENTS, TRACE_SCRIPTS)),
        records_checks="\n".join(_render_checks(RECORDS_CLIENTS)),
        stores_checks="\n".join(_render_checks(STORES)),
    )


def _render_fields() -> Iterator[str]:
    """Yield a line for each field of a run's form: how each kind of component takes it, and what it means."""
    forms = {name: run_form(kind) for name, kind in RUN_KINDS.items()}
    fields = {name: field for form in reversed(forms.values()) for name, field in form["properties"].items()}
    order = dict.fromkeys(name for form in forms.values() for name in form["properties"])
    yield f"| field | {' | '.join(f'{name}s' for name in forms)} | meaning |"
    yield f"|---|{'---|' * len(forms)}---|"
    for field in order:
        ways = " | ".join(_way(field, kind, forms[kind]) for kind in forms)
        yield f"| `{field}` | {ways} | {fields[field].get('description', '')} |"
    refused = ", ".join(f"`{name}`" for name in sorted(NOT_SERVED))
    yield f"| {refused} | {' | '.join('refused: 400' for _ in forms)} | not served by this version |"
    named = "named in the answer's header `X-Serai-Ignored-Fields`"
    yield f"| any other | {' | '.join('ignored' for _ in forms)} | {named} |"


def _way(field: str, kind: str, form: dict[str, Any]) -> str:
    if field in RUN_KINDS[kind].refused:
        return "refused: 400"
    if field not in form["properties"]:
        return "ignored"
    return "required" if field in form["required"] else "supported"


def _render_checks(clients: tuple[PublishedClient, ...], scripts: tuple[str, ...] | None = None) -> Iterator[str]:
    names = {client.title: client.check_names(scripts) for client in clients}
    yield f"| | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    for check in dict.fromkeys(name for checked in names.values() for name in checked):
        cells = ["yes" if check in checked else "" for checked in names.values()]
        yield f"| {check.replace('_', ' ')} | {' | '.join(cells)} |"


def render_series() -> str:
    """Return the page of the series for Prometheus."""
    tallies = [
        (f"{tally.name}_total" if isinstance(tally, Counter) else tally.name, tally) for tally in Series().tallies
    ]
    rows = [
        f"| `{name}` | {type(each).__name__.lower()} | {', '.join(map('`{}`'.format, each.labels))} | {each.help} |"
        for name, each in [*tallies, *((gauge.name, gauge) for gauge in GAUGES)]
    ]
    return _SERIES_PAGE.format(note=_NOTE, rows="\n".join(rows))


def render_settings() -> str:
    """Return the table of settings."""
    flags = {option for _, command in _commands(typer.main.get_command(app), "serai") for option in _options(command)}
    rows = [
        f"| `SERAI_{name.upper()}` | {_flag(name, flags)} | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return _SETTINGS_PAGE.format(note=_NOTE, rows="\n".join(rows))


def render_cli() -> str:
    """Return the page of commands, arguments and options."""
    lines = [_NOTE, "# Command line", "", "`serai` and `python -m serai` are the same.", ""]
    for name, command in _commands(typer.main.get_command(app), "serai"):
        lines += [f"## `{name}`", "", inspect.cleandoc(command.help or ""), ""]
        rows = [_describe_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def render_errors() -> str:
    """Return the table of error codes."""
    rows = [
        f"| `{kind.code}` | {_status(kind)} | `{kind.__name__}` | {_summary(kind)} |"
        for kind in _subclasses(errors.SeraiError)
    ]
    return _ERRORS_PAGE.format(note=_NOTE, rows="\n".join(rows))


def write_reference() -> None:
    """Write the pages."""
    for name, text in render_all().items():
        (REFERENCE / name).write_text(text)
    for name, page in pages_of_demo().items():
        if not (PAGES / name).is_symlink():
            (PAGES / name).symlink_to(Path("../../../..") / page.relative_to(PAGES.parents[3]))


def pages_of_demo() -> dict[str, Path]:
    """Return the pages that the demo answers from, by the names of the links to them; packages hold them as files."""
    kinds = ("tutorial", "how-to", "explanation")
    return {page.name: page for kind in kinds for page in sorted((REFERENCE.parent / kind).glob("*.md"))}


def render_all() -> dict[str, str]:
    """Return the pages by file name."""
    return {
        "settings.md": render_settings(),
        "cli.md": render_cli(),
        "errors.md": render_errors(),
        "http-api.md": render_http(),
        "compatibility.md": render_compatibility(_NOTE),
        "series.md": render_series(),
    }


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{name} {child_name}")


def _options(command: Any) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts if name.startswith("--")]


def _flag(name: str, flags: set[str]) -> str:
    flag = f"--{name.replace('_', '-')}"
    return f"`{flag}`" if flag in flags else ""


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _describe_parameter(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    is_option = parameter.param_type_name == "option"
    label = ", ".join(f"`{name}`" for name in names) if is_option else f"`{parameter.name.upper()}`"
    shown = parameter.show_default if isinstance(getattr(parameter, "show_default", None), str) else parameter.default
    default = "" if shown in (None, False, True, ...) or parameter.required else f"{shown}"
    variable = f" (`{parameter.envvar}`)" if getattr(parameter, "envvar", None) else ""
    return f"| {label} | {parameter.help or ''}{variable} | {default} |"


def _subclasses(kind: type[errors.SeraiError]) -> Iterator[type[errors.SeraiError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _subclasses(child)


def _status(kind: type[errors.SeraiError]) -> str:
    # Those that never become an answer inherit the root's status.
    return "" if kind.status == errors.SeraiError.status and kind is not errors.SeraiError else str(kind.status)


def _summary(kind: type[errors.SeraiError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    write_reference()

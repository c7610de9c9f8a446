"""Writes docs/reference/{settings,cli,errors}.md from the code: ``just docs``. A test compares them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from serai import errors
from serai.cli import app
from serai.settings import Settings

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
`serai run` reads `SERAI_URL`, the server to ask.
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
    """Write the three pages."""
    for name, text in render_all().items():
        (REFERENCE / name).write_text(text)


def render_all() -> dict[str, str]:
    """Return the pages by file name."""
    return {"settings.md": render_settings(), "cli.md": render_cli(), "errors.md": render_errors()}


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

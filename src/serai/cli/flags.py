"""The flags that stand for settings, and how they take effect: before anything of the user's code is loaded."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serai.errors import ConfigurationError

if TYPE_CHECKING:
    from serai.server.app import AgentOS
    from serai.settings import Settings

_LISTENING = frozenset(("host", "port"))


class LogLevel(StrEnum):
    """The levels of ``--log-level``."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class LogFormat(StrEnum):
    """The forms of ``--log-format``."""

    auto = "auto"
    text = "text"
    json = "json"


Target = Annotated[
    str | None,
    typer.Argument(help="my_os.py, my_os.py:name or package.module:name; the demo without it.", show_default=False),
]
# These two without `envvar`: a folder named on the command line must win over a URL of the environment.
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the server's own PostgreSQL. Also SERAI_DATA_DIR.", show_default="user data folder"),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="PostgreSQL 16 or newer to use instead of the server's own. Also SERAI_DATABASE_URL.", show_default=False
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Model of the demo, e.g. openai:gpt-5-mini.",
        envvar="SERAI_MODEL",
        show_default="a script, no LLM",
    ),
]
Level = Annotated[
    LogLevel | None,
    typer.Option("--log-level", help="Least severe level logged.", envvar="SERAI_LOG_LEVEL", show_default="info"),
]
Format = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        help="auto: text on a terminal, JSON lines elsewhere.",
        envvar="SERAI_LOG_FORMAT",
        show_default="auto",
    ),
]


def read_settings(**flags: Any) -> Settings:
    """Return the settings of environment and flags; put the flags into the environment for what is loaded later.

    Args:
        flags: settings by name; None for a flag that was not given.

    Raises:
        ConfigurationError: a value is out of its range; the message names it.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from serai.settings import Settings  # noqa: PLC0415

    given = {name: str(value) for name, value in flags.items() if value is not None}
    if "data_dir" in given and "database_url" not in given:
        os.environ.pop("SERAI_DATABASE_URL", None)
    os.environ.update({f"SERAI_{name.upper()}": value for name, value in given.items()})
    try:
        return Settings()
    except ValidationError as error:
        issues = "; ".join(f"SERAI_{str(i['loc'][0]).upper()}: {i['msg']}" for i in error.errors())
        raise ConfigurationError(f"A setting is wrong. {issues}.") from error


def apply_flags(agent_os: AgentOS, **flags: Any) -> Settings:
    """Return the settings a loaded OS runs with: its own, with the given flags over them.

    Raises:
        ConfigurationError: the user's code fixes a setting and has built its app with it, and a flag wants another.
    """
    wanted = read_settings()
    update = {name: getattr(wanted, name) for name, value in flags.items() if value is not None}
    settings = agent_os.settings.model_copy(update=update)
    if differing := {name for name in update if getattr(agent_os.settings, name) != update[name]} - _LISTENING:
        if "app" in vars(agent_os):
            raise ConfigurationError(
                f"--{min(differing).replace('_', '-')} cannot take effect: the AgentOS was given settings=… and has "
                "built its app with them. Leave the flag out, or leave settings=… out of the code."
            )
        agent_os.settings = settings
    return settings

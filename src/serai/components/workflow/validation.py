"""Checks of what workflows are made of: names, functions, and what can stand in a step."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic_ai.agent.abstract import AbstractAgent

from serai.components.agent import AgentComponent
from serai.engine.active_run import Component
from serai.errors import ConfigurationError


def as_component(given: Any) -> Component | None:
    """Return what an agent, a team or a workflow is to the engine; None for anything else."""
    if isinstance(given, AbstractAgent):
        return AgentComponent(given, history_runs=0)  # type: ignore[arg-type]
    if getattr(given, "kind", None) in ("agent", "team", "workflow") and callable(getattr(given, "begin", None)):
        component: Component = given
        return component
    return None


def check_name(name: Any, kind: str) -> None:
    """Check what a step is called.

    Raises:
        ConfigurationError: it is no text, or an empty one, or one that UTF-8 cannot write.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"A {kind} is called {name!r}; its name must be a text that is not empty.")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"A {kind} is called {name!r}, which is no text in UTF-8: {error.reason}.") from error


def check_function(function: Any, what: str) -> None:
    """Check that a function can be called with the one thing that it is given.

    Raises:
        ConfigurationError: it cannot be called so, or is a generator.
    """
    if not callable(function):
        raise ConfigurationError(f"{what} is {function!r}, which cannot be called.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{what} is a generator; return the content instead of yielding it.")
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise ConfigurationError(f"{what} is called with one argument, and takes another number: {error}.") from error
    except ValueError:  # of some built-in functions nobody knows what they take
        return


def one_of(what: str, **names: Any) -> Any:
    """Return the one value that was given, under its name or its other name; None for none.

    Raises:
        ConfigurationError: both were.
    """
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise ConfigurationError(f"{what} has both {' and '.join(given)}, which mean the same: leave one out.")
    return next(iter(given.values()), None)

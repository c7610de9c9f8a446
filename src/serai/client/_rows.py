"""Makes a function a row of the table: its name, parameters and docstring are the method's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence, Sized
from enum import StrEnum
from typing import TypeVar

from serai.client._arguments import document
from serai.client._calls import Answer, Arguments, Operation, Parameters, Result
from serai.wire.arguments import ArgumentError

Choice = TypeVar("Choice", bound=StrEnum)

LIST_PAGE_SIZE = 100
"""How many items an iterator over pages asks for at a time."""


class Rows:
    """Makes rows of one noun."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Take what arguments mean where it is not what they mean everywhere."""
        self._texts = texts

    def __call__(
        self, method: str, path: str, answer: Answer[Result], **own: str
    ) -> Callable[[Callable[Parameters, Arguments]], Operation[Parameters, Result]]:
        """Make a function the row of its name.

        Args:
            method: the HTTP method.
            path: the path, its parameters in braces.
            answer: what the answer is read as.
            own: texts of arguments that mean something else in this row.
        """

        def make(arrange: Callable[Parameters, Arguments]) -> Operation[Parameters, Result]:
            signature = inspect.signature(arrange)
            doc = document(inspect.getdoc(arrange) or "", signature, own={**self._texts, **own})
            return Operation(arrange.__name__, method, path, answer, arrange, signature=signature, doc=doc)

        return make


def given(**members: object) -> dict[str, object]:
    """Return the members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def choose(choices: type[Choice], name: str, value: str) -> Choice:
    """Return one of the choices.

    Raises:
        ArgumentError: it is none of them.
    """
    try:
        return choices(value)
    except ValueError:
        raise ArgumentError(f"{name} must be one of {', '.join(choices)}, not {value!r}") from None


def check_list(name: str, values: Sequence[str]) -> list[str]:
    """Return the members of a list that must have some; a text is none, though Python would take it for one.

    Raises:
        ArgumentError: it has no members, or is a text.
    """
    if isinstance(values, str):
        raise ArgumentError(f"{name} must be a list, not the text {values!r}")
    check_size(name, values)
    return [*values]


def check_size(name: str, value: Sized, most: int | None = None) -> None:
    """Refuse what is empty or too long.

    Raises:
        ArgumentError: it has no members, or more than `most`.
    """
    if len(value) == 0:
        raise ArgumentError(f"{name} must not be empty")
    if most is not None and len(value) > most:
        raise ArgumentError(f"{name} must have at most {most:,} characters, and has {len(value):,}")

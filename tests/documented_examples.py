"""Reads the how-to pages: their complete examples, with the commands and the client code that belong to each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PAGES: Final = Path(__file__).parents[1] / "docs" / "how-to"
_PART: Final = re.compile(r"^## (?P<title>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TOLD: Final = re.compile(r"(?P<status>\w+)(?:: (?P<names>[^→]*))?\s*(?:→ (?P<content>.+))?")
_PRINTED: Final = re.compile(r"^\s*print\(.+\)  # (.+)$", re.MULTILINE)
_MODEL: Final = 'MODEL = "openai:gpt-5-mini"'


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the terminal, and what the page says comes of it: ``# completed: members or steps → answer``."""

    line: str
    status: str
    names: list[str]
    content: str | None

    @property
    def args(self) -> list[str]:
        """Its words without the program's name; ``RUN`` stands for the run of the command before."""
        return shlex.split(self.line)[1:]


@dataclass(frozen=True, slots=True)
class ClientCode:
    """A program that speaks to the example's server, and what the page says it prints."""

    code: str
    printed: list[str]


@dataclass(frozen=True, slots=True)
class Example:
    """A file ``my_os.py``, and what a page does with it."""

    page: str
    title: str
    code: str
    uses: list[Command | ClientCode] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page}: {self.title}"

    def with_model(self, statement: str) -> str:
        """Return the code with another model, and nothing else changed."""
        return self.code.replace(_MODEL, statement)


def text_of(page: str) -> str:
    """Return a page as it stands there."""
    return (_PAGES / f"{page}.md").read_text()


def examples_of(page: str) -> list[Example]:
    """Return the examples of a page in order.

    Raises:
        ValueError: a block belongs to no example, or a command does not say what comes of it.
    """
    found: list[Example] = []
    title = ""
    for part in _PART.finditer(text_of(page)):
        title = part["title"] or title
        if part["title"] is not None:
            continue
        text = part["text"]
        if part["language"] == "python" and "os = AgentOS(" in text:
            found.append(Example(page, title, text))
            continue
        if not found:
            raise ValueError(f"{page}: a block stands before the first example")
        if part["language"] == "python":
            found[-1].uses.append(ClientCode(text, _PRINTED.findall(text)))
        elif part["language"] == "":
            found[-1].uses.extend(_commands(text))
    return found


def _commands(text: str) -> Iterator[Command]:
    for line in text.splitlines():
        if line.startswith(("serai run ", "serai runs ")):
            command, _, told = line.rpartition("  # ")
            match = _TOLD.fullmatch(told)
            if match is None:
                raise ValueError(f"{line!r} does not say what comes of it: … # completed: first, second → answer")
            names = [name.strip() for name in (match["names"] or "").split(",") if name.strip()]
            yield Command(command, match["status"], names, match["content"])

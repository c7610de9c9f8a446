"""What the server needs to know about the components it hosts: shapes only; the layers below provide them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from serai.errors import ConfigurationError


@runtime_checkable
class Agent(Protocol):
    """An agent as the server describes it."""

    @property
    def id(self) -> str:
        """Unique among the server's agents."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def description(self) -> str | None:
        """One line about what it does."""

    @property
    def model_name(self) -> str | None:
        """The model's id at its provider."""

    @property
    def model_provider(self) -> str | None:
        """The model's provider."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Free members shown to clients."""

    @property
    def tools(self) -> Sequence[Any]:
        """Objects or dictionaries with name, description and parameters (JSON schema)."""

    @property
    def instructions(self) -> str | None:
        """The static part of its system message."""

    @property
    def history_runs(self) -> int:
        """Earlier runs of a session that it sees."""


def slugify(name: str) -> str:
    """Return a name as an id: lower case letters and digits of any script, joined by hyphens."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


def index_by_id(kind: str, components: Iterable[Agent]) -> Mapping[str, Agent]:
    """Return the components by their ids.

    Raises:
        ConfigurationError: two have the same id.
    """
    found: dict[str, Agent] = {}
    for component in components:
        if component.id in found:
            raise ConfigurationError(
                f"Two {kind}s have the id {component.id!r} ({found[component.id].name!r} and {component.name!r}). "
                "Ids are made from names: give one of them another name."
            )
        found[component.id] = component
    return found

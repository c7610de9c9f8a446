"""What the server needs to know about the components it hosts: shapes only; the layers below provide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, runtime_checkable

from serai.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from serai.knowledge.options import Knowledge
    from serai.memory.options import Memory

KINDS: Final = ("agent", "team", "workflow")
"""The kinds of components; the routes of each begin with its plural."""


@runtime_checkable
class Component(Protocol):
    """A component of any kind as the server describes it."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def id(self) -> str:
        """Unique among the server's components of its kind."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def description(self) -> str | None:
        """One line about what it does."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Free members shown to clients."""


class Agent(Component, Protocol):
    """An agent as the server describes it; a team's leader is one, too."""

    @property
    def model_name(self) -> str | None:
        """The model's id at its provider."""

    @property
    def model_provider(self) -> str | None:
        """The model's provider."""

    @property
    def tools(self) -> Sequence[Any]:
        """Objects or dictionaries with name, description and parameters (JSON schema)."""

    @property
    def instructions(self) -> str | None:
        """The static part of its system message."""

    @property
    def history_runs(self) -> int:
        """Earlier runs of a session that it sees."""

    @property
    def memory(self) -> Memory | None:
        """What it remembers of its users."""

    @property
    def knowledge(self) -> Sequence[Knowledge]:
        """The bases that it may search."""


class Team(Agent, Protocol):
    """A team as the server describes it."""

    @property
    def mode(self) -> str:
        """How its leader works with its members: ``coordinate``, ``route`` or ``broadcast``."""

    @property
    def members(self) -> Sequence[Agent | Team]:
        """Who is in it."""


class Workflow(Component, Protocol):
    """A workflow as the server describes it."""

    @property
    def input_schema(self) -> dict[str, Any] | None:
        """A JSON schema of its message; None for any text."""

    def check_message(self, message: str) -> None:
        """Check that a run may begin with a message.

        Raises:
            RequestError: it does not fit the input schema.
        """

    def describe_steps(self, show: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return its steps as clients see them; `show` describes an agent or team inside a step."""


class Components:
    """All that a server hosts, by kind and id.

    Args:
        agents: each with an id of its own, as are the others.
        teams: teams.
        workflows: workflows.

    Raises:
        ConfigurationError: two of a kind have the same id.
    """

    def __init__(
        self, *, agents: Iterable[Agent] = (), teams: Iterable[Team] = (), workflows: Iterable[Workflow] = ()
    ) -> None:
        self.agents: Mapping[str, Agent] = _index_by_id(agents)
        self.teams: Mapping[str, Team] = _index_by_id(teams)
        self.workflows: Mapping[str, Workflow] = _index_by_id(workflows)
        of_kinds = (self.agents, self.teams, self.workflows)
        self._of_kind = cast("dict[str, Mapping[str, Component]]", dict(zip(KINDS, of_kinds, strict=True)))

    def __iter__(self) -> Iterator[Component]:
        """Yield all components, kind by kind."""
        for components in self._of_kind.values():
            yield from components.values()

    def of_kind(self, kind: str) -> Mapping[str, Component]:
        """Return the components of one of `KINDS` by their ids."""
        return self._of_kind[kind]

    def modelled(self) -> Iterator[Agent]:
        """Yield all that have a model, those inside teams and workflows, too."""
        return (agent for component in self for agent in modelled(component))

    def find(self, kind: str, component_id: str) -> Component:
        """Return a component.

        Raises:
            NotFoundError: there is none of this kind with this id.
        """
        component = self._of_kind[kind].get(component_id)
        if component is None:
            raise NotFoundError(f"{kind.capitalize()} not found")
        return component


def modelled(component: Component) -> Iterator[Agent]:
    """Yield whatever has a model in a component: itself, its members, the agents and teams of its steps."""
    inside: list[Component] = []

    def note(part: Component) -> dict[str, Any]:
        inside.append(part)
        return {}

    if component.kind == "workflow":
        cast("Workflow", component).describe_steps(note)
    else:
        yield cast("Agent", component)
    if component.kind == "team":
        inside += cast("Team", component).members
    for part in inside:
        yield from modelled(part)


_Some = TypeVar("_Some", bound=Component)


def check_kind(component: _Some, kind: str) -> _Some:
    """Return a component that is of the kind it was given as.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(component, Component):
        raise ConfigurationError(f"{kind}s has {component!r}, which is no {kind}.")
    if component.kind != kind:
        raise ConfigurationError(
            f"{kind}s has the {component.kind} {component.name!r}: pass it as AgentOS({component.kind}s=[…])."
        )
    return component


def _index_by_id(components: Iterable[_Some]) -> dict[str, _Some]:
    found: dict[str, _Some] = {}
    for component in components:
        if component.id in found:
            raise ConfigurationError(
                f"Two {component.kind}s have the id {component.id!r} ({found[component.id].name!r} and "
                f"{component.name!r}). Ids are made from names: give one of them another name."
            )
        found[component.id] = component
    return found

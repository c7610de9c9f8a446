"""The agent, team or workflow that a command names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serai.cli.remote import EXIT_MISUSED, EXIT_REFUSED, fail

if TYPE_CHECKING:
    from serai.client import SyncAgentOSClient
    from serai.wire.discovery import ConfigResponse

ComponentId = Annotated[
    str,
    typer.Argument(
        metavar="COMPONENT",
        help="Id of an agent, team or workflow; agent:ID, team:ID or workflow:ID where several have the same.",
    ),
]

_KINDS = ("agent", "team", "workflow")


@dataclass(frozen=True, slots=True)
class Component:
    """A component of a running server.

    Attributes:
        kind: agent, team or workflow.
        id: its id.
        given: how the user named it, for commands to be copied.
    """

    kind: str
    id: str
    given: str

    def ask(self, client: SyncAgentOSClient, operation: str, *args: Any, **options: Any) -> Any:
        """Call the client's method of an operation, for example ``run_{}_stream``, for this component."""
        return getattr(client, operation.format(self.kind))(self.id, *args, **options)


def find_component(client: SyncAgentOSClient, given: str) -> Component:
    """Return the component that a command names; the server's configuration tells of what kind an id is.

    Ends the command when no component has the id, or several have it.
    """
    if not given:
        fail(EXIT_MISUSED, "COMPONENT must not be empty: it is the id of an agent, a team or a workflow.")
    kind, _, component_id = given.partition(":")
    if kind in _KINDS:
        return Component(kind, component_id, given)
    ids = _ids(client.get_config())
    fitting = [kind for kind, known in ids.items() if given in known]
    if not fitting:
        known = "; ".join(f"{kind}s {', '.join(known)}" for kind, known in ids.items() if known) or "nothing to run"
        fail(EXIT_REFUSED, f"There is no agent, team or workflow {given!r} on this server. It has: {known}.")
    if len(fitting) > 1:
        fail(EXIT_REFUSED, f"{given!r} may be several: write {' or '.join(f'{kind}:{given}' for kind in fitting)}.")
    return Component(fitting[0], given, given)


def _ids(config: ConfigResponse) -> dict[str, list[str]]:
    return {kind: [one.id for one in getattr(config, f"{kind}s") if one.id is not None] for kind in _KINDS}

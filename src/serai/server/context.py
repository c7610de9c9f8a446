"""What a handler finds on its request: the OS it belongs to and the runtime behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from starlette.requests import Request

from serai.errors import RetryLaterError
from serai.server.components import Components
from serai.settings import Settings

if TYPE_CHECKING:
    from serai.knowledge.options import Knowledge
    from serai.server.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Description:
    """What an OS says about itself; fixed once it is built. `started_at` is RFC 3339 in UTC."""

    id: str
    name: str | None
    description: str | None
    started_at: str
    settings: Settings
    components: Components
    quick_prompts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    knowledge: Sequence[Knowledge] = ()


class RuntimeLifecycle(Protocol):
    """What the app needs of the runtime it starts and stops."""

    async def start(self) -> None:
        """Open the database and begin to take runs."""

    async def stop(self) -> None:
        """Drain, hand over what is left, close."""

    async def ready(self) -> bool:
        """Tell whether the database answers now."""


def description_of(request: Request) -> Description:
    """Return what the request's OS says about itself."""
    return cast("Description", request.app.state.serai_description)


def runtime_of(request: Request) -> Runtime:
    """Return the running runtime.

    Raises:
        RetryLaterError: it has not started, or has stopped.
    """
    runtime: Any = getattr(request.app.state, "serai", None)
    if runtime is None:
        raise RetryLaterError(
            "The server is starting or stopping; try again in a moment. "
            "(If its app is mounted in another one, that app's lifespan must enter the lifespan of this one.)"
        )
    return cast("Runtime", runtime)

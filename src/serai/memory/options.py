"""``serai.Memory``: what an agent or a team remembers of its users, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic_ai.models import Model

from serai.errors import ConfigurationError

DEFAULT_TOKEN_BUDGET: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What an agent or a team remembers of its users: ``AgentComponent(agent, memory=Memory(…))``.

    Only runs of a known user remember anything: those with a ``user_id``.

    Args:
        model: looks for new memories after a run: a pydantic-ai model, or a string such as ``openai:gpt-5-mini``; by
            default the component's own.
        token_budget: about how many tokens of memories a run is told; beyond it those that have to do with the
            user's message, and the latest.
        recall: whether runs are told what is remembered of their user.
        extract: whether a model looks for new memories in what the user wrote, after each completed run.
        tool: whether the component may store, correct and forget memories itself, by the tools ``remember`` and
            ``forget``.
        instructions: what the model that looks for memories is told beside Serai's own instructions, for example
            what is worth remembering.

    Raises:
        ConfigurationError: the token budget is below 1.
    """

    model: Model | str | None = None
    token_budget: int = DEFAULT_TOKEN_BUDGET
    recall: bool = True
    extract: bool = True
    tool: bool = True
    instructions: str | None = None

    def __post_init__(self) -> None:
        if self.token_budget < 1:
            raise ConfigurationError(
                f"token_budget of a Memory is {self.token_budget}; it must be 1 or more. To tell runs nothing, say "
                "recall=False."
            )


def memory_of(given: Memory | bool | None) -> Memory | None:
    """Return what ``memory=…`` means: True is a `Memory` with its defaults, False and None are none."""
    return Memory() if given is True else given or None

"""What an agent's steps are called in the journal: names of ours, which stay when others rename theirs."""

from __future__ import annotations

from typing import Final

MODEL_STEP: Final = "model_request"
TOOL_STEP: Final = "tool_call"
BEGUN_STEP: Final = "tool_begun"


def call_name(turn: int, call_id: str, occurrence: int = 1) -> str:
    """Return the name of a tool call within its run.

    Args:
        turn: the model request whose answer made it; models number their calls anew in each.
        call_id: the model's own name of it, which some models repeat even within an answer.
        occurrence: which of the same id in this answer.
    """
    return f"{turn}/{call_id}" if occurrence == 1 else f"{turn}.{occurrence}/{call_id}"

"""What a run is given, as it is stored with the run."""

from __future__ import annotations

from typing import Any

import msgspec


class RunInput(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The request of a run, JSON in the run's row.

    Attributes:
        message: the user's text.
        stream: whether somebody wants the answer token by token.
        session_state: members laid over the session's state.
        history_runs: how many earlier runs the agent sees, or None for its own setting.
    """

    message: str
    stream: bool = False
    session_state: dict[str, Any] = {}
    dependencies: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    knowledge_filters: Any = None
    history_runs: int | None = None


load_run_input = msgspec.json.Decoder(RunInput).decode

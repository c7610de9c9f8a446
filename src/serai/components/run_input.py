"""What a run is given, as it is stored with the run."""

from __future__ import annotations

from typing import Any

import msgspec

from serai.components.deps import RunDeps
from serai.components.media import MediaItem, shown_items
from serai.domain.json_text import loader_of
from serai.domain.runs import RunRecord


class RunInput(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The request of a run, JSON in the run's row.

    Attributes:
        message: the user's text.
        stream: whether somebody wants the answer token by token.
        session_state: members laid over the session's state.
        history_runs: how many earlier runs the agent sees, or None for its own setting.
        media: what goes with the message, in its order.
        output_schema: a JSON schema that the answer follows, instead of the agent's own output type.
        keeps_schema: the answer counts as a plain object, whatever the schema's title says.
        is_learnt_from: whether memories of the user are looked for in the message.
        traceparent: the header that says in which trace of the caller the run lies.
    """

    message: str
    stream: bool = False
    session_state: dict[str, Any] = {}
    dependencies: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    knowledge_filters: Any = None
    history_runs: int | None = None
    media: list[MediaItem] = []
    output_schema: dict[str, Any] | None = None
    keeps_schema: bool = False
    is_learnt_from: bool = True
    traceparent: str | None = None

    def shown(self) -> dict[str, Any]:
        """Return the input as a run object shows it; media are references."""
        shown: dict[str, Any] = {"input_content": self.message}
        return {**shown, **shown_items(self.media, audio="audios")} if self.media else shown

    def deps_of(self, record: RunRecord) -> RunDeps:
        """Return what tools and functions learn about a run that was given this."""
        return RunDeps(
            run_id=record.id,
            session_id=record.session_id,
            user_id=record.user_id,
            dependencies=self.dependencies,
            metadata=self.metadata,
            knowledge_filters=self.knowledge_filters,
        )


load_run_input = loader_of(RunInput)

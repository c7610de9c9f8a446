"""The text of a streamed answer, put together from its events."""

from __future__ import annotations

from serai.wire.events import BaseEvent, StepRestartedEvent, is_of_inner_run

CONTENT_EVENTS = frozenset({"RunContent", "TeamRunContent"})
"""Names of the events whose ``content`` is a piece of an answer."""


class StreamedText:
    """The text that a run has said so far; pieces that a restarted step has made void are dropped.

    Events of other runs in the same stream (of a team's members, of a workflow's steps) are no part of it.
    """

    def __init__(self, run_id: str | None = None) -> None:
        """Start without any text.

        Args:
            run_id: whose text; by default the run's that the stream is about. A workflow says nothing itself: name a
                run of one of its steps.
        """
        self._run_id = run_id
        self._pieces: list[tuple[int | None, str]] = []

    def __str__(self) -> str:
        return "".join(piece for _, piece in self._pieces)

    def add(self, event: BaseEvent) -> bool:
        """Take the next event of the stream.

        Returns:
            Whether text that was there before is void now, so that a display has to be drawn anew.
        """
        if self._run_id is None and not is_of_inner_run(event):
            self._run_id = event.run_id
        if event.run_id not in (None, self._run_id):
            return False
        if isinstance(event, StepRestartedEvent):
            kept = [(index, piece) for index, piece in self._pieces if index is None or index < event.from_index]
            is_shorter, self._pieces = len(kept) < len(self._pieces), kept
            return is_shorter
        if event.event in CONTENT_EVENTS and isinstance(event.content, str):
            self._pieces.append((event.event_index, event.content))
        return False

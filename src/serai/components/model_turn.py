"""One model request of a run as it goes on: what the model says, when it first said something, and the events of it."""

from __future__ import annotations

import time
from typing import Any

from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)

from serai.components.agent_events import AgentEvents, LoggedEvents
from serai.components.journalled import load_response
from serai.components.messages import text_of, thinking_of, wire_usage
from serai.engine import faults
from serai.telemetry.prices import price_of_response


class ModelTurn:
    """The request that is being made; used again for the next one.

    Args:
        events: where it speaks.
        logged: what the run said before it was taken over.
        model: how the wire names the model.
        streams: whether somebody wants the answer as it comes; else it is said in one piece.

    Attributes:
        response: the whole answer once it is there.
    """

    def __init__(
        self, events: AgentEvents, logged: LoggedEvents, *, model: dict[str, str | None], streams: bool
    ) -> None:
        self.response: ModelResponse | None = None
        self._events = events
        self._logged = logged
        self._model = model
        self._streams = streams
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._started_at = 0.0
        self._first_token_s: float | None = None

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._text)

    def open(self) -> None:
        """Begin a request."""
        self.forget()
        self.response = None
        self._started_at = time.perf_counter()
        self._first_token_s = None
        cut_off, self._logged.open_request = self._logged.open_request, None
        if cut_off is None:
            self._events.emit("ModelRequestStarted", **self._model)
        elif cut_off <= self._logged.last_seq or self._events.voice is not None:
            # Some of this request's answer was delivered before the node died: followers drop it from there on.
            self._events.emit_restart(cut_off)

    def hear(self, event: ModelResponseStreamEvent) -> None:
        """Take what the model says, as it says it: to followers at once, or in one piece when nobody streams."""
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._say(text, "")
            case PartStartEvent(part=ThinkingPart(content=text)):
                self._say("", text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                self._say("", text)
            case PartStartEvent():
                self._mark_first_token()
            case _:
                return

    def close(self, step: dict[str, Any]) -> dict[str, Any]:
        """End the request; return the rest of its journalled step: tokens, dollars, and seconds to the first token."""
        response = self.response or load_response(step)
        usage = wire_usage(response.usage)
        if not self._streams or not (self._text or self._thinking):
            text, thinking = text_of([response]), thinking_of([response])
            if text or thinking:
                self._mark_first_token()
                self._events.emit_text(text, reasoning=thinking)
        self._events.emit(
            "ModelRequestCompleted",
            **self._model,
            **{"reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, **usage},
            time_to_first_token=self._first_token_s,
        )
        return {"usage": usage, "cost": price_of_response(response), "first_token_s": self._first_token_s}

    def forget(self) -> None:
        """Drop what was said: it is part of a response now."""
        self._text.clear()
        self._thinking.clear()

    def say_rest(self) -> None:
        """Say what was kept for the end of a request that will not come."""
        if not self._streams and (self._text or self._thinking):
            self._events.emit_text(self.text, reasoning="".join(self._thinking))

    def unfinished(self) -> ModelResponse | None:
        """Return what was said so far as a response, if anything was."""
        parts = [part for part in (ThinkingPart("".join(self._thinking)), TextPart(self.text)) if part.content]
        return ModelResponse(parts, model_name=self._model["model"]) if parts else None

    def _say(self, text: str, thinking: str) -> None:
        if not text and not thinking:
            return
        self._mark_first_token()
        if text:
            self._text.append(text)
        else:
            self._thinking.append(thinking)
        if self._streams:
            self._events.emit_text(text, reasoning=thinking)
        faults.reach("in_model_call", str(len(self._text)))

    def _mark_first_token(self) -> None:
        if self._first_token_s is None:
            self._first_token_s = round(time.perf_counter() - self._started_at, 6)

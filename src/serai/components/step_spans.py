"""What the spans of steps say: read from what the journal keeps of them, so that a replay says the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    RetryPromptPart,
    SystemPromptPart,
    ToolReturnPart,
    UserPromptPart,
)

from serai.components.run_memory import RECALL_STEP
from serai.components.steps import MODEL_STEP, TOOL_STEP
from serai.domain.traces import SpanKind
from serai.engine.spans import SpanFacts
from serai.telemetry.prices import price_of

_KINDS: Final = {MODEL_STEP: SpanKind.LLM, TOOL_STEP: SpanKind.TOOL, RECALL_STEP: SpanKind.MEMORY}


class StepSpans:
    """Knows what the steps of agents, teams and workflows are about."""

    def kind_of(self, operation: str) -> SpanKind | None:
        """Return what a step is about; None for one that nobody asks for."""
        return _KINDS.get(operation)

    def facts_of(self, operation: str, result: Any) -> SpanFacts:
        """Return what a step's result tells."""
        match operation:
            case step if step == MODEL_STEP:
                return _facts_of_request(result)
            case step if step == TOOL_STEP:
                return _facts_of_call(result)
            case _:
                return SpanFacts(output=result)


def shown_request(messages: Sequence[ModelMessage]) -> Any:
    """Return what a model is asked now, without what it was told before."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelRequest):
        return None
    parts = [_shown_part(part) for part in last.parts if not isinstance(part, SystemPromptPart)]
    if len(parts) == 1 and parts[0]["role"] == "user":
        return parts[0]["content"]
    return parts


def _shown_part(part: Any) -> dict[str, Any]:
    match part:
        case UserPromptPart(content=str(text)):
            return {"role": "user", "content": text}
        case UserPromptPart(content=items):
            return {"role": "user", "content": [item if isinstance(item, str) else "(file)" for item in items]}
        case ToolReturnPart():
            return {"role": "tool", "name": part.tool_name, "content": part.model_response_str()}
        case RetryPromptPart():
            return {"role": "tool", "name": part.tool_name, "content": part.model_response()}
        case _:
            return {"role": "system", "content": str(getattr(part, "content", ""))}


def _facts_of_request(step: dict[str, Any]) -> SpanFacts:
    response, usage = step["response"], step["usage"]
    parts = response.get("parts") or []
    model = response.get("model_name")
    known = {
        "finish_reason": response.get("finish_reason"),
        "time_to_first_token_s": step["first_token_s"],
        "cache_read_tokens": usage.get("cache_read_tokens"),
        "reasoning_tokens": usage.get("reasoning_tokens"),
    }
    return SpanFacts(
        name=model,
        output=_said(parts),
        model=model,
        provider=response.get("provider_name"),
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cost=step["cost"] if "cost" in step else price_of(model, response.get("provider_name"), usage),
        attributes={name: value for name, value in known.items() if value},
    )


def _said(parts: Sequence[dict[str, Any]]) -> Any:
    """Return what a model answered: its text, or all it said and the calls it makes."""
    said = [_shown_answer(part) for part in parts]
    if all("content" in part for part in said):
        return "".join(part["content"] for part in said) or None
    return said


def _shown_answer(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("part_kind"):
        case "text":
            return {"content": part["content"]}
        case "tool-call" | "builtin-tool-call":
            return {"tool": part.get("tool_name"), "arguments": part.get("args")}
        case kind:
            return {"part": kind}


def _facts_of_call(step: dict[str, Any]) -> SpanFacts:
    tool = step["tool"]
    if tool is None:
        return SpanFacts(name=step.get("name"), attributes={"is_deferred": True})
    is_error = bool(tool.get("tool_call_error"))
    result = tool.get("result")
    return SpanFacts(
        name=tool["tool_name"],
        input=tool.get("tool_args"),
        output=None if is_error else result,
        error=str(result) if is_error else None,
        attributes={"tool_call_id": tool["tool_call_id"]},
    )

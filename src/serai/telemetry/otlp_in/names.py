"""What attributes are called: by OpenTelemetry's conventions for GenAI, OpenInference, OpenLLMetry, LangSmith and agno.

Of several names for the same thing the first one in its row counts.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from serai.domain.traces import SpanKind

_TELL: Final = {
    "session_id": (
        *("session_id", "agno.session.id", "session.id", "gen_ai.conversation.id", "langsmith.metadata.session_id"),
        *("langsmith.metadata.thread_id", "langsmith.metadata.conversation_id", "langfuse.session.id"),
        *("traceloop.association.properties.session_id", "traceloop.association.properties.thread_id"),
    ),
    "user_id": (
        *("user_id", "agno.user.id", "user.id", "enduser.id", "langsmith.metadata.user_id", "langfuse.user.id"),
        *("traceloop.association.properties.user_id", "gen_ai.user", "llm.user"),
    ),
    "run_id": ("run_id", "agno.run.id", "gen_ai.agent.call.id"),
    "agent_id": ("agent_id", "agno.agent.id", "gen_ai.agent.id"),
    "agent_name": ("gen_ai.agent.name", "agent.name", "agent_name"),
    "team_id": ("team_id", "agno.team.id", "team.id"),
    "workflow_id": ("workflow_id", "agno.workflow.id"),
    "workflow_name": ("gen_ai.workflow.name", "traceloop.workflow.name"),
    "model": (
        *("gen_ai.request.model", "llm.model_name", "llm.request.model_name", "gen_ai.response.model"),
        *("llm.response.model_name", "embedding.model_name", "reranker.model_name", "ai.model.id"),
        "langsmith.metadata.ls_model_name",
    ),
    "provider": ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system", "ai.model.provider"),
    "input_tokens": ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens"),
    "cost": ("operation.cost", "llm.cost.total", "gen_ai.usage.cost"),
    "tool_name": ("gen_ai.tool.name", "tool.name", "tool_call.function.name", "ai.toolCall.name"),
    "entity_name": ("traceloop.entity.name",),
    "input": (
        *("gen_ai.tool.call.arguments", "tool_arguments", "input.value", "gen_ai.prompt", "traceloop.entity.input"),
        *("tool.parameters", "tool_call.function.arguments", "gen_ai.retrieval.query.text", "ai.toolCall.args"),
        "ai.prompt",
    ),
    "output": (
        *("gen_ai.tool.call.result", "tool_response", "output.value", "final_result", "gen_ai.completion"),
        *("traceloop.entity.output", "gen_ai.retrieval.documents", "ai.toolCall.result", "ai.response.text"),
    ),
    "asked": ("gen_ai.input.messages", "ai.prompt.messages"),
    "answered": ("gen_ai.output.messages",),
    "conversation": ("pydantic_ai.all_messages", "all_messages_events", "events"),
    "instructions": ("gen_ai.system_instructions",),
    "error": ("exception.message", "error.message"),
    "openinference": ("openinference.span.kind",),
    "langsmith": ("langsmith.span.kind",),
    "operation": ("gen_ai.operation.name",),
    "traceloop": ("traceloop.span.kind",),
    "request_type": ("llm.request.type",),
}
_MEANINGS: Final = {name: (told, rank) for told, names in _TELL.items() for rank, name in enumerate(names)}

_RENAMED: Final = {
    "agno.workflow.description": "description",
    "agno.workflow.steps_count": "steps_count",
    "agno.workflow.steps": "steps",
    "agno.workflow.step_types": "step_types",
    "gen_ai.tool.call.id": "tool_call_id",
    "tool_call.id": "tool_call_id",
    "tool.id": "tool_call_id",
    "gen_ai.response.finish_reasons": "finish_reason",
    "llm.finish_reason": "finish_reason",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens": "cache_read_tokens",
    "llm.token_count.prompt_details.cache_read": "cache_read_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "gen_ai.usage.details.cache_write_tokens": "cache_write_tokens",
    "llm.token_count.prompt_details.cache_write": "cache_write_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens": "reasoning_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning_tokens",
}
"""What is kept under the name that our own spans have for it."""

NO_CONTENT: Final = frozenset(
    {"steps", "step_types", "tool_call_id", "finish_reason", "error.type", "http.route", "http.method", "db.system"}
    | {"http.request.method", "db.system.name", "rpc.system", "rpc.service", "rpc.method", "messaging.system"}
)
"""Texts that are no contents, and stay where contents are not to be kept."""

_UNREAD: Final = frozenset(
    {
        "embedding.embeddings",
        "gen_ai.tool.definitions",
        "graph.node.id",
        "graph.node.name",
        "graph.node.parent_id",
        "input.mime_type",
        "langsmith.metadata.usage_metadata",
        "langsmith.trace.name",
        "langsmith.trace.session_name",
        "llm.invocation_parameters",
        "llm.tools",
        "logfire.json_schema",
        "logfire.msg",
        "logfire.msg_template",
        "model_request_parameters",
        "output.mime_type",
        "tool.description",
    }
)
"""Attributes that are large, or that say again what others say."""
_UNREAD_PREFIXES: Final = (
    "embedding.embeddings.",
    "langsmith.metadata.LANG",
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.request.functions.",
    "llm.tools.",
    "retrieval.documents.",
)
NUMBERED_PREFIXES: Final = ("gen_ai.prompt.", "gen_ai.completion.")
"""Messages whose parts are attributes of their own, as ``gen_ai.prompt.0.content``."""
LONGEST_NAME: Final = 200
_MOST_KNOWN: Final = 5000


class Use(IntEnum):
    """What an attribute is good for."""

    NONE = 0
    FACT = 1
    NUMBERED = 2
    REST = 3


class Uses(dict[str, tuple[Use, str, int]]):
    """What each attribute is good for, what that is called here, and how many names for it are better.

    It is found once for each name: there are few, and each span has many of them.
    """

    def __missing__(self, name: str) -> tuple[Use, str, int]:
        """Find it for a name that comes for the first time."""
        use = _use_of(name)
        if len(self) < _MOST_KNOWN:
            self[name] = use
        return use


def _use_of(name: str) -> tuple[Use, str, int]:
    if name in _UNREAD or name.startswith(_UNREAD_PREFIXES):
        return Use.NONE, name, 0
    if name in _MEANINGS:
        return Use.FACT, *_MEANINGS[name]
    if name.startswith(NUMBERED_PREFIXES):
        return Use.NUMBERED, name, 0
    return Use.REST, _RENAMED.get(name, name)[:LONGEST_NAME], 0


USES: Final = Uses()


def is_read(name: str) -> bool:
    """Return whether an attribute's value is looked at."""
    return USES[name][0] is not Use.NONE


_K: Final = SpanKind
OF_OPENINFERENCE: Final = {
    "AGENT": _K.AGENT,
    "CHAIN": _K.WORKFLOW,
    "LLM": _K.LLM,
    "TOOL": _K.TOOL,
    "RETRIEVER": _K.RETRIEVER,
    "RERANKER": _K.RETRIEVER,
    "EMBEDDING": _K.EMBEDDING,
}
OF_LANGSMITH: Final = {
    "chain": _K.WORKFLOW,
    "llm": _K.LLM,
    "tool": _K.TOOL,
    "retriever": _K.RETRIEVER,
    "embedding": _K.EMBEDDING,
}
OF_GENAI: Final = {
    "chat": _K.LLM,
    "completion": _K.LLM,
    "text_completion": _K.LLM,
    "generate_content": _K.LLM,
    "embeddings": _K.EMBEDDING,
    "execute_tool": _K.TOOL,
    "invoke_agent": _K.AGENT,
    "invoke_workflow": _K.WORKFLOW,
    "retrieval": _K.RETRIEVER,
    "search_memory": _K.MEMORY,
    "update_memory": _K.MEMORY,
}
OF_TRACELOOP: Final = {"workflow": _K.WORKFLOW, "agent": _K.AGENT, "tool": _K.TOOL}
OF_REQUEST_TYPE: Final = {
    "chat": _K.LLM,
    "completion": _K.LLM,
    "embedding": _K.EMBEDDING,
    "rerank": _K.RETRIEVER,
}

"""Joins pydantic-ai to the journal: each model request and each tool call of a run is one durable step.

The user's agent is not changed: the capability and the listening model are handed over with each run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, ClassVar, Final, Protocol

from pydantic_ai import RunContext, ToolDefinition
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperationBackend,
    DurableOperationId,
    JournalCallableOperationBackend,
    ModelRequestId,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
)
from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import AbstractToolset
from typing_extensions import override

MODEL_ID: Final = "serai"
Body = Callable[[], Awaitable[Any]]


class Execution(Protocol):
    """One run as the capability sees it."""

    async def do_model_request(self, messages: list[ModelMessage], body: Body) -> Any:
        """Do a model request as a step."""
        ...

    async def do_tool_call(self, body: Body) -> Any:
        """Do the tool call that was announced as a step."""
        ...

    async def do_other(self, operation: str, body: Body) -> Any:
        """Do any other durable operation, such as listing an MCP server's tools, as a step."""
        ...

    async def announce_tool_call(
        self, call: ToolCallPart, tool: ToolDefinition, args: dict[str, Any], handler: Body
    ) -> Any:
        """Run a tool call from its announcement to its result."""
        ...

    @property
    def context(self) -> str | None:
        """What the model is told in this run beside its agent's instructions; no history keeps it."""
        ...

    def hear(self, event: ModelResponseStreamEvent) -> None:
        """Take an event of the model's stream as it comes."""
        ...

    def hear_all(self, response: ModelResponse) -> None:
        """Take the model's whole response."""
        ...


current_execution: ContextVar[Execution | None] = ContextVar("serai_execution", default=None)
_in_step: ContextVar[bool] = ContextVar("serai_in_step", default=False)


class ListeningModel(WrapperModel):
    """Asks the wrapped model for a stream and lets the run hear each part of it; the caller gets the whole."""

    @override
    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        execution = current_execution.get()
        if execution is None:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)
        if execution.context is not None:
            model_request_parameters = _with_context(model_request_parameters, execution.context)
        if _cannot_stream(self.wrapped):
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        else:
            async with self.wrapped.request_stream(messages, model_settings, model_request_parameters) as stream:
                async for event in stream:
                    execution.hear(event)
            response = stream.get()
        execution.hear_all(response)
        return response


def _with_context(parameters: ModelRequestParameters, context: str) -> ModelRequestParameters:
    told = [*(parameters.instruction_parts or ()), InstructionPart(context, dynamic=True)]
    return replace(parameters, instruction_parts=InstructionPart.sorted(told))


def _cannot_stream(model: Model) -> bool:
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return isinstance(model, FunctionModel) and model.stream_function is None


class _Backend(JournalCallableOperationBackend[dict[str, Any]]):
    @override
    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Body,
        cache_key: tuple[object, ...],
        config: dict[str, Any],
    ) -> object:
        execution = current_execution.get()
        assert execution is not None

        async def step() -> Any:
            token = _in_step.set(True)
            try:
                return await body()
            finally:
                _in_step.reset(token)

        match operation_id:
            case ModelRequestId():
                messages = next(item for item in cache_key if isinstance(item, list))
                return await execution.do_model_request(messages, step)
            case ToolsetCallToolId():
                return await execution.do_tool_call(step)
            case _:
                return await execution.do_other(name, step)


class SeraiDurability(BaseDurabilityCapability[Any]):
    """The durable execution engine Serai, as a pydantic-ai capability bound to one agent.

    Args:
        agent: the agent; it needs a name, and its toolsets ids.
        model: its model, which every durable request goes to.

    Raises:
        pydantic_ai.exceptions.UserError: the agent cannot be made durable; the text says what it lacks.
    """

    engine_spec: ClassVar[DurabilityEngineSpec] = DurabilityEngineSpec(
        engine_name="Serai",
        durable_unit_noun="step",
        durable_container_noun="run",
        codec=JSON_CODEC,
        wrapped_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
        toolset_lifecycles={
            "function": "enter-always",
            "mcp": "enter-in-durable-unit",
            "dynamic": "enter-never",
        },
    )
    _backend: _Backend | None = None
    _backend_name: str | None = None

    @classmethod
    def bind(
        cls, agent: AbstractAgent[Any, Any], *, model: Model, toolsets: Sequence[AbstractToolset[Any]] = ()
    ) -> AbstractCapability[Any]:
        """Return the capability bound to the agent once, for all its runs; `toolsets` may be added to these."""
        bound = cls(models={MODEL_ID: ListeningModel(model)}).for_agent(agent)
        assert isinstance(bound, cls)
        bound.bind_model_operations(model.model_name)
        bound.register(toolsets)
        return bound

    def register(self, toolsets: Sequence[AbstractToolset[Any]]) -> None:
        """Make calls of these tools durable, too; pydantic-ai knows only those that the agent was made with."""
        for toolset in toolsets:
            toolset.visit_and_replace(self._wrap_and_register_leaf)

    def bind_model_operations(self, model_name: str) -> None:
        """Make the operations of all model requests; pydantic-ai would make them anew for each request."""
        self._bound_model_operations = self._bind_model_operations(
            self.get_durable_operation_backend(), model_id=MODEL_ID, model_name=model_name
        )

    @override
    def for_agent(self, agent: AbstractAgent[Any, Any]) -> AbstractCapability[Any]:
        # pydantic-ai binds a run's capabilities anew for each run; being bound already saves a third of a run's cost.
        return self if self.agent is agent else super().for_agent(agent)

    @override
    def get_durable_operation_backend(self) -> DurableOperationBackend[Any]:
        if self._backend is None or self._backend_name != self.name:
            self._backend_name = self.name
            self._backend = _Backend(
                agent_name=self.name, config=RoleBasedOperationConfig(model={}, event={}, capability={}, tool={})
            )
        return self._backend

    @property
    @override
    def in_durable_context(self) -> bool:
        return current_execution.get() is not None and not _in_step.get()

    @override
    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> Any:
        execution = current_execution.get()
        if execution is None or _in_step.get():
            return await handler(args)
        return await execution.announce_tool_call(call, tool_def, args, lambda: handler(args))

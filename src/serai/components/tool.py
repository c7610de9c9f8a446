"""``serai.tool``: a function as a tool that pauses its run, for a person or for whoever executes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final, Literal, TypeAlias, overload

import pydantic_ai
from pydantic_ai import RunContext
from pydantic_ai.tools import ToolDefinition

from serai.errors import ConfigurationError

Pause: TypeAlias = Literal["confirmation", "user_input", "user_feedback", "external"]
_KEY: Final = "serai"


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """What Serai knows of a tool beyond what a model is told.

    Attributes:
        pause: what a call of it waits for, or None.
        user_fields: the arguments that a person fills in, never the model.
        is_repeatable: whether a call may be made again when its node died in the middle of it.
        parameters: the JSON schema of all arguments, those of the person included.
    """

    pause: Pause | None = None
    user_fields: tuple[str, ...] = ()
    is_repeatable: bool = True
    parameters: Mapping[str, Any] | None = None


def options_of(definition: ToolDefinition) -> ToolOptions:
    """Return a tool's options, whichever way it was made."""
    options = (definition.metadata or {}).get(_KEY)
    if isinstance(options, ToolOptions):
        return options
    if definition.kind == "unapproved":
        return ToolOptions(pause="confirmation", parameters=definition.parameters_json_schema)
    if definition.kind == "external":
        return ToolOptions(pause="external", parameters=definition.parameters_json_schema)
    return ToolOptions(parameters=definition.parameters_json_schema)


@overload
def tool(function: Callable[..., Any], /) -> pydantic_ai.Tool[Any]: ...


@overload
def tool(
    *,
    requires_confirmation: bool = ...,
    requires_user_input: Sequence[str] = ...,
    external: bool = ...,
    repeatable: bool = ...,
    **options: Any,
) -> Callable[[Callable[..., Any]], pydantic_ai.Tool[Any]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    requires_confirmation: bool = False,
    requires_user_input: Sequence[str] = (),
    external: bool = False,
    repeatable: bool = True,
    **options: Any,
) -> pydantic_ai.Tool[Any] | Callable[[Callable[..., Any]], pydantic_ai.Tool[Any]]:
    """Make a pydantic-ai tool of a function: ``Agent(…, tools=[my_tool])``.

    Args:
        function: the function; with options, leave it out and write ``@serai.tool(…)``.
        requires_confirmation: a call pauses the run until a person says yes or no.
        requires_user_input: names of arguments that a person fills in; the model does not see them, and a call
            pauses the run.
        external: whoever called the run executes the tool and sends its result; the function only says what the
            arguments are.
        repeatable: False: when a node dies in the middle of a call, a person is asked before it is made again.
        **options: of ``pydantic_ai.Tool``, for example ``name``, ``description`` or ``timeout``.

    Raises:
        ConfigurationError: the options contradict each other, or an argument does not exist.
    """

    def make(function: Callable[..., Any]) -> pydantic_ai.Tool[Any]:
        fields = tuple(requires_user_input)
        _check(function, fields, requires_confirmation=requires_confirmation, is_external=external)
        whole = pydantic_ai.Tool(function, **options)
        pause: Pause | None = "confirmation" if requires_confirmation else None
        if external:
            pause = "external"
        elif fields:
            pause = "user_input"
        known = ToolOptions(pause, fields, repeatable, whole.function_schema.json_schema)
        given = with_options({**options, "name": whole.name}, known)
        if external:
            return external_tool(function, **given)
        if fields:
            return pydantic_ai.Tool(
                _with_defaults(function, fields), **given, requires_approval=True, prepare=_without(fields)
            )
        return pydantic_ai.Tool(function, **given, requires_approval=requires_confirmation)

    return make if function is None else make(function)


def _check(
    function: Callable[..., Any], fields: tuple[str, ...], *, requires_confirmation: bool, is_external: bool
) -> None:
    if is_external and (fields or requires_confirmation):
        raise ConfigurationError(
            f"Tool {function.__name__!r} is external: whoever executes it asks people himself. Leave out "
            "requires_confirmation and requires_user_input."
        )
    if unknown := sorted(set(fields) - inspect.signature(function).parameters.keys()):
        raise ConfigurationError(
            f"Tool {function.__name__!r} has no argument {unknown[0]!r}, which requires_user_input names."
        )


def _with_defaults(function: Callable[..., Any], fields: tuple[str, ...]) -> Callable[..., Any]:
    """Return the function with arguments that need not be there until a person has filled them in."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(default=None, kind=inspect.Parameter.KEYWORD_ONLY)
        if parameter.name in fields and parameter.default is inspect.Parameter.empty
        else parameter
        for parameter in signature.parameters.values()
    ]
    parameters.sort(key=lambda parameter: parameter.kind)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    @wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    wrapper: Any = acall if inspect.iscoroutinefunction(function) else call
    wrapper.__signature__ = signature.replace(parameters=parameters)
    called: Callable[..., Any] = wrapper
    return called


def with_options(given: dict[str, Any], options: ToolOptions) -> dict[str, Any]:
    """Return the arguments of a `pydantic_ai.Tool` with what Serai knows of it."""
    return {**given, "metadata": {**(given.get("metadata") or {}), _KEY: options}}


def external_tool(function: Callable[..., Any], **given: Any) -> pydantic_ai.Tool[Any]:
    """Return a tool whose calls are answered from outside; the function says what its arguments are."""
    return pydantic_ai.Tool(function, **given, prepare=_as_external)


def _as_external(_ctx: RunContext[Any], definition: ToolDefinition) -> ToolDefinition:
    return replace(definition, kind="external")


def _without(fields: tuple[str, ...]) -> Callable[[RunContext[Any], ToolDefinition], ToolDefinition]:
    def prepare(_ctx: RunContext[Any], definition: ToolDefinition) -> ToolDefinition:
        schema = dict(definition.parameters_json_schema)
        properties: dict[str, Any] = dict(schema.get("properties", {}))
        schema["properties"] = {name: value for name, value in properties.items() if name not in fields}
        if "required" in schema:
            schema["required"] = [name for name in schema["required"] if name not in fields]
        return replace(definition, parameters_json_schema=schema)

    return prepare

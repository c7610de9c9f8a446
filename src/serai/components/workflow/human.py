"""What people are asked around a step: the options of a definition, checked; no run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Literal

import pydantic

from serai.components.workflow.values import StepOutput
from serai.errors import ConfigurationError

OnReject = Literal["skip", "cancel", "else", "retry"]
InputSchema = Sequence[Mapping[str, Any]] | type[pydantic.BaseModel]
ReviewWhen = bool | Callable[[StepOutput], Any]

FIELD_TYPES: Final = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
_FIELD_OPTIONS: Final = {"name", "field_type", "description", "value", "required", "allowed_values"}
_JSON_TYPES: Final = {"integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}


@dataclass
class Confirmed:
    """A step that a person may have to allow.

    Attributes:
        requires_confirmation: the run pauses before it.
        confirmation_message: the question.
        on_reject: what a no means: ``skip`` it, ``cancel`` the run; of a condition ``else``; of a review ``retry``.
    """

    _: KW_ONLY
    requires_confirmation: bool = False
    confirmation_message: str | None = None
    on_reject: OnReject = "skip"

    def check_confirmation(self, what: str, allowed: tuple[str, ...]) -> None:
        """Check the options of a confirmation.

        Raises:
            ConfigurationError: they make no sense here.
        """
        if self.on_reject not in allowed:
            known = ", ".join(repr(name) for name in allowed)
            raise ConfigurationError(f"{what} has on_reject={self.on_reject!r}; here it may be {known}.")
        if self.confirmation_message is not None and not self.requires_confirmation:
            raise ConfigurationError(f"{what} has a confirmation_message: write requires_confirmation=True as well.")


def input_fields(schema: InputSchema, what: str) -> list[dict[str, Any]]:
    """Return the fields that a person fills in, as the wire shows them.

    Args:
        schema: a pydantic model, or an object for each field: ``name``, ``field_type``, ``description``, ``required``,
            ``allowed_values``, ``value`` (a default).
        what: whose they are, for errors.

    Raises:
        ConfigurationError: a field has no name, or a type that there is not.
    """
    if isinstance(schema, type):
        return _fields_of_model(schema)
    fields = [_field(given, what) for given in schema]
    if len({field["name"] for field in fields}) < len(fields):
        raise ConfigurationError(f"{what}: two fields of its user_input_schema have the same name.")
    return fields


def _field(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    name, kind = given.get("name"), given.get("field_type", "str")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what}: a field of its user_input_schema has no name.")
    if isinstance(kind, type):
        kind = kind.__name__
    if kind not in FIELD_TYPES:
        known = ", ".join(FIELD_TYPES)
        raise ConfigurationError(f"{what}: the field {name!r} has the field_type {kind!r}; there are {known}.")
    if unknown := sorted(given.keys() - _FIELD_OPTIONS):
        raise ConfigurationError(f"{what}: the field {name!r} has an option {unknown[0]!r}, which there is not.")
    field = {
        "name": name,
        "field_type": kind,
        "description": given.get("description", ""),
        "value": given.get("value"),
        "required": given.get("required", True),
    }
    values = given.get("allowed_values")
    return field if values is None else {**field, "allowed_values": list(values)}


def _fields_of_model(model: type[pydantic.BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "field_type": _JSON_TYPES.get(member.get("type", ""), "dict" if "$ref" in member else "str"),
            "description": member.get("description", ""),
            "value": member.get("default"),
            "required": name in schema.get("required", []),
            **({"allowed_values": member["enum"]} if "enum" in member else {}),
        }
        for name, member in schema.get("properties", {}).items()
    ]

"""Which model works on memories: the one that is asked for, the operator's, or that of the first component."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from serai.errors import RequestError


def choose_model(named: str | None, configured: str | None, components: Iterable[Any]) -> Model:
    """Return the model to ask.

    Args:
        named: by the request, as ``provider:id``.
        configured: by SERAI_MODEL.
        components: the first that has a model lends it.

    Raises:
        RequestError: the name is malformed or its model cannot be used, or there is none at all.
    """
    name = configured if named is None else named
    if name is not None:
        return _load(name)
    for component in components:
        if isinstance(model := getattr(component, "model", None), Model):
            return model
    raise RequestError(
        "There is no model to ask: set SERAI_MODEL, as in openai:gpt-5-mini, or name one in the request's `model`."
    )


def _load(name: str) -> Model:
    provider, _, model_id = name.partition(":")
    if not provider or not model_id:
        raise RequestError(f"The model {name[:200]!r} is malformed: write provider:id, as in openai:gpt-5-mini.")
    try:
        return infer_model(name)
    except (UserError, ValueError, ImportError) as error:
        raise RequestError(f"The model {name[:200]!r} cannot be used here: {error}") from error

"""The models of the demo's components: the operator's, or a script each."""

from __future__ import annotations

from typing import Final

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from serai.errors import ConfigurationError
from serai.testing import ScriptedModel
from serai.testing.script import Script

DEMO_MODEL_NAME: Final = "scripted-demo"


def load_model(model: str | None, answers: Script) -> Model:
    """Return the model of a pydantic-ai model string, or without one a script that answers.

    Raises:
        ConfigurationError: the model string is unknown, or its provider lacks a key or a package.
    """
    if model is None:
        return ScriptedModel(answers, model_name=DEMO_MODEL_NAME)
    try:
        return infer_model(model)
    except (UserError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"The model {model!r} (SERAI_MODEL or --model) cannot be used: {error} "
            "Give a pydantic-ai model string such as openai:gpt-5-mini with its provider's key in the environment; "
            "for an OpenAI-compatible server set OPENAI_BASE_URL. Without a model the demo runs on a script."
        ) from error

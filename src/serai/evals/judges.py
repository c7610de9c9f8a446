"""Finds the models that judge: those of the components of this server, and those that pydantic-ai knows by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeAlias

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from serai.components.agent import AgentComponent
from serai.components.team import Team
from serai.errors import RequestError

Subject: TypeAlias = AgentComponent | Team
"""What can be measured."""


class Judges:
    """The models that judge.

    Args:
        subjects: the components of this node.

    Attributes:
        subjects: the same by kind and id.
    """

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self.subjects: dict[tuple[str, str], Subject] = {(subject.kind, subject.id): subject for subject in subjects}
        models = (subject.model for subject in self.subjects.values())
        self._by_name = {_name_of(model): model for model in models}

    async def find(self, kind: str, component_id: str, named: tuple[str, str] | None) -> Model:
        """Return the judge of a component.

        Args:
            kind: of the component.
            component_id: its id.
            named: the judge's model and its provider; None is the component's own model.

        Raises:
            RequestError: there is no such model, or the server cannot use it.
        """
        own = self.subjects[kind, component_id].model
        if named is None or _name(*named) == _name_of(own):
            return own
        if (known := self._by_name.get(_name(*named))) is not None:
            return known
        model_id, provider = named
        try:
            # In a thread: it may have to load the provider's package.
            return await asyncio.to_thread(infer_model, f"{provider.lower()}:{model_id}")
        except (UserError, ValueError, ImportError) as error:
            raise RequestError(
                f"The model '{model_id}' of '{provider}' cannot judge here: {error} Name the model of one of this "
                "server's components, or leave model_id and model_provider out."
            ) from error


def _name(model_id: str, provider: str) -> tuple[str, str]:
    return model_id.lower(), provider.lower()


def _name_of(model: Model) -> tuple[str, str]:
    return _name(model.model_name, model.system)

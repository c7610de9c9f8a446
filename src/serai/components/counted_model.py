"""A model whose tokens count in the totals of days, for what is asked of models outside of runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from serai.components.messages import wire_usage
from serai.domain.evals import EvalRecord
from serai.domain.runs import RunRecord
from serai.domain.usage import Usage, sum_usage, used
from serai.storage.metrics import MetricsStore
from serai.telemetry.prices import price_of_response


class CountedModel(WrapperModel):
    """A model that knows what it used.

    Attributes:
        used: the tokens, and the dollars, of all answers so far.
    """

    def __init__(self, wrapped: Model) -> None:
        super().__init__(wrapped)
        self.used: Usage = []

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model."""
        response = await super().request(messages, model_settings, model_request_parameters)
        tokens, cost = wire_usage(response.usage), price_of_response(response)
        self.used = sum_usage([*self.used, *used(self.model_name, self.system, tokens, cost)])
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """On whose behalf a model is asked: a component's, which may be none in particular, and perhaps a user's."""

    project_id: str
    kind: str
    component_id: str | None
    user_id: str | None

    @classmethod
    def of(cls, record: RunRecord | EvalRecord) -> Self:
        """Return on whose behalf a run or an eval asks."""
        return cls(
            project_id=record.project_id, kind=record.kind, component_id=record.component_id, user_id=record.user_id
        )


@asynccontextmanager
async def counted(model: Model, metrics: MetricsStore, spender: Spender) -> AsyncIterator[CountedModel]:
    """Lend a model whose tokens are counted when the block ends, whether it fails or not."""
    lent = CountedModel(model)
    try:
        yield lent
    finally:
        await metrics.add_usage(
            spender.project_id,
            lent.used,
            kind=spender.kind,
            component_id=spender.component_id,
            user_id=spender.user_id,
        )

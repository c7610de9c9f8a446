"""What is measured of Serai: a base whose vectors cost as good as nothing, as the peer's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import FastAPI
from pydantic_ai import Agent
from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult, EmbeddingSettings
from pydantic_ai.embeddings.result import EmbedInputType

from benchmarks.knowledge import lag
from benchmarks.knowledge.dataset import BASE, vector_of
from serai import AgentOS, Knowledge
from serai.testing import ScriptedModel


class HashEmbedding(EmbeddingModel):
    """Makes a vector of a text's hash. Answers one call at a time, as if it came over a connection."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()

    @property
    def model_name(self) -> str:
        """What it is called."""
        return "hash"

    @property
    def system(self) -> str:
        """Whose it is."""
        return "benchmarks"

    async def embed(
        self, inputs: str | Sequence[str], *, input_type: EmbedInputType, settings: EmbeddingSettings | None = None
    ) -> EmbeddingResult:
        """Return the vectors; no setting changes them."""
        del settings
        texts = [inputs] if isinstance(inputs, str) else [*inputs]
        async with self._turn:
            await asyncio.sleep(0)
            vectors = [vector_of(text).tolist() for text in texts]
        return EmbeddingResult(
            embeddings=vectors,
            inputs=texts,
            input_type=input_type,
            model_name=self.model_name,
            provider_name=self.system,
        )


base = Knowledge(id=BASE, embedder=HashEmbedding())
app = FastAPI()
app.add_api_route(lag.PATH, lag.LagWatch().read)
os = AgentOS(name="Benchmark", agents=[Agent(ScriptedModel(["Four."]), name="instant")], knowledge=[base], base_app=app)

"""An OS with a base whose embedding model takes its time, and notes in a ledger file what it was asked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic_ai.embeddings import EmbeddingResult

from serai import AgentOS, Knowledge
from serai.testing import HashedEmbeddingModel

_LEDGER = Path(os.environ["SERAI_TEST_LEDGER"])


class SlowModel(HashedEmbeddingModel):
    """Takes 20 ms a call."""

    async def embed(self, inputs: str | Sequence[str], **options: Any) -> EmbeddingResult:
        """Note the first line of each text, and answer."""
        answer = await super().embed(inputs, **options)
        await asyncio.sleep(0.02)
        _note(answer.inputs)
        return answer


def _note(texts: Iterable[str]) -> None:
    with _LEDGER.open("a") as ledger:
        ledger.writelines(f"{text.splitlines()[0]}\n" for text in texts)


base = Knowledge(id="library", embedder=SlowModel(16))
os_ = AgentOS(name="Library", knowledge=base)

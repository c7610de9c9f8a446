"""An embedding model that hashes words: offline, deterministic, no neural network. Texts are alike if words are."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Final

from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult, EmbeddingSettings
from pydantic_ai.embeddings.result import EmbedInputType
from pydantic_ai.usage import RequestUsage

_WORD: Final = re.compile(r"\w+")


class HashedEmbeddingModel(EmbeddingModel):
    """Vectors made of hashed words, for tests: it knows neither synonyms nor word forms.

    Each word stands for a direction that follows from its hash; a text is the sum of those of its words, with length 1.

    Args:
        dimensions: of the vectors, unless a call asks for others.
        model_name: the name under which the model reports itself.

    Attributes:
        asked: the texts of each call so far.
    """

    def __init__(self, dimensions: int = 256, *, model_name: str = "hashed-words") -> None:
        super().__init__()
        self._dimensions = dimensions
        self._model_name = model_name
        self.asked: list[list[str]] = []

    @property
    def model_name(self) -> str:
        """The name given at construction, ``hashed-words`` by default."""
        return self._model_name

    @property
    def system(self) -> str:
        """The provider's name: ``serai``."""
        return "serai"

    async def embed(
        self, inputs: str | Sequence[str], *, input_type: EmbedInputType, settings: EmbeddingSettings | None = None
    ) -> EmbeddingResult:
        """Return a vector for each text, whatever it is for."""
        texts, used = self.prepare_embed(inputs, settings)
        self.asked.append(texts)
        dimensions = used.get("dimensions") or self._dimensions
        return EmbeddingResult(
            embeddings=[hash_words(text, dimensions) for text in texts],
            inputs=texts,
            input_type=input_type,
            usage=RequestUsage(input_tokens=sum(len(_WORD.findall(text)) for text in texts)),
            model_name=self._model_name,
            provider_name=self.system,
        )


def hash_words(text: str, dimensions: int) -> list[float]:
    """Return the vector of a text; all zero when it has no words."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()):
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        vector[digest % dimensions] += 1.0 if digest >> 63 else -1.0
    length = math.hypot(*vector)
    return [number / length for number in vector] if length else vector

"""Has what a search found put into a better order: by a ``/rerank`` endpoint, or by a function."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import httpx
import structlog

from serai.engine.interruption import describe
from serai.errors import ConfigurationError
from serai.knowledge.fetching import tls

TIMEOUT_S: Final = 15.0
_log = structlog.get_logger("serai.knowledge")

RerankFunction: TypeAlias = Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]
"""Returns how well each text answers a query, the more the better."""


@dataclass(frozen=True, kw_only=True)
class RerankEndpoint:
    """A reranker behind HTTP, as Cohere, Jina and vLLM have it: ``Knowledge(reranker=RerankEndpoint(url=…))``.

    Args:
        url: such as ``https://api.cohere.com/v2/rerank``.
        model: left out of requests by default.
        api_key: sent as bearer token.
    """

    url: str
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)


class Reranker:
    """The reranker of one base.

    Args:
        given: an endpoint, its URL, or a function, sync or async.

    Raises:
        ConfigurationError: it is neither.
    """

    def __init__(self, given: RerankEndpoint | str | RerankFunction) -> None:
        if isinstance(given, str):
            given = RerankEndpoint(url=given)
        is_endpoint = isinstance(given, RerankEndpoint) and given.url.startswith(("http://", "https://"))
        if not is_endpoint and not callable(given):
            raise ConfigurationError(f"The reranker {given!r} is neither a URL of http or https nor a function.")
        self._given = given

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Return how well each text answers the query, 0 to 1, in the order of the texts.

        None when the reranker failed: why is in the log, and the order that was found stands.
        """
        if not texts:
            return []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                scores = await self._score(query, texts)
        except Exception as error:  # noqa: BLE001 - the reranker's boundary: it may raise anything
            _log.warning("reranking_failed", reason=describe(error), exc_info=True)
            return None
        is_fraction = all(0 <= score <= 1 for score in scores)
        return scores if is_fraction else [_squash(score) for score in scores]

    async def _score(self, query: str, texts: Sequence[str]) -> list[float]:
        if isinstance(self._given, RerankEndpoint):
            scores = await _ask(self._given, query, texts)
        else:
            scores = await _call(self._given, query, texts)
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ValueError(f"{len(scores)} scores for {len(texts)} texts, or one that is no number")
        return scores


async def _ask(endpoint: RerankEndpoint, query: str, texts: Sequence[str]) -> list[float]:
    body: dict[str, Any] = {"query": query, "documents": list(texts), "top_n": len(texts)}
    if endpoint.model is not None:
        body["model"] = endpoint.model
    headers = {} if endpoint.api_key is None else {"Authorization": f"Bearer {endpoint.api_key}"}
    secure = await asyncio.to_thread(tls)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, verify=secure) as client:
        response = await client.post(endpoint.url, json=body, headers=headers)
    if not response.is_success:
        raise ValueError(f"it answers {response.status_code}: {response.text[:500]}")
    scores = [0.0] * len(texts)
    for result in response.json()["results"]:
        if not 0 <= result["index"] < len(texts):
            raise ValueError(f"it scores text {result['index']} of {len(texts)}")
        scores[result["index"]] = float(result["relevance_score"])
    return scores


async def _call(function: RerankFunction, query: str, texts: Sequence[str]) -> list[float]:
    is_async = inspect.iscoroutinefunction(function)
    answer: Any = function(query, texts) if is_async else await asyncio.to_thread(lambda: function(query, texts))
    scores: Sequence[float] = await answer if inspect.isawaitable(answer) else answer
    return [float(score) for score in scores]


def _squash(score: float) -> float:
    """Return a logit as what is between 0 and 1."""
    return (1 + math.tanh(score / 2)) / 2

"""Rerankers: endpoints as Cohere, Jina and vLLM have them, and functions; one that fails is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from serai.errors import ConfigurationError
from serai.knowledge.reranking import RerankEndpoint, Reranker
from tests.model_endpoint import Answer, endpoint


def by_length(body: dict[str, Any]) -> Answer:
    scores = [(len(text) / 10, index) for index, text in enumerate(body["documents"])]
    return 200, {"results": [{"index": at, "relevance_score": score} for score, at in sorted(scores, reverse=True)]}


async def test_an_endpoint_is_asked_as_cohere_has_it_and_scores_are_put_in_the_order_of_the_texts():
    async with endpoint(by_length) as served:
        reranker = Reranker(RerankEndpoint(url=f"{served.url}/v2/rerank", model="m", api_key="key"))
        assert await reranker.rerank("q", ["abc", "abcdef", "a"]) == [0.3, 0.6, 0.1]
    assert served.asked == [
        ("/v2/rerank", {"model": "m", "query": "q", "documents": ["abc", "abcdef", "a"], "top_n": 3})
    ]
    assert served.keys == ["Bearer key"]


async def test_a_url_alone_is_an_endpoint_without_model_and_key():
    async with endpoint(by_length) as served:
        assert await Reranker(f"{served.url}/rerank").rerank("q", ["abc"]) == [0.3]
    assert "model" not in served.asked[0][1]
    assert served.keys == [None]


async def test_what_an_endpoint_leaves_out_has_no_score():
    async with endpoint(lambda _: (200, {"results": [{"index": 1, "relevance_score": 0.5}]})) as served:
        assert await Reranker(served.url).rerank("q", ["a", "b"]) == [0.0, 0.5]


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"message": "busy"}),
        (200, {"results": [{"index": 7, "relevance_score": 0.5}]}),
        (200, {"results": [{"index": -1, "relevance_score": 0.5}]}),
        (200, {"results": [{"index": 0, "relevance_score": "NaN"}]}),
        (200, {"results": [{"index": 0}]}),
        (200, []),
    ],
)
async def test_an_endpoint_that_fails_leaves_the_order_as_it_was(answer: Answer):
    async with endpoint(lambda _: answer) as served:
        assert await Reranker(served.url).rerank("q", ["a", "b"]) is None
    assert await Reranker(served.url).rerank("q", ["a"]) is None, "nobody listens there any more"


async def test_functions_may_be_sync_or_async():
    def sync(query: str, texts: Sequence[str]) -> list[float]:
        return [float(query in text) for text in texts]

    async def later(query: str, texts: Sequence[str]) -> list[float]:
        return sync(query, texts)

    for function in (sync, later):
        assert await Reranker(function).rerank("a", ["bar", "foo"]) == [1.0, 0.0]


async def test_scores_of_any_range_are_brought_between_0_and_1_in_their_order():
    scores = await Reranker(lambda _query, _texts: [-1000.0, -2.0, 0.0, 3.0, 1000.0]).rerank("q", list("abcde"))
    assert scores is not None
    assert scores == sorted(scores)
    assert (scores[0], scores[2], scores[4]) == (0.0, 0.5, 1.0)


async def test_a_function_that_fails_leaves_the_order_as_it_was():
    def broken(_query: str, _texts: Sequence[str]) -> list[float]:
        raise RuntimeError("no GPU")

    assert await Reranker(broken).rerank("q", ["a"]) is None
    assert await Reranker(lambda _query, _texts: [1.0]).rerank("q", ["a", "b"]) is None


async def test_nothing_is_asked_for_nothing():
    assert await Reranker("http://127.0.0.1:1/").rerank("q", []) == []


@pytest.mark.parametrize("given", ["localhost/rerank", 7, RerankEndpoint(url="ftp://a")])
def test_what_is_no_reranker_is_refused(given: Any):
    with pytest.raises(ConfigurationError, match="neither a URL of http or https nor a function"):
        Reranker(given)

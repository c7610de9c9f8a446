"""Embedding on a real PostgreSQL: an endpoint is asked in batches, again when it is busy, and once for each text."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from pydantic_ai import Embedder
from pydantic_ai.embeddings import EmbeddingResult
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.providers.openai import OpenAIProvider

from serai.errors import ConfigurationError
from serai.knowledge.embedding import (
    BATCH_CHARACTERS,
    BATCH_TEXTS,
    MOST_CALLS,
    EmbedderUnavailableError,
    Embedding,
    EmbeddingError,
)
from serai.knowledge.options import Knowledge
from serai.storage.connection import Database
from serai.storage.knowledge_embeddings import VectorKind, find_embeddings, forget_embeddings, keep_embeddings
from serai.testing import HashedEmbeddingModel, provider_error
from tests.model_endpoint import Answer, embeddings, endpoint
from tests.run_values import open_database


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened


@pytest.fixture
def project() -> str:
    return str(uuid4())


class Unsteady(HashedEmbeddingModel):
    """Fails with what is in `errors`, one a call, and answers then."""

    def __init__(self, *errors: Exception, **options: Any) -> None:
        super().__init__(8, **options)
        self.errors = list(errors)

    async def embed(self, inputs: str | Sequence[str], **options: Any) -> EmbeddingResult:
        answer = await super().embed(inputs, **options)
        if self.errors:
            raise self.errors.pop(0)
        return answer


class Odd(HashedEmbeddingModel):
    """Answers the vectors it is given."""

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.vectors = vectors

    async def embed(self, inputs: str | Sequence[str], **options: Any) -> EmbeddingResult:
        return EmbeddingResult(self.vectors, inputs=[], input_type="query", model_name="odd", provider_name="serai")


def base_of(embedder: Any, **options: Any) -> Knowledge:
    return Knowledge(id=options.pop("id", str(uuid4())), embedder=embedder, **options)


def embedding_of(database: Database, embedder: Any, **options: Any) -> Embedding:
    return Embedding(base_of(embedder, **options), database, first_pause_s=0.001)


async def test_an_openai_compatible_endpoint_is_asked_as_the_environment_says(
    database: Database, project: str, monkeypatch: pytest.MonkeyPatch
):
    async with endpoint(embeddings) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{served.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        embedding = embedding_of(database, "openai:some-model")
        vectors = await embedding.embed(["ab", "c"], project_id=project)
        found = await embedding.embed_query("abcd")
    assert embedding.model_name == "openai:some-model"
    assert await embedding.dimensions() == 3
    assert (list(vectors[0]), list(vectors[1]), list(found)) == ([2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [4.0, 1.0, 1.0])
    assert [path for path, _ in served.asked] == ["/v1/embeddings"] * 3
    assert [body["input"] for _, body in served.asked] == [["dimensions"], ["ab", "c"], ["abcd"]]


async def test_an_embedder_its_model_and_its_settings_are_used_as_given(database: Database, project: str):
    async with endpoint(lambda body: embeddings(body, dimensions=body["dimensions"])) as served:
        provider = OpenAIProvider(base_url=f"{served.url}/v1", api_key="key")
        model = OpenAIEmbeddingModel("some-model", provider=provider)
        for embedder, options in ((model, {"dimensions": 5}), (Embedder(model, settings={"dimensions": 5}), {})):
            embedding = embedding_of(database, embedder, **options)
            assert [len(vector) for vector in await embedding.embed(["ab"], project_id=project)] == [5]
    assert len(served.asked) == 3, "the second one finds the vector of the text"


async def test_texts_are_asked_for_in_batches_and_not_too_many_at_a_time(database: Database, project: str):
    async with endpoint(embeddings) as served:
        provider = OpenAIProvider(base_url=f"{served.url}/v1", api_key="key")
        embedding = embedding_of(database, OpenAIEmbeddingModel("m", provider=provider))
        await embedding.dimensions()
        texts = [f"text {number}" for number in range(20 * BATCH_TEXTS + 1)]
        told: list[int] = []
        vectors = await embedding.embed(texts, project_id=project, tell=told.append)
    sizes = [len(body["input"]) for _, body in served.asked[1:]]
    assert sorted(sizes) == [1, *[BATCH_TEXTS] * 20]
    assert 1 < served.at_once <= MOST_CALLS
    assert told == sorted(told)
    assert told[-1] == len(texts)
    assert [vector[0] for vector in vectors] == [len(text) for text in texts]


async def test_what_was_looked_for_last_is_not_asked_of_the_model_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("serai.knowledge.embedding.KEPT_QUERIES", 2)
    async with endpoint(embeddings) as served:
        provider = OpenAIProvider(base_url=f"{served.url}/v1", api_key="key")
        embedding = embedding_of(database, OpenAIEmbeddingModel("m", provider=provider))
        for text in ("a", "bb", "a", "ccc", "a", "bb"):
            assert (await embedding.embed_query(text))[0] == len(text)
    assert [body["input"] for _, body in served.asked[1:]] == [["a"], ["bb"], ["ccc"], ["bb"]]


async def test_long_texts_are_in_smaller_batches(database: Database, project: str):
    model = HashedEmbeddingModel(8)
    long = ["a" * BATCH_CHARACTERS, "b" * (BATCH_CHARACTERS // 2), "c" * (BATCH_CHARACTERS // 2), "d"]
    await embedding_of(database, model).embed(long, project_id=project)
    assert sorted(len(texts) for texts in model.asked[1:]) == [1, 1, 2]


async def test_no_text_is_asked_for_twice_in_a_project(database: Database, project: str):
    model = HashedEmbeddingModel(8)
    first = await embedding_of(database, model).embed(["one", "two", "one"], project_id=project)
    again = await embedding_of(database, model).embed(["two", "three"], project_id=project)
    assert (first[0], first[1]) == (first[2], again[0])
    assert [texts for texts in model.asked if texts != ["dimensions"]] == [["one", "two"], ["three"]]
    await embedding_of(database, model).embed(["two"], project_id=str(uuid4()))
    assert model.asked[-1] == ["two"], "another project's vectors are not looked at"


async def test_vectors_of_other_models_and_lengths_are_not_taken(database: Database, project: str):
    await embedding_of(database, HashedEmbeddingModel(8)).embed(["one"], project_id=project)
    for model in (HashedEmbeddingModel(16), HashedEmbeddingModel(8, model_name="other")):
        (vector,) = await embedding_of(database, model).embed(["one"], project_id=project)
        assert (model.asked[-1], len(vector)) == (["one"], await embedding_of(database, model).dimensions())


async def test_what_was_answered_before_a_failure_is_kept(database: Database, project: str):
    model = Unsteady()
    embedding = embedding_of(database, model)
    await embedding.dimensions()
    texts = [str(number) for number in range(BATCH_TEXTS)]
    await embedding.embed(texts, project_id=project)
    model.errors = [provider_error(400)]
    with pytest.raises(EmbeddingError):
        await embedding.embed([*texts, "new"], project_id=project)
    await embedding.embed([*texts, "new"], project_id=project)
    assert model.asked[2:] == [["new"], ["new"]]


@pytest.mark.parametrize(
    "error",
    [*map(provider_error, (408, 429, 500, 503)), TimeoutError(), ConnectionResetError("reset")],
)
async def test_a_call_is_made_again_when_the_model_is_busy(database: Database, project: str, error: Exception):
    model = Unsteady(error)
    embedding = embedding_of(database, model)
    assert await embedding.dimensions() == 8
    model.errors = [error] * 3
    assert len(await embedding.embed(["x"], project_id=project)) == 1
    assert model.asked == [["dimensions"]] * 2 + [["x"]] * 4


async def test_a_model_that_stays_away_is_unavailable(database: Database, project: str):
    model = Unsteady()
    embedding = embedding_of(database, model)
    await embedding.dimensions()
    model.errors = [provider_error(503)] * 9
    with pytest.raises(EmbedderUnavailableError, match=r"serai:hashed-words could not be asked.*scripted failure"):
        await embedding.embed(["x"], project_id=project)
    assert len(model.asked) == 1 + 4


async def test_a_model_that_refuses_is_asked_once_and_quoted(database: Database, project: str):
    model = Unsteady(provider_error(401, "Incorrect API key"))
    with pytest.raises(EmbeddingError, match=r"refused.*Incorrect API key") as caught:
        await embedding_of(database, model).embed(["x"], project_id=project)
    assert not isinstance(caught.value, EmbedderUnavailableError)
    assert len(model.asked) == 1


async def test_the_pause_that_a_provider_asks_for_is_kept(database: Database):
    error = ModelHTTPError(429, "m", headers={"retry-after-ms": "50"})
    embedding = Embedding(base_of(Unsteady(error)), database, first_pause_s=60)
    assert await embedding.dimensions() == 8


async def test_a_query_that_cannot_be_asked_is_not_asked_for_long(database: Database):
    model = Unsteady()
    embedding = embedding_of(database, model)
    await embedding.dimensions()
    model.errors = [provider_error(503)] * 9
    with pytest.raises(EmbedderUnavailableError):
        await embedding.embed_query("x")
    assert len(model.asked) == 1 + 2
    model.errors = [ModelHTTPError(429, "m", headers={"retry-after": "3600"})]
    with pytest.raises(EmbedderUnavailableError):
        await embedding.embed_query("x")
    assert len(model.asked) == 1 + 2 + 1


@pytest.mark.parametrize(
    ("vectors", "part"),
    [
        ([], "0 vectors for 1 text"),
        ([[1.0], [1.0]], "2 vectors for 1 text"),
        ([[]], "empty or infinite"),
        ([[math.nan]], "empty or infinite"),
        ([[1.0, math.inf]], "empty or infinite"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_refused(database: Database, vectors: list[list[float]], part: str):
    with pytest.raises(EmbeddingError, match=part):
        await embedding_of(database, Odd(vectors)).dimensions()


async def test_a_model_that_ignores_the_length_asked_for_is_refused(database: Database):
    with pytest.raises(EmbeddingError, match=r"vectors of 2 numbers where those of Knowledge .* have 3"):
        await embedding_of(database, Odd([[1.0, 2.0]]), dimensions=3).embed_query("x")


async def settle(database: Database, embedding: Embedding, project: str) -> None:
    async with database.transaction() as connection:
        await embedding.settle(connection, project)


async def test_model_and_length_are_fixed_with_the_first_vectors(database: Database, project: str):
    first = embedding_of(database, HashedEmbeddingModel(8), id="fixed")
    assert await first.check() is None
    await database.execute(
        "insert into knowledge_contents (project_id, base_id, id, origin) values ($1, 'fixed', $2, 'text')",
        project,
        uuid4(),
    )
    await settle(database, first, project)
    await settle(database, first, project)
    assert await embedding_of(database, HashedEmbeddingModel(8), id="fixed").check() == 8
    for other in (
        embedding_of(database, HashedEmbeddingModel(8, model_name="other"), id="fixed"),
        embedding_of(database, HashedEmbeddingModel(16), dimensions=16, id="fixed"),
    ):
        with pytest.raises(ConfigurationError, match="holds vectors of serai:hashed-words with 8 dimensions"):
            await other.check()
        with pytest.raises(ConfigurationError, match="remove its contents"):
            await other.embed(["x"], project_id=project)


async def test_a_base_without_contents_may_have_another_model(database: Database, project: str):
    await settle(database, embedding_of(database, HashedEmbeddingModel(8), id="emptied"), project)
    other = embedding_of(database, HashedEmbeddingModel(16, model_name="other"), id="emptied")
    assert await other.check() is None
    await settle(database, other, project)
    assert await other.check() == 16


async def test_the_length_is_asked_for_once_however_many_wait_for_it(database: Database):
    model = HashedEmbeddingModel(8)
    embedding = embedding_of(database, model)
    assert await asyncio.gather(*[embedding.dimensions() for _ in range(5)]) == [8] * 5
    assert model.asked == [["dimensions"]]


async def test_another_node_that_was_first_is_noticed(database: Database, project: str):
    ours = embedding_of(database, HashedEmbeddingModel(8, model_name="ours"), id="race")
    await ours.dimensions()
    await settle(database, embedding_of(database, HashedEmbeddingModel(8, model_name="theirs"), id="race"), project)
    with pytest.raises(ConfigurationError, match="holds vectors of serai:theirs"):
        await settle(database, ours, project)


async def test_vectors_that_nobody_used_for_long_are_forgotten(database: Database, project: str):
    embedding = embedding_of(database, HashedEmbeddingModel(8))
    await embedding.embed(["old", "used", "new"], project_id=project)
    await database.execute(
        "update knowledge_embeddings set used_at = now() - interval '31 days' where project_id = $1", project
    )
    await embedding.embed(["used"], project_id=project)
    assert await forget_embeddings(database) == 2
    assert await forget_embeddings(database) == 0


@pytest.mark.parametrize("embedder", ["text-embedding-3-small", "nobody:model", "openai:m"])
def test_an_embedder_that_cannot_be_made_is_a_matter_for_the_operator(embedder: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match=f"embedder '{embedder}' of Knowledge 'k' cannot be used"):
        Embedding(Knowledge(id="k", embedder=embedder), Database("postgresql://nowhere"))


def refuse(_: dict[str, Any]) -> Answer:
    return 400, {"error": {"message": "This model's maximum context length is 8192 tokens", "code": "too_long"}}


async def test_the_endpoints_own_words_are_told(database: Database, project: str):
    async with endpoint(refuse) as served:
        provider = OpenAIProvider(base_url=f"{served.url}/v1", api_key="key")
        with pytest.raises(EmbeddingError, match="maximum context length is 8192"):
            await embedding_of(database, OpenAIEmbeddingModel("m", provider=provider), dimensions=3).embed(
                ["x"], project_id=project
            )


async def test_kept_vectors_of_a_long_document_are_found_at_once(database: Database, project: str):
    kind = VectorKind("m", 1)
    vectors = {number.to_bytes(32, "big"): array("f", [number]) for number in range(4_000)}
    await keep_embeddings(database, project, kind, vectors, user_id=None)
    async with asyncio.timeout(1):  # by far too long; once each row was looked at for each hash
        found = await find_embeddings(database, project, kind, [*vectors][:2_000])
    assert len(found) == 2_000

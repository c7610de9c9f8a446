"""How many questions on a corpus of every format find the right chunk among the first five, by words and by both.

The vectors are TF-IDF and SVD, fitted on the corpus itself: no model's weights are at hand. What is claimed is the
search by words, and that putting both together loses nothing. With `-s` the test prints the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult, EmbeddingSettings
from pydantic_ai.embeddings.result import EmbedInputType
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline

from serai.domain.knowledge import ContentStatus, SearchQuestion, SearchType
from serai.engine.jobs import JobRunner
from serai.knowledge.bases import KnowledgeBases, Upload
from serai.knowledge.chunking import cut
from serai.knowledge.ingestion import Ingestion
from serai.knowledge.options import Knowledge
from serai.knowledge.reading import read_document
from serai.storage.connection import Database
from tests.knowledge_corpus import QUESTIONS, CorpusDocument, corpus_documents
from tests.run_values import until

pytestmark = pytest.mark.one_postgres

DIMENSIONS, FIRST = 256, 5
EMBEDDER = f"TF-IDF of pieces of words and SVD of {DIMENSIONS} dimensions, fitted on the corpus"


class FittedModel(EmbeddingModel):
    """Vectors by a pipeline that was fitted on the corpus."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    @property
    def model_name(self) -> str:
        return "tfidf-svd"

    @property
    def system(self) -> str:
        return "tests"

    async def embed(
        self, inputs: str | Sequence[str], *, input_type: EmbedInputType, settings: EmbeddingSettings | None = None
    ) -> EmbeddingResult:
        del settings
        texts = [inputs] if isinstance(inputs, str) else [*inputs]
        return EmbeddingResult(
            embeddings=self._pipeline.transform(texts).tolist(),
            inputs=texts,
            input_type=input_type,
            model_name=self.model_name,
            provider_name=self.system,
        )


@dataclass(frozen=True)
class Recall:
    """How many questions found the right chunk among the first, and which ones did not."""

    found: int
    missed: list[str]


async def chunks_of(document: CorpusDocument, base: Knowledge) -> list[str]:
    read = await read_document(document.data, name=document.name, media_type=document.media_type)
    size, overlap = base.chunk_size, base.chunk_overlap
    return [one.text for one in await cut(read, chunker=None, chunk_size=size, chunk_overlap=overlap)]


async def take_in(database: Database, documents: Sequence[CorpusDocument]) -> KnowledgeBases:
    """Return a base with the documents, whose embedder was fitted on their chunks."""
    plain = Knowledge(id="corpus")
    texts = [text for document in documents for text in await chunks_of(document, plain)]
    vectors = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
        TruncatedSVD(DIMENSIONS, random_state=1),
    ).fit(texts)
    bases = KnowledgeBases(database, [Knowledge(id="corpus", embedder=FittedModel(vectors))])
    base = bases.get("corpus")
    await base.prepare()
    for one in documents:
        upload = Upload(project_id="p", data=one.data, name=one.name, media_type=one.media_type)
        await base.upload(upload)
    runner = JobRunner(database, "node", Ingestion(database, [base.options]).handlers, 4)
    runner.start()
    try:
        await until(database, "select bool_and(ended_at is not null) from jobs", timeout_s=60)
    finally:
        await runner.stop()
    failed = "select array_agg(name || ': ' || status_message) from knowledge_contents where status <> $1"
    assert await database.fetchval(failed, ContentStatus.COMPLETED) is None
    return bases


async def recall_of(bases: KnowledgeBases, search_type: SearchType) -> Recall:
    missed = []
    for question in QUESTIONS:
        found = await bases.get("corpus").search(
            SearchQuestion(project_id="p", base_id="corpus", text=question.text, search_type=search_type, limit=FIRST)
        )
        if not any(question.is_answered_by(one.name, one.text) for one in found):
            missed.append(f"{question.document}: {question.text}")
    return Recall(len(QUESTIONS) - len(missed), missed)


async def test_questions_find_the_right_chunk(database: Database):
    documents = corpus_documents()
    assert len(QUESTIONS) >= 60
    bases = await take_in(database, documents)
    recalls = {search_type: await recall_of(bases, search_type) for search_type in SearchType}
    print(f"\n{len(documents)} documents, {len(QUESTIONS)} questions; vectors: {EMBEDDER}")
    for search_type, recall in recalls.items():
        print(f"{search_type}: {recall.found} of {len(QUESTIONS)}; missed: {recall.missed}")
    words, both = recalls[SearchType.KEYWORD], recalls[SearchType.HYBRID]
    assert words.found >= 0.9 * len(QUESTIONS), words.missed
    assert both.found >= words.found, both.missed


async def test_what_is_deleted_is_found_no_more(database: Database):
    documents = [one for one in corpus_documents() if one.name in ("heat-pump.pdf", "tea-zh.docx", "water-he.html")]
    bases = await take_in(database, documents)
    base = bases.get("corpus")
    before = await recall_of(bases, SearchType.HYBRID)
    assert before.found > 0
    records, _ = await base.contents.page("p", "corpus", limit=10)
    await base.contents.delete("p", "corpus", [one.id for one in records])
    for search_type in SearchType:
        assert (await recall_of(bases, search_type)).found == 0

"""What the server does, apart from HTTP: limits, search, embeddings, rerank, a newer index."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenrank.data.rows import is_visible
from evenrank.errors import EvenrankError
from evenrank.languages import is_right_to_left, language_name, normalise
from evenrank.search.searcher import Result, Searcher
from evenrank.serving.batching import Batcher
from evenrank.serving.jobs import EmbeddingJob, RerankJob, SearchJob, Vectors
from evenrank.serving.metrics import Metrics
from evenrank.serving.problems import RefusedError
from evenrank.serving.schemas import (
    Document,
    Embedding,
    Embeddings,
    EmbeddingsBody,
    LanguageFacts,
    LanguagesAnswer,
    Ranked,
    RerankBody,
    Scored,
    SearchBody,
)
from evenrank.serving.settings import ServeSettings

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What is shown of an index.

    Attributes:
        name: Folder or address.
        model: Name of the encoder in tables.
        languages: Passages of each language.
    """

    name: str
    model: str
    languages: Mapping[str, int]

    @property
    def passages(self) -> int:
        """All passages."""
        return sum(self.languages.values())


class Service:
    """An open index and the queue before it.

    Args:
        open_index: Opens the index; called again to open a newer one.
        settings: Limits, sizes and times.

    Raises:
        EvenrankError: The index cannot be opened.
    """

    def __init__(self, open_index: Callable[[], Searcher], settings: ServeSettings) -> None:
        self.settings, self.metrics = settings, Metrics()

        def opened() -> Searcher:
            searcher = open_index()
            language = next(iter(searcher.languages), None)
            # loads, compiles, and tells what fails
            searcher.search("evenrank", k=1, query_languages=language)
            return searcher

        self._open = opened
        searcher = opened()
        self.batcher = Batcher(searcher, settings, self.metrics)
        self._reloading = asyncio.Lock()
        self._describe(searcher)

    def _describe(self, searcher: Searcher) -> None:
        self.facts = Facts(searcher.engine.name, searcher.model.label, dict(searcher.languages))
        self.metrics.gauge("evenrank_passages", dict(self.facts.languages), "language")

    async def reload(self) -> None:
        """Open the index again and use it from the next batch on; no request is lost.

        Raises:
            EvenrankError: It cannot be opened; the running one stays in use.
        """
        async with self._reloading:
            try:
                newer = await asyncio.to_thread(self._open)
            except EvenrankError as error:
                self.metrics.count("evenrank_reloads_total", outcome="failed")
                _LOG.error("the index was not reopened: %s", error)
                raise

            def replace() -> None:
                older, self.batcher.searcher = self.batcher.searcher, newer
                self._describe(newer)
                older.close()

            await self.batcher.alone(replace)
        self.metrics.count("evenrank_reloads_total", outcome="done")
        _LOG.warning("the index was reopened: %s passages", f"{self.facts.passages:,}")

    async def search(self, body: SearchBody) -> list[list[Result]]:
        """Return the results of each query of a request.

        Raises:
            RefusedError, EvenrankError: A value is not allowed, or the search fails.
        """
        queries = [body.query] if body.query is not None else body.queries or []
        self.check_texts(queries, "query" if body.query is not None else "queries")
        if body.offset + body.k > (most := self.settings.max_k):
            found = f"{body.k} results after {body.offset}"
            raise RefusedError(400, "k", found, f"at most {most} in all", "Ask for fewer")
        options: dict[str, Any] = body.model_dump(
            exclude={"query", "queries", "query_language"}, exclude_defaults=True
        )
        options |= {"k": body.k}
        asked = None
        if body.query_language is not None:
            asked = [normalise(body.query_language, "query_language")] * len(queries)
        job = SearchJob(queries=queries, options=options, query_languages=asked)
        found_QK: list[list[Result]] = await self.batcher.submit(job)
        for results in found_QK:
            for result in results:
                self.metrics.count("evenrank_results_total", language=result.language)
        return found_QK

    async def embeddings(self, body: EmbeddingsBody) -> Embeddings:
        """Return the unit vectors of texts."""
        texts = [body.input] if isinstance(body.input, str) else body.input
        self.check_texts(texts, "input")
        as_queries = body.input_type == "query"
        job = EmbeddingJob(
            queries=texts if as_queries else (), passages=() if as_queries else texts
        )
        vectors: Vectors = await self.batcher.submit(job)
        if body.dimensions not in (None, vectors.shape[1]):
            found, expected = repr(body.dimensions), str(vectors.shape[1])
            raise RefusedError(400, "dimensions", found, expected, "Leave it out")
        data = [
            Embedding(index=index, embedding=_written(vector, body.encoding_format))
            for index, vector in enumerate(vectors)
        ]
        return Embeddings(data=data, model=self.facts.model)

    async def rerank(self, body: RerankBody) -> Ranked:
        """Return documents with scores, best first; equal scores in the order of the request."""
        documents = [
            document if isinstance(document, Document) else Document(text=document)
            for document in body.documents
        ]
        texts = [document.text for document in documents]
        self.check_texts([body.query], "query")
        self.check_texts(texts, "documents")
        languages = [document.language for document in documents if document.language]
        asked = body.query_language
        job = RerankJob(
            queries=[body.query],
            passages=texts,
            languages=[normalise(language, "documents") for language in languages]
            if len(languages) == len(documents)
            else None,
            query_language=None if asked is None else normalise(asked, "query_language"),
        )
        found = await self.batcher.submit(job)
        order = np.argsort(-found.scores, kind="stable")[: body.top_n].tolist()
        results = [
            Scored(
                index=index,
                relevance_score=float(found.scores[index]),
                document=documents[index] if body.return_documents else None,
            )
            for index in order
        ]
        return Ranked(model=self.facts.model, corrected=found.corrected, results=results)

    def languages(self) -> LanguagesAnswer:
        """Return the languages of the index, the largest first."""
        total = self.facts.passages
        counts = sorted(self.facts.languages.items(), key=lambda one: (-one[1], one[0]))
        languages = [
            LanguageFacts(
                language=code,
                name=language_name(code),
                passages=count,
                share=count / total,
                right_to_left=is_right_to_left(code),
            )
            for code, count in counts
        ]
        return LanguagesAnswer(passages=total, languages=languages)

    def check_texts(self, texts: Sequence[str], place: str) -> None:
        """Refuse texts without a character that can be seen, and too many or too long ones.

        Raises:
            RefusedError: One of these.
        """
        settings = self.settings
        if not texts or len(texts) > settings.max_texts:
            found, expected = f"{len(texts)} texts", f"1 to {settings.max_texts}"
            raise RefusedError(400, place, found, expected, "Send several requests")
        for text in texts:
            if len(text) > settings.max_text:
                found, expected = f"{len(text):,} characters", f"at most {settings.max_text:,}"
                raise RefusedError(413, place, found, expected, "Shorten the text")
            if not is_visible(text):
                found = "nothing visible" if text else "an empty text"
                raise RefusedError(400, place, found, "a letter, number or sign", "Write some")


def _written(vector: Vectors, form: str) -> list[float] | str:
    if form == "base64":
        return b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()
    return [float(number) for number in vector]

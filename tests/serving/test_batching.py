"""Many requests at once, without a network."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.errors import ConfigError, DataError, FileError
from evenrank.search.correction import stored_numbers
from evenrank.search.searcher import Searcher
from evenrank.serving.jobs import EmbeddingJob, SearchJob, encode
from evenrank.serving.problems import RefusedError
from evenrank.serving.schemas import Document, RerankBody, SearchBody
from evenrank.serving.service import Service
from evenrank.serving.settings import ServeSettings


def work(open_index, use, **settings):
    """Return what ``use(service)`` returns, and the service."""

    async def run():
        service = Service(open_index, ServeSettings(**settings))
        service.batcher.start()
        try:
            return await use(service), service
        finally:
            await service.batcher.stop()

    return asyncio.run(run())


def batches(service):
    return int(re.search(r"evenrank_batch_texts_count (\d+)", service.metrics.text())[1])


def job(query, **options):
    return SearchJob(queries=[query], options={"k": 3, **options})


def together(*jobs):
    async def use(service):
        submitted = [service.batcher.submit(one) for one in jobs]
        return await asyncio.gather(*submitted, return_exceptions=True)

    return use


def test_queries_that_arrive_together_are_encoded_together(open_index):
    jobs = [job(f"pool {n}", **({"languages": ["de"]} if n % 2 else {})) for n in range(20)]
    found, service = work(open_index, together(*jobs))
    assert batches(service) == 1
    for number, (results,) in enumerate(found):
        options = {"languages": ["de"]} if number % 2 else {}
        assert [results] == open_index().search(f"pool {number}", k=3, **options)


def test_a_batch_has_a_size(open_index):
    found, service = work(open_index, together(*[job(f"pool {n}") for n in range(20)]), batch=8)
    assert len(found) == 20
    assert batches(service) == 3


def test_a_bad_request_fails_alone(open_index):
    jobs = [
        job("pool 1"),
        job("pool 2", languages=["fi"]),
        job("nowhere"),
        job("pool 4", filters={"colour": "red"}),
        job("pool 5"),
        EmbeddingJob(passages=["pool 6"]),
    ]
    (first, language, token, field, last, vectors), _ = work(open_index, together(*jobs))
    assert [len(results) for results in (first[0], last[0])] == [3, 3]
    assert isinstance(language, ConfigError)
    assert isinstance(token, DataError)
    assert isinstance(field, ConfigError)
    assert vectors.shape == (1, 64)


@pytest.mark.parametrize("method", ["center", "project", "calibrate"])
def test_rerank_corrects_where_the_languages_are_known(open_index, passages, model, method):
    plain = open_index()
    blocks = [
        (encode(model, [one.text for one in passages if one.language == lang], "passage"), lang)
        for lang in plain.languages
    ]
    correction = fit_correction(method, blocks)
    some = [passages[at] for at in (0, 35, 65, 95, 10, 70)]
    documents = [Document(text=one.text, language=one.language) for one in some]
    body = RerankBody(query="pool 10", documents=documents, query_language="en")
    unknown = body.model_copy(update={"documents": [*documents, "pool 10"]})

    async def use(service):
        return await asyncio.gather(service.rerank(body), service.rerank(unknown))

    stored = stored_numbers(plain.engine, correction)
    (known, without), _ = work(lambda: Searcher(plain.engine, model, correction, stored), use)
    assert known.corrected
    assert without.corrected is not correction.needs_language
    query = encode(model, ["pool 10"], "query")
    rows = encode(model, [one.text for one in some], "passage")
    languages = np.array([one.language for one in some])
    if correction.changes_vectors:
        corrected = correction.apply(query, "en", "query")
        expected = correction.apply(rows, languages, "passage") @ corrected[0]
    else:
        lists = plain.engine.search(query[:, None], list(plain.languages), correction.best_needed)
        best = np.array([[lists[0][lang].scores for lang in plain.languages]])
        expected = correction.for_index(query, "en", best).scores(rows, languages)[0]
    scores = {one.index: one.relevance_score for one in known.results}
    order = [one.index for one in known.results]
    assert order == np.argsort(-expected, kind="stable").tolist()
    np.testing.assert_allclose([scores[at] for at in range(6)], expected, atol=1e-5)
    if correction.needs_language:
        scores = {one.index: one.relevance_score for one in without.results}
        assert [scores[at] for at in range(6)] == pytest.approx((rows @ query[0]).tolist())


def test_the_raw_list_of_the_page_is_without_correction(open_index, passages, model):
    plain = open_index()
    rows = [
        (encode(model, [one.text for one in passages if one.language == lang], "passage"), lang)
        for lang in plain.languages
    ]
    correction = fit_correction("calibrate", rows)
    (raw, corrected), _ = work(
        lambda: Searcher(plain.engine, model, correction),
        together(
            SearchJob(queries=["pool 10"], options={"policy": "raw", "corrected": False, "k": 40}),
            SearchJob(queries=["pool 10"], options={"policy": "raw", "k": 40}),
        ),
    )
    assert raw == plain.search("pool 10", policy="raw", k=40)
    assert [one.id for one in raw[0]] != [one.id for one in corrected[0]]


def test_a_full_queue_refuses_and_says_when_to_come_again(open_index):
    found, _ = work(open_index, together(*[job(f"pool {n}") for n in range(10)]), queue=4)
    refused = [error for error in found if isinstance(error, RefusedError)]
    assert len(refused) == 6
    assert {error.status for error in refused} == {503}
    assert int(refused[0].headers["Retry-After"]) >= 1


def test_a_job_larger_than_the_queue_runs_where_nothing_waits(open_index):
    (vectors,), _ = work(open_index, together(EmbeddingJob(queries=["pool"] * 9)), queue=4)
    assert len(vectors) == 9


def test_a_request_that_takes_too_long_is_given_up(open_index):
    async def use(service):
        with pytest.raises(RefusedError) as error:
            await service.batcher.submit(job("pool 1"))
        return error.value

    error, _ = work(open_index, use, timeout=1e-9)
    assert error.status == 504


def test_no_request_is_lost_while_the_index_is_replaced(open_index, passages):
    sizes = iter([60, None, 60])

    async def use(service):
        async def ask(n):
            return await service.search(SearchBody(query=f"pool {n % 30}", k=2))

        asked = [asyncio.ensure_future(ask(n)) for n in range(40)]
        await service.reload()
        asked += [asyncio.ensure_future(ask(n)) for n in range(40)]
        await service.reload()
        return await asyncio.gather(*asked)

    found, service = work(lambda: open_index(next(sizes)), use, batch=4)
    assert [len(results) for (results,) in found] == [2] * 80
    assert 'evenrank_reloads_total{outcome="done"} 2' in service.metrics.text()
    assert service.facts.passages == 60


def test_an_index_that_cannot_be_opened_leaves_the_running_one(open_index, passages):
    opened = iter([lambda: open_index()])

    def next_index():
        try:
            return next(opened)()
        except StopIteration:
            raise FileError("my-index", "no such file or folder", "", "Check the name") from None

    async def use(service):
        with pytest.raises(FileError, match="my-index"):
            await service.reload()
        return await service.search(SearchBody(query="pool 3"))

    (results,), service = work(next_index, use)
    assert len(results) == 10
    assert service.facts.passages == len(passages)


@pytest.mark.parametrize(
    "settings", [{"batch": 0}, {"wait": 2}, {"key": "short"}, {"key": "with blanks in it"}]
)
def test_unusable_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        ServeSettings(**settings)

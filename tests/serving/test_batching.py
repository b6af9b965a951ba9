"""Many requests at once, without a network."""

from __future__ import annotations

import asyncio
import re

import pytest

from evenrank.errors import ConfigError, DataError, FileError
from evenrank.serving.jobs import EmbeddingJob, SearchJob
from evenrank.serving.problems import RefusedError
from evenrank.serving.schemas import SearchBody
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

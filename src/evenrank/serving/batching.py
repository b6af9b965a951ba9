"""Jobs of many requests as batches: one thread encodes and searches for all of them.

A job waits a few milliseconds for others. While a batch is computed, the next one gathers, so
batches grow with the load. All access to the index is in that one thread, which makes it simple to
replace the index between two batches.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from evenrank.search.searcher import Searcher
from evenrank.serving.jobs import Job, Vectors, encode
from evenrank.serving.metrics import Metrics
from evenrank.serving.problems import RefusedError
from evenrank.serving.settings import ServeSettings

T = TypeVar("T")
Outcome = Any
"""The answer of a job, or the exception that it ended with."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    job: Job
    future: asyncio.Future[Any]
    since: float


class Batcher:
    """The queue of jobs and the thread that does them.

    Args:
        searcher: The index.
        settings: Sizes and times.
        metrics: Where times are counted.
    """

    def __init__(self, searcher: Searcher, settings: ServeSettings, metrics: Metrics) -> None:
        self.searcher = searcher
        self._settings, self._metrics = settings, metrics
        self._queue: deque[_Waiting] = deque()
        self._texts = 0
        self._seconds_per_text = 0.01
        self._filled = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evenrank-search")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the event loop of the caller is the one that is used."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Finish the batch that is computed, and close the index."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.alone(self.searcher.close)
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """Texts in the queue."""
        return self._texts

    async def submit(self, job: Job) -> Any:  # noqa: ANN401 - the answer of the job
        """Return the answer of a job.

        Raises:
            RefusedError: Too many texts are waiting (503), or it takes too long (504).
            EvenrankError: What the job ends with.
        """
        settings = self._settings
        if self._texts + job.texts > settings.queue and self._texts:
            self._metrics.count("evenrank_refused_total")
            seconds = min(60, max(1, math.ceil(self._texts * self._seconds_per_text)))
            found, expected = f"{self._texts} texts that wait", f"at most {settings.queue}"
            retry = {"Retry-After": str(seconds)}
            remedy = f"Try again in {seconds} s"
            raise RefusedError(503, "queue", found, expected, remedy, retry)
        waiting = _Waiting(job, asyncio.get_running_loop().create_future(), time.perf_counter())
        self._queue.append(waiting)
        self._texts += job.texts
        self._filled.set()
        try:
            async with asyncio.timeout(settings.timeout):
                return await waiting.future
        except TimeoutError:
            found = f"no answer in {settings.timeout:g} s"
            raise RefusedError(504, "server", found, "", "Try again later, or ask less") from None

    async def alone(self, action: Callable[[], T]) -> T:
        """Do something between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            if self._texts < self._settings.batch:
                await asyncio.sleep(self._settings.wait)
            if not (batch := self._next()):
                continue
            outcomes = await loop.run_in_executor(
                self._thread, self._timed, [waiting.job for waiting in batch]
            )
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if waiting.future.done():  # given up
                    continue
                if isinstance(outcome, Exception):
                    waiting.future.set_exception(outcome)
                else:
                    waiting.future.set_result(outcome)

    def _next(self) -> list[_Waiting]:
        """Take the next jobs from the queue: as many texts as a batch has, or one larger job."""
        batch: list[_Waiting] = []
        texts = 0
        now = time.perf_counter()
        while self._queue:
            first = self._queue[0]
            if batch and texts + first.job.texts > self._settings.batch:
                break
            self._queue.popleft()
            self._texts -= first.job.texts
            if not first.future.done():
                self._metrics.observe("evenrank_wait_seconds", now - first.since)
                batch.append(first)
                texts += first.job.texts
        if not self._queue:
            self._filled.clear()
        return batch

    def _timed(self, jobs: Sequence[Job]) -> list[Outcome]:
        start = time.perf_counter()
        try:
            outcomes = self._outcomes(jobs)
        except Exception as error:  # a bug must not end the task that serves all requests
            outcomes = [error] * len(jobs)
        texts = sum(job.texts for job in jobs)
        self._metrics.observe("evenrank_batch_texts", texts)
        latest = (time.perf_counter() - start) / max(texts, 1)
        self._seconds_per_text += (latest - self._seconds_per_text) / 10
        return outcomes

    def _outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return the outcome of each job; runs in the thread.

        A text that cannot be encoded is the error of its own job: the batch is halved until that
        job is alone.
        """
        try:
            vectors = self._encoded(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            middle = len(jobs) // 2
            return self._outcomes(jobs[:middle]) + self._outcomes(jobs[middle:])
        groups: dict[Hashable, list[int]] = {}
        for place, job in enumerate(jobs):
            groups.setdefault((type(job), job.group), []).append(place)
        start = time.perf_counter()
        outcomes: dict[int, Outcome] = {}
        for places in groups.values():
            answers = self._answers([jobs[at] for at in places], [vectors[at] for at in places])
            outcomes |= dict(zip(places, answers, strict=True))
        self._metrics.observe("evenrank_search_seconds", time.perf_counter() - start)
        return [outcomes[place] for place in range(len(jobs))]

    def _encoded(self, jobs: Sequence[Job]) -> list[tuple[Vectors, Vectors]]:
        """Return vectors of the queries and of the passages of each job."""
        start = time.perf_counter()
        model = self.searcher.model
        queries = encode(model, [text for job in jobs for text in job.queries], "query")
        passages = encode(model, [text for job in jobs for text in job.passages], "passage")
        self._metrics.observe("evenrank_encode_seconds", time.perf_counter() - start)
        ends_of_queries = np.cumsum([len(job.queries) for job in jobs])[:-1]
        ends_of_passages = np.cumsum([len(job.passages) for job in jobs])[:-1]
        return list(
            zip(
                np.split(queries, ends_of_queries),
                np.split(passages, ends_of_passages),
                strict=True,
            )
        )

    def _answers(
        self, jobs: Sequence[Job], vectors: Sequence[tuple[Vectors, Vectors]]
    ) -> list[Outcome]:
        """Return the outcomes of the jobs of one group; one that fails does not fail the others."""
        queries, passages = (np.concatenate(side) for side in zip(*vectors, strict=True))
        try:
            return jobs[0].answer(self.searcher, jobs, queries, passages)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [self._answers([job], [own])[0] for job, own in zip(jobs, vectors, strict=True)]

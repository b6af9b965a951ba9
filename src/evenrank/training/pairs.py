"""Pairs for the trainer: the corpus tables themselves, looked up two rows at a time.

A strategy pairs any query row with any passage row of its item, so the pairs of an epoch are never
written down. The batch sampler gives keys ``(query row, passage row, step)``, and the data set
looks both texts up in the memory-mapped table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from datasets.table import InMemoryTable

from evenrank.batching.plan import BatchPlan
from evenrank.data.corpus import ParallelCorpus, values_at
from evenrank.errors import ConfigError

PairKey = tuple[int, int, int]


class PairDataset(Dataset):  # type: ignore[misc]
    """A data set whose items are pairs of rows; its columns are anchor, positive and negatives.

    Languages and ids stay out of the columns: the trainer's collator would tokenise them.

    Args:
        plan: The batches to be drawn from it.
        negatives: Hard negatives per pair, in the language of the passage.

    Raises:
        ConfigError: Negatives are asked for, and a row has fewer.
    """

    def __init__(self, plan: BatchPlan, negatives: int = 0) -> None:
        tables = [corpus.table for corpus in plan.corpora]
        self._rows = pa.concat_tables(tables)  # shares the memory of its parts
        self._negatives = negatives
        if negatives:
            _require_negatives(plan.corpora, negatives)
        columns = {"anchor": self._rows["query"], "positive": self._rows["passage"]}
        for number in range(negatives):
            columns[f"negative_{number + 1}"] = self._rows["passage"]
        super().__init__(InMemoryTable(pa.table(columns)))
        self.plan = plan

    def __getitems__(self, keys: Sequence[PairKey]) -> list[dict[str, str]]:
        """Return the texts of some pairs."""
        queries = self._texts("query", [query for query, _, _ in keys])
        passages = self._texts("passage", [passage for _, passage, _ in keys])
        columns: dict[str, list[str]] = {"anchor": queries, "positive": passages}
        if self._negatives:
            found = self._texts("negatives", [passage for _, passage, _ in keys])
            for number in range(self._negatives):
                columns[f"negative_{number + 1}"] = [
                    texts[(step * self._negatives + number) % len(texts)]
                    for texts, (_, _, step) in zip(found, keys, strict=True)
                ]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _texts(self, column: str, rows: list[int]) -> list[Any]:
        return values_at(self._rows.column(column), np.array(rows))


class PlanSampler:
    """A batch sampler over a plan, as the trainer and accelerate expect one.

    Args:
        plan: The batches.
        steps: Steps of an epoch; the plan's own if ``None``.
    """

    drop_last = True

    def __init__(self, plan: BatchPlan, steps: int | None = None) -> None:
        self.plan = plan
        self.batch_size = plan.batch_size
        self.epoch = 0
        self._steps = steps or plan.steps_per_epoch
        sizes = [corpus.table.num_rows for corpus in plan.corpora]
        self._first_row = [sum(sizes[:number]) for number in range(len(sizes))]

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[PairKey]]:
        """Yield the keys of each batch of the epoch."""
        for step in range(self._steps):
            batch = self.plan.batch(self.epoch, step)
            first = self._first_row[batch.corpus]
            number = self.epoch * self._steps + step
            yield [
                (int(query) + first, int(passage) + first, number)
                for query, passage in zip(batch.query_rows, batch.passage_rows, strict=True)
            ]

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; the trainer calls this at the start of each."""
        self.epoch = epoch


def sampler_of(dataset: PairDataset, **_: Any) -> PlanSampler:  # noqa: ANN401 - the trainer's
    """Return the sampler of a data set's own plan: the trainer's ``batch_sampler``."""
    return PlanSampler(dataset.plan)


def _require_negatives(corpora: Sequence[ParallelCorpus], negatives: int) -> None:
    for corpus in corpora:
        counts = pc.fill_null(pc.list_value_length(corpus.table["negatives"]), 0)
        fewest = pc.min(counts).as_py()
        if fewest < negatives:
            row = pc.index(counts, fewest).as_py()
            raise ConfigError(
                f"corpus {corpus.name!r}, id {corpus.table['id'][row].as_py()!r}",
                f"{fewest} negatives",
                f"at least {negatives} on every row",
                "Lower 'negatives' or add them to the corpus",
            )

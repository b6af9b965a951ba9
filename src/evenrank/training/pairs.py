"""Pairs for the trainer: texts looked up in the corpus table, a batch at a time.

A strategy pairs any query row with any passage row of its item, so the pairs are never written
down. The batch sampler yields the numbers of pairs: pair ``n`` is in step ``n // batch size``. The
data set plans the batch of that step and looks up its texts in the memory-mapped table.
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
from evenrank.encoding.model import Kind
from evenrank.errors import ConfigError
from evenrank.files import fingerprint_of


class PairDataset(Dataset):  # type: ignore[misc]
    """A data set whose items are pairs, in the columns anchor, positive, negative_1, ...

    These names and their order are those that Sentence Transformers expects. Further queries of the
    passage follow in ``anchor_2``, ...; if the plan has parallel queries, ``parallel`` is the last
    column. ``label`` is added to each pair, and the trainer's collator does not tokenise it: its
    passage group, the columns of the query's and the passage's languages in the corpus, its number,
    the number of the batch's mode in the strategy, and the languages of the further queries.

    Args:
        plan: The batches that use it.
        negatives: Hard negatives per pair, in the language of the passage.

    Attributes:
        plan: The batches.
        kinds: The columns with texts, in order, and whether each has queries or passages.

    Raises:
        ConfigError: A row has fewer negatives.
    """

    def __init__(self, plan: BatchPlan, negatives: int = 0) -> None:
        self.plan = plan
        self._texts = pa.concat_tables(corpus.table for corpus in plan.corpora)  # copies nothing
        self._negatives = negatives
        self._modes = [mode.name for mode in plan.strategy.modes]
        if negatives:
            _require_negatives(plan.corpora, negatives)
        self._further = [f"anchor_{n}" for n in range(2, plan.strategy.queries_per_passage + 1)]
        self.kinds: dict[str, Kind] = {"anchor": "query", "positive": "passage"}
        self.kinds |= {f"negative_{number + 1}": "passage" for number in range(negatives)}
        self.kinds |= dict.fromkeys(self._further, "query")
        if plan.parallel:
            self.kinds["parallel"] = "query"
        columns = {name: self._texts[kind] for name, kind in self.kinds.items()}
        self._first_row = np.cumsum([0, *(corpus.table.num_rows for corpus in plan.corpora)])
        # without a fingerprint, Dataset hashes a copy of all texts
        fingerprint = fingerprint_of(*(corpus.fingerprint for corpus in plan.corpora))
        super().__init__(InMemoryTable(pa.table(columns)), fingerprint=fingerprint)

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, Any]]:
        """Return some pairs of one step, by their numbers."""
        places = np.asarray(keys) % self.plan.batch_size
        step = keys[0] // self.plan.batch_size
        batch = self.plan.batch(*divmod(step, self.plan.steps_per_epoch))
        first = self._first_row[batch.corpus]
        columns: dict[str, list[Any]] = {
            "anchor": values_at(self._texts["query"], batch.query_rows[places] + first),
            "positive": values_at(self._texts["passage"], batch.passage_rows[places] + first),
        }
        if self._negatives:
            choices = values_at(self._texts["negatives"], batch.passage_rows[places] + first)
            for number in range(self._negatives):
                columns[f"negative_{number + 1}"] = [
                    texts[(step * self._negatives + number) % len(texts)] for texts in choices
                ]
        for name, rows in zip(self._further, batch.further_rows, strict=True):
            columns[name] = values_at(self._texts["query"], rows[places] + first)
        if batch.parallel_rows is not None:
            columns["parallel"] = values_at(
                self._texts["query"], batch.parallel_rows[places] + first
            )
        facts = (batch.groups, batch.query_languages, batch.passage_languages)
        mode = np.full(len(keys), self._modes.index(batch.mode))
        further = batch.further_languages[:, places]
        columns["label"] = np.stack(
            [*(fact[places] for fact in facts), keys, mode, *further], axis=1
        ).tolist()
        return [
            dict(zip(columns, pair, strict=True)) for pair in zip(*columns.values(), strict=True)
        ]


class PlanSampler:
    """A batch sampler over a whole plan, as the trainer and accelerate expect one.

    For the trainer, all passes over the corpus are one long epoch, whose first steps are skipped
    when it resumes; a step that is skipped is not planned. (Several epochs would not work:
    accelerate loses their number if there are several processes.)
    """

    drop_last = True

    def __init__(self, plan: BatchPlan) -> None:
        self.batch_size = plan.batch_size
        self._steps = plan.total_steps

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[range]:
        """Yield the numbers of the pairs of each step."""
        for step in range(len(self)):
            yield range(step * self.batch_size, (step + 1) * self.batch_size)


def sampler_of(dataset: PairDataset, **_: Any) -> PlanSampler:  # noqa: ANN401 - the trainer's
    """Return the sampler of a data set's own plan: the trainer's ``batch_sampler``."""
    return PlanSampler(dataset.plan)


def _require_negatives(corpora: Sequence[ParallelCorpus], negatives: int) -> None:
    for corpus in corpora:
        counts = pc.fill_null(pc.list_value_length(corpus.table["negatives"]), 0)
        minimum = pc.min(counts).as_py()
        if minimum < negatives:
            row = pc.index(counts, minimum).as_py()
            raise ConfigError(
                f"corpus {corpus.name!r}, id {corpus.table['id'][row].as_py()!r}",
                f"{minimum} negatives",
                f"at least {negatives} in every row",
                "Lower 'negatives' or add them to the corpus",
            )

"""The loss of a batch: InfoNCE with in-batch negatives and the losses that are added to it.

A batch is embedded as a whole or in parts (GradCache, Gao et al. 2021, arXiv 2101.06983). Without
added losses and without groups, it is the loss of Sentence Transformers.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import all_gather, all_gather_with_grad
from torch import Tensor
from torch.nn.functional import normalize

from evenrank.encoding.base import ENCODERS
from evenrank.encoding.routes import inputs_of
from evenrank.errors import ConfigError
from evenrank.training.columns import Features, embed, embed_column, in_order, order_of, undo
from evenrank.training.config import TrainConfig
from evenrank.training.losses.base import LOSSES, Scores, Term
from evenrank.training.losses.info_nce import group_info_nce
from evenrank.training.losses.teacher import Teacher


def added_losses(config: TrainConfig) -> list[tuple[Term, float]]:
    """Return the losses to add to InfoNCE, each with its weight.

    Raises:
        UnknownNameError: A loss does not exist.
        ConfigError: A loss needs a trained encoder, and the run begins with a new one; or a query
            in another language, and passages have several queries.
    """
    terms = []
    for name, weight in config.losses.items():
        term = LOSSES.get(name)
        if term.needs == "start" and config.encoder in ENCODERS:
            raise ConfigError(
                f"losses, {name}",
                f"the new encoder {config.encoder!r}",
                "a trained encoder, whose scores are kept",
                f"Remove {name}, or use a trained encoder",
            )
        if term.needs == "parallel" and config.queries_per_passage > 1:
            raise ConfigError(
                f"losses, {name}",
                f"queries_per_passage {config.queries_per_passage}",
                "one query per passage, which the loss compares with its translation",
                f"Remove {name} and use the strategy hybrid-queries, or remove queries_per_passage",
            )
        if weight:
            terms.append((term, weight))
    return terms


def needs_parallel(config: TrainConfig) -> bool:
    """Return whether a loss reads each query in another language too."""
    return any(term.needs == "parallel" for term, _ in added_losses(config))


def make_loss(
    model: SentenceTransformer,
    config: TrainConfig,
    processes: int,
    *,
    in_batch: Sequence[bool] | None = None,
    teacher: Teacher | None = None,
) -> torch.nn.Module:
    """Return InfoNCE with in-batch negatives (paper, equation 1) and the losses added to it.

    Args:
        model: The start model.
        config: All settings.
        processes: Number of processes that train together.
        in_batch: Whether each mode has in-batch negatives; ``None`` if all have.
        teacher: The teacher, if a loss needs it.

    Raises:
        ConfigError: The loss is to be computed in parts, and the encoder cannot encode a part of a
            batch; or a width of ``matryoshka`` is above that of the encoder.
    """
    static = any(isinstance(module, StaticEmbedding) for module in inputs_of(model))
    if config.mini_batch_size is not None and static:
        raise ConfigError(
            "mini_batch_size",
            str(config.mini_batch_size),
            "no value, since a static encoder takes a batch as a whole",
            "Remove it: batches of a static encoder need little memory",
        )
    gather = config.gather_negatives and processes > 1
    terms = added_losses(config)
    widths = _widths(model, config)
    start = None
    if any(term.needs == "start" for term, _ in terms):
        start = FrozenStart(model, config.mini_batch_size)
    objective = Objective(
        terms, config.temperature, gather, config.other_positives, in_batch, start, teacher, widths
    )
    if config.mini_batch_size is None:
        return ContrastiveLoss(model, objective)
    return CachedContrastiveLoss(model, objective, config.mini_batch_size)


def _widths(model: SentenceTransformer, config: TrainConfig) -> dict[int, float]:
    """Return the widths that are trained, the model's own first, with their weights.

    Raises:
        ConfigError: A width is above the model's.
    """
    full = typing.cast(int, model.get_embedding_dimension())
    for width in config.matryoshka:
        if width > full:
            expected = f"at most {full}, the width of the encoder"
            raise ConfigError("matryoshka", str(width), expected, "Lower it")
    return {full: 1.0} | config.matryoshka


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine of each row of one with each row of the other, in float32.

    Under autocast a product is rounded to bfloat16, which has steps of 0.004 between 0.5 and 1:
    at temperature 0.02 that is 0.2 in the exponent.
    """
    with torch.autocast(one.device.type, enabled=False):
        return normalize(one.float(), dim=1) @ normalize(other.float(), dim=1).T


class FrozenStart:
    """The start model, which stays as it is. It is not a module of the loss: nothing trains it.

    Args:
        model: It is copied.
        mini_batch_size: Texts to encode at once; ``None``: all of a batch.
    """

    def __init__(self, model: SentenceTransformer, mini_batch_size: int | None) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._mini_batch_size = mini_batch_size

    def __call__(self, features: Features) -> Tensor:
        """Return the embeddings of a column, without gradient."""
        own = {  # the modules of a model may change their input
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in features.items()
        }
        self.model.to(own["input_ids"].device)
        with torch.no_grad():
            return embed_column(self.model, own, self._mini_batch_size)


@dataclass(frozen=True)
class Embedded:
    """The embeddings of a batch. ``Q`` local queries, ``P`` passages of all processes.

    With ``k`` queries per passage, the first queries of all pairs come before all second ones.

    Attributes:
        queries: ``(Q, width)``.
        passages: ``(P, width)``: those of the pairs, then the hard negatives.
        query_labels: ``(Q, 3)`` passage group, language and number of the pair.
        passage_labels: ``(P, 3)`` the same; the group of a hard negative is -1.
        in_batch: ``(Q, 1)`` whether in-batch negatives are used; ``None`` if all queries use them.
        parallel: ``(Q, width)`` the same queries in another language, or ``None``.
        start: Queries and passages as the start model embeds them, or ``None``.
        teacher: The same of the teacher, of any width.
        teacher_temperature: That of the teacher's softmax.
    """

    queries: Tensor
    passages: Tensor
    query_labels: Tensor
    passage_labels: Tensor
    in_batch: Tensor | None = None
    parallel: Tensor | None = None
    start: tuple[Tensor, Tensor] | None = None
    teacher: tuple[Tensor, Tensor] | None = None
    teacher_temperature: float = 1.0

    def scores(self, rows: slice, temperature: float, width: int | None = None) -> Scores:
        """Return the scores of some queries, by the first ``width`` values of the vectors.

        Those of the start model and of the teacher are by their whole vectors.
        """
        same = self.query_labels[rows, None] == self.passage_labels
        passages = self.passages[:, :width]

        def scored(queries: Tensor | None, passages: Tensor = passages) -> Tensor | None:
            return None if queries is None else cosine(queries[rows], passages) / temperature

        return Scores(
            cosine(self.queries[rows, :width], passages) / temperature,
            relevant=same[:, :, 0],
            same_language=same[:, :, 1],
            compared=None
            if self.in_batch is None
            else self.in_batch[rows] | same[:, :, 0] | same[:, :, 2],
            parallel=None if self.parallel is None else scored(self.parallel[:, :width]),
            start=None if self.start is None else scored(*self.start),
            teacher=None
            if self.teacher is None
            else cosine(self.teacher[0][rows], self.teacher[1]) / self.teacher_temperature,
        )


@dataclass(frozen=True)
class Objective:
    """What is minimised: InfoNCE, and other losses with their weights.

    Attributes:
        terms: The losses that are added, each with its weight.
        temperature: That of all softmaxes but the teacher's.
        gather: Compare with the passages of all processes.
        other_positives: See ``group_info_nce``.
        in_batch: Whether each mode has in-batch negatives; ``None`` if all have.
        start: The start model, if a loss needs it.
        teacher: The teacher, if a loss needs it.
        widths: The widths of vectors to train, the whole one first, with their weights.
    """

    terms: Sequence[tuple[Term, float]]
    temperature: float
    gather: bool
    other_positives: bool
    in_batch: Sequence[bool] | None
    start: FrozenStart | None
    teacher: Teacher | None
    widths: Mapping[int, float]

    def embedded(
        self, columns: Sequence[Tensor], labels: Tensor, features: Sequence[Features], train: bool
    ) -> Embedded:
        """Return the batch of some columns, which come in the order of ``PairDataset.kinds``.

        Args:
            columns: The embeddings of each column.
            labels: ``(B, 4 + k)`` for each pair: passage group, query language, passage language,
                number of the pair, number of the mode, languages of the further queries.
            features: The tokens of each column, for the start model.
            train: ``False`` for the dev loss, which has InfoNCE only.
        """
        parallel = None
        if train and any(term.needs == "parallel" for term, _ in self.terms):
            *columns, parallel = columns
        further = labels.shape[1] - 5
        pairs = self._gathered(labels)[:, [0, 2, 3]]
        negatives = pairs.clone()
        negatives[:, 0] = -1
        in_batch = start = teacher = None
        if train and self.in_batch is not None:
            modes = labels[:, 4:5].repeat(1 + further, 1)
            in_batch = torch.tensor(self.in_batch, device=labels.device)[modes]
        if train and self.start is not None:
            kept = [self.start(column) for column in features[: len(columns)]]
            start = self._compared(kept, further)
        if train and self.teacher is not None:
            teacher = self._compared(self.teacher(labels[:, 3]), further)
        return Embedded(
            *self._compared(columns, further),
            torch.cat([labels[:, [0, language, 3]] for language in (1, *range(5, 5 + further))]),
            torch.cat([pairs, *[negatives] * (len(columns) - further - 2)]),
            in_batch,
            parallel,
            start,
            teacher,
            self.temperature if self.teacher is None else self.teacher.temperature,
        )

    def loss(self, batch: Embedded, rows: slice, train: bool) -> Tensor:
        """Return the loss of each of some queries: in training, that of all widths."""
        if not train:
            return self._info_nce(batch.scores(rows, self.temperature))
        total = torch.zeros((), device=batch.queries.device)
        for width, share in self.widths.items():
            scores = batch.scores(rows, self.temperature, width)
            loss = self._info_nce(scores)
            for term, weight in self.terms:
                loss = loss + weight * term.of(scores)
            total = total + share * loss
        return total

    def _info_nce(self, scores: Scores) -> Tensor:
        return group_info_nce(scores, other_positives=self.other_positives)

    def _compared(self, columns: Sequence[Tensor], further: int) -> tuple[Tensor, Tensor]:
        """Return all queries, and the passages and hard negatives of all processes."""
        end = len(columns) - further
        passages = [self._gathered(column) for column in columns[1:end]]
        return torch.cat([columns[0], *columns[end:]]), torch.cat(passages)

    def _gathered(self, tensor: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of the processes."""
        if not self.gather:
            return tensor
        gathered = all_gather_with_grad if tensor.requires_grad else all_gather
        return typing.cast("Tensor", gathered(tensor))


class ContrastiveLoss(torch.nn.Module):
    """The loss of a batch that is embedded as a whole."""

    def __init__(self, model: SentenceTransformer, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, features: Iterable[Features], labels: Tensor) -> Tensor:
        """Return the mean over the queries."""
        columns, train = list(features), self.model.training
        embeddings = embed(self.model, columns)
        batch = self.objective.embedded(embeddings, labels, columns, train)
        return self.objective.loss(batch, slice(None), train).mean()


class CachedContrastiveLoss(CachedLossMixin, torch.nn.Module):  # type: ignore[misc]
    """The same loss, of a batch that is embedded in parts: less memory, more time."""

    def __init__(
        self, model: SentenceTransformer, objective: Objective, mini_batch_size: int
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.mini_batch_size = mini_batch_size
        self._columns: list[Features] = []
        self._orders: list[Tensor | None] = []

    def forward(self, features: Iterable[Features], labels: Tensor) -> Tensor:
        """Return the mean over the queries; gradients reach the model at ``backward``."""
        self._columns = list(features)
        self._orders = [order_of(column) for column in self._columns]
        cached: Any = super().forward_cached
        ordered = map(in_order, self._columns, self._orders)
        return typing.cast("Tensor", cached(ordered, labels))

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Return the mean over the queries, a part of them at a time.

        Args:
            reps: The embeddings of each part of each column, in the order of encoding.
            labels: Those of the pairs, in the order of the batch.
            with_backward: Set the gradients of ``reps``.
        """
        assert labels is not None
        columns = [
            undo(torch.cat(parts).detach(), order).requires_grad_(with_backward)
            for parts, order in zip(reps, self._orders, strict=True)
        ]
        loss = self._loss(columns, labels, with_backward)
        for column, order, parts in zip(columns, self._orders, reps, strict=True):
            if column.grad is not None:
                gradient = column.grad if order is None else column.grad[order]
                for part, own in zip(
                    parts, torch.split(gradient, list(map(len, parts))), strict=True
                ):
                    part.grad = own
        return loss

    def _loss(self, columns: list[Tensor], labels: Tensor, with_backward: bool) -> Tensor:
        train = self.model.training
        batch = self.objective.embedded(columns, labels, self._columns, train)
        total, queries = torch.zeros((), device=labels.device), len(batch.queries)
        for begin in range(0, queries, self.mini_batch_size):
            rows = slice(begin, begin + self.mini_batch_size)
            part = self.objective.loss(batch, rows, train).sum() / queries
            if with_backward:
                part.backward()  # type: ignore[no-untyped-call]
                part = part.detach()
            total = total + part
        return total

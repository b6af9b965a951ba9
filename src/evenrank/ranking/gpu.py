"""The ranking pass on a device of PyTorch, such as a GPU.

The same counts as those of the compiled loops (``counting``), as operations on whole tiles of
scores. Embeddings may be rounded to float16 or bfloat16 on the device. Their products are summed
up in float32, and scores stay float32: a score in half precision has so few values that passages
of quite different scores would tie.

Cost: the product, then one look at the scores of a query for each of its relevant passages and
two for the top. Memory on the device: queries, one slab of passages, one tile of scores and masks.

Shapes: ``B`` queries of a block, ``T`` passages of a slab, ``H`` width, ``P`` pairs of a block,
``L`` languages, ``K`` kept passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import ConfigError
from evenrank.processes import Team
from evenrank.progress import bar
from evenrank.ranking.blocks import group_queries, pairs_of
from evenrank.ranking.counting import LAST_PLACE, NO_KEY
from evenrank.ranking.vectors import Embeddings, gathered, require_finite

Precision = Literal["float32", "float16", "bfloat16"]
QUERY_BLOCK = 2_048
SLAB = 16_384
"""Passages of a product; with ``QUERY_BLOCK`` queries its scores are 128 MiB."""
_SETS = 1_024


@dataclass(eq=False)
class DeviceBlock:
    """Some queries on a device, with the state of a pass over the collection for them.

    Attributes:
        queries: ``(B,)`` their positions.
        pairs: ``(P,)`` the numbers of their pairs.
        own: ``(P,)`` score of each pair, to be known before the pass.
        embeddings: ``(QUERY_BLOCK, H)``, padded with rows of zeros.
        rows: ``(P,)`` the query of each pair, as a row of the block.
        turns: Pairs to count together, as places in ``pairs``: the first ones of all queries, the
            second ones of those that have two, and so on.
        passages: ``(P,)`` position of each pair's passage.
        met: ``(P,)`` the pair's score as the pass has met it.
        above: ``(P, L)`` passages of each language above each pair's passage.
        keys: ``(B, K)`` the best passages so far, best first (``counting.keep_top``).
        floors: ``(B,)`` score that further ones have to reach.
    """

    queries: NDArray[np.int64]
    pairs: NDArray[np.int64]
    own: NDArray[np.float32]
    embeddings: torch.Tensor
    rows: torch.Tensor
    turns: list[torch.Tensor]
    passages: torch.Tensor
    met: torch.Tensor
    above: torch.Tensor
    keys: torch.Tensor
    floors: torch.Tensor

    def restart(self, own: NDArray[np.float32]) -> None:
        """Forget what was counted and kept, and take other scores as the pairs' own."""
        self.own[:] = own
        self.met.zero_(), self.above.zero_()
        self.keys.fill_(NO_KEY), self.floors.fill_(-torch.inf)

    def counted(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return ``above`` and ``met``."""
        return self.above.cpu().numpy(), self.met.cpu().numpy()

    def top(self) -> NDArray[np.int64]:
        """Return the ``(B, K)`` keys of the kept passages, best first."""
        return self.keys.cpu().numpy()


def require_device(name: str | None) -> None:
    """Refuse a device that is not here, before the work that it is for.

    Raises:
        ConfigError: PyTorch knows no such device, or has none of it.

    >>> require_device("cpu")
    """
    if name is None:
        return
    try:
        torch.empty(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as cause:
        raise ConfigError(
            "ranking device",
            f"{name} ({str(cause).splitlines()[0].rstrip('.')})",
            "a device that PyTorch has here",
            "Name another one, or none to rank with threads",
        ) from cause


class DeviceWorkers:
    """The pass on one device; the same work as ``threads.ThreadWorkers`` does with threads.

    Args:
        device: Such as ``cuda``.
        precision: What embeddings are rounded to on the device.
        passages_DH: Embeddings of the whole collection.
        offsets: ``(L + 1,)`` where its languages begin.
        team: Processes that share it.
    """

    def __init__(
        self,
        device: str,
        precision: Precision,
        passages_DH: Embeddings,
        offsets: NDArray[np.int64],
        team: Team,
    ) -> None:
        require_device(device)
        self._device, self._dtype = torch.device(device), getattr(torch, precision)
        self._passages_DH = passages_DH
        self._offsets = np.asarray(offsets, dtype=np.int64)
        self._slabs = team.stretch(range(0, len(passages_DH), SLAB))

    def __enter__(self) -> DeviceWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, queries_QH: Embeddings, relevance: Relevance, kept: int) -> list[DeviceBlock]:
        """Return all queries in blocks, which know their own scores."""
        groups = group_queries(relevance, QUERY_BLOCK)
        with _exact_products():
            return [self._start(queries_QH, queries, relevance, kept) for queries in groups]

    def count(self, blocks: Sequence[DeviceBlock], description: str) -> None:
        """Count and keep for some blocks over this process's share of the passages."""
        share = sum(min(SLAB, len(self._passages_DH) - start) for start in self._slabs)
        showing = bar(description, share, "passages") if description else nullcontext()
        with showing as progress, _exact_products():
            for start in self._slabs:
                rows = self._passages_DH[start : start + SLAB]
                passages_TH = self._load(rows, np.arange(len(rows)), SLAB)
                require_finite("passage", passages_TH, range(start, start + SLAB))
                for block in blocks:
                    scores_BT = self._scores(block.embeddings, passages_TH)
                    self._scan(block, scores_BT[: len(block.queries), : len(rows)], start)
                if progress:
                    progress.advance(len(rows))

    def _start(
        self, queries_QH: Embeddings, queries: NDArray[np.int64], relevance: Relevance, kept: int
    ) -> DeviceBlock:
        pairs, indptr = pairs_of(relevance, queries)
        counts = np.diff(indptr)
        rows = np.repeat(np.arange(len(queries)), counts)
        turns = np.arange(len(pairs)) - np.repeat(indptr[:-1], counts)
        embeddings = self._load(queries_QH, queries, QUERY_BLOCK)
        require_finite("query", embeddings, queries)
        languages, device = len(self._offsets) - 1, self._device
        block = DeviceBlock(
            queries=queries,
            pairs=pairs,
            own=np.empty(len(pairs), dtype=np.float32),
            embeddings=embeddings,
            rows=torch.from_numpy(rows).to(device),
            turns=[
                torch.from_numpy(np.flatnonzero(turns == turn)).to(device)
                for turn in range(int(counts.max(initial=0)))
            ],
            passages=torch.from_numpy(relevance.passages[pairs]).to(device),
            met=torch.empty(len(pairs), device=device),
            above=torch.empty((len(pairs), languages), dtype=torch.int32, device=device),
            keys=torch.empty((len(queries), kept), dtype=torch.int64, device=device),
            floors=torch.empty(len(queries), device=device),
        )
        block.restart(self._predicted(block, relevance.passages[pairs], rows))
        return block

    def _predicted(
        self, block: DeviceBlock, passages: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return own scores from products of the pass's shape, with relevant passages only."""
        own = np.empty(len(passages), dtype=np.float32)
        unique, where = np.unique(passages, return_inverse=True)
        for first in range(0, len(unique), SLAB):
            panel = self._load(self._passages_DH, unique[first : first + SLAB], SLAB)
            here = np.flatnonzero((where >= first) & (where < first + SLAB))
            columns = torch.from_numpy(where[here] - first).to(self._device)
            picked = torch.from_numpy(rows[here]).to(self._device)
            own[here] = self._scores(block.embeddings, panel)[picked, columns].cpu().numpy()
        return own

    def _load(self, rows_NH: Embeddings, positions: NDArray[np.int64], count: int) -> torch.Tensor:
        """Return some rows on the device, followed by rows of zeros up to ``count`` of them."""
        return gathered(rows_NH, positions, count).to(self._device, self._dtype)

    def _scores(self, queries_BH: torch.Tensor, passages_TH: torch.Tensor) -> torch.Tensor:
        """Return ``(B, T)`` float32 scores, summed up in float32 whatever the embeddings are."""
        if self._dtype == torch.float32:
            return torch.mm(queries_BH, passages_TH.T)
        if self._device.type == "cuda":
            return torch.mm(queries_BH, passages_TH.T, out_dtype=torch.float32)
        return torch.mm(queries_BH.float(), passages_TH.float().T)

    def _scan(self, block: DeviceBlock, scores_BT: torch.Tensor, start: int) -> None:
        """Count and keep over one tile of scores, whose first passage stands at ``start``."""
        own = torch.from_numpy(block.own).to(self._device)
        over = torch.nextafter(own, own.new_tensor(torch.inf))
        bounds = np.clip(self._offsets - start, 0, scores_BT.shape[1])
        for language in np.flatnonzero(np.diff(bounds)).tolist():
            begin, end = bounds[language : language + 2].tolist()
            segment, places = scores_BT[:, begin:end], block.passages - start - begin
            bars = torch.where(places >= end - begin, own, over)
            for some in block.turns:  # all rows are taken as they are, without a copy
                scores = segment if len(some) == len(segment) else segment[block.rows[some]]
                block.above[some, language] += _count(scores >= bars[some, None])
            held = ((places >= 0) & (places < end - begin)).nonzero().squeeze(1)
            if len(held):
                scores, place = segment[block.rows[held]], places[held, None]
                block.met[held] = scores.gather(1, place).squeeze(1)
                earlier = torch.arange(end - begin, device=self._device) < place
                block.above[held, language] += _count((scores == own[held, None]) & earlier)
        if block.keys.shape[1]:
            _keep_top(block, scores_BT, start)


def _count(mask: torch.Tensor) -> torch.Tensor:
    return mask.sum(dim=1, dtype=torch.int32)


def _keep_top(block: DeviceBlock, scores_BT: torch.Tensor, start: int) -> None:
    """Merge the passages of a tile that reach their query's floor into its best ``K``."""
    queries, kept = block.keys.shape
    columns = scores_BT.shape[1]
    floors = block.floors
    if bool((block.keys[:, 0] == NO_KEY).all()) and columns >= _SETS >= kept:
        whole = scores_BT[:, : columns // _SETS * _SETS]
        maxima = whole.reshape(queries, -1, _SETS).amax(dim=1)  # of disjoint sets of scores
        floors = maxima.topk(kept, dim=1).values[:, -1]
    rows, places = (scores_BT >= floors[:, None]).nonzero(as_tuple=True)
    old = torch.arange(queries, device=rows.device).repeat_interleave(kept)
    rows = torch.cat([old, rows])
    keys = torch.cat(
        [block.keys.flatten(), _keys(scores_BT[rows[queries * kept :], places], places + start)]
    )
    order = keys.argsort(descending=True)
    order = order[rows[order].argsort(stable=True)]  # by query, and within a query best first
    starts = torch.bincount(rows, minlength=queries).cumsum(0).roll(1)
    starts[0] = 0
    block.keys = keys[order[starts[:, None] + torch.arange(kept, device=rows.device)]]
    last = block.keys[:, -1]
    block.floors = torch.where(last == NO_KEY, -torch.inf, _scores_of(last))


def _keys(scores: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return keys in the order of the ranking, as ``counting`` makes them."""
    bits = (scores + 0.0).view(torch.int32)  # minus zero becomes zero
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    return (ordered << 32) | (LAST_PLACE - positions)


def _scores_of(keys: torch.Tensor) -> torch.Tensor:
    ordered = (keys >> 32).int()
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(torch.float32)


@contextmanager
def _exact_products() -> Iterator[None]:
    """Have sums of products in full float32, whatever the process has allowed for speed."""
    matmul = torch.backends.cuda.matmul
    names = (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    )
    before = {name: getattr(matmul, name) for name in names}
    try:
        for name in names:
            setattr(matmul, name, False)
        yield
    finally:
        for name, allowed in before.items():
            setattr(matmul, name, allowed)

"""The ranking pass on a device of PyTorch, such as a GPU.

It computes the same counts as the compiled loops (``counting.py``), with operations on whole tiles
of scores. Embeddings may be rounded to float16 or bfloat16 on the device. Products are summed in
float32 and scores stay float32: with scores in half precision, passages with clearly different
scores would tie.

Cost: the product, one pass over the scores of a query for each of its relevant passages, and two
passes for the top. Memory on the device: the queries, one tile of passages, one tile of scores and
masks.

Shapes: ``B`` queries of a block, ``T`` passages of a tile, ``H`` width, ``P`` pairs of a block,
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
from evenrank.ranking.counting import LAST_PLACE, NO_KEY
from evenrank.ranking.inputs import (
    Embeddings,
    gathered,
    group_queries,
    pairs_of,
    require_finite,
)

Precision = Literal["float32", "float16", "bfloat16"]
QUERY_BLOCK = 2_048
TILE = 16_384
"""Passages of one product; its scores for ``QUERY_BLOCK`` queries are 128 MiB."""
_SETS = 1_024


@dataclass(eq=False)
class DeviceBlock:
    """Some queries on a device, and the state of a pass over the passages for them.

    Attributes:
        queries: ``(B,)`` positions of the queries.
        pairs: ``(P,)`` pair numbers.
        own: ``(P,)`` score of each pair, known before the pass.
        embeddings: ``(QUERY_BLOCK, H)``, padded with rows of zeros.
        rows: ``(P,)`` the query of each pair, as a row of the block.
        turns: Pairs that are counted together, as a language and indices of ``pairs``: their
            passages have this language and their queries are all different.
        passages: ``(P,)`` position of each pair's passage.
        met: ``(P,)`` the pair's score as the pass computes it.
        above: ``(P, 2)`` passages above each pair's passage: in its language, in all languages.
        keys: ``(B, K)`` the best passages so far, best first (see ``counting.keep_top``).
        floors: ``(B,)`` minimum score of further ones.
    """

    queries: NDArray[np.int64]
    pairs: NDArray[np.int64]
    own: NDArray[np.float32]
    embeddings: torch.Tensor
    rows: torch.Tensor
    turns: list[tuple[int, torch.Tensor]]
    passages: torch.Tensor
    met: torch.Tensor
    above: torch.Tensor
    keys: torch.Tensor
    floors: torch.Tensor

    def restart(self, own: NDArray[np.float32]) -> None:
        """Clear what was counted and kept, and set the scores of the pairs."""
        self.own[:] = own
        self.met.zero_(), self.above.zero_()
        self.keys.fill_(NO_KEY), self.floors.fill_(-torch.inf)

    def counted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return ``above`` and ``met``."""
        return self.above.cpu().numpy(), self.met.cpu().numpy()

    def top(self) -> NDArray[np.int64]:
        """Return the ``(B, K)`` keys of the kept passages, best first."""
        return self.keys.cpu().numpy()


def require_device(name: str | None) -> None:
    """Refuse a device that is not available, before the work that it is for.

    Raises:
        ConfigError: PyTorch does not know the device, or this machine does not have it.

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
            "Name another one, or leave it out to rank with threads",
        ) from cause


class DeviceBackend:
    """Ranks on one device.

    Args:
        device: Such as ``cuda``.
        precision: Type that embeddings are rounded to on the device.
        passages_DH: Embeddings of all passages.
        offsets: ``(L + 1,)`` where the languages begin.
        team: Processes that share the passages.
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
        self._tiles = team.stretch(range(0, len(passages_DH), TILE))

    def start(self, queries_QH: Embeddings, relevance: Relevance, kept: int) -> list[DeviceBlock]:
        """Return all queries in blocks with predicted scores of their pairs."""
        groups = group_queries(relevance, QUERY_BLOCK)
        with _exact_products():
            return [self._start(queries_QH, queries, relevance, kept) for queries in groups]

    def count(self, blocks: Sequence[DeviceBlock], description: str) -> None:
        """Count and keep for some blocks over this process's share of the passages."""
        share = sum(min(TILE, len(self._passages_DH) - start) for start in self._tiles)
        showing = bar(description, share, "passages") if description else nullcontext()
        with showing as progress, _exact_products():
            for start in self._tiles:
                rows = self._passages_DH[start : start + TILE]
                passages_TH = self._load(rows, np.arange(len(rows)), TILE)
                require_finite("passage", passages_TH, range(start, start + TILE))
                for block in blocks:
                    scores_BT = self._scores(block.embeddings, passages_TH)
                    self._scan(block, scores_BT[: len(block.queries), : len(rows)], start)
                if progress:
                    progress.advance(len(rows))

    def _start(
        self, queries_QH: Embeddings, queries: NDArray[np.int64], relevance: Relevance, kept: int
    ) -> DeviceBlock:
        pairs, indptr = pairs_of(relevance, queries)
        passages = relevance.passages[pairs]
        rows = np.repeat(np.arange(len(queries)), np.diff(indptr))
        embeddings = self._load(queries_QH, queries, QUERY_BLOCK)
        require_finite("query", embeddings, queries)
        device = self._device
        block = DeviceBlock(
            queries=queries,
            pairs=pairs,
            own=np.empty(len(pairs), dtype=np.float32),
            embeddings=embeddings,
            rows=torch.from_numpy(rows).to(device),
            turns=self._turns(rows, passages),
            passages=torch.from_numpy(passages).to(device),
            met=torch.empty(len(pairs), device=device),
            above=torch.empty((len(pairs), 2), dtype=torch.int64, device=device),
            keys=torch.empty((len(queries), kept), dtype=torch.int64, device=device),
            floors=torch.empty(len(queries), device=device),
        )
        block.restart(self._predicted(block, passages, rows))
        return block

    def _turns(
        self, rows: NDArray[np.int64], passages: NDArray[np.int64]
    ) -> list[tuple[int, torch.Tensor]]:
        """Split pairs by the language of their passage, and so that a query is in a turn once."""
        langs = np.searchsorted(self._offsets, passages, side="right") - 1
        groups = rows * len(self._offsets) + langs  # ascending, as passages are within a query
        begin = np.searchsorted(groups, groups)
        keys = langs * len(rows) + np.arange(len(rows)) - begin
        order = np.argsort(keys, kind="stable")
        splits = np.flatnonzero(np.diff(keys[order])) + 1
        return [
            (int(langs[some[0]]), torch.from_numpy(some).to(self._device))
            for some in np.split(order, splits)
            if len(some)
        ]

    def _predicted(
        self, block: DeviceBlock, passages: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return scores of pairs from products with relevant passages only, of the same shape."""
        own = np.empty(len(passages), dtype=np.float32)
        unique, where = np.unique(passages, return_inverse=True)
        for first in range(0, len(unique), TILE):
            panel = self._load(self._passages_DH, unique[first : first + TILE], TILE)
            here = np.flatnonzero((where >= first) & (where < first + TILE))
            columns = torch.from_numpy(where[here] - first).to(self._device)
            picked = torch.from_numpy(rows[here]).to(self._device)
            own[here] = self._scores(block.embeddings, panel)[picked, columns].cpu().numpy()
        return own

    def _load(self, rows_NH: Embeddings, positions: NDArray[np.int64], count: int) -> torch.Tensor:
        """Return some rows on the device, padded with zeros to ``count`` rows."""
        return gathered(rows_NH, positions, count).to(self._device, self._dtype)

    def _scores(self, queries_BH: torch.Tensor, passages_TH: torch.Tensor) -> torch.Tensor:
        """Return ``(B, T)`` scores, summed in float32 whatever the type of the embeddings."""
        if self._dtype == torch.float32:
            return torch.mm(queries_BH, passages_TH.T)
        if self._device.type == "cuda":
            return torch.mm(queries_BH, passages_TH.T, out_dtype=torch.float32)
        return torch.mm(queries_BH.float(), passages_TH.float().T)

    def _scan(self, block: DeviceBlock, scores_BT: torch.Tensor, start: int) -> None:
        """Count and keep over one tile of scores, whose first passage is at ``start``."""
        own = torch.from_numpy(block.own).to(self._device)
        over = torch.nextafter(own, own.new_tensor(torch.inf))
        bounds = np.clip(self._offsets - start, 0, scores_BT.shape[1]).tolist()
        for language, some in block.turns:
            begin, end = bounds[language : language + 2]
            # all rows are used as they are, without a copy
            scores = scores_BT if len(some) == len(scores_BT) else scores_BT[block.rows[some]]
            at_least, above = own[some, None], over[some, None]
            block.above[some, 1] += _count(scores[:, :begin] >= at_least)
            block.above[some, 1] += _count(scores[:, end:] >= above)
            if begin == end:
                continue
            segment = scores[:, begin:end]
            places = block.passages[some] - start - begin
            count = _count(segment >= torch.where(places[:, None] >= end - begin, at_least, above))
            held = ((places >= 0) & (places < end - begin)).nonzero().squeeze(1)
            if len(held):
                place = places[held, None]
                block.met[some[held]] = segment[held].gather(1, place).squeeze(1)
                earlier = torch.arange(end - begin, device=self._device) < place
                count[held] += _count((segment[held] == at_least[held]) & earlier)
            block.above[some] += count[:, None]
        if block.keys.shape[1]:
            _keep_top(block, scores_BT, start)


def _count(mask: torch.Tensor) -> torch.Tensor:
    return mask.sum(dim=1)


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
    """Return keys in the order of the ranking, equal to those of ``counting``."""
    bits = (scores + 0.0).view(torch.int32)  # minus zero becomes zero
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    return (ordered << 32) | (LAST_PLACE - positions)


def _scores_of(keys: torch.Tensor) -> torch.Tensor:
    ordered = (keys >> 32).int()
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(torch.float32)


@contextmanager
def _exact_products() -> Iterator[None]:
    """Sum products in full float32, whatever the process allows for speed."""
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

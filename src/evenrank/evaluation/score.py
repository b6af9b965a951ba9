"""From a ranking to figures: every measure in every pool, then macro means.

Shapes: ``Q`` queries, ``L`` languages; in ``_LL`` the query language comes first, then the
passage language. A mean over nothing is NaN inside this file, and ``None`` in what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.measures.base import BoundMeasure, Values
from evenrank.measures.selection import DEFAULT_MEASURES, select_measures
from evenrank.ranking.cells import LanguageCells, single_cells
from evenrank.ranking.ranks import PoolRanks, Ranking, language_pools, multilingual_pool
from evenrank.results.frames import PoolValues, per_query_table
from evenrank.results.schema import Figures, Setting, Share, Summary


class Scores(Summary, arbitrary_types_allowed=True):
    """The figures of a ranking, with the values per query that they are means of.

    Attributes:
        per_query: One row per query and pool, with the columns of ``per_query.parquet``.
    """

    per_query: pa.Table


def score(
    benchmark: Benchmark,
    ranking: Ranking,
    measures: Sequence[str] = DEFAULT_MEASURES,
    single: LanguageCells | None = None,
) -> Scores:
    """Compute measures in every pool, and their macro means.

    A query without a relevant passage in a pool is not scored there: its row has nulls, and no
    mean counts it. A mean over no query at all is ``None``, and no further mean counts that.

    Args:
        benchmark: The benchmark that was ranked.
        ranking: The pass over it.
        measures: Names such as ``nDCG@10``.
        single: Ranks of answers in one language only, where they do not follow from the ranking.

    Raises:
        ConfigError: A measure is unknown, or cannot be computed on this benchmark.
    """
    selection = select_measures(measures)
    by_language = [
        _score_pool(pool, lang, selection.ranking)
        for lang, pool in language_pools(benchmark, ranking)
    ]
    pool = multilingual_pool(benchmark, ranking)
    together = _score_pool(pool, None, (*selection.ranking, *selection.bias))
    means_LL = {str(bound): _pair_means(by_language, str(bound)) for bound in selection.ranking}
    cells = single_cells(pool) if single is None else single
    alone = {str(bound): bound(cells.pool) for bound in selection.ranking}
    single_LL = {name: cells.means(values) for name, values in alone.items()}
    means_L = {name: _mean_by_lang(pool, values) for name, values in together.values.items()}
    means_L |= {str(bound): _by_group(pool, bound) for bound in selection.group}
    macro = {name: _figure(means) for name, means in means_L.items()}
    biases = (*selection.bias, *selection.group)
    named = _Names(benchmark)
    return Scores(
        per_query=per_query_table(benchmark, [*by_language, together], cells, alone),
        settings={
            "mono": {name: _figure(means.diagonal()) for name, means in means_LL.items()},
            "cross": {name: _figure(_off_diagonal(means)) for name, means in means_LL.items()},
            "multi": {str(bound): macro[str(bound)] for bound in selection.ranking},
            **_single_settings(single_LL),
        },
        bias={str(bound): macro[str(bound)] for bound in biases},
        references={
            str(bound): {
                name: _figure(_mean_by_lang(pool, function(pool)))
                for name, function in bound.measure.references.items()
            }
            for bound in biases
            if bound.measure.references
        },
        pairs={name: named.pairs(means) for name, means in means_LL.items()},
        single={name: named.pairs(means) for name, means in single_LL.items()},
        pool={name: named.by_query_lang(means) for name, means in means_L.items()},
        scored=named.scored(pool),
        share=named.share(pool, selection.share),
    )


def _score_pool(pool: PoolRanks, lang: int | None, measures: Sequence[BoundMeasure]) -> PoolValues:
    return PoolValues(pool, lang, {str(bound): bound(pool) for bound in measures})


def _mean_by_lang(pool: PoolRanks, values_Q: Values) -> Values:
    """Return ``(L,)`` means over the scored queries of each language."""
    languages = len(pool.pool_sizes)
    scored = np.flatnonzero(~np.isnan(values_Q))
    langs = pool.query_langs[scored]
    counts_L = np.bincount(langs, minlength=languages)
    sums_L = np.bincount(langs, weights=values_Q[scored], minlength=languages)
    return np.where(counts_L > 0, sums_L / np.maximum(counts_L, 1), np.nan)


def _pair_means(by_language: Sequence[PoolValues], name: str) -> Values:
    """Return ``(L, L)`` means; NaN in the column of a language without passages."""
    languages = len(by_language[0].pool.pool_sizes)
    means_LL = np.full((languages, languages), np.nan)
    for one in by_language:
        means_LL[:, one.lang] = _mean_by_lang(one.pool, one.values[name])
    return means_LL


def _single_settings(single_LL: Mapping[str, Values]) -> dict[Setting, Figures]:
    """Return the means over the cells of each measure, and the access gap."""
    own = {name: _figure(means.diagonal()) for name, means in single_LL.items()}
    other = {name: _figure(_off_diagonal(means)) for name, means in single_LL.items()}
    even = {name: _figure(means) for name, means in single_LL.items()}
    pairs = {name: (mean, other[name]) for name, mean in own.items()}
    gap = {
        name: None if here is None or elsewhere is None else here - elsewhere
        for name, (here, elsewhere) in pairs.items()
    }
    return {"own": own, "other": other, "even": even, "gap": gap}


def _by_group(pool: PoolRanks, bound: BoundMeasure) -> Values:
    """Return ``(L,)`` values of a measure that looks at all queries of a language together."""
    langs = range(len(pool.pool_sizes))
    groups = [np.flatnonzero(pool.query_langs == lang) for lang in langs]
    return np.array([bound(pool.select(group)) if len(group) else np.nan for group in groups])


def _off_diagonal(means_LL: Values) -> Values:
    return means_LL[~np.eye(len(means_LL), dtype=bool)]


def _figure(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that are there."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else None


def _value(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class _Names:
    """Puts language codes to arrays; only languages that have queries, or passages, appear."""

    benchmark: Benchmark

    @property
    def query_langs(self) -> dict[str, int]:
        present = np.unique(self.benchmark.queries.langs).tolist()
        return {self.benchmark.languages[lang]: lang for lang in present}

    @property
    def passage_langs(self) -> dict[str, int]:
        present = np.unique(self.benchmark.passages.langs).tolist()
        return {self.benchmark.languages[lang]: lang for lang in present}

    def by_query_lang(self, values_L: Values) -> Figures:
        return {code: _value(values_L[lang]) for code, lang in self.query_langs.items()}

    def pairs(self, values_LL: Values) -> dict[str, Figures]:
        columns = self.passage_langs.items()
        return {
            query_lang: {code: _value(values_LL[row, lang]) for code, lang in columns}
            for query_lang, row in self.query_langs.items()
        }

    def scored(self, pool: PoolRanks) -> dict[str, int]:
        counts = np.bincount(pool.query_langs[pool.relevant > 0], minlength=len(pool.pool_sizes))
        return {code: int(counts[lang]) for code, lang in self.query_langs.items()}

    def share(self, pool: PoolRanks, bound: BoundMeasure) -> Share:
        shares_QL = bound(pool)
        columns = self.passage_langs.items()
        retrieved_Q = ~np.isnan(shares_QL).any(axis=1)  # a run may miss all queries of a language
        rows = {
            query_lang: (pool.query_langs == row) & retrieved_Q
            for query_lang, row in self.query_langs.items()
        }
        means = {
            query_lang: shares_QL[row].mean(axis=0) for query_lang, row in rows.items() if row.any()
        }
        return Share(
            cutoff=bound.cutoff or 0,
            by_query_lang={
                query_lang: {code: float(share_L[lang]) for code, lang in columns}
                for query_lang, share_L in means.items()
            },
            passages={code: pool.pool_sizes[lang] / pool.size for code, lang in columns},
        )

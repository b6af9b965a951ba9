import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from evenrank.errors import ConfigError
from evenrank.measures.base import example_pool
from evenrank.measures.mrc import rank_correlation


def pool_of(lists, parallel, depth=None):
    width = max(map(len, lists))
    padded = [[*row, *[-1] * (width - len(row))] for row in lists]
    return example_pool(
        [{} for _ in lists],
        sizes={"de": 30},
        parallel=parallel,
        top_passages=padded,
        depth=depth,
    )


def by_definition(one, other):
    """Spearman over the union, a missing passage behind the end of the list."""
    union = sorted({*one, *other})
    ranks = [
        [row.index(passage) + 1 if passage in row else len(row) + 1 for passage in union]
        for row in (one, other)
    ]
    return spearmanr(*ranks).statistic


@given(
    lists=st.lists(
        st.permutations(list(range(30))).map(lambda row: row[:12]), min_size=2, max_size=6
    ),
    cutoff=st.integers(2, 12),
    data=st.data(),
)
def test_agrees_with_scipy_over_the_union(lists, cutoff, data):
    parallel = [data.draw(st.integers(0, 2)) for _ in lists]
    found = rank_correlation(pool_of(lists, parallel), cutoff)
    for query, row in enumerate(lists):
        others = [
            other
            for at, other in enumerate(lists)
            if at != query and parallel[at] == parallel[query]
        ]
        values = [by_definition(row[:cutoff], other[:cutoff]) for other in others]
        expected = np.mean(values) if values else np.nan
        assert found[query] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_lists_of_a_run_may_differ_in_length_and_be_empty():
    lists = [[3, 1, 4, 9], [1, 3], [], [8, 7, 6]]
    found = rank_correlation(pool_of(lists, [0, 0, 0, 0], depth=4), 10)
    pairs = [by_definition(lists[a], lists[b]) for a, b in ((0, 1), (0, 3), (1, 3))]
    assert found[:2] == pytest.approx([(pairs[0] + pairs[1]) / 2, (pairs[0] + pairs[2]) / 2])
    assert np.isnan(found[2])


def test_equal_lists_are_one_and_single_passages_agree_or_not():
    assert rank_correlation(pool_of([[4, 2, 9], [4, 2, 9]], [5, 5]), 3) == pytest.approx([1, 1])
    assert rank_correlation(pool_of([[4, 2], [4, 9], [7, 4]], [0, 0, 0]), 1).tolist() == [0, 0, -1]


def test_chosen_queries_keep_their_questions_and_lists():
    pool = pool_of([[4, 2, 9], [1, 3, 5], [4, 9, 2], [3, 1, 5]], [7, 5, 7, 5])
    whole = rank_correlation(pool, 3)
    assert rank_correlation(pool.select(np.array([3, 1])), 3).tolist() == whole[[3, 1]].tolist()
    assert rank_correlation(pool.select(np.array([2, 0])), 3).tolist() == whole[[2, 0]].tolist()


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(3)
    lists = [generator.permutation(30)[:8].tolist() for _ in range(40)]
    pool = pool_of(lists, [at % 7 for at in range(40)])
    whole = rank_correlation(pool, 8)
    monkeypatch.setattr("evenrank.measures.mrc._COMPARISONS", 1)
    assert rank_correlation(pool, 8) == pytest.approx(whole, abs=1e-12)


def test_disjoint_lists_have_the_least_value_of_the_docstring():
    pool = pool_of([list(range(15)), list(range(15, 30))], [0, 0])
    values = [rank_correlation(pool, k)[0] for k in (1, 2, 15)]
    assert values[0] == -1
    assert -1 < values[1] < values[2] < -6 / 7
    assert values[2] == pytest.approx(-6 / 7, abs=0.001)


@pytest.mark.parametrize("top", [None, [[1, 2], [2, 1]]])
def test_a_ranking_that_kept_too_few_passages_is_refused(top):
    pool = example_pool([{}, {}], sizes={"de": 9}, parallel=[0, 0], top_passages=top)
    with pytest.raises(ConfigError, match=r"MRC@3.*at least 3"):
        rank_correlation(pool, 3)

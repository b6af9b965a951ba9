import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kruskal

from evenrank.errors import ConfigError
from evenrank.measures.base import example_pool
from evenrank.measures.peer import peer


@given(data=st.data(), cutoff=st.integers(1, 16))
def test_every_query_agrees_with_scipys_kruskal_wallis(rankings, data, cutoff):
    drawn = data.draw(rankings)
    size = sum(drawn.sizes.values())
    expected = []
    for ranks in drawn.ranks_by_lang:
        groups = [
            [rank if rank <= cutoff else size + 1 for rank in found] for found in ranks.values()
        ]
        if len(groups) < 2 or max(map(len, groups)) < 2:
            expected.append(np.nan)
        elif min(map(min, groups)) > cutoff:
            expected.append(1.0)  # scipy refuses to compare what is all equal
        else:
            expected.append(kruskal(*groups).pvalue)
    if np.isnan(expected).all():
        with pytest.raises(ConfigError, match="one relevant passage in each language"):
            peer(drawn.pool, cutoff)
    else:
        assert peer(drawn.pool, cutoff) == pytest.approx(expected, nan_ok=True, abs=1e-9)


def test_one_relevant_passage_per_language_would_be_a_constant():
    generator = np.random.default_rng(0)
    orders = [generator.permutation(11) + 1 for _ in range(5)]
    assert {round(kruskal(*order[:, None]).pvalue, 4) for order in orders} == {0.4405}
    langs = [f"l{number}" for number in range(11)]
    queries = [{lang: [rank] for lang, rank in zip(langs, order, strict=True)} for order in orders]
    with pytest.raises(ConfigError, match=r"PEER@20.*Use W or rank_distance"):
        peer(example_pool(queries, sizes=dict.fromkeys(langs, 1)), 20)

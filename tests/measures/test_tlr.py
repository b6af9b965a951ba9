import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.measures.tlr import target_language_recall


def test_by_hand():
    queries = [
        ("de", {"de": [1, 2], "en": [3, 7], "th": [4, 9]}),  # 3 and 4 of four
        ("en", {"de": [1, 2], "en": [3, 7]}),
        ("de", {"en": [8]}),
        ("de", {"de": [1]}),  # nothing foreign to find
        ("de", {}),
    ]
    pool = example_pool(
        [ranks for _, ranks in queries],
        sizes={"de": 5, "en": 5, "th": 5},
        query_langs=[lang for lang, _ in queries],
    )
    expected = [0.5, 1, 0, np.nan, np.nan]
    assert target_language_recall(pool, 5) == pytest.approx(expected, nan_ok=True)


@given(data=st.data(), cutoff=st.integers(1, 16))
def test_agrees_with_the_definition(rankings, data, cutoff):
    drawn = data.draw(rankings)
    expected = []
    for lang, ranks in zip(drawn.query_langs, drawn.ranks_by_lang, strict=True):
        foreign = [rank for code, found in ranks.items() if code != lang for rank in found]
        near = sum(rank <= cutoff for rank in foreign)
        expected.append(near / len(foreign) if foreign else np.nan)
    assert target_language_recall(drawn.pool, cutoff) == pytest.approx(expected, nan_ok=True)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.measures.base import MEASURES, Measure, measure, parse_measure

NAMES = [
    {"none": name, "optional": name, "required": f"{name}@3"}[MEASURES.get(name).cutoff]
    for name in MEASURES
    if name not in ("PEER", "MRC")  # they need more than what is drawn; see their own tests
]


@pytest.mark.parametrize("name", ["AP", "AP@5", "RR@10", "nDCG@10", "R@100", "P@1", "Success@10"])
def test_names_print_as_they_parse(name):
    assert str(parse_measure(name)) == name


@pytest.mark.parametrize(
    "name", ["R", "R@", "R@0", "R@-1", "R@1.5", "R@ten", "R@１", "AP@", "W@10", "RR@10@10", "P@01"]
)
def test_a_wrong_cutoff_is_refused(name):
    with pytest.raises(ConfigError, match="a name like"):
        parse_measure(name)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="nearest is 'nDCG'"):
        parse_measure("NDCG@10")


def test_a_measure_is_one_decorated_function(monkeypatch):
    monkeypatch.setattr(MEASURES, "_entries", dict(MEASURES._entries))

    @measure("Judged", family="ranking", better="higher", cutoff="required")
    def judged(pool, cutoff):
        """Share of something."""
        return np.full(len(pool), cutoff / 2)

    found = parse_measure("Judged@3")
    assert isinstance(found.measure, Measure)
    assert found.measure.summary == "Share of something."
    assert found([1, 2]).tolist() == [1.5, 1.5]


@given(data=st.data())
def test_order_of_queries_and_numbers_of_languages_change_nothing(rankings, data):
    drawn = data.draw(rankings)
    names = [name for name in NAMES if not name.startswith("share")]
    values = {name: np.atleast_1d(parse_measure(name)(drawn.pool)) for name in names}
    for part in (drawn.orders, drawn.relevant, drawn.query_langs):
        part.reverse()
    drawn.sizes = dict(reversed(drawn.sizes.items()))
    for name in names:
        again = np.atleast_1d(parse_measure(name)(drawn.pool))
        assert again[::-1] == pytest.approx(values[name], nan_ok=True), name


@given(data=st.data())
def test_a_query_is_scored_without_a_look_at_the_others(rankings, data):
    pool = data.draw(rankings).pool
    one = data.draw(st.integers(0, len(pool) - 1))
    for name in NAMES:
        bound = parse_measure(name)
        if bound.measure.level != "group":
            alone = bound(pool.select(np.array([one])))
            assert alone[0] == pytest.approx(bound(pool)[one], nan_ok=True), name

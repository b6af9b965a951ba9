"""Policies as pure functions from lists to one ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evenrank import balance
from evenrank.errors import ConfigError, DataError, EvenrankError, UnknownNameError
from evenrank.search.base import Hits, Lists
from evenrank.search.policies.base import LEVEL_HITS, POLICIES, Policy, open_policy

LANGUAGES = ("ar", "de", "en", "th")
NAMES = sorted(POLICIES)
DIALS = [name for name in NAMES if POLICIES.get(name).dial]


def hits(language: str, scores: list[float]) -> Hits:
    ordered = np.sort(np.array(scores, dtype=np.float32))[::-1]
    return Hits(tuple(f"{language}{nth}" for nth in range(len(scores))), ordered)


def lists_of(**scores: list[float]) -> dict[str, Hits]:
    return {language: hits(language, some) for language, some in scores.items()}


some_scores = st.lists(st.integers(-8, 8).map(lambda n: n / 8), max_size=12)  # full of ties
some_lists = st.dictionaries(st.sampled_from(LANGUAGES), some_scores, min_size=1).map(
    lambda found: lists_of(**found)
)
policies = st.one_of(
    st.sampled_from(NAMES).map(open_policy),
    st.builds(lambda name, dial: open_policy(name, dial), st.sampled_from(DIALS), st.floats(0, 1)),
    st.builds(
        lambda places, window, margin: open_policy(
            f"guaranteed(places={places},window={window},margin={margin})"
        ),
        st.integers(0, 4),
        st.integers(1, 12),
        st.floats(0, 1),
    ),
)
query_languages = st.one_of(st.none(), st.sampled_from(LANGUAGES), st.just("xx"))


def ids(lists: Lists, k: int, policy: str | Policy, language: str | None = None) -> list[str]:
    return [placed.id for placed in balance(lists, k, policy, query_language=language)]


@given(some_lists, policies, query_languages, st.integers(1, 60))
@settings(max_examples=60)
def test_a_ranking_is_the_start_of_a_permutation_and_keeps_each_list(
    lists: Lists, policy: Policy, language: str | None, k: int
) -> None:
    total = sum(map(len, lists.values()))
    ranking = balance(lists, k, policy, query_language=language)
    found = [placed.id for placed in ranking]
    assert len(found) == len(set(found)) == min(k, total)
    for code, some in lists.items():
        own = [placed for placed in ranking if placed.language == code]
        assert [placed.id for placed in own] == list(some.ids[: len(own)])
        assert [placed.place_in_language for placed in own] == list(range(1, len(own) + 1))
        assert [placed.score for placed in own] == some.scores[: len(own)].tolist()
    assert [placed.place for placed in ranking] == list(range(1, len(ranking) + 1))
    backwards = dict(reversed(list(lists.items())))
    assert found == ids(backwards, k, policy, language)


@given(some_lists, policies, query_languages, st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=60)
def test_the_first_page_does_not_depend_on_the_number_of_places(
    lists: Lists, policy: Policy, language: str | None, k: int, more: int
) -> None:
    depth = policy.depth(k, len(lists))
    cut = {code: some[:depth] for code, some in lists.items()}
    assert ids(cut, k, policy, language) == ids(lists, k + more, policy, language)[:k]


def test_lists_cut_at_the_depth_of_a_policy_give_the_same_first_page() -> None:
    rng = np.random.default_rng(0)
    lists = lists_of(**{code: rng.normal(size=80).tolist() for code in LANGUAGES})
    for name in NAMES:
        policy = open_policy(name)
        for k in (1, 10, 40):
            cut = {code: some[: policy.depth(k, 4)] for code, some in lists.items()}
            assert ids(cut, k, policy, "de") == ids(lists, 320, policy, "de")[:k], (name, k)


@given(some_lists, st.sampled_from(DIALS), query_languages, st.integers(1, 60))
def test_balance_0_is_the_order_of_the_scores_to_the_last_bit(
    lists: Lists, name: str, language: str | None, k: int
) -> None:
    found = balance(lists, k, name, balance=0, query_language=language)
    raw = balance(lists, k, "raw")
    assert [(one.id, one.value) for one in found] == [(one.id, one.score) for one in raw]
    every = [(-s, code, n) for code, h in lists.items() for n, s in enumerate(h.scores.tolist())]
    assert [one.id for one in raw] == [f"{code}{nth}" for _, code, nth in sorted(every)[:k]]


@pytest.mark.parametrize("name", DIALS)
def test_the_share_of_other_languages_rises_with_balance(name: str) -> None:
    rng = np.random.default_rng(1)
    levels = {"ar": 0.7, "de": 0.9, "en": 0.8, "th": 0.6}
    queries = [
        lists_of(**{c: (v + rng.normal(0, 0.06, 40)).tolist() for c, v in levels.items()})
        for _ in range(40)
    ]
    shares = []
    for dial in np.linspace(0, 1, 6):
        rankings = [
            balance(lists, 10, name, balance=float(dial), query_language="de") for lists in queries
        ]
        shares.append(np.mean([one.language != "de" for ranking in rankings for one in ranking]))
    assert np.all(np.diff(shares) >= 0)
    assert shares[-1] > shares[0] + 0.2


def test_calibration_takes_the_level_of_a_language_away() -> None:
    lists = lists_of(de=[0.9, 0.88, 0.86], en=[0.7, 0.5, 0.48])
    assert ids(lists, 2, "calibrated(strength=0)") == ["de0", "de1"]
    first, second = balance(lists, 2, "calibrated(strength=1)")
    assert (first.id, second.id) == ("en0", "de0")
    assert first.value == pytest.approx(0.7 - (0.7 + 0.5 + 0.48) / 3)
    assert second.value == pytest.approx(0.9 - 0.88)
    bonus = balance(lists, 1, "calibrated(strength=1,bonus=10)", query_language="de")
    assert bonus[0].id == "de0"


def test_spread_makes_languages_of_different_spread_comparable() -> None:
    lists = lists_of(de=[0.9, 0.5, 0.1], en=[0.61, 0.5, 0.45])
    assert ids(lists, 2, "calibrated(strength=1)") == ["de0", "en0"]
    values = {p.id: p.value for p in balance(lists, 6, "calibrated(strength=1,spread=1)")}
    spans = [values[f"{code}0"] - values[f"{code}2"] for code in ("de", "en")]
    deviations = [np.std([0.9, 0.5, 0.1]), np.std([0.61, 0.5, 0.45])]
    assert spans[0] / spans[1] == pytest.approx((0.8 / deviations[0]) / (0.16 / deviations[1]))


def test_balanced_gives_the_query_language_a_lead_and_each_further_passage_less() -> None:
    """All languages have the same excess over their level."""
    curve = [0.1, 0.06, 0.03] + [0.0] * 27
    lists = lists_of(
        ar=[0.5 + one for one in curve],
        de=[0.8 + one for one in curve],
        en=[0.6 + one for one in curve],
    )
    first = {
        dial: [one.language for one in balance(lists, 6, "balanced", balance=dial)]
        for dial in (0.05, 0.4, 1.0)
    }
    assert first[0.05] == ["de"] * 6
    assert first[0.4].count("de") == 4
    assert sorted(first[1.0][:3]) == ["ar", "de", "en"]
    told = balance(lists, 1, "balanced", balance=0.6, query_language="en")
    assert told[0].language == "en"
    assert told[0].reason == "highest value left; 'en' is the query language"


def test_round_robin_gives_turns_by_weight() -> None:
    lists = lists_of(ar=[0.1] * 9, de=[0.9] * 9, en=[0.5] * 9)
    found = balance(lists, 9, "round-robin")
    assert [one.language for one in found] == ["de", "en", "ar"] * 3
    weighted = balance(lists, 8, "round-robin", weights={"ar": 2.0})
    languages = [one.language for one in weighted]
    assert [languages.count(code) for code in ("ar", "de", "en")] == [4, 2, 2]


def test_a_preferred_language_rises_and_no_preference_changes_nothing() -> None:
    lists = lists_of(de=[0.9, 0.8, 0.7], en=[0.85, 0.75, 0.65])
    assert ids(lists, 6, "raw") == ["de0", "en0", "de1", "en1", "de2", "en2"]
    liked = balance(lists, 3, "raw", weights={"en": 1000.0, "de": 1.0})
    assert [one.id for one in liked] == ["en0", "en1", "en2"]
    assert [one.score for one in liked] == lists["en"].scores.tolist()


def test_guaranteed_keeps_places_at_the_end_of_each_page() -> None:
    lists = lists_of(
        de=[0.9 - n / 1000 for n in range(40)],
        en=[0.5] + [0.48 - n / 1000 for n in range(40)],
        th=[0.3] + [0.28 - n / 1000 for n in range(40)],
    )
    found = balance(lists, 20, "guaranteed")
    languages = [one.language for one in found]
    assert languages == (["de"] * 8 + ["en", "th"]) + (["de"] * 10)
    assert found[8].reason == "place kept for 'en'"


def test_more_languages_than_places_are_served_by_value() -> None:
    lists = lists_of(
        **{code: [0.9 - n / 10, 0.3, 0.2] for n, code in enumerate(["ar", "de", "en", "th"])}
    )
    found = balance(lists, 4, "guaranteed(window=3,margin=1)")
    assert [one.language for one in found] == ["ar", "de", "en", "th"]
    assert [one.reason for one in found[:3]] == [
        f"place kept for '{c}'" for c in ("ar", "de", "en")
    ]


@given(st.integers(0, 4), st.integers(4, 12), st.integers(1, 36))
def test_a_language_without_an_answer_gets_no_more_than_its_guarantee(
    places: int, window: int, k: int
) -> None:
    """All passages of "th" are far from the query, as where a language has no answer."""
    assume(places <= window)
    lists = lists_of(
        de=[0.9 - n / 1000 for n in range(40)],
        th=[0.2 - n / 1000 for n in range(40)],
    )
    policy = f"guaranteed(places={places},window={window},margin=1)"
    given_places = sum(one.language == "th" for one in balance(lists, k, policy))
    assert given_places <= places * -(-k // window)
    level = lists_of(
        de=[0.95] + [0.8 - n / 1000 for n in range(40)],
        th=[0.2] * 40,  # nothing above its level
    )
    narrow = f"guaranteed(places={places},window={window},margin=0.5)"
    some = [one.language for one in balance(level, min(k, 40), narrow)]
    assert "th" not in some[: window if places else None]


def test_guarantees_follow_the_shares_of_the_corpus() -> None:
    lists = lists_of(
        ar=[0.5] + [0.4 - n / 900 for n in range(40)],
        de=[0.99 - n / 1000 for n in range(40)],
        en=[0.5] + [0.4 - n / 900 for n in range(40)],
    )
    shares = {"ar": 0.25, "de": 0.25, "en": 0.5, "ja": 0.7}
    policy = "guaranteed(places=2,margin=1,by=shares)"
    found = balance(lists, 10, policy, shares=shares)
    languages = [one.language for one in found]
    assert [languages.count(code) for code in ("ar", "de", "en")] == [1, 6, 3]


def test_own_first_needs_no_query_language() -> None:
    lists = lists_of(ar=[0.2, 0.1], de=[0.7, 0.6, 0.5], en=[0.8, 0.1, 0.0])
    found = balance(lists, 7, "own-first(places=2)", query_language="en")
    assert [one.language for one in found[:4]] == ["en", "en", "de", "ar"]
    assert ids(lists, 7, "own-first(places=2)")[:2] == ["de0", "de1"]
    assert balance(lists, 1, "own-first", query_language="en")[0].reason == (
        "'en' is the query language"
    )


def test_no_hits_at_all() -> None:
    for name in NAMES:
        assert balance(lists_of(de=[], en=[]), 10, name) == []
        assert balance({}, 10, name) == []


def test_equal_scores_are_ranked_by_language_code() -> None:
    lists = lists_of(th=[0.5, 0.5], ar=[0.5, 0.5])
    assert ids(lists, 4, "raw") == ["ar0", "ar1", "th0", "th1"]


def test_a_policy_as_text_and_back() -> None:
    policy = open_policy("guaranteed( places = 2, margin=0.25 )")
    assert policy.label == "guaranteed(places=2,margin=0.25)"
    assert open_policy(policy.label) == policy == open_policy(policy)
    assert policy.facts["settings"]["window"] == 10
    assert policy.depth(5, 3) >= LEVEL_HITS


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"policy": "calibratd"}, UnknownNameError, "The nearest is 'calibrated'"),
        ({"policy": "calibrated(power=1)"}, UnknownNameError, "unknown setting 'power'"),
        ({"policy": "calibrated(strength=2)"}, ConfigError, "strength = '2'"),
        ({"policy": "calibrated(strength=nan)"}, ConfigError, "strength = 'nan'"),
        ({"policy": "calibrated(strength)"}, ConfigError, "expected setting=value"),
        ({"policy": "calibrated(strength=1,strength=0)"}, ConfigError, "'strength' twice"),
        ({"policy": "calibrated(strength=1"}, ConfigError, "Close the bracket"),
        ({"balance": 1.5}, ConfigError, "a number from 0 to 1"),
        ({"balance": float("nan")}, ConfigError, "a number from 0 to 1"),
        ({"policy": "raw", "balance": 0.5}, ConfigError, "it has nothing to set"),
        ({"k": 0}, ConfigError, "1 or more"),
        ({"weights": {"ja": 1.0}}, UnknownNameError, "unknown language 'ja'"),
        ({"weights": {"de": 0.0}}, ConfigError, "Leave the language out of the search"),
        ({"shares": {"de": -1.0}}, ConfigError, "0 or more"),
        ({"shares": {"ja": 1.0}}, ConfigError, "no language with a share"),
    ],
)
def test_bad_input(arguments: dict[str, object], kind: type[EvenrankError], message: str) -> None:
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        balance(lists_of(de=[0.5], en=[0.4]), **{"k": 3, **arguments})  # type: ignore[arg-type]


def test_bad_lists() -> None:
    with pytest.raises(DataError, match="also in the list of 'de'"):
        balance({"de": hits("x", [0.5]), "en": hits("x", [0.4])}, 2, "raw")
    broken = Hits(("a",), np.array([np.nan], dtype=np.float32))
    with pytest.raises(DataError, match="not finite"):
        balance({"de": broken}, 2, "raw")

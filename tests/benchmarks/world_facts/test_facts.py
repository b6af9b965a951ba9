"""Facts, names and splits, apart from any wording."""

from __future__ import annotations

from collections import Counter

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.world_facts.facts import RELATIONS, Fact, all_facts, split_facts
from evenrank.benchmarks.world_facts.names import Name, name_in

FACTS = {fact.id: fact for fact in all_facts()}


def codes(id_):
    return [name.code for name in FACTS[id_].objects]


@pytest.mark.parametrize(
    ("id_", "objects"),
    [
        ("currency/JP", ["JPY"]),
        ("currency/LS", ["ZAR", "LSL"]),
        ("official-languages/BA", ["bs", "hr", "sr"]),  # each in two scripts, once
        ("official-languages/US", ["en"]),  # in fact, as no law names one
        ("official-languages/UA", ["uk"]),  # in law
        ("first-day/US", ["6"]),
        ("first-day/MV", ["4"]),
        ("weekend/EG", ["4", "5"]),
        ("weekend/IN", ["6"]),
        ("weekend/FR", ["5", "6"]),
        ("time-zone/DE", ["Europe_Central"]),
        ("place/Asia/Calcutta", ["IN"]),
        ("local-time/America/New_York", ["America_Eastern"]),
        ("script/zh", ["Hani"]),
        ("script/ru", ["Cyrl"]),
        ("home/cy", ["GB"]),
        ("currency-year/ESP", None),  # CLDR dates it 1800 in Puerto Rico; Spain decides
        ("currency-year/EUR", ["1999"]),
    ],
)
def test_facts_of_every_relation(id_, objects):
    if objects is None:
        assert codes(id_) != ["1800"]
    else:
        assert codes(id_) == objects


def test_ids_are_unique_and_free_of_white_space():
    assert len(FACTS) == len(all_facts())
    assert not any(character.isspace() for id_ in FACTS for character in id_)


def test_what_is_no_fact():
    assert "time-zone/US" not in FACTS  # several zones
    assert "home/eo" not in FACTS  # the whole world
    assert "currency/ZZ" not in FACTS
    assert "currency-year/BAD" not in FACTS  # its English name tells the years
    assert "script/und" not in FACTS


def test_subject_and_object_are_of_different_kinds():
    """A template tells them apart by kind."""
    assert all(relation.subject != relation.object for relation in RELATIONS.values())


def test_objects_are_different_and_not_the_subject():
    for fact in FACTS.values():
        assert len(set(fact.names)) == len(fact.names) >= 2


def test_a_name_in_a_foreign_script_is_missing():
    """Greek CLDR carries the English name of one place, Pashto CLDR the code of a language."""
    greek, pashto = Locale("el"), Locale("ps")
    lower_princes = Name("city", "America/Lower_Princes")
    assert greek.time_zones[lower_princes.code]["city"] == "Lower Prince’s Quarter"
    assert name_in(greek, lower_princes) is None
    assert name_in(Locale("de"), lower_princes) == "Lower Prince’s Quarter"
    assert pashto.languages["chp"] == "Ch"
    assert name_in(pashto, Name("language", "chp")) is None
    assert name_in(pashto, Name("language", "ar")) == "عربي"


def test_a_city_without_a_name_is_called_by_its_identifier_in_latin_letters_only():
    assert "Europe/Paris" not in Locale("de").time_zones
    assert name_in(Locale("de"), Name("city", "Europe/Paris")) == "Paris"
    assert name_in(Locale("ru"), Name("city", "Europe/Nowhere_Yet")) is None


def test_soft_hyphens_are_taken_out():
    name = Name("city", "Atlantic/Reykjavik")
    assert "\u00ad" in Locale("de").time_zones[name.code]["city"]
    assert name_in(Locale("de"), name) == "Reykjavík"


def names_in_train(facts, splits):
    return Counter(name for fact in facts if splits[fact.id] == "train" for name in fact.names)


@given(st.lists(st.sampled_from(all_facts()), unique=True, max_size=300))
def test_held_out_facts_have_known_names_only(facts):
    splits = split_facts(facts)
    known = names_in_train(facts, splits)
    for fact in facts:
        if splits[fact.id] != "train":
            assert all(known[name] for name in fact.names)


@given(st.lists(st.sampled_from(all_facts()), unique=True, max_size=60), st.randoms())
def test_splits_do_not_depend_on_the_order_of_facts(facts, random):
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert split_facts(facts) == split_facts(shuffled)


def test_a_fact_with_a_name_of_its_own_is_trained_on():
    relation = RELATIONS["currency"]
    alone = [
        Fact(relation, Name("territory", f"T{i}"), (Name("currency", f"C{i}"),)) for i in range(50)
    ]
    assert set(split_facts(alone).values()) == {"train"}
    assert set(split_facts(all_facts()).values()) == {"train", "dev", "test"}

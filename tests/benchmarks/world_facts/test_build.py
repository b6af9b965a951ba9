"""World Facts as a corpus: counts, uniqueness, splits, determinism."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict

import pytest
from babel import Locale

from evenrank.benchmarks.world_facts import cldr_version, world_facts
from evenrank.benchmarks.world_facts.facts import RELATIONS, all_facts
from evenrank.benchmarks.world_facts.names import name_in
from evenrank.errors import EvenrankError, UnknownNameError

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
SCRIPT = {
    "ar": "ARABIC", "el": "GREEK", "hi": "DEVANAGARI", "ru": "CYRILLIC", "th": "THAI", "zh": "CJK"
}  # fmt: skip
FACTS = {fact.id: fact for fact in all_facts()}


def rows_of(split, **arguments):
    corpus = world_facts(split, **arguments)
    rows = corpus.rows[corpus.rows >= 0]
    columns = {name: corpus.column(name, rows) for name in corpus.table.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.fixture(scope="module")
def rows_in():
    """The rows of each split."""
    return {split: rows_of(split) for split in ("train", "dev", "test")}


@pytest.fixture(scope="module")
def rows(rows_in):
    return [row for split in rows_in.values() for row in split]


@pytest.fixture(scope="module")
def languages_of(rows):
    """The languages of each fact."""
    found = defaultdict(set)
    for row in rows:
        found[row["passage_id"]].add(row["lang"])
    return found


def test_a_thousand_facts_exist_in_every_language(languages_of):
    assert world_facts().languages == LANGUAGES
    complete = [id_ for id_, languages in languages_of.items() if languages == set(LANGUAGES)]
    assert len(complete) >= 3_000
    assert set(languages_of) == set(FACTS)


def test_every_relation_has_many_complete_facts(languages_of):
    complete = Counter(
        id_.partition("/")[0] for id_, langs in languages_of.items() if langs == set(LANGUAGES)
    )
    assert set(complete) == set(RELATIONS)
    assert min(complete.values()) >= 150


def test_items_are_phrasings_of_facts(rows):
    phrasings = Counter((row["passage_id"], row["lang"]) for row in rows)
    assert set(phrasings.values()) == {3}
    passages = defaultdict(set)
    for row in rows:
        base, _, number = row["id"].partition("#")
        assert base == row["passage_id"]
        assert number in {"", "2", "3"}
        passages[row["passage_id"], row["lang"]].add(row["passage"])
    assert all(len(texts) == 1 for texts in passages.values())


def test_known_facts_in_words(rows):
    passage = {(row["id"], row["lang"]): row["passage"] for row in rows}
    assert passage["currency/JP", "de"].endswith(": Japanischer Yen.")
    assert passage["official-languages/CH", "en"].endswith(": German, French, and Italian.")
    assert passage["official-languages/NU", "es"].endswith("niueano e inglés.")  # not "y inglés"
    assert passage["first-day/JP", "zh"].startswith("日本一周的第一天：星期日") or (
        "从星期日开始" in passage["first-day/JP", "zh"]
    )
    assert "воскресенье" in passage["weekend/IN", "ru"]
    assert passage["place/Europe/Rome", "hi"].count("इटली") == 1
    assert "Orta Avrupa Saati" in passage["local-time/Europe/Rome", "tr"]
    assert "Κυριλλικό" in passage["script/bg", "el"]
    assert "ญี่ปุ่น" in passage["home/ja", "th"]
    assert "1871" in passage["currency-year/JPY", "vi"]


@pytest.mark.parametrize("column", ["query", "passage"])
def test_no_two_facts_share_a_question_or_a_passage(rows, column):
    facts = defaultdict(set)
    for row in rows:
        facts[row["lang"], row[column].casefold()].add(row["passage_id"])
    assert [text for text, ids in facts.items() if len(ids) > 1] == []


def test_no_phrasing_of_a_fact_comes_twice(rows):
    seen = Counter((row["lang"], row["query"]) for row in rows)
    assert max(seen.values()) == 1


def test_no_query_could_mean_two_things_of_one_name(languages_of):
    """In Arabic and Turkish, Algeria and Algiers have the same name: a query could mean either."""
    for id_ in ("time-zone/DZ", "local-time/Africa/Algiers"):
        assert languages_of[id_] == set(LANGUAGES) - {"ar", "ru", "tr"}
    assert "place/Africa/Algiers" in languages_of  # where Algiers lies is clear all the same


def test_a_city_named_like_its_territory_is_no_fact():
    cities = {fact.subject.code for fact in FACTS.values() if fact.subject.kind == "city"}
    assert cities.isdisjoint({"Asia/Singapore", "Asia/Hong_Kong", "Europe/Luxembourg"})
    assert {"Asia/Tokyo", "Asia/Calcutta", "Europe/Kiev"} <= cities


def test_a_fact_is_missing_where_a_name_is_missing(languages_of):
    nameless = {
        (id_, lang)
        for lang in LANGUAGES
        for id_, fact in FACTS.items()
        if any(name_in(Locale(lang), name) is None for name in fact.names)
    }
    missing = {(id_, lang) for id_ in FACTS for lang in set(LANGUAGES) - languages_of[id_]}
    assert nameless <= missing
    assert len(missing - nameless) < 50  # namesakes, and held-out facts with an untrained name
    assert ("currency-year/ATS", "hi") in nameless  # CLDR has no Hindi name of the schilling
    assert languages_of["currency-year/ATS"] == set(LANGUAGES) - {"hi"}


def test_texts_are_clean(rows):
    for row in rows:
        for text in (row["query"], row["passage"]):
            assert not re.search(r"[{}\u00ad\u200e\u200f\n]|  |^\s|\s$", text), text
            assert text == unicodedata.normalize("NFC", text)


def test_texts_are_written_in_their_own_script(rows):
    for row in rows[::7]:  # names repeat in every seventh row, and looking up letters takes long
        script = SCRIPT.get(row["lang"], "LATIN")
        for text in (row["query"], row["passage"]):
            letters = [letter for letter in text if letter.isalpha()]
            own = sum(unicodedata.name(letter).startswith(script) for letter in letters)
            assert own > 0.8 * len(letters), text


def test_a_sentence_ends_as_its_language_ends_sentences(rows):
    ends = {"ar": "؟.", "el": ";.", "hi": "?।", "zh": "？。"}
    for row in rows:
        if row["lang"] != "th":  # Thai has no such marks
            question, answer = ends.get(row["lang"], "?.")
            assert (row["query"][-1], row["passage"][-1]) == (question, answer)


def test_a_sentence_begins_with_a_capital(rows):
    """Also where a name begins it that CLDR writes small, as in Russian for the Isle of Man."""
    assert [
        text for row in rows for text in (row["query"], row["passage"]) if text[0].islower()
    ] == []
    assert any(row["query"].startswith("О-в Мэн:") for row in rows)


def test_splits_part_the_facts(rows_in):
    parts = {split: {row["passage_id"] for row in rows} for split, rows in rows_in.items()}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == len(FACTS)
    assert 0.14 < len(parts["test"]) / len(FACTS) < 0.20
    assert 0.04 < len(parts["dev"]) / len(FACTS) < 0.06
    for held_out in ("dev", "test"):
        assert {id_.partition("/")[0] for id_ in parts[held_out]} == set(RELATIONS)


def test_a_group_of_translations_and_phrasings_is_in_one_split():
    groups = [set(world_facts(split).groups.tolist()) for split in ("train", "dev", "test")]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_every_name_of_a_held_out_fact_is_in_a_text_for_training(rows_in):
    known = defaultdict(set)
    for row in rows_in["train"]:
        known[row["lang"]].update(FACTS[row["passage_id"]].names)
    for split in ("dev", "test"):
        for row in rows_in[split]:
            assert known[row["lang"]] >= set(FACTS[row["passage_id"]].names)


def test_no_fact_of_test_can_be_read_in_training(rows_in):
    trained = {(row["lang"], row["passage"]) for row in rows_in["train"]}
    for row in rows_in["test"]:
        assert (row["lang"], row["passage"]) not in trained


def test_languages_only_leave_columns_out(rows_in):
    wanted = rows_of("test", languages=["zho_Hans", "de"])
    assert {row["lang"] for row in wanted} == {"de", "zh"}
    assert wanted == [row for row in rows_in["test"] if row["lang"] in {"de", "zh"}]


@pytest.mark.slow
def test_two_processes_make_the_same_corpus():
    code = "from evenrank.benchmarks import world_facts as w"
    code += "; print(w.world_facts('train').fingerprint)"
    arguments = [sys.executable, "-c", code]
    other = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()
    assert other == world_facts("train").fingerprint


def test_splits_and_languages_have_their_own_fingerprints():
    corpora = [
        world_facts(), world_facts("test"), world_facts("dev"), world_facts(languages=["de", "en"])
    ]  # fmt: skip
    assert len({corpus.fingerprint for corpus in corpora}) == 4
    assert {corpus.name for corpus in corpora} == {"world-facts"}


def test_the_version_of_cldr_is_named():
    assert re.fullmatch(r"CLDR \d+(\.\d+)? \(Babel \d+\.\d+.*\)", cldr_version())


def test_an_unknown_split_is_refused():
    with pytest.raises(UnknownNameError, match=r"'tset'.*The nearest is 'test'"):
        world_facts("tset")


@pytest.mark.parametrize(
    ("languages", "found"),
    [(["fi"], "no language 'fi'"), (["klingonese"], "'klingonese'"), ([], "found none")],
)
def test_a_language_without_templates_is_refused(languages, found):
    with pytest.raises(EvenrankError, match=found):
        world_facts(languages=languages)


def test_the_corpus_is_known_without_an_installed_distribution():
    """A source checkout on the path of modules has no entry points."""
    code = "import importlib.metadata as m; m.entry_points = lambda **_: []; "
    code += "from evenrank.data.readers.base import READERS; print('world-facts' in READERS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"

"""Template files: a language is one file, and a file that is wrong says where."""

from __future__ import annotations

import shutil

import pytest

from evenrank.benchmarks.world_facts import world_facts
from evenrank.benchmarks.world_facts.facts import RELATIONS
from evenrank.benchmarks.world_facts.templates import TEMPLATES, fill, parse_language, read_sources
from evenrank.errors import DataError


def sections(**changes):
    """Tables of a template file with two questions and one answer for each relation."""
    tables = {
        name: {
            "questions": [f"{name}, {{{relation.subject}}}?", f"{{{relation.subject}}}: {name}?"],
            "answers": [f"{name}: {{{relation.subject}}}, {{{relation.object}}}."],
        }
        for name, relation in RELATIONS.items()
    }
    return tables | {name.replace("_", "-"): table for name, table in changes.items()}


def toml(tables):
    lines = []
    for name, table in tables.items():
        if table is not None:
            lines += [f"[{name}]", *(f"{key} = {value!r}" for key, value in table.items())]
    return "\n".join(lines)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "templates"


def test_a_twelfth_language_is_one_file_and_leaves_the_others_as_they_are(folder):
    shutil.copytree(TEMPLATES, folder)
    (folder / "fr.toml").write_text(toml(sections()), encoding="utf-8")
    before, after = world_facts("test"), world_facts("test", templates=folder)
    assert after.languages == (*before.languages[:5], "fr", *before.languages[5:])
    others = after.restrict(before.languages)
    for column in ("id", "query", "passage"):
        rows = [corpus.rows[corpus.rows >= 0] for corpus in (before, others)]
        assert before.column(column, rows[0]) == others.column(column, rows[1])
    assert len(after.restrict(["fr"])) > 900  # two phrasings of most facts
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize(("tag", "rome"), [("fr", "Rome"), ("ja", "ローマ"), ("zh-TW", "羅馬")])
def test_any_language_of_cldr_can_be_added(folder, tag, rome):
    folder.mkdir()
    (folder / f"{tag}.toml").write_text(toml(sections()), encoding="utf-8")
    table = world_facts(templates=folder).table
    passages = dict(zip(table["id"].to_pylist(), table["passage"].to_pylist(), strict=True))
    assert passages["local-time/Europe/Rome"].startswith(f"Local-time: {rome}, ")
    assert set(table["lang"].to_pylist()) == {tag}
    numbers = {id_.partition("#")[2] for id_ in table["id"].to_pylist()}
    assert numbers == {"", "2"}  # it has no third phrasing


def test_the_wording_of_a_template_is_part_of_the_fingerprint(folder):
    folder.mkdir()
    file = folder / "en.toml"
    file.write_text(toml(sections()), encoding="utf-8")
    before = world_facts(templates=folder).fingerprint
    assert world_facts(templates=folder).fingerprint == before
    file.write_text(toml(sections()) + "\n# a note", encoding="utf-8")
    assert world_facts(templates=folder).fingerprint != before


WRONG = [
    ({"weekend": None}, r"section \[weekend\]: found no such section"),
    ({"weekend": {"questions": ["{territory}?"]}}, r"\[weekend\]: found \['questions'\]"),
    ({"weekend": {"questions": [], "answers": [], "x": []}}, r"\[weekend\]: found .*'x'"),
    ({"weather": {"questions": []}}, r"section \[weather\]: found a relation that does not exist"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_a_section_that_is_wrong_is_named(folder, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_language(folder / "en.toml", toml(sections(**changes)))
    assert str(folder / "en.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("questions", "answers", "message"),
    [
        (["{territory}?"], None, "questions: found .* at least 2 different texts"),
        (["{territory}?", "{territory}?"], None, "at least 2 different texts"),
        (["{territory}?", 3], None, "at least 2 different texts"),
        ("{territory}?", None, "at least 2 different texts"),
        (["When?", "{territory}?"], None, "questions: found 'When\\?', expected {territory}, once"),
        (["{territory}? {territory}?", "{territory}?"], None, "once each"),
        (["{territory} {weekday}?", "{territory}?"], None, "once each"),
        (["{country}?", "{territory}?"], None, "expected {territory}, once each"),
        (["{territory}?", "{territory}? }"], None, "no other brace"),
        (["{territory.__class__}?", "{territory}?"], None, "once each"),
        (None, [], "answers: found .* at least 1 different texts"),
        (None, ["{territory}."], "expected {territory} and {weekday}, once each"),
        (None, ["{territory}: {{weekday}}."], "no other brace"),
    ],
)
def test_a_phrasing_that_is_wrong_is_named(folder, questions, answers, message):
    table = sections()["weekend"]
    changed = {"questions": questions or table["questions"], "answers": answers or table["answers"]}
    if answers == []:
        changed["answers"] = []
    with pytest.raises(DataError, match=message) as caught:
        parse_language(folder / "en.toml", toml(sections(weekend=changed)))
    assert "en.toml, section [weekend], " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_serves_two_relations_is_refused(folder):
    shared = {"questions": ["What about {territory}?", "{territory}?"]}
    tables = sections()
    for name in ("currency", "weekend"):
        tables[name] |= shared
    with pytest.raises(DataError, match=r"section \[weekend\].*which section \[currency\] has too"):
        parse_language(folder / "en.toml", toml(tables))


def test_text_that_is_not_toml_is_refused(folder):
    with pytest.raises(DataError, match=r"en.toml: found invalid TOML .*line 2"):
        parse_language(folder / "en.toml", "[weekend]\nquestions = what?")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("englisch.toml", "language code 'englisch'"),
        ("zh_CN.toml", "expected zh.toml"),
        ("tlh.toml", "language 'tlh', of which Babel has no data"),
    ],
)
def test_the_name_of_a_file_is_a_language(folder, name, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_language(folder / name, toml(sections()))
    assert str(folder / name) in str(caught.value)


def test_a_folder_without_templates_is_refused(tmp_path):
    with pytest.raises(DataError, match="no template file"):
        world_facts(templates=tmp_path)


def test_bytes_that_are_no_utf_8_are_refused(tmp_path):
    (tmp_path / "de.toml").write_bytes("[währung]".encode("latin-1"))
    with pytest.raises(DataError, match=r"de.toml: found byte 2 that is not UTF-8"):
        read_sources(tmp_path)


def test_what_is_filled_in_is_not_filled_again():
    assert (
        fill("{city}, {territory}", {"city": "{territory}", "territory": "X"}) == "{territory}, X"
    )


def test_our_own_files_ask_in_three_ways_and_answer_in_two():
    for path, text in read_sources(TEMPLATES):
        language = parse_language(path, text)
        for phrasings in language.phrasings.values():
            assert len(phrasings.questions) == 3
            assert len(phrasings.answers) == 2

"""The command and the function on files, with a real encoder."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.debias import app as debias_app
from evenrank.cli.probe import probe_command
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, DataError, EvenrankError
from evenrank.probing.base import PROBE_MEASURES
from evenrank.probing.page import commands, note, sentence, verdict, write_probe
from evenrank.probing.probe import probe

WORDS = {
    "de": "Fluss Stein Wolke Garten Winter Markt Brücke Kerze Wald Spiegel",
    "en": "river stone cloud garden winter market bridge candle forest mirror",
}
OPEN = {"de": "Hier ist", "en": "This is"}


def text(lang, one, other):
    words = WORDS[lang].split()
    return f"{OPEN[lang]} {words[one]} {words[other]}"


def rows(first, last):
    """Rows of both languages, of all pairs of two words with numbers in a range."""
    pairs = [(one, other) for one in range(10) for other in range(10) if one != other]
    return [
        {"text": text(lang, *pair), "lang": lang} for pair in pairs[first:last] for lang in WORDS
    ]


def write_lines(path, found):
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model whose languages share no word, passages, and canaries about the same words."""
    folder = tmp_path_factory.mktemp("probe")
    known = [row["text"] + end for row in rows(0, 90) for end in ("", "?")]
    model = build_encoder("static", known, {"width": 32})
    model.save_pretrained(str(folder / "model"))
    write_lines(folder / "passages.jsonl", rows(0, 60))
    for name, (first, last) in {"canaries": (60, 75), "fit": (75, 90)}.items():
        parallel = [
            {"id": at // 2, "lang": row["lang"], "query": row["text"] + "?", "passage": row["text"]}
            for at, row in enumerate(rows(first, last))
        ]
        write_lines(folder / f"{name}.jsonl", parallel)
    return folder


@pytest.fixture(scope="module")
def model(place):
    return str(place / "model")


@pytest.fixture(scope="module")
def found(place, model):
    return probe(model, place / "passages.jsonl", canaries=place / "canaries.jsonl", items=10)


@pytest.fixture
def run(place, monkeypatch):
    monkeypatch.chdir(place)
    cli = typer.Typer()
    cli.add_typer(debias_app, name="debias")
    cli.command("probe")(probe_command)
    return lambda *given: CliRunner().invoke(cli, [str(one) for one in given])


def test_languages_without_a_common_word_do_not_find_each_other(found):
    assert found.figures["access_gap"].biased
    assert found.figures["purity"].value > 0.9
    assert found.canaries["items"] == 10
    assert found.queries_are_passages
    assert found.passages == {"de": 60, "en": 60}
    details = found.figures["access_gap"].details
    assert f"{100 * details['own']:.0f} %" in sentence(found)
    assert verdict(found) == "The search favours the query's own language."


def test_the_command_prints_the_same_as_json(run, found):
    given = ("probe", "model", "passages.jsonl", "--canaries", "canaries.jsonl", "--items", "10")
    printed = json.loads(run(*given, "--json").stdout)
    assert printed["sentence"] == sentence(found)
    for name, figure in printed["figures"].items():
        assert figure["value"] == found.figures[name].value
        assert figure["biased"] == found.figures[name].biased


def test_the_page_says_what_was_found_and_what_to_do(run, found, tmp_path):
    page = tmp_path / "probe.html"
    given = ("probe", "model", "passages.jsonl", "--canaries", "canaries.jsonl", "--items", "10")
    result = run(*given, "--output", page)
    assert result.exit_code == 0, result.output
    assert sentence(found) in result.stdout
    html = page.read_text(encoding="utf-8")
    assert sentence(found).replace("'", "&#39;") in html
    assert "evenrank debias fit model PARALLEL_CORPUS" in html
    with pytest.raises(ConfigError, match="exists"):
        write_probe(found, page)
    with pytest.raises(ConfigError, match=r"ends in .html"):
        write_probe(found, tmp_path / "probe.pdf")


def test_the_next_commands_fit_on_texts_in_all_languages(found):
    facts = replace(found, canaries=found.canaries | {"corpus": "world-facts:test"})
    first, second = commands(facts, "my model", "passages.jsonl")
    assert first.startswith("evenrank debias fit 'my model' world-facts:train ")
    assert "probe 'my model' passages.jsonl --debias center.safetensors" in second
    more = replace(facts, passages=facts.passages | {"sw": 9})
    assert "PARALLEL_CORPUS" in commands(more)[0]


def test_canaries_leave_no_trace(place, model, tmp_path):
    store = tmp_path / "store"
    given = {"canaries": place / "canaries.jsonl", "store": store}
    first = probe(model, place / "passages.jsonl", **given)
    files = sorted(path.name for path in store.rglob("*.safetensors"))
    assert len(files) == 1  # the passages of the corpus
    assert probe(model, place / "passages.jsonl", **given).figures == first.figures
    assert sorted(path.name for path in store.rglob("*.safetensors")) == files


def test_a_correction_is_measured_as_the_search_is_with_it(run, place, model, found):
    fit = run("debias", "fit", "model", "fit.jsonl", "-o", "center.safetensors", "--overwrite")
    assert fit.exit_code == 0, fit.output
    given = {"canaries": place / "canaries.jsonl", "items": 10}
    after = probe(model, place / "passages.jsonl", debias=place / "center.safetensors", **given)
    assert after.figures["purity"].value < found.figures["purity"].value
    assert after.correction["method"] == "center"
    assert not commands(after)
    with pytest.raises(DataError, match="that the correction was fitted on"):
        probe(
            model,
            place / "passages.jsonl",
            canaries=place / "fit.jsonl",
            debias=place / "center.safetensors",
        )


def test_forms_of_a_corpus_give_the_same(place, model, found, tmp_path):
    table = pa.Table.from_pylist(rows(0, 60))
    pq.write_table(table, tmp_path / "passages.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "passages.csv")
    for name in ("passages.parquet", "passages.csv"):
        again = probe(model, tmp_path / name, canaries=place / "canaries.jsonl", items=10)
        assert replace(again, corpus=found.corpus) == found


def test_queries_of_a_file_and_of_a_parallel_corpus(place, model, tmp_path):
    asked = write_lines(tmp_path / "asked.jsonl", rows(60, 70))
    given = {"canaries": place / "canaries.jsonl", "items": 5}
    one = probe(model, place / "passages.jsonl", queries=asked, **given)
    assert one.queries == {"de": 10, "en": 10}
    assert not one.queries_are_passages
    parallel = probe(model, open_corpus(place / "fit.jsonl"), k=5, **given)
    assert parallel.queries == {"de": 15, "en": 15}


def test_without_canaries(place, model):
    found = probe(model, place / "passages.jsonl", canaries=None)
    assert "access_gap" not in found.figures
    assert "times as often as its share" in sentence(found)


def test_canaries_in_few_of_the_languages_do_not_lead(place, model, found, tmp_path):
    """They say little about the others (docs/probe.md), so the lift is what the page says."""
    more = [{"text": f"{lang} {at}", "lang": lang} for lang in ("fi", "pl", "sv") for at in (1, 2)]
    passages = write_lines(tmp_path / "more.jsonl", [*rows(0, 60), *more])
    five = probe(model, passages, canaries=place / "canaries.jsonl", items=5)
    assert five.canaries["languages"] == ["de", "en"]
    assert "times as often as its share" in sentence(five)
    assert "too few of the languages" in note(five)
    assert "is found in the top 10" in sentence(found)
    assert "too few" not in note(found)


def test_measures_that_labels_do_not_confirm_come_last_and_are_named(found):
    names = list(found.figures)
    weak = [name for name in names if not PROBE_MEASURES.get(name).predicts]
    assert names[0] == "access_gap"
    assert names[-len(weak) :] == weak == ["preference", "decodability", "pull"]
    assert all(PROBE_MEASURES.get(name).title in note(found) for name in weak)


def test_canaries_that_ask_with_their_answer_are_pointed_out(place, model, found, tmp_path):
    parallel = [
        {"id": at // 2, "lang": row["lang"], "query": row["text"], "passage": row["text"]}
        for at, row in enumerate(rows(60, 70))
    ]
    path = write_lines(tmp_path / "same.jsonl", parallel)
    same = probe(model, place / "passages.jsonl", canaries=path)
    assert "ask with the answer itself" in note(same)
    assert "ask with the answer itself" not in note(found)


def test_canaries_that_the_corpus_contains_are_left_out(place, model, tmp_path):
    both = [*rows(0, 60), *rows(60, 70)]
    passages = write_lines(tmp_path / "both.jsonl", both)
    found = probe(model, passages, canaries=place / "canaries.jsonl")
    assert found.canaries["items"] == 5
    assert found.canaries["in the corpus already"] == 10


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"text": "Hier ist Stein"}, "bad.jsonl:121: found no language"),
        ({"text": "Hier ist Stein", "lang": None}, "bad.jsonl:121: found no language"),
        ({"text": "Hier ist Stein", "lang": 7}, "bad.jsonl:121: found the language 7"),
        ({"text": "Hier ist Stein", "lang": "qq"}, "bad.jsonl:121: found language code 'qq'"),
        ({"text": "Ici pierre", "lang": "fr"}, "bad: found 1 passage in 'fr'"),
        ({"text": " ", "lang": "de"}, "bad.jsonl:121: found the text ' '"),
        ({"lang": "de"}, "bad.jsonl:121: found no field 'text'"),
    ],
)
def test_a_bad_passage(place, model, tmp_path, bad, message):
    path = write_lines(tmp_path / "bad.jsonl", [*rows(0, 60), bad])
    with pytest.raises(DataError) as error:
        probe(model, path, canaries=None)
    assert message in str(error.value)


def test_bad_files(place, model, tmp_path):
    given = {"canaries": None}
    german = [row for row in rows(0, 60) if row["lang"] == "de"]
    alone = write_lines(tmp_path / "one.jsonl", german)
    with pytest.raises(DataError, match="one language only, 'de'"):
        probe(model, alone, **given)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "lang": "de"}\n{"text": ', encoding="utf-8")
    with pytest.raises(DataError, match=r"broken.jsonl:2: .* Correct the file"):
        probe(model, broken, **given)
    with pytest.raises(DataError, match="no such file"):
        probe(model, place / "passages.jsonl", queries=tmp_path / "nothing.jsonl", **given)
    french = write_lines(tmp_path / "french.jsonl", [{"text": "Ici", "lang": "fr"}])
    with pytest.raises(DataError, match="queries in fr, in which there are no passages"):
        probe(model, place / "passages.jsonl", queries=french, **given)


def test_canaries_in_fewer_than_two_of_the_languages(place, model, tmp_path):
    alone = [
        {"id": at, "lang": lang, "query": "a", "passage": "b"}
        for at in range(3)
        for lang in ("de", "fr")
    ]
    path = write_lines(tmp_path / "alone.jsonl", alone)
    with pytest.raises(DataError, match=r"canaries 'alone': found texts in de .* de, en"):
        probe(model, place / "passages.jsonl", canaries=path)


def test_canaries_that_are_all_in_the_corpus(place, model, tmp_path):
    passages = write_lines(tmp_path / "all.jsonl", rows(60, 90))
    with pytest.raises(DataError, match=r"0 items in all of de, en \(15 are in all\)"):
        probe(model, passages, canaries=place / "canaries.jsonl")


@pytest.mark.parametrize("setting", [{"k": 0}, {"items": 1}, {"sample": 1}, {"k": 500}])
def test_numbers_out_of_range(place, model, setting):
    with pytest.raises(EvenrankError, match=next(iter(setting))):
        probe(model, place / "passages.jsonl", canaries=None, **setting)


def test_a_correction_of_another_model(run, place, tmp_path):
    run("debias", "fit", "model", "fit.jsonl", "-o", "center.safetensors", "--overwrite")
    other = build_encoder("static", [row["text"] for row in rows(0, 90)], {"width": 16})
    with pytest.raises(DataError, match="which it was fitted for"):
        probe(other, place / "passages.jsonl", canaries=None, debias=place / "center.safetensors")


def test_a_k_that_is_too_large_is_refused_before_a_text_is_encoded(tmp_path):
    class Silent:
        def encode_query(self, texts):
            raise AssertionError("a text was encoded")

        encode_document = encode_query

    rows = [
        f'{{"text": "text {number}", "lang": "{"de" if number % 2 else "en"}"}}\n'
        for number in range(6)
    ]
    (tmp_path / "few.jsonl").write_text("".join(rows))
    with pytest.raises(ConfigError, match="k: found 10, expected 1 to 5"):
        probe(Silent(), tmp_path / "few.jsonl")

"""Rows of other tools and data sets, in the very fields that these have."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.data.opening import open_corpus
from evenrank.data.writing import write_corpus
from evenrank.errors import DataError


def rows_of(corpus, *names):
    """Return the rows of a corpus, in their order in the source."""
    numbers = np.sort(corpus.rows[corpus.rows >= 0])
    return list(zip(*(corpus.column(name, numbers) for name in names), strict=True))


def tevatron(query_id, query, positives, negatives=()):
    def passages(some):
        return [{"docid": docid, "title": title, "text": text} for docid, title, text in some]

    return {
        "query_id": query_id,
        "query": query,
        "positive_passages": passages(positives),
        "negative_passages": passages(negatives),
    }


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_json_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


WRITE = {"jsonl": write_json_lines, "parquet": write_parquet}


@pytest.mark.parametrize("suffix", WRITE)
def test_tevatron(tmp_path, suffix):
    write = WRITE[suffix]
    bob = ("7", "", "Bob.")
    ada = ("5", "Ada", "Sie.")
    known = [("8", "Ada", "Sie."), ("5", "", "Eine andere Fassung.")]  # no negatives of itself
    write(tmp_path / f"c/de.{suffix}", [tevatron("1", "Wer?", [ada], [*known, bob])])
    write(tmp_path / f"c/en.{suffix}", [tevatron("1", "Who?", [("5", "", "She.")], [bob, bob])])
    corpus = open_corpus(tmp_path / "c")
    names = ("id", "passage_id", "article", "lang", "query", "passage", "negatives")
    assert rows_of(corpus, *names) == [
        ("1", "5", "Ada", "de", "Wer?", "Ada Sie.", ["Bob."]),
        ("1", "5", None, "en", "Who?", "She.", ["Bob.", "Bob."]),
    ]


def test_several_positive_passages_are_items_of_one_group(tmp_path):
    """Queries 1 and 2 share passage b, so that a, b and c are never negatives of one another."""
    a, b, c, d = ((name, "", f"Text {name}.") for name in "abcd")
    rows = [tevatron("1", "1?", [a, b]), tevatron("2", "2?", [b, c]), tevatron("3", "3?", [d])]
    write_json_lines(tmp_path / "c/en.jsonl", rows)
    corpus = open_corpus(tmp_path / "c")
    assert corpus.column("id", corpus.first_rows) == ["1#a", "1#b", "2#b", "2#c", "3"]
    assert corpus.groups.tolist() == [0, 0, 0, 0, 1]
    write_corpus(corpus, tmp_path / "out")
    again = open_corpus(tmp_path / "out")
    assert again.groups.tolist() == corpus.groups.tolist()
    write_json_lines(tmp_path / "c/en.jsonl", [*rows[:1], tevatron("2", "2?", [c]), rows[2]])
    assert open_corpus(tmp_path / "c").fingerprint != corpus.fingerprint


def test_flagembedding(tmp_path):
    rows = [
        {"query": "Who?", "pos": ["Ada.", "She."], "neg": ["Bob.", "She."], "prompt": "Find:"},
        {"query": "And who?", "pos": ["Ada."], "neg": []},
        {"query": "What?", "pos": ["It."], "neg": ["No."], "id": "x", "lang": "en"},
    ]
    write_json_lines(tmp_path / "c/en.jsonl", rows)
    write_json_lines(tmp_path / "c/de.jsonl", [{"query": "Wer?", "pos": ["Ada."], "neg": ["Er."]}])
    corpus = open_corpus(tmp_path / "c")
    found = rows_of(corpus, "lang", "query", "passage", "negatives")
    assert found == [
        ("de", "Wer?", "Ada.", ["Er."]),
        ("en", "Who?", "Ada.", ["Bob."]),
        ("en", "Who?", "She.", ["Bob."]),
        ("en", "And who?", "Ada.", None),
        ("en", "What?", "It.", ["No."]),
    ]
    assert corpus.groups.tolist() == [0, 0, 0, 0, 1]  # the same text is the same passage
    assert (corpus.rows >= 0).sum(axis=1).tolist() == [1] * 5  # nothing says what is parallel
    assert corpus.column("id", corpus.first_rows)[-1] == "x"


def webfaq(lang1, lang2, n):
    sides = {1: lang1, 2: lang2}
    fields = ("language", "{}"), ("question", "{} " + f"{n}?"), ("answer", "{} " + f"{n // 2}.")
    texts = {f"{f}{s}": text.format(lang) for s, lang in sides.items() for f, text in fields}
    return texts | {"origin": "example.org", "labse_similarity": 0.9, "details": {"urls": ["u"]}}


def test_bitexts_of_webfaq(tmp_path):
    write_parquet(tmp_path / "deu-eng/a.parquet", [webfaq("deu", "eng", n) for n in range(3)])
    corpus = open_corpus(tmp_path / "deu-eng/a.parquet")
    assert corpus.languages == ("de", "en")
    assert corpus.rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert corpus.groups.tolist() == [0, 0, 1]
    assert rows_of(corpus, "lang", "query", "passage")[3] == ("en", "eng 1?", "eng 0.")


def test_entailment_of_xnli_in_all_languages(tmp_path):
    def row(n, label):
        texts = {lang: f"{lang} {n}" for lang in ("de", "en")}
        hypothesis = {"language": list(texts), "translation": [f"{t}." for t in texts.values()]}
        return {"premise": texts, "hypothesis": hypothesis, "label": label}

    rows = [row(0, 0), row(1, 1), row(2, 2), row(3, 0)]
    corpus = open_corpus(write_parquet(tmp_path / "all_languages.parquet", rows))
    assert rows_of(corpus, "lang", "query", "passage") == [
        (lang, f"{lang} {n}", f"{lang} {n}.") for n in (0, 3) for lang in ("de", "en")
    ]
    assert corpus.rows.tolist() == [[0, 1], [2, 3]]
    assert (corpus.counts.read, corpus.counts.filtered) == (4, 2)


def test_entailment_of_xnli_in_one_folder_for_each_language(tmp_path):
    for lang in ("de", "en"):
        rows = [{"premise": f"{lang} {n}", "hypothesis": f"{n}", "label": n % 3} for n in range(4)]
        write_parquet(tmp_path / f"c/{lang}/train-00000-of-00001.parquet", rows)
    corpus = open_corpus(tmp_path / "c")
    assert corpus.rows.tolist() == [[0, 2], [1, 3]]
    assert corpus.column("query", corpus.rows[1]) == ["de 3", "en 3"]


def test_rows_of_squad_share_a_passage_by_its_text(tmp_path):
    """As ``facebook/mlqa``, ``mlqa-translate-train.de``: no id of the paragraph."""
    for lang in ("de", "es"):
        rows = [
            {
                "context": f"{lang} {n // 2}.",
                "question": f"{lang} {n}?",
                "answers": {"answer_start": [0], "text": [lang]},
                "id": f"5733{n}",
            }
            for n in range(4)
        ]
        write_parquet(tmp_path / f"c/mlqa-translate-train.{lang}/train/0000.parquet", rows)
        write_parquet(tmp_path / f"d/{lang}.parquet", rows)
    corpus = open_corpus(tmp_path / "d")
    assert (corpus.rows.shape, corpus.groups.tolist()) == ((4, 2), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (tevatron("1", "?", []), "a query without a positive passage in training data of Tevatron"),
        (tevatron("1", "?", [("5", "", "")]), "field 'passage' with an empty string"),
        (tevatron(None, "?", [("5", "", "Ada.")]), "field 'id' without a value"),
        (
            {"query_id": "1", "query": "?", "positive_passages": ["x"]},
            "expected a list of passages",
        ),
        ({"query": "?", "pos": "Ada.", "neg": []}, r"field 'pos' with 'Ada.' in .*a list of texts"),
        ({"query": "?", "pos": ["Ada."], "neg": [1]}, "field 'negatives' with list"),
        ({"premise": "a", "hypothesis": "b", "label": 7}, "label 7 in pairs of XNLI, expected 0"),
        (webfaq("deu", "nonsense", 1), "language code 'nonsense'"),
    ],
)
def test_bad_rows_of_a_layout_are_named(tmp_path, row, message):
    path = write_json_lines(tmp_path / "en.jsonl", [row])
    with pytest.raises(DataError, match=message) as caught:
        open_corpus(tmp_path if "language1" not in row else path)
    assert caught.value.place == f"{path}:1"


def test_a_folder_of_files_with_the_language_in_their_names(tmp_path):
    for lang, name in (("de", "train-de.jsonl"), ("en", "train-english.jsonl")):
        row = tevatron("1", f"{lang}?", [("5", "", f"{lang}.")])
        write_json_lines(tmp_path / "c" / name, [row])
    assert open_corpus(tmp_path / "c").rows.tolist() == [[0, 1]]
    write_json_lines(tmp_path / "c/more.jsonl", [row])
    with pytest.raises(DataError, match=r"c/more.jsonl: found a name that is not a language code"):
        open_corpus(tmp_path / "c")


def test_a_folder_of_files_whose_rows_name_their_languages(tmp_path):
    for name, n in (("train-00000-of-00002", "0"), ("train-00001-of-00002", "1")):
        rows = [tevatron(n, f"{n}?", [(n, "", f"{n}.")]) | {"lang": lang} for lang in ("de", "en")]
        write_json_lines(tmp_path / f"c/{name}.jsonl", rows)
    assert open_corpus(tmp_path / "c").rows.tolist() == [[0, 1], [2, 3]]
    write_json_lines(tmp_path / "d/train.jsonl", [tevatron("1", "?", [("5", "", "Ada.")])])
    with pytest.raises(DataError, match=r"train.jsonl:1: found no field 'lang' .*name the file af"):
        open_corpus(tmp_path / "d")
    write_json_lines(tmp_path / "e/train.jsonl", [{"id": "1", "query": "?", "passage": "."}])
    with pytest.raises(DataError, match=r"train.jsonl: found a name that is not a language code"):
        open_corpus(tmp_path / "e")


def squad_row(lang, n):
    answers = {"answer_start": [0], "text": [lang]}
    context = f"{lang} {n // 2}."
    return {"context": context, "question": f"{lang} {n}?", "answers": answers, "id": f"57{n}"}


TABLES = "refs/convert/parquet"


def test_configurations_of_the_hub_are_languages(hub):
    """``facebook/mlqa`` is a script; its tables are in a revision of their own."""
    folder = hub("facebook/mlqa", "c1", TABLES)
    for lang in ("de", "zh"):
        for split, count in (("train", 4), ("validation", 1)):
            path = folder / f"mlqa-translate-train.{lang}" / split / "0000.parquet"
            write_parquet(path, [squad_row(lang, n) for n in range(count)])
    write_parquet(folder / "mlqa.de.de/test/0000.parquet", [squad_row("de", 9)])
    corpus = open_corpus(f"hf:facebook/mlqa@{TABLES}:mlqa-translate-train.*:train")
    assert (corpus.name, corpus.languages) == ("mlqa", ("de", "zh"))
    assert (corpus.rows.shape, corpus.groups.tolist()) == ((4, 2), [0, 0, 1, 1])
    one = open_corpus(f"hf:facebook/mlqa@{TABLES}:mlqa-translate-train.zh:validation")
    assert rows_of(one, "id", "lang", "query") == [("570", "zh", "zh 0?")]
    with pytest.raises(DataError, match=r"no configuration 'x\*', expected one of mlqa-transl"):
        open_corpus(f"hf:facebook/mlqa@{TABLES}:x*:train")


def test_the_fingerprint_has_the_revision(hub):
    fingerprints = set()
    for commit, revision in (("c1", "v1"), ("c2", "v2"), ("c3", "main")):
        write_json_lines(
            hub("someone/facts", commit, revision) / "train.jsonl",
            [{"id": "1", "lang": "en", "query": "?", "passage": "."}],
        )
        for source in (f"hf:someone/facts@{revision}", "hf:someone/facts"):
            if revision == "main" or "@" in source:
                fingerprints.add(open_corpus(source).fingerprint)
    assert len(fingerprints) == 4
    with pytest.raises(DataError, match=r"facts@v3: found .*Correct the id or the revision"):
        open_corpus("hf:someone/facts@v3")


def test_all_languages_of_xnli_and_bitexts_of_webfaq_on_the_hub(hub):
    folder = hub("facebook/xnli", "c1", "main")
    for lang in ("de", "en"):
        row = {"premise": f"{lang} 0", "hypothesis": f"{lang} 1", "label": 0}
        write_parquet(folder / lang / "train-00000-of-00001.parquet", [row])
    configs = "".join(
        f"- config_name: {lang}\n  data_files:\n  - split: train\n    path: {lang}/train-*\n"
        for lang in ("de", "en")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    corpus = open_corpus("hf:facebook/xnli:*:train")
    assert (corpus.languages, corpus.rows.tolist()) == (("de", "en"), [[0, 1]])
    folder = hub("PaDaS-Lab/webfaq-bitexts", "c1", TABLES)
    for pair in ("deu-fra", "deu-ita"):
        rows = [webfaq(*pair.split("-"), n) for n in range(2)]
        write_parquet(folder / pair / "default/0000.parquet", rows)
    corpus = open_corpus(f"hf:PaDaS-Lab/webfaq-bitexts@{TABLES}:*")
    assert corpus.languages == ("de", "fr", "it")
    assert (corpus.rows >= 0).tolist() == [[1, 1, 0]] * 2 + [[1, 0, 1]] * 2
    assert len(set(corpus.groups)) == 1  # the German answers are equal


def test_a_data_set_cannot_name_files_outside_of_its_folder(tmp_path, hub):
    write_json_lines(tmp_path / "secret.jsonl", [{"id": "1", "query": "?", "passage": "."}])
    folder = hub("evil/set", "c1", "main")
    up = "../" * 5 + "secret.jsonl"
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: {up}\n---\n"
    )
    with pytest.raises(DataError):
        open_corpus("hf:evil/set")


def test_a_script_names_the_revision_with_tables(hub):
    (hub("facebook/mlqa", "c1", "main") / "mlqa.py").write_text("raise SystemExit")
    with pytest.raises(DataError, match=r"It is a script, .* add @refs/convert/parquet"):
        open_corpus("hf:facebook/mlqa")


@pytest.mark.enable_socket
def test_a_gated_data_set_is_one_line(tmp_path, monkeypatch):
    """The Hub's answer, from a server on this machine."""
    from huggingface_hub import constants

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("X-Error-Message", "Access is restricted.")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(DataError, match=r"found a gated data set.*datasets/some/set, then log"):
            open_corpus("hf:some/set")
        server.shutdown()

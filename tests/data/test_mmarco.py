"""mMARCO as it is on the Hub: queries and collections by language, joined by shared qrels."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.data.opening import open_corpus
from evenrank.errors import DataError

LANGS = {"german": "de", "dutch": "nl"}
QRELS = "1 0 10 1\n2 0 20 1\n3 0 20 1\n3 0 30 1\n4 0 40 0\n"


def texts(lang, kind):
    ids = (1, 2, 3, 4) if kind == "queries" else (10, 20, 30, 40, 50)
    return {str(id_): f'{lang} "{kind} {id_}' for id_ in ids}


def write_tsv(path, of_ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{id_}\t{text}\n" for id_, text in of_ids.items()).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)


def write_parquet(path, of_ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = [int(id_) for id_ in of_ids]
    pq.write_table(pa.table({"id": numbers, "text": list(of_ids.values())}), path)


@pytest.fixture
def repository(tmp_path):
    """The files of the repository."""
    folder = tmp_path / "mmarco"
    for name in LANGS:
        write_tsv(folder / f"data/google/collections/{name}_collection.tsv", texts(name, "collec"))
        queries = folder / f"data/google/queries/train/{name}_queries.train.tsv"
        write_tsv(queries, texts(name, "queries"))
    (folder / "data/qrels.train.tsv").write_text(QRELS.replace(" ", "\t"))
    return folder


def check(corpus):
    assert corpus.languages == ("de", "nl")
    assert (corpus.rows >= 0).all()
    assert corpus.column("id", corpus.first_rows) == ["1", "2", "3#20", "3#30"]
    assert corpus.groups.tolist() == [0, 1, 1, 1]  # query 3 joins passages 20 and 30
    assert corpus.column("query", corpus.rows[0]) == [f'{name} "queries 1' for name in LANGS]
    passages = [text.split()[-1] for text in corpus.column("passage", corpus.rows[:, 1])]
    assert passages == ["10", "20", "20", "30"]


def test_the_files_of_the_repository(repository):
    check(open_corpus(repository))
    assert len(open_corpus(repository, where="split = 'train'")) == 4
    assert open_corpus(repository, languages="nl").languages == ("nl",)


def test_the_tables_of_the_hub(hub):
    folder = hub("unicamp-dl/mmarco", "c1", "refs/convert/parquet")
    for name in LANGS:
        collection = folder / f"collection-{name}/collection/0000.parquet"
        write_parquet(collection, texts(name, "collec"))
        write_parquet(folder / f"queries-{name}/train/0000.parquet", texts(name, "queries"))
    (folder / "qrels.train.tsv").write_text(QRELS)
    corpus = open_corpus("hf:unicamp-dl/mmarco@refs/convert/parquet")
    check(corpus)
    assert corpus.name == "mmarco"
    (folder / "qrels.train.tsv").unlink()
    with pytest.raises(DataError, match=r"mMARCO without qrels.* Add qrels.train.tsv of MS MARCO"):
        open_corpus("hf:unicamp-dl/mmarco@refs/convert/parquet")


def test_triples_of_ids_name_the_relevant_passages(repository):
    (repository / "data/qrels.train.tsv").unlink()
    triples = "1\t10\t50\n2\t20\t50\n1\t10\t40\n3\t20\t10\n3\t30\t10\n"
    (repository / "data/triples.train.ids.small.tsv").write_text(triples)
    corpus = open_corpus(repository)
    check(corpus)
    assert [
        [text.split()[-1] for text in texts]
        for texts in corpus.column("negatives", corpus.rows[:, 1])
    ] == [["50", "40"], ["50"], ["10"], ["10"]]
    assert "dutch" in corpus.column("negatives", corpus.rows[:, 1])[0][0]


def test_negatives_of_triples_are_other_passages_and_at_most_ten(repository):
    """Passage 30 is of the group of query 3, and so never a negative of query 2."""
    (repository / "data/qrels.train.tsv").unlink()
    for name in LANGS:
        collection = repository / f"data/google/collections/{name}_collection.tsv"
        write_tsv(collection, {str(id_): f"passage {id_}" for id_ in range(10, 51)})
    lines = [f"2\t20\t{id_}\n" for id_ in (30, *range(31, 45), 31)]
    triples = "".join([*lines, "3\t20\t45\n", "3\t30\t45\n", "1\t30\t20\n"])
    path = repository / "data/triples.train.ids.small.tsv"
    path.write_text(triples)
    corpus = open_corpus(repository)
    found = dict(
        zip(*(corpus.column(name, corpus.rows[:, 0]) for name in ("id", "negatives")), strict=True)
    )
    assert found == {
        "2": [f"passage {id_}" for id_ in range(31, 40)],  # ten with 30
        "3#20": ["passage 45"], "3#30": ["passage 45"], "1": None,
    }  # fmt: skip
    path.write_text(triples + "2\t20\n1\t10\t99\n")
    with pytest.raises(DataError, match=r"small.tsv:20: found '2\\t20', expected ids of a query"):
        open_corpus(repository)
    path.write_text(triples + "1\t10\t99\n")
    with pytest.raises(DataError, match=r"passage id '99', which has no text in German"):
        open_corpus(repository)


def test_what_is_missing_or_wrong_is_named(repository, tmp_path):
    qrels = repository / "data/qrels.train.tsv"
    qrels.write_text(QRELS + "9 0 10 1\n1 0 99 1\nnonsense\n")
    with pytest.raises(DataError, match=r"train.tsv:8: found 'nonsense', expected ids of a query"):
        open_corpus(repository)
    corpus = open_corpus(repository, skip_bad=tmp_path / "bad.jsonl")
    assert (len(corpus), corpus.counts.skipped) == (4, 6)
    bad = (tmp_path / "bad.jsonl").read_text()
    assert "query id '9', which has no text in German" in bad
    assert "passage id '99', which has no text in Dutch" in bad
    qrels.write_text(QRELS)
    collection = repository / "data/google/collections/dutch_collection.tsv"
    collection.write_text("10\n")
    with pytest.raises(DataError, match=r"dutch_collection.tsv: found .*expected an id and a text"):
        open_corpus(repository)
    collection.unlink()
    with pytest.raises(
        DataError, match=r"found no collection in Dutch \(nl\), expected queries and"
    ):
        open_corpus(repository)

import codecs
import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from evenrank.errors import ConfigError, DataError, FileError
from evenrank.results.run_files import read_benchmark, read_run

LANGUAGES = """\
passage\tp1\tdeu
passage\tp2\ten
passage\tü3\ten
query\tq1\tde\tbath
query\tp1\tEN\tbath
query\tq3\ten
"""
QRELS = "q1 0 p1 1\nq1 0 p2 2\n\np1\t0\tü3\t1\np1 0 p2 0\n"
RUN = "q1 Q0 p1 1 0.5 mine\np1 Q0 p2 1 2e0 mine\nq1 Q0 ü3 2 .5 mine\nq1 Q0 p2 3 0.75 mine\n"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def files(write):
    return write("bath.qrels", QRELS), write("languages.tsv", LANGUAGES)


@pytest.mark.parametrize("at", range(2))
def test_a_file_that_is_not_there_is_one_plain_line(files, tmp_path, at):
    given = [*files]
    given[at] = tmp_path / "nothing"
    with pytest.raises(FileError, match=r"/nothing: no such file or folder\. Check the name\.$"):
        read_benchmark(*given)


def test_qrels_and_languages_make_a_benchmark(files):
    benchmark = read_benchmark(*files)
    assert benchmark.name == "bath"
    assert benchmark.languages == ("de", "en")
    assert benchmark.queries.ids.to_pylist() == ["q1", "p1", "q3"]
    assert benchmark.queries.langs.tolist() == [0, 1, 1]
    assert benchmark.parallel.tolist() == [0, 0, 1]
    assert benchmark.passages.ids.to_pylist() == ["p1", "p2", "ü3"]
    assert benchmark.relevance.indptr.tolist() == [0, 2, 3, 3]
    assert benchmark.relevance.passages.tolist() == [0, 1, 2]


def test_a_query_without_a_question_is_no_translation_of_one_called_like_it(files):
    files[1].write_text(LANGUAGES + "query\tq4\tde\tq3\n", encoding="utf-8")
    assert read_benchmark(*files).parallel.tolist() == [0, 0, 1, 2]


def test_grades_are_kept_from_the_level_on(files):
    assert read_benchmark(*files).relevance.grades.tolist() == [1, 2, 1]
    high = read_benchmark(*files, relevance_level=2)
    assert high.relevance.indptr.tolist() == [0, 1, 1, 1]
    assert high.relevance.passages.tolist() == [1]
    assert high.card.title == "Relevance of bath.qrels, from grade 2"
    with pytest.raises(DataError, match=r"qrels:1: found no relevant passage.*grade of 3 or more"):
        read_benchmark(*files, relevance_level=3)
    with pytest.raises(ConfigError, match="relevance level: found 0, expected 1 or more"):
        read_benchmark(*files, relevance_level=0)


def test_a_run_is_read_in_the_order_of_trec_eval(files, write):
    run = read_run(write("run.txt", RUN), read_benchmark(*files))
    assert run.tag == "mine"
    assert run.queries.tolist() == [0, 0, 0, 1]
    assert run.passages.tolist() == [1, 2, 0, 1]  # p2, then ü3 before p1 by id
    assert run.scores.tolist() == [0.75, 0.5, 0.5, 2.0]


def test_scores_that_are_equal_as_32_bit_floats_tie(files, write):
    lines = "q1 Q0 p1 1 0.50000000001 t\nq1 Q0 p2 2 0.5 t\n"
    assert read_run(write("r", lines), read_benchmark(*files)).passages.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("run.gz", lambda text: gzip.compress(text)),
        ("run", lambda text: gzip.compress(text)),  # packed under a name that does not say so
        ("run.gz", lambda text: text),
        ("run", lambda text: text.replace(b"\n", b"\r\n")),
        ("run", lambda text: codecs.BOM_UTF8 + text),
        ("run", lambda text: gzip.compress(codecs.BOM_UTF8 + text)),
    ],
)
def test_files_of_other_systems_are_the_same_files(files, write, tmp_path, name, change):
    benchmark = read_benchmark(*files)
    plain = read_run(write("plain", RUN), benchmark)
    (tmp_path / name).write_bytes(change(RUN.encode()))
    other = read_run(tmp_path / name, benchmark)
    assert np.array_equal(plain.passages, other.passages)
    assert plain.tag == other.tag
    for text, file in ((QRELS, "bath.qrels"), (LANGUAGES, "languages.tsv")):
        (tmp_path / file).write_bytes(change(text.encode()))
    again = read_benchmark(*files)
    assert again.fingerprint == benchmark.fingerprint


def packed(change):
    return change(bytearray(gzip.compress(RUN.encode() * 50, mtime=0)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"run:1: found no line in the file, expected 'query Q0"),
        (RUN.encode("utf-16"), r"run:1: found text in UTF-16.*Save the file as UTF-8"),
        (packed(lambda data: data[:-9]), r"run: found damage \(Compressed file ended"),
        (packed(lambda data: data[:15] + b"\xff" * 20), r"run: found damage \(Error -3"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(files, tmp_path, content, message):
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_run(tmp_path / "run", read_benchmark(*files))


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "line", [f"{LONG} Q0 p1 1 1 t", f"q1 Q0 {LONG} 1 1 t", f"q1 Q0 p1 1 {LONG} t", LONG]
)
def test_a_field_is_not_shown_at_any_length(files, write, line):
    with pytest.raises(DataError, match=r"run:1: found ") as caught:
        read_run(write("run", f"{line}\n"), read_benchmark(*files))
    assert len(str(caught.value)) < 400
    if " " in line:
        assert "... (100,000 characters)" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("q1 Q0 p1 1 0.5\n", r"run:1: found 5 fields, expected 'query Q0 passage rank score tag'"),
        ("\nq1 Q0 p1 1 high t\n", r"run:2: found score 'high', expected a finite 32-bit number"),
        ("q1 Q0 p1 1 nan t\n", r"run:1: found score 'nan'"),
        ("q1 Q0 p1 1 1e39 t\n", r"run:1: found score '1e39'"),
        ("q1 Q0 p1 1 1_0 t\n", r"run:1: found score '1_0'"),
        ("q1 Q0 p9 1 1 t\n", r"run:1: found passage 'p9', whose language is not known"),
        ("q9 Q0 p1 1 1 t\n", r"run:1: found query 'q9', whose language is not known"),
        (
            "q1 Q0 p1 1 1 t\nq1 Q0 p2 1 1 t\nq1 Q0 p1 2 0 t\n",
            r"run:3: found passage 'p1' again for query 'q1', expected it once, as in line 1",
        ),
        (" \n", r"run:1: found no line"),
    ],
)
def test_a_bad_run_names_its_line(files, write, lines, message):
    with pytest.raises(DataError, match=message):
        read_run(write("run", lines), read_benchmark(*files))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("q1 0 p1\n", r"qrels:1: found 3 fields, expected 'query 0 passage grade'"),
        ("q1 0 p1 yes\n", r"qrels:1: found grade 'yes', expected a whole number"),
        (f"q1 0 p1 {'9' * 5000}\n", r"qrels:1: found grade '9{60}'... \(5,000 characters\)"),
        ("q1 0 p1 1\nq1 0 p1 0\n", r"qrels:2: found passage 'p1' again.*as in line 1"),
        ("q1 0 p9 1\n", r"qrels:1: found passage 'p9' without a language.*languages.tsv"),
        ("q9 0 p1 1\n", r"qrels:1: found query 'q9' without a language"),
        ("q1 0 p1 0\nq1 0 p2 -1\n", r"no relevant passage"),
    ],
)
def test_bad_qrels_name_their_line(files, write, lines, message):
    with pytest.raises(DataError, match=message):
        read_benchmark(write("qrels", lines), files[1])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("document\tp1\ten\n", r"langs:1: found 'document' with 2 more fields"),
        (
            "passage\tp1\n",
            r"langs:1: found 'passage' with 1 more fields.*<TAB>language",
        ),
        ("passage\tp 1\ten\n", r"langs:1:.*ids without blanks"),
        ("passage\tp1\ten\nquery\tp1\ten\npassage\tp1\tde\n", r"langs:3: found passage 'p1' twice"),
        ("passage\tp1\tklingonish\n", r"langs:1: found language code 'klingonish'"),
        ("passage\tp1\ten\n", r"no query"),
    ],
)
def test_bad_languages_name_their_line(files, write, lines, message):
    with pytest.raises(DataError, match=message):
        read_benchmark(files[0], write("langs", lines))


def test_bytes_that_are_no_text_are_refused(files, tmp_path):
    (tmp_path / "latin").write_bytes("query\tfür\tde\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin:1.*UTF-8"):
        read_benchmark(files[0], tmp_path / "latin")


def test_a_missing_file_is_one_line(files, tmp_path):
    with pytest.raises(FileError, match="nowhere: no such file or folder"):
        read_run(tmp_path / "nowhere", read_benchmark(*files))


def test_the_files_shown_in_the_documentation_can_be_read(write):
    page = Path(__file__).parents[2] / "docs" / "interoperability.md"
    blocks = re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    run, qrels, languages = (write(f"file{at}", block) for at, block in enumerate(blocks))
    benchmark = read_benchmark(qrels, languages)
    assert benchmark.parallel.tolist() == [0, 0]
    assert read_run(run, benchmark).passages.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2003"])
def test_only_ascii_white_space_separates_fields(write, space):
    languages = f"passage\tp{space}1\ten\nquery\tq{space}1\tde\n"
    files = write("a.qrels", f"q{space}1 0 p{space}1 1\n"), write("languages.tsv", languages)
    benchmark = read_benchmark(*files)
    assert benchmark.passages.ids.to_pylist() == [f"p{space}1"]
    run = read_run(write("run", f"q{space}1\tQ0  p{space}1 1 +1.5 t\n"), benchmark)
    assert (run.passages.tolist(), run.scores.tolist()) == ([0], [1.5])


@pytest.mark.parametrize(
    ("file", "name"), [(".qrels", "qrels"), ("a.b.txt", "a"), ("...", "qrels"), ("qrels", "qrels")]
)
def test_every_qrels_file_has_a_name(files, tmp_path, file, name):
    (tmp_path / file).write_text(QRELS, encoding="utf-8")
    assert read_benchmark(str(tmp_path / file), str(files[1])).name == name

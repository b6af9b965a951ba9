import json
import math
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.evaluate import evaluate_command
from evenrank.errors import ConfigError, DataError
from evenrank.results.folder import read_evaluation
from evenrank.results.schema import SETTINGS

QRELS = "q1 0 p1 1\nq1 0 p2 1\nq2 0 p1 1\nq2 0 p2 1\n"
LANGUAGES = (
    "query\tq1\tde\tbath\nquery\tq2\ten\tbath\npassage\tp1\tde\npassage\tp2\ten\npassage\tp3\ten\n"
)
RUN = "q1 Q0 p1 1 9 BM25\nq1 Q0 p3 2 8 BM25\nq2 Q0 p2 1 7 BM25\nq2 Q0 p1 2 6 BM25\n"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working folder with a run, qrels and languages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    for name, text in (("bath.qrels", QRELS), ("languages.tsv", LANGUAGES), ("bm25.run", RUN)):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(*arguments):
    app = typer.Typer()
    app.command()(evaluate_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


FILES = ("--trec-run", "bm25.run", "--qrels", "bath.qrels", "--languages-file", "languages.tsv")


def test_a_run_is_scored_and_the_output_says_where_it_ends(place):
    done = run(*FILES)
    assert done.exit_code == 0, done.output
    result = read_evaluation(place / "results" / "BM25" / "bath").result
    assert result.settings["multi"]["AP"] == pytest.approx((1 / 2 + 1) / 2)
    assert result.settings["mono"]["AP"] == 1
    assert result.bias["rank_distance"] == pytest.approx((2 + 1) / 2)  # p2 at rank 3, behind p3
    assert "ends after 2 passages" in done.output
    assert "misses 1 of 4 relevant passages (25.0%)" in done.output
    assert "missing passages rank 3" in done.output


def test_grades_are_told_and_a_level_leaves_the_lower_ones_out(place):
    assert "grade" not in run(*FILES).output
    (place / "bath.qrels").write_text(QRELS.replace("q1 0 p2 1", "q1 0 p2 3"))
    done = run(*FILES, "-m", "AP", "-m", "nDCG", "--overwrite")
    assert "3 of grade 1, 1 of grade 3; they are gains for nDCG" in done.output
    found = read_evaluation(place / "results" / "BM25" / "bath").per_query.set_index("query_id")
    multi = found[found["pool"] == "multi"]
    assert multi["AP"].to_dict() == {"q1": 1 / 2, "q2": 1}
    assert multi.loc["q1", "nDCG"] == pytest.approx(1 / (3 + 1 / math.log2(3)))
    done = run(*FILES, "-m", "AP", "--overwrite", "--relevance-level", "2")
    assert "misses 1 of 1 relevant passages" in done.output


def test_every_requested_measure_is_shown(place):
    done = run(*FILES, "-m", "AP", "-m", "Complete@2", "-m", "MaxR_norm")
    rows = {line.split()[0]: line.split()[1:] for line in done.output.splitlines() if line.split()}
    assert rows["AP"][:3] == ["1.0000", ".5000", ".7500"]
    assert len(rows["AP"]) == len(SETTINGS)
    assert rows["Complete@2"] == [".5000"]
    assert len(rows["MaxR_norm"]) == 1
    assert "AP" in run(*FILES, "--overwrite").output


def test_json_is_the_result_and_nothing_else(place):
    done = run(*FILES, "--json", "--output", "here", "--label", "words", "-m", "AP")
    assert json.loads(done.stdout) == json.loads((place / "here" / "result.json").read_bytes())
    assert json.loads(done.stdout)["model"]["label"] == "words"
    assert done.stderr == ""


def test_a_run_on_a_benchmark_needs_no_other_files(place):
    for lang, word in (("de", "Bad"), ("en", "bath")):
        row = {"id": "1", "passage_id": "p", "query": f"{word}?", "passage": f"{word}."}
        (place / "corpus").mkdir(exist_ok=True)
        (place / "corpus" / f"{lang}.jsonl").write_text(json.dumps(row) + "\n")
    exported = run("--trec-run", "bm25.run", "-b", "corpus:corpus")
    assert isinstance(exported.exception, DataError)
    assert "bm25.run:1: found query 'q1'" in str(exported.exception)
    from evenrank.benchmarks.benchmark import load_benchmark

    benchmark = load_benchmark("corpus:corpus")
    (query, _), (passage, _) = (
        benchmark.queries.ids.to_pylist(),
        benchmark.passages.ids.to_pylist(),
    )
    (place / "mine.run").write_text(f"{query} Q0 {passage} 1 1 mine\n")
    done = run("--trec-run", "mine.run", "-b", "corpus:corpus")
    assert done.exit_code == 0, done.output
    assert (place / "results" / "mine" / "corpus-corpus" / "result.json").exists()
    assert "all passages of 1 of 2 queries" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("model",),
        ("model", *FILES),
        ("--trec-run", "bm25.run"),
        (*FILES, "--write-run"),
        (*FILES, "--store", "store"),
        ("--trec-run", "bm25.run", "--qrels", "bath.qrels"),
        ("--trec-run", "bm25.run", "-b", "xquad-r", "--relevance-level", "2"),
        (*FILES, "--benchmark", "xquad-r"),
        ("--trec-run", "bm25.run", "-b", "xquad-r", "-b", "mlqa-r"),
        ("model", "--qrels", "bath.qrels", "--languages-file", "languages.tsv"),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(place, arguments):
    done = run(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert "evenrank evaluate --trec-run FILE" in str(done.exception)
    assert not (place / "results").exists()


def test_what_exists_is_refused_or_replaced():
    run(*FILES)
    again = run(*FILES)
    assert isinstance(again.exception, ConfigError)
    assert "--overwrite" in str(again.exception)
    assert run(*FILES, "--overwrite").exit_code == 0


@pytest.mark.slow
def test_torchrun_passes_the_flags_of_a_run_on(place):
    """torchrun takes an abbreviation of its own options, such as --run, for itself."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1"]
    command += ["--standalone", "-m", "evenrank", "evaluate", *FILES, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["config"]["run"]["depth"] == 2
    assert (place / "results" / "BM25" / "bath" / "result.json").exists()

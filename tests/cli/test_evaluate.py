import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import evenrank
from evenrank.cli.evaluate import evaluate_command
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.results.folder import read_evaluation

WORDS = {"de": ["eins", "zwei", "drei"], "en": ["one", "two", "three"]}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a corpus and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    for lang, words in WORDS.items():
        rows = [
            {"id": str(at), "passage_id": f"p{at}", "query": f"{word}?", "passage": f"{word}."}
            for at, word in enumerate(words)
        ]
        path = tmp_path / "corpus" / f"{lang}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    texts = [f"{word}{mark}" for words in WORDS.values() for word in words for mark in "?."]
    build_encoder("static", texts, {"width": 8}).save_pretrained("runs/mine/model")
    return tmp_path


def run(*arguments):
    app = typer.Typer()
    app.command()(evaluate_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_tables_are_printed_and_the_result_is_where_it_says(place):
    done = run("runs/mine/model", "--benchmark", "corpus:corpus")
    assert done.exit_code == 0, done.output
    folder = place / "results" / "mine" / "corpus-corpus"
    evaluation = read_evaluation(folder)
    assert "results/mine/corpus-corpus" in done.output
    assert f"{evaluation.result.settings['cross']['AP']:.4f}".removeprefix("0") in done.output
    assert "de  German" in done.output
    assert not (folder / "run.trec").exists()


def test_json_is_the_result_and_nothing_else(place):
    done = run(
        "runs/mine/model", "-b", "corpus:corpus", "--json", "--output", "here", "--write-run"
    )
    assert json.loads(done.stdout) == json.loads((place / "here" / "result.json").read_bytes())
    assert (place / "here" / "run.trec").exists()
    assert done.stderr == ""


def test_several_benchmarks_have_a_folder_each(place):
    (place / "corpus").rename(place / "one")
    (place / "two").symlink_to(place / "one")
    options = ("--label", "a/b", "-m", "AP", "-m", "RR@3", "--json")
    done = run("runs/mine/model", "-b", "corpus:one", "-b", "corpus:two", *options)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["model"]["label"] for result in results] == ["a/b", "a/b"]
    assert list(results[0]["pairs"]) == ["AP", "RR@3"]
    folders = sorted(path.name for path in (place / "results" / "a-b").iterdir())
    assert folders == ["corpus-one", "corpus-two"]


def test_what_exists_is_refused_before_the_model_is_read(place):
    run("runs/mine/model", "-b", "corpus:corpus", "--output", "here")
    again = run("no/such/model", "-b", "corpus:corpus", "--output", "here")
    assert isinstance(again.exception, ConfigError)
    assert "--overwrite" in str(again.exception)
    assert (
        run("runs/mine/model", "-b", "corpus:corpus", "--output", "here", "--overwrite").exit_code
        == 0
    )


def test_all_folders_are_looked_at_before_the_first_benchmark(place):
    run("runs/mine/model", "-b", "corpus:corpus", "--output", "here/corpus-.-corpus")
    both = run(
        "runs/mine/model", "-b", "corpus:corpus", "-b", "corpus:./corpus", "--output", "here"
    )
    assert isinstance(both.exception, ConfigError)
    assert not (place / "here" / "corpus-corpus").exists()


def test_overwrite_spares_folders_that_are_no_results(place):
    done = run("runs/mine/model", "-b", "corpus:corpus", "--output", "corpus", "--overwrite")
    assert isinstance(done.exception, ConfigError)
    assert (place / "corpus" / "de.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-b", "xquad"), "nearest is 'xquad-r'"),
        (("-b", "corpus:corpus", "-b", "xquad"), "unknown benchmark 'xquad'"),
        (("-b", "corpus:corpus", "-m", "rank_distances"), "nearest is 'rank_distance'"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest_and_nothing_is_written(place, options, message):
    done = run("runs/mine/model", *options)
    assert isinstance(done.exception, UnknownNameError)
    assert message in str(done.exception)
    assert not (place / "results").exists()


def test_benchmarks_that_would_share_a_folder_are_refused(place):
    done = run("runs/mine/model", "-b", "corpus:a/b", "-b", "corpus:a-b")
    assert isinstance(done.exception, ConfigError)
    assert "share a folder" in str(done.exception)


def test_embeddings_are_kept_in_a_store(place):
    options = ("runs/mine/model", "-b", "corpus:corpus", "--json", "--overwrite")
    plain = json.loads(run(*options).stdout)
    stored = json.loads(run(*options, "--store", "store", "--precision", "float16").stdout)
    assert stored["settings"] == plain["settings"]
    assert stored["config"]["precision"] == "float16"
    kept = {path.name for path in (place / "store" / plain["model"]["fingerprint"]).iterdir()}
    assert kept == {"passage-float16", "query-float16"}


def test_half_precision_needs_a_store(place):
    with pytest.raises(ConfigError, match="no --store"):
        raise run("runs/mine/model", "-b", "corpus:corpus", "--precision", "float16").exception


def test_a_device_ranks(place):
    options = ("runs/mine/model", "-b", "corpus:corpus", "--json", "--overwrite")
    plain, ranked = (
        json.loads(run(*options, *more).stdout) for more in ((), ("--rank-device", "cpu"))
    )
    assert ranked["settings"] == plain["settings"]
    assert ranked["config"]["rank_device"] == "cpu"


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "evenrank", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_a_failure_of_the_second_process_ends_both_with_one_message(place):
    words = [f"wort {'und ' * number}" for number in range(15)]  # 30 texts: 4 units of 8
    rows = [
        {"id": f"{at}", "passage_id": f"p{at}", "query": "eins?", "passage": word}
        for at, word in enumerate([*words, "\u2581"])  # the shortest: the last unit is the second's
    ]
    rows += [row | {"lang": "en"} for row in rows[:14]]
    lines = [json.dumps({"lang": "de"} | row) + "\n" for row in rows]
    (place / "bad.jsonl").write_text("".join(lines), encoding="utf-8")
    options = ("-b", "corpus:bad.jsonl", "--batch-size", "1", "--output", "here")
    done = torchrun("evaluate", "runs/mine/model", *options)
    assert done.returncode == 1, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, done.stderr
    assert "found an embedding of zeros" in said[0]
    assert f'File "{Path(evenrank.__file__).parent}' not in done.stderr  # no traceback of ours
    assert (done.stdout, (place / "here").exists()) == ("", False)

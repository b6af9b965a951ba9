import json
import runpy
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.compare import compare_command
from evenrank.comparison.compare import compare
from evenrank.errors import ConfigError, DataError

SAMPLES = Path(__file__).parents[1] / "report" / "conftest.py"
FEW = ("--permutations", "199", "--resamples", "99")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three result folders; the first prefers the language of the query most."""
    samples = runpy.run_path(str(SAMPLES))
    benchmark = samples["make_benchmark"]("territories")
    root = tmp_path_factory.mktemp("results")
    return [
        samples["write_sample"](root / retriever.label, benchmark, retriever)
        for retriever in samples["RETRIEVERS"]
    ]


def run(*arguments):
    app = typer.Typer()
    app.command()(compare_command)
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(outcome.exception, ConfigError | DataError):
        raise outcome.exception  # as the command line's main function gets it
    return outcome


def test_tables_for_settings_languages_and_pairs(results, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    outcome = run(*results, *FEW)
    assert outcome.exit_code == 0
    for text in (
        "territories: x-y against x-x-mono",
        "territories: hybrid against x-x-mono",
        "multi rank distance",
        "AP, multilingual pool: difference",
        "tr  Turkish",
        "pairs of query language and passage language",
    ):
        assert text in outcome.stdout
    assert "gates" not in outcome.stdout


def test_json_is_the_comparison_and_nothing_else(results):
    outcome = run(*results[:2], "-m", "AP", "--gate", "R@1 mono -1", "--seed", "7", "--json", *FEW)
    assert outcome.exit_code == 0
    expected = compare(
        results[:2],
        measures=["AP"],
        gates=["R@1 mono -1"],
        seed=7,
        permutations=199,
        resamples=99,
    )
    assert json.loads(outcome.stdout) == json.loads(json.dumps(expected.to_dict()))
    assert [gate["verdict"] for gate in json.loads(outcome.stdout)["gates"]] == ["passed"]


def test_a_failed_gate_exits_with_one(results):
    """From the least biased to the most: rank distance grows far beyond what is allowed."""
    gate = ("--gate", "rank_distance multi -0.5")
    backwards = run(results[1], results[0], *gate, *FEW)
    assert backwards.exit_code == 1
    assert "failed" in backwards.stdout
    forwards = run(results[0], results[1], *gate, *FEW)
    assert forwards.exit_code == 0
    assert "passed" in forwards.stdout
    also = run(results[1], results[0], *gate, "--gate", "AP mono -1", "--json", *FEW)
    assert also.exit_code == 1
    assert [one["verdict"] for one in json.loads(also.stdout)["gates"]] == ["failed", "passed"]


def test_an_undecided_gate_stops_nobody(results):
    """The loss that is allowed is the very one there is, which the questions leave open."""
    change = compare(results[:2], measures=["AP"], permutations=9, resamples=99).rows[0]
    assert (change.kind, change.setting) == ("setting", "mono")
    pair = results[:2] if change.difference < 0 else results[1::-1]
    gate = f"AP mono {-abs(change.difference)}"
    outcome = run(*pair, "-m", "AP", "--gate", gate, "--json", *FEW)
    assert [one["verdict"] for one in json.loads(outcome.stdout)["gates"]] == ["undecided"]
    assert outcome.exit_code == 0


def test_wrong_input_is_an_error_and_not_a_failed_gate(results, tmp_path):
    with pytest.raises(ConfigError, match=r"AP mono -0\.01"):
        run(*results, "--gate", "AP mono")
    with pytest.raises(ConfigError, match="two or more"):
        run(results[0])
    with pytest.raises(DataError, match="no result"):
        run(results[0], tmp_path)
    assert run(*results, "--permutations", "0").exit_code == 2

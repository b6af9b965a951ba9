import json
import runpy
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.report import report_command
from evenrank.errors import ConfigError, DataError

SAMPLES = Path(__file__).parents[1] / "report" / "conftest.py"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two result folders."""
    samples = runpy.run_path(str(SAMPLES))
    benchmark = samples["make_benchmark"]("territories", territories=("AT", "BR", "EG", "TR"))
    root = tmp_path_factory.mktemp("results")
    return [
        str(samples["write_sample"](root / retriever.label, benchmark, retriever))
        for retriever in samples["RETRIEVERS"][:2]
    ]


def run(*arguments):
    app = typer.Typer()
    app.command()(report_command)
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(outcome.exception, ConfigError | DataError):
        raise outcome.exception  # as the command line's main function gets it
    return outcome


def test_report_is_html_in_the_working_folder_by_default(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*results)
    assert outcome.exit_code == 0
    assert outcome.stdout == "report  report.html\n"
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "x-x-mono and x-y on 1 benchmark." in page


def test_the_ending_of_the_output_names_the_format(results, tmp_path):
    run(*results, "--output", tmp_path / "a.md")
    run(*results, "--output", tmp_path / "a.json")
    run(*results, "--output", tmp_path / "v1.2")
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("# ")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["parts"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.md", "v1.2.html"]


def test_several_formats_and_json_output(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*results, "--format", "md", "--format", "json", "--json")
    assert json.loads(outcome.stdout) == {"files": {"md": "report.md", "json": "report.json"}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_an_ending_that_contradicts_the_format_is_refused(results, tmp_path):
    with pytest.raises(ConfigError, match="html"):
        run(*results, "--output", tmp_path / "a.html", "--format", "md")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_needs_overwrite(results, tmp_path):
    output = tmp_path / "a.md"
    output.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="--overwrite"):
        run(*results, "--output", output)
    assert output.read_text(encoding="utf-8") == "mine"
    assert run(*results, "--output", output, "--overwrite").exit_code == 0
    assert output.read_text(encoding="utf-8").startswith("# ")


def test_what_is_no_result_is_named(results, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="empty: found no result"):
        run(results[0], empty, "--output", tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_no_result_and_unknown_formats_are_refused(results):
    assert run().exit_code == 2
    with pytest.raises(ConfigError, match="unknown format 'pdf'"):
        run(*results, "--format", "html,pdf")

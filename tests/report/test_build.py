import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evenrank.errors import ConfigError, DataError
from evenrank.report.build import build_report, write_report
from evenrank.report.content import Text
from evenrank.report.section import SECTIONS, section, sections_in_order
from evenrank.results.folder import Evaluation, read_evaluation

BENCHMARK_SECTIONS = [
    "headline",
    "single",
    "languages",
    "comparison",
    "pairs",
    "rank-distance",
    "share",
    "worst",
    "examples",
    "measures",
    "benchmark",
]


def names(part):
    return [section.name for section in part.sections]


def test_results_on_one_benchmark_are_in_one_part(samples):
    report = build_report([samples[0], samples[3], samples[1], samples[4]])
    assert [part.title for part in report.parts] == ["territories", "half", "All results"]
    assert names(report.parts[0]) == names(report.parts[1]) == BENCHMARK_SECTIONS
    assert names(report.parts[2]) == ["losses", "definitions", "provenance"]
    headline = report.parts[1].sections[0].blocks[1]
    assert [row.title for row in headline.rows[:2]] == ["x-x-mono", "x-y"]


def test_one_name_with_different_content_is_two_benchmarks(samples, edited):
    other = edited(samples[1], benchmark__fingerprint="feedbeef")
    titles = [part.title for part in build_report([samples[0], other]).parts]
    assert titles[1] == "territories [feedbeef]"
    assert titles[0] != titles[1]
    assert len(titles) == 3


def test_one_result_alone_is_a_report(samples):
    report = build_report(samples[:1])
    assert names(report.parts[0]) == [name for name in BENCHMARK_SECTIONS if name != "comparison"]
    assert report.lead == "x-x-mono on 1 benchmark."


def test_sections_without_anything_to_show_are_left_out(samples, edited):
    bare = edited(
        samples[0],
        examples=[],
        worst=[],
        model__training=None,
        bias={},
        pairs={},
        single={},
        pool={},
    )
    report = build_report([bare])
    assert names(report.parts[0]) == ["headline", "share", "measures", "benchmark"]
    assert names(report.parts[1]) == ["definitions", "provenance"]


def test_a_section_registered_elsewhere_takes_its_place(samples, monkeypatch):
    sections_in_order("benchmark")  # so that the registry has its own before it is copied
    monkeypatch.setattr(SECTIONS, "_entries", dict(SECTIONS._entries))

    @section("count", "Count", order=15)
    def count(entries):
        yield Text(f"{len(entries)} results")

    report = build_report(samples[:2])
    assert names(report.parts[0])[:3] == ["headline", "count", "single"]
    assert report.parts[0].sections[1].blocks == (Text("2 results"),)


def test_the_same_results_give_the_same_bytes(samples, tmp_path):
    """Also in another process, whose sets have another order."""
    once = write_report(samples[2:4], tmp_path / "report.html", ("html", "md", "json"))
    code = (
        "import sys; from pathlib import Path; from evenrank.report.build import write_report\n"
        "write_report([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]), "
        "('html', 'md', 'json'))"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "again", *samples[2:4]],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
        check=True,
    )
    assert [path.name for path in once] == ["report.html", "report.md", "report.json"]
    for path in once:
        assert path.read_bytes() == (tmp_path / f"again{path.suffix}").read_bytes()


def test_json_holds_the_figures_themselves(samples, tmp_path):
    (path,) = write_report(samples[:3], tmp_path / "report.json", ["json"])
    report = json.loads(path.read_text(encoding="utf-8"))
    pairs = report["parts"][0]["sections"][BENCHMARK_SECTIONS.index("pairs")]
    kinds = [
        block["kind"] for section in report["parts"][0]["sections"] for block in section["blocks"]
    ]
    assert {"text", "table", "figure", "query", "fold"} <= set(kinds)
    assert [panel["kind"] for panel in pairs["blocks"][1]["panels"]] == ["table"] * 3


def test_a_file_that_exists_is_kept(samples, tmp_path):
    output = tmp_path / "report.html"
    output.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="--overwrite"):
        write_report(samples[:1], output, ["md", "html"])
    assert output.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    write_report(samples[:1], output, overwrite=True)
    assert output.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("given", ["", "result.json"])
@pytest.mark.parametrize(
    "output", ["result.json", "report.html", "new/report.html", "../RESULT/../result/result.json"]
)
def test_a_report_never_replaces_or_changes_its_input(samples, edited, given, output):
    """Wherever the output is in the folder, and whether the folder or its file is named."""
    folder = edited(samples[0], name="result")
    (folder.parent / "RESULT").mkdir()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    form = output.rpartition(".")[2]
    with pytest.raises(ConfigError, match=r"inside of an input|the input itself"):
        write_report([folder / given], folder / output, [form], overwrite=True)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("other", ["result.json", "../result", "link", "link/result.json"])
def test_one_result_is_refused_twice_by_whatever_name(samples, edited, other):
    folder = edited(samples[0], name="result")
    (folder / "link").symlink_to(folder)
    with pytest.raises(ConfigError, match="twice"):
        build_report([folder, folder / other])


def test_an_evaluation_in_memory_gives_the_report_of_its_folder(samples):
    stored = read_evaluation(samples[0])
    tables = {name: stored.table(name) for name in ("per_query", "top", "ranks")}
    computed = Evaluation(stored.result, in_memory=tables)
    assert build_report([computed]) == build_report([samples[0]])


def test_paths_may_be_texts(samples, tmp_path):
    (path,) = write_report([str(samples[0])], str(tmp_path / "report.html"))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_bad_input_leaves_nothing_behind(samples, edited, tmp_path):
    training = {"log": [{"step": 1, "loss": "low"}]}
    bad = edited(samples[0], model__training=training)
    with pytest.raises(DataError, match=r"model\.training\.log\.0\.loss"):
        write_report([bad], tmp_path / "out" / "report.html")
    assert not (tmp_path / "out").exists()


def test_every_section_is_described():
    page = Path(__file__).parents[2] / "docs" / "report.md"
    described = page.read_text(encoding="utf-8").partition("| section |")[2].partition("\n\n")[0]
    titles = {SECTIONS.get(name).title for name in SECTIONS}
    assert {title for title in titles if title not in described} == set()

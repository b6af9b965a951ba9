import re

import pytest
from rich.console import Console

from evenrank.errors import ConfigError
from evenrank.evaluation.evaluate import evaluate
from evenrank.results.schema import SETTINGS
from evenrank.results.tables import headline_tables, language_table, measures_table
from evenrank.tables import to_rich


@pytest.fixture(scope="module")
def result(benchmark, model_folder):
    return evaluate(model_folder, benchmark, label="first").result


def changed(result, label, **figures):
    """The same result under another label with other figures."""
    model = result.model.model_copy(update={"label": label})
    return result.model_copy(update={"model": model, **figures})


def printed(*tables, width=200, style=False):
    console = Console(width=width, force_terminal=style, no_color=True, record=True, file=None)
    with console.capture() as capture:
        for table in tables:
            console.print(to_rich(table))
    return capture.get()


def bold(text):
    return [cell.strip() for cell in re.findall(r"\x1b\[1m([^\x1b]*)\x1b\[0m", text)]


def test_the_first_figures_are_in_one_row(result):
    text = printed(*headline_tables([result]))
    row = next(line for line in text.splitlines() if "first" in line)
    settings, bias = result.settings, result.bias
    figures = [
        settings["mono"]["AP"],
        settings["cross"]["AP"],
        settings["multi"]["AP"],
        settings["multi"]["R@10"],
        settings["own"]["R@10"],
        settings["other"]["R@10"],
    ]
    expected = [f"{value:.4f}".removeprefix("0") for value in figures]
    expected += [f"{bias['rank_distance']:.1f}", f"{bias['rank_distance_norm']:.4f}"]
    assert row.split() == ["first", *(cell.removeprefix("0") for cell in expected)]
    assert text.split("\n")[1].strip() == "numbers"
    least, random = result.references["rank_distance"].values()
    assert f"rank distance: minimum {least:.1f}, random order {random:.1f}" in text
    assert "4 of 40 queries have no relevant passage" in text


def test_the_best_of_each_column_is_bold(result):
    settings = {setting: dict(figures) for setting, figures in result.settings.items()}
    settings["mono"]["AP"] = 0.9999
    settings["cross"]["AP"] = 0.0001
    settings["multi"]["AP"] = None
    bias = result.bias | {"rank_distance": 1.5}
    (table,) = headline_tables([result, changed(result, "second", settings=settings, bias=bias)])
    rows = {
        name: line
        for line in printed(table, style=True).splitlines()
        for name in ("first", "second")
        if name in line
    }
    assert {".9999", "1.5"} <= set(bold(rows["second"]))
    assert f"{result.settings['cross']['AP']:.4f}"[1:] in bold(rows["first"])
    assert "–" in rows["second"]
    assert "–" not in bold(rows["second"])
    assert not bold(printed(*headline_tables([result]), style=True).split("first")[1])


def test_results_on_other_benchmarks_do_not_compete(result):
    other = result.benchmark.model_copy(update={"name": "letters", "fingerprint": "x"})
    tables = list(headline_tables([result, changed(result, "second", benchmark=other), result]))
    rows = {table.caption: [row.title for row in table.rows] for table in tables}
    assert rows == {"numbers": ["first", "first"], "letters": ["second"]}


def test_a_benchmark_is_known_by_its_content_not_by_its_name(result):
    other = result.benchmark.model_copy(update={"name": "letters"})
    (table,) = headline_tables([result, changed(result, "second", benchmark=other)])
    assert [row.title for row in table.rows] == ["first", "second"]
    assert language_table([result, changed(result, "second", benchmark=other)])


def test_other_measures_are_shown_in_every_setting(benchmark, model_folder):
    chosen = evaluate(model_folder, benchmark, measures=["nDCG@10", "P@5"]).result
    (table,) = headline_tables([chosen])
    assert [row.title for row in table.rows] == ["nDCG@10", "P@5"]
    assert [column.title for column in table.columns] == list(SETTINGS)


def test_many_measures_stand_below_one_another(benchmark, model_folder):
    names = ["nDCG@10", "P@5", "Complete@4", "MaxR_norm", "AP_spread", "rank_distance"]
    chosen = evaluate(model_folder, benchmark, measures=names).result
    text = printed(measures_table(chosen), width=80)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}
    expected = [chosen.settings[name]["P@5"] for name in SETTINGS]
    assert [float(cell) for cell in rows["P@5"]] == pytest.approx(expected, abs=5e-5)
    for name in names[2:5]:
        assert [float(cell) for cell in rows[name]] == pytest.approx([chosen.bias[name]], abs=5e-5)
    assert rows["rank_distance"] == [f"{chosen.bias['rank_distance']:.1f}"]
    assert "4 of 40 queries have no relevant passage" in " ".join(text.split())


def test_query_languages_stand_one_by_one(result):
    lines = printed(language_table([result])).splitlines()
    thai = next(line for line in lines if "th  Thai" in line)
    assert f"{result.pool['AP']['th']:.4f}"[1:] in thai
    assert f"{result.pool['W']['th']:.4f}"[1:] in thai
    assert "–" in thai  # nothing is written in Thai, so it cannot be preferred
    assert not any("Vietnamese" in line for line in lines)  # nobody asks in it
    mean = next(line for line in lines if "mean" in line)
    assert f"{result.bias['rank_distance']:.1f}" in mean


def test_several_results_have_a_column_each(result):
    pool = result.pool | {"AP": dict.fromkeys(result.pool["AP"], 0.5)}
    pool["AP"]["de"] = 0.9
    table = language_table([result, changed(result, "second", pool=pool)])
    headings = [(column.group, column.title) for column in table.columns]
    names = ("AP", "rank distance")
    assert headings == [(name, label) for name in names for label in ("first", "second")]
    text = printed(table, style=True)
    german = next(line for line in text.splitlines() if "German" in line)
    assert ".9000" in bold(german)
    assert f"{result.pool['AP']['de']:.4f}"[1:] in german


def test_labels_are_no_markup(result):
    odd = changed(result, "[red]a[/red]\x1b[31m")
    text = printed(*headline_tables([odd]), language_table([odd]), measures_table(odd))
    assert text.count("[red]a[/red]") == 3
    assert "\x1b" not in text


def test_what_cannot_be_put_into_a_table_is_refused(result):
    other = result.benchmark.model_copy(update={"name": "letters", "fingerprint": "x"})
    with pytest.raises(ConfigError, match="numbers and letters"):
        language_table([result, changed(result, "second", benchmark=other)])
    with pytest.raises(ConfigError, match="no result"):
        language_table([])
    assert list(headline_tables([])) == []

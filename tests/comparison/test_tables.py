import pytest
from rich.console import Console

from evenrank.comparison.compare import compare
from evenrank.comparison.tables import (
    gates_table,
    languages_table,
    pairs_table,
    settings_table,
)
from evenrank.tables import to_rich


def printed(table, width=160):
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(to_rich(table))
    return capture.get()


@pytest.fixture
def better(folders, write, asked, values):
    """A system that is ahead of the first everywhere, but behind in its German pool."""
    ahead = values[0] + 0.2
    ahead[:, 0] = values[0][:, 0] - 0.2
    return compare(
        [folders[0], write("[b]better", asked, ahead)],
        permutations=999,
        resamples=99,
        gates=["AP multi -0.1"],
    )


def test_settings_show_figures_interval_and_significance(better):
    text = printed(settings_table(better, "[b]better"))
    assert "made: [b]better against before" in text  # a label is not markup
    row = next(row for row in better.select("setting") if row.setting == "multi")
    line = next(line for line in text.splitlines() if line.startswith("multi AP"))
    assert f"{row.value:.4f}".removeprefix("0") in line
    assert "+.2000 ▲ +.2000, +.2000" in " ".join(line.split())
    assert f"{row.p_holm:.4f}".removeprefix("0") in line
    assert "999 permutations, 99 resamples of 8 blocks" in text
    assert "left out" not in text


def test_queries_left_out_are_told(folders):
    found = compare(folders, permutations=99, resamples=9)
    text = printed(settings_table(found, "after"))
    assert "AP cross: 1 values left out that only one of the results has" in text


def test_what_is_left_out_is_told(write, asked, values):
    def both(table):
        return table.append_column("rank_distance", table["AP"])

    runs = [
        write(f"of {depth}", asked, values[0], both, config={"run": {"depth": depth}})
        for depth in (10, 20)
    ]
    found = compare(runs, permutations=99, resamples=9)
    assert "rank_distance is left out: these rankings end at different depths" in printed(
        settings_table(found, "of 20")
    )


def test_unknown_translations_are_told(folders, write, asked, values):
    apart = [(at, lang) for at, (_, lang) in enumerate(asked)]
    alone = [write(f"apart {at}", apart, values[at]) for at in range(2)]
    found = compare(alone, permutations=99, resamples=9)
    note = "no query is known to be a translation of another"
    assert note in printed(settings_table(found, "apart 1"))
    together = compare(folders, permutations=99, resamples=9)
    assert note not in printed(settings_table(together, "after"))


def test_too_few_permutations_are_told(folders):
    few = compare(folders, permutations=99, resamples=9)
    assert "9 tests of one family" in printed(settings_table(few, "after"))
    enough = compare(folders, permutations=999, resamples=9)
    assert "tests of one family" not in printed(settings_table(enough, "after"))
    exact = compare(folders, exact=True, resamples=9)
    assert "all signs tried" in printed(settings_table(exact, "after"))


def test_languages_have_a_row_each(better):
    text = printed(languages_table(better, "AP"))
    rows = {line.split()[0]: line for line in text.splitlines() if "▲" in line or "▼" in line}
    assert "tr  Turkish" in text
    assert all("+.2000" in line for line in rows.values())


def test_pairs_are_counted_and_the_largest_changes_named(better):
    text = printed(pairs_table(better))
    rows = list(better.select("pair"))
    line = next(line for line in text.splitlines() if "[b]better" in line)
    counts = [sum(row.outcome == name for row in rows) for name in ("better", "worse", "even")]
    assert line.split()[1:5] == ["AP", "9", *map(str, counts[:2])]
    assert "→de -.2000" in text
    assert "+.2000" in text


def test_gates_say_what_became_of_them(better):
    line = next(
        line for line in printed(gates_table(better.gate_results)).splitlines() if "AP" in line
    )
    assert line.split() == [
        "AP",
        "multi",
        "-0.1",
        "[b]better",
        "+.2000",
        "+.2000",
        "+.2000",
        "passed",
    ]

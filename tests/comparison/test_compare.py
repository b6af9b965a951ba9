import json
import runpy
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from evenrank.comparison.blocks import Grid, block_sums
from evenrank.comparison.compare import compare
from evenrank.comparison.statistics import bootstrap_quantiles
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.results.folder import read_evaluation, read_result

SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "report" / "conftest.py"))
LANGUAGES = ("de", "en", "tr")


def row_of(comparison, kind, **cell):
    (row,) = [
        row
        for row in comparison.select(kind)
        if all(getattr(row, name) == value for name, value in cell.items())
    ]
    return row


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three simulated retrievers, as the evaluation writes them."""
    root = tmp_path_factory.mktemp("results")
    benchmark = SAMPLES["make_benchmark"]("territories")
    return [
        SAMPLES["write_sample"](root / retriever.label, benchmark, retriever)
        for retriever in SAMPLES["RETRIEVERS"]
    ]


@pytest.fixture(scope="module")
def comparison(results):
    return compare(results, measures=["AP", "R@1", "rank_distance"], permutations=999, resamples=99)


def test_differences_are_those_of_the_results(results, comparison):
    first, third = read_result(results[0]), read_result(results[2])
    hybrid = {"system": "hybrid", "measure": "AP"}
    for setting in ("mono", "cross", "multi"):
        row = row_of(comparison, "setting", setting=setting, **hybrid)
        assert row.baseline_value == pytest.approx(first.settings[setting]["AP"])
        assert row.value == pytest.approx(third.settings[setting]["AP"])
        assert row.difference == pytest.approx(row.value - row.baseline_value)
        assert (row.excluded, row.blocks) == (0, 22)
        assert row.low <= row.at_least <= row.difference <= row.at_most <= row.high
    pair = row_of(comparison, "pair", query_lang="ar", pool="tr", **hybrid)
    assert pair.setting == "cross"
    assert pair.value == pytest.approx(third.pairs["AP"]["ar"]["tr"])
    assert pair.queries == 21  # one query has no Turkish passage
    lang = row_of(comparison, "query_lang", query_lang="de", system="x-y", measure="rank_distance")
    assert lang.baseline_value == pytest.approx(first.pool["rank_distance"]["de"])


def test_every_cell_of_every_measure_has_a_row(comparison):
    assert comparison.baseline == "x-x-mono"
    assert comparison.systems == ("x-y", "hybrid")
    frame = comparison.frame
    counts = frame.groupby(["system", "measure", "kind"]).size().unstack(fill_value=0)
    expected = {"pair": 16, "query_lang": 4, "setting": 7, "single": 16}
    assert counts.loc[("hybrid", "R@1")].to_dict() == expected
    bias = counts.loc[("x-y", "rank_distance")].to_dict()
    assert bias == {"pair": 0, "query_lang": 4, "setting": 1, "single": 0}
    assert frame["outcome"].isin(["better", "worse", "even"]).all()
    assert json.loads(json.dumps(comparison.to_dict()))["rows"][0] == comparison.rows[0].to_dict()


def test_lower_rank_distance_is_better(comparison):
    row = row_of(comparison, "setting", system="hybrid", measure="rank_distance")
    assert row.difference < 0
    assert row.outcome == "better"


def test_families_are_cells_of_one_kind_system_and_measure(comparison):
    rows = list(comparison.select("query_lang", system="hybrid", measure="AP"))
    smallest = min(rows, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(min(1, 4 * smallest.p))
    alone = row_of(comparison, "setting", system="x-y", measure="rank_distance")
    assert alone.p_holm == alone.p


def test_a_result_against_itself_has_no_difference(results):
    again = [read_evaluation(results[0]) for _ in range(2)]
    tables = {"per_query": again[0].table("per_query")}
    comparison = compare(
        [replace(one, folder=None, in_memory=tables) for one in again],
        permutations=99,
        resamples=99,
    )
    assert (comparison.baseline, comparison.systems) == ("x-x-mono", ("x-x-mono (2)",))
    for row in comparison.rows:
        assert (row.difference, row.low, row.high, row.effect) == (0, 0, 0, 0)
        assert (row.p, row.p_holm, row.outcome) == (1, 1, "even")


def test_swapping_the_results_turns_the_sign_and_keeps_p(results):
    options = {"permutations": 99, "resamples": 99}
    there, back = compare(results[:2], **options), compare(results[1::-1], **options)
    for one, other in zip(there.rows, back.rows, strict=True):
        assert other.difference == -one.difference
        assert (other.p, other.p_holm) == (one.p, one.p_holm)
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
        assert other.effect == pytest.approx(-one.effect)


def test_the_same_seed_gives_the_same_figures(results):
    options = {"permutations": 99, "resamples": 99}
    assert compare(results, seed=3, **options) == compare(results, seed=3, **options)
    assert compare(results, seed=3, **options) != compare(results, seed=4, **options)


def test_intervals_hold_95_percent_and_bounds_are_one_sided(folders, asked, values):
    (row,) = (
        one
        for one in compare(folders, permutations=9, resamples=300, seed=5).rows
        if (one.kind, one.setting) == ("setting", "cross")
    )
    langs, blocks = ([*names] for names in zip(*((lang, at) for at, lang in asked), strict=True))
    grid = Grid(LANGUAGES, np.array([LANGUAGES.index(lang) for lang in langs]), np.array(blocks))
    sums = block_sums(grid, values[1] - values[0])
    levels = [0.025, 0.05, 0.95, 0.975]
    cross = [str(cell) for cell in sums.cells].index("cross")
    ends = bootstrap_quantiles(sums, levels, resamples=300, seed=5)[:, cross]
    assert [row.low, row.at_least, row.at_most, row.high] == pytest.approx(ends)
    other = bootstrap_quantiles(sums, levels, resamples=300, seed=0)[:, cross]
    assert other != pytest.approx(ends)  # else a seed that is passed over would not show


def test_a_mark_needs_the_corrected_p_value(comparison):
    rows = [row for row in comparison.rows if row.p <= 0.05]
    between = [row for row in rows if row.p_holm > 0.05]
    assert between  # else the test shows nothing
    assert all(row.outcome == "even" for row in between)
    assert all(row.outcome != "even" for row in rows if row.p_holm <= 0.05)


def test_a_second_system_changes_nothing_for_the_first(results, comparison):
    options = {"measures": ["AP", "R@1", "rank_distance"], "permutations": 999, "resamples": 99}
    alone = compare(results[:2], **options)
    assert alone.rows == tuple(row for row in comparison.rows if row.system == "x-y")


def test_macro_means_are_tested_by_signs_of_whole_questions(folders, asked, values):
    """Every sign of every question, in loops over questions, queries and languages."""
    found = compare(folders, exact=True, resamples=9)
    change = values[1] - values[0]
    langs = np.array([lang for _, lang in asked])
    questions = np.array([question for question, _ in asked])

    def macro(signs, pools):
        flipped = change * np.array(signs)[questions, None]
        means = [
            np.nanmean(flipped[langs == lang, pool])
            for at, lang in enumerate(LANGUAGES)
            for pool in pools(at)
        ]
        return np.mean(means)

    pools = {
        "mono": lambda at: [at],
        "cross": lambda at: [pool for pool in range(3) if pool != at],
        "multi": lambda at: [3],
    }
    for setting, of in pools.items():
        observed = macro([1] * 8, of)
        reached = [
            abs(macro(signs, of)) >= abs(observed) - 1e-12 for signs in product((1, -1), repeat=8)
        ]
        row = row_of(found, "setting", setting=setting)
        assert row.difference == pytest.approx(observed)
        assert row.p == pytest.approx(np.mean(reached))
    assert found.permutations is None


def test_queries_that_one_result_does_not_score_are_left_out_and_counted(folders, asked, values):
    found = compare(folders, permutations=9, resamples=9)
    # values[0][2, 1] is a Turkish query in English passages, values[1][4, 3] one in all languages
    assert asked[2][1] == "tr"
    row = row_of(found, "pair", query_lang="tr", pool="en")
    turkish = np.array([lang == "tr" for _, lang in asked])
    assert (row.queries, row.excluded) == (turkish.sum() - 1, 1)
    both = turkish & ~np.isnan(values[0][:, 1])
    assert row.baseline_value == pytest.approx(values[0][both, 1].mean())
    assert row.value == pytest.approx(values[1][both, 1].mean())
    # a German query that only the first result scores in the pool of all languages
    asked_in = asked[4][1]
    row = row_of(found, "query_lang", query_lang=asked_in)
    of_lang = np.array([lang == asked_in for _, lang in asked])
    both = of_lang & ~np.isnan(values[1][:, 3])
    assert (row.queries, row.excluded) == (both.sum(), 1)
    assert row.baseline_value == pytest.approx(values[0][both, 3].mean())
    assert row_of(found, "setting", setting="cross").excluded == 1
    assert row_of(found, "setting", setting="multi").excluded == 1
    # a query that neither scores is not one that was left out
    nowhere = row_of(found, "pair", query_lang=asked[5][1], pool="de")
    assert nowhere.excluded == 0


def test_files_may_have_another_order_and_other_queries(folders, write, asked, values):
    def shuffle(table):
        return table.take(np.random.default_rng(0).permutation(len(table)))

    options = {"permutations": 99, "resamples": 99}
    usual = compare(folders, **options)
    again = compare([folders[0], write("again", asked, values[1], shuffle)], **options)
    assert [row.p for row in again.rows] == [row.p for row in usual.rows]
    assert [row.high for row in again.rows] == pytest.approx([row.high for row in usual.rows])
    fewer = write("fewer", asked[:-1], values[1][:-1])
    lang = asked[-1][1]
    found = compare([folders[0], fewer], **options)
    assert row_of(found, "query_lang", query_lang=lang).excluded == 1


def test_results_without_a_common_query_are_refused(folders, write, asked, values):
    nothing = write("nothing", asked, np.full_like(values[1], np.nan))
    with pytest.raises(DataError, match=r"nothing: found no query with a value of AP in both"):
        compare([folders[0], nothing])


DEPTHS = [(None, 100), (100, 1000)]


@pytest.mark.parametrize("depths", DEPTHS)
def test_what_depends_on_the_end_of_a_run_is_compared_at_one_depth(write, asked, values, depths):
    """Only AP is in every result; rank distance would say which run is longer."""

    def both(table):
        return table.append_column("rank_distance", table["AP"])

    def result(label, depth):
        config = {} if depth is None else {"run": {"depth": depth}}
        return write(label, asked, values[0], both, config=config)

    before, after = (result(f"{at} {depth}", depth) for at, depth in enumerate(depths))
    found = compare([before, after], permutations=9, resamples=9)
    assert (found.measures, found.left_out) == (("AP",), ("rank_distance",))
    for options in ({"measures": ["rank_distance"]}, {"gates": ["rank_distance multi -1"]}):
        with pytest.raises(ConfigError, match=r"rank_distance'.*end in different places.* 100"):
            compare([before, after], **options)
    again = compare([after, result("as deep", depths[1])], permutations=9, resamples=9)
    assert (again.measures, again.left_out) == (("AP", "rank_distance"), ())
    assert compare([before, after], measures=["AP"], permutations=9, resamples=9).left_out == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 0}, "permutations: found 0"),
        ({"resamples": 0}, "resamples: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"exact": True}, "22 blocks .*at most 20"),
        ({"measures": ["nDCG@7"]}, r"measure 'nDCG@7'.*x-x-mono.*one of AP, "),
        ({"measures": ["W"]}, "measure 'W': found no values per query"),
        ({"gates": ["AP mono"]}, "--gate"),
    ],
)
def test_wrong_settings_are_refused(results, options, message):
    with pytest.raises(ConfigError, match=message):
        compare(results[:2], **options)


def test_one_result_is_not_enough(results):
    with pytest.raises(ConfigError, match="compare: found one result, expected two or more"):
        compare(results[:1])


def test_folders_may_be_texts_and_evaluations(results):
    options = {"measures": ["AP"], "permutations": 9, "resamples": 9}
    expected = compare(results[:2], **options)
    assert compare([str(folder) for folder in results[:2]], **options) == expected
    assert compare([read_evaluation(results[0]), results[1]], **options) == expected


def test_unknown_systems_and_measures_are_refused(comparison):
    with pytest.raises(UnknownNameError, match="nearest is 'hybrid'"):
        comparison.select("pair", system="hybrit")
    with pytest.raises(UnknownNameError, match="unknown measure 'RR'"):
        comparison.select("pair", measure="RR")


def test_another_benchmark_is_refused(folders, write, asked, values):
    other = write("other", asked, values[0], fingerprint="beef")
    with pytest.raises(ConfigError, match=r"other: found a result on made \[beef\].*\[f00d\]"):
        compare([*folders, other])


def replaced(name, convert):
    """A function that converts a column of a table."""

    def edit(table):
        found = pa.array(convert(table[name].to_pylist()), table[name].type)
        return table.set_column(table.column_names.index(name), name, found)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: pa.concat_tables([table, table.slice(3, 1)]), "a query twice in one pool"),
        (replaced("query_lang", lambda column: ["tr", *column[1:]]), "with two languages"),
        (replaced("parallel", lambda column: [77, *column[1:]]), "in two blocks"),
        (replaced("parallel", lambda column: [7 - one for one in column]), "in two blocks"),
    ],
)
def test_results_that_contradict_each_other_are_refused(
    folders, write, asked, values, edit, message
):
    bad = write("bad", asked, values[0], edit)
    with pytest.raises(DataError, match=rf"bad: values per query: found .*{message}"):
        compare([folders[0], bad])


@pytest.mark.parametrize(
    "options",
    [
        {"gates": ["rank_distance multi -1", "AP cross -1"]},
        {"gates": ["AP mono -1", "nDCG@3 mono -1"]},
        {"measures": ["AP", "nDCG@3"]},
        {"exact": True},
    ],
)
def test_what_is_wrong_is_found_before_any_permutation(write, options):
    """Of 10^12 permutations none is drawn."""
    asked = [(at, "de") for at in range(30)]
    values = np.random.default_rng(0).uniform(size=(2, 30, 4))
    values[:, :, 1:3] = np.nan  # so there is no figure of cross
    results = [
        write(f"of {at}", asked, values[at], lambda t: t.append_column("rank_distance", t["AP"]))
        for at in range(2)
    ]
    with pytest.raises(ConfigError):
        compare(results, permutations=10**12, resamples=10**12, **options)


def test_models_that_cut_texts_at_different_lengths_are_named(write, asked, values):
    lengths = [{"max_length": 512}, {"max_length": 64}, {"max_length": None}, None]
    results = [write(f"run {at}", asked, values[0], encoder=one) for at, one in enumerate(lengths)]
    options = {"permutations": 9, "resamples": 9}
    (note,) = compare(results, **options).notes
    assert note.endswith("different numbers of tokens: run 0 512; run 1 64")
    assert compare(results[1:], **options).notes == ()


def test_models_that_were_selected_differently_are_named(write, asked, values):
    by_loss, by_ap = {"select_by": "loss", "dev_fraction": 0.05}, {"select_by": "multi AP"}
    configs = [by_loss, by_loss, by_ap, "damaged", None]
    results = [
        write(f"run {at}", asked, values[0], training=None if one is None else {"config": one})
        for at, one in enumerate(configs)
    ]
    options = {"permutations": 9, "resamples": 9}
    (note,) = compare(results, **options).notes
    assert "run 0, run 1 by select_by loss, dev_fraction 0.05; run 2 by select_by multi AP" in note
    assert compare([results[0], results[1], *results[3:]], **options).notes == ()

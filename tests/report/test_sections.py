"""What the sections say, against the result folders themselves."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from evenrank.comparison.compare import compare
from evenrank.report.content import Figure, Rankings, Row, Table
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.report.sections.examples import LONGEST, cut
from evenrank.results.schema import read_result


def blocks(name, folders):
    return list(SECTIONS.get(name).content(read_entries(folders)))


def tables(name, folders):
    return {block.caption: block for block in blocks(name, folders) if isinstance(block, Table)}


def row(table, title) -> Row:
    return next(row for row in table.rows if row.title == title)


def test_headline_shows_the_figures_of_each_result(samples):
    table = tables("headline", samples[:3])["mAP in the three settings, and rank distance"]
    assert [column.better for column in table.columns] == ["higher"] * 3 + ["lower"] * 2
    for folder in samples[:3]:
        result = read_result(folder)
        assert row(table, result.model.label).cells == (
            *(result.settings[setting]["AP"] for setting in ("mono", "cross", "multi")),
            result.bias["rank_distance"],
            result.bias["rank_distance_norm"],
        )


def test_headline_frames_rank_distance(samples):
    """All four languages but for one question of three: 21 of 22 in one formula, 1 in the other."""
    table = tables("headline", samples[:3])["mAP in the three settings, and rank distance"]
    passages = sum(read_result(samples[0]).benchmark.passages.values())
    full, part = (passages + 1) * 3 / 5, (passages + 1) * 2 / 4
    by_lang = [(21 * full + part) / 22] * 3 + [full]  # the language that lacks the question
    assert row(table, "Random order").cells[3] == pytest.approx(np.mean(by_lang))
    assert row(table, "Least possible").cells[3] == pytest.approx((3 * (21 * 3 + 2) / 22 + 3) / 4)
    assert row(table, "Random order").role == "frame"


def test_headline_shows_the_papers_recalls_and_the_change(samples):
    found = tables("headline", samples[:3])
    first, hybrid = read_result(samples[0]), read_result(samples[2])
    assert row(found["Recall at the top"], "hybrid").cells == (
        hybrid.settings["mono"]["R@1"],
        hybrid.settings["cross"]["R@1"],
        hybrid.settings["multi"]["R@10"],
    )
    change = row(found["Change against x-x-mono"], "hybrid").cells
    assert change[0] == hybrid.settings["mono"]["AP"] - first.settings["mono"]["AP"]
    ratio = hybrid.bias["rank_distance"] / first.bias["rank_distance"]
    assert change[4] == pytest.approx(ratio - 1)
    assert "Change against x-x-mono" not in tables("headline", samples[:1])


def test_headline_leads_with_another_measure_where_ap_was_not_taken(samples, edited):
    result = read_result(samples[0])
    ndcg = {name: {"nDCG@10": by["nDCG@10"]} for name, by in result.settings.items()}
    folder = edited(samples[0], settings=ndcg, pairs={"nDCG@10": result.pairs["nDCG@10"]})
    table = tables("headline", [folder])["nDCG@10 in the three settings, and rank distance"]
    assert row(table, "x-x-mono").cells[0] == result.settings["mono"]["nDCG@10"]


def test_languages_show_each_model_side_by_side(samples):
    (table,) = tables("languages", samples[:3]).values()
    results = [read_result(folder) for folder in samples[:3]]
    arabic = row(table, "Arabic (ar)").cells
    assert arabic[:3] == tuple(result.pool["AP"]["ar"] for result in results)
    assert arabic[3:] == tuple(result.pool["rank_distance"]["ar"] for result in results)
    means = row(table, "Mean over languages").cells
    plain = [one.cells for one in table.rows if one.role == "plain"]
    assert means == pytest.approx(np.mean(plain, axis=0))


def test_pairs_share_one_scale_and_show_differences(samples):
    values, changes = blocks("pairs", samples[:3])
    first, _, third = (read_result(folder).pairs["AP"] for folder in samples[:3])
    languages = values.panels[0].rows
    assert languages == ("ar", "de", "en", "tr")
    at = (languages.index("ar"), languages.index("tr"))
    assert values.panels[0].values[at[0]][at[1]] == first["ar"]["tr"]
    change = changes.panels[1]
    assert change.title == "hybrid − x-x-mono"
    assert change.values[at[0]][at[1]] == third["ar"]["tr"] - first["ar"]["tr"]
    shades = np.array([panel.shades for panel in values.panels], dtype=float)
    assert (shades.min(), shades.max()) == (0, 1)
    assert np.abs(np.array([panel.shades for panel in changes.panels])).max() == 1
    assert len(blocks("pairs", samples[:1])) == 1


def test_spreads_are_the_quantiles_of_the_values_per_query(samples):
    (figure,) = blocks("rank-distance", samples[:3])
    bars, boxes = figure.panels
    table = pq.read_table(samples[1] / "per_query.parquet").to_pandas()
    german = table[(table.pool == "multi") & (table.query_lang == "de")].rank_distance.dropna()
    spread = boxes.values[1][boxes.categories.index("de")]
    expected = german.quantile([0.1, 0.25, 0.5, 0.75, 0.9]).to_list()
    found = [spread.p10, spread.p25, spread.median, spread.p75, spread.p90]
    assert found == pytest.approx(expected)
    assert spread.mean == pytest.approx(bars.values[1][bars.categories.index("de")])


def test_share_compares_with_the_collection(samples):
    table, figure = blocks("share", samples[:1])
    share = read_result(samples[0]).share
    own = np.mean([share.by_query_lang[lang][lang] for lang in share.by_query_lang])
    cutoff, found, expected, times = table.rows[0].cells
    assert (cutoff, found) == (10, pytest.approx(own))
    assert times == pytest.approx(found / expected)
    panel = figure.panels[0]
    assert panel.rows[-1] == "all"
    assert panel.values[-1] == tuple(100 * share.passages[lang] for lang in panel.columns)
    assert set(panel.shades[-1]) == {0.0}
    assert all(panel.shades[i][i] > 0.5 for i in range(4))  # the query's own language


def test_pairs_are_marked_where_their_change_exceeds_chance(samples):
    _, changes = blocks("pairs", samples[:3])
    comparison = compare(samples[:3], measures=["AP"], resamples=9)
    for panel, system in zip(changes.panels, comparison.systems, strict=True):
        marked = {
            (panel.rows[row], panel.columns[column])
            for row, column in np.argwhere(panel.marked).tolist()
        }
        found = comparison.select("pair", system=system)
        assert marked == {(one.query_lang, one.pool) for one in found if one.significant}
    assert any(np.any(panel.marked) for panel in changes.panels)
    assert not all(np.all(panel.marked) for panel in changes.panels)


def test_losses_draw_each_model_once(samples):
    (figure,) = blocks("losses", samples)
    assert [series.label for series in figure.legend] == ["x-x-mono", "x-y", "hybrid"]
    loss, dev = figure.panels
    log = read_result(samples[0]).model.training["log"]
    assert loss.curves[0].x == tuple(line["step"] for line in log)
    assert dev.curves[0].y == tuple(line["dev"] for line in log)


def test_losses_may_be_logged_at_other_steps_than_the_dev_measure(samples, edited):
    log = [{"step": 20, "loss": 1.0}, {"step": 10, "loss": 2.0}, {"step": 20, "dev": None}]
    (figure,) = blocks("losses", [edited(samples[0], model__training={"log": log})])
    assert [panel.title for panel in figure.panels] == ["Training loss"]
    assert figure.panels[0].curves[0].x == (10.0, 20.0)


def test_examples_of_a_run_that_lacks_an_answer_have_no_rank_distance(samples, edited):
    result = read_result(samples[0])
    example = max(result.examples, key=lambda one: len(one.relevant_ranks))
    _, *others = example.relevant_ranks
    lacking = example.model_copy(
        update={"relevant_ranks": {other: example.relevant_ranks[other] for other in others}}
    )
    for config, ranks, known in (
        ({}, lacking, True),
        ({"run": {}}, lacking, False),
        ({"run": {}}, example, True),
    ):
        name = f"{known}-{len(ranks.relevant_ranks)}-{len(config)}"
        folder = edited(samples[0], name, config=result.config | config, examples=[ranks])
        (found,) = (block for block in blocks("examples", [folder]) if isinstance(block, Rankings))
        assert (found.ranks.rows[0].cells[-1] is not None) is known


def test_examples_put_the_answers_of_each_model_side_by_side(samples):
    found = [block for block in blocks("examples", samples[:3]) if isinstance(block, Rankings)]
    examples = read_result(samples[2]).examples
    assert [one.question.lang for one in found] == [example.lang for example in examples]
    assert [one.series.label for one in found[0].answers] == ["x-x-mono", "x-y", "hybrid"]
    assert found[0].answers[2].answers[0].passage.text == examples[0].answers[0].text
    ranks = row(found[0].ranks, "hybrid").cells
    known = examples[0].relevant_ranks
    assert ranks == (
        *(known[lang] for lang in sorted(known)),
        max(known.values()) - min(known.values()),
    )


def test_long_texts_are_cut_and_say_so():
    text = "word " * 200
    assert len(cut(text)) <= LONGEST
    assert cut(text).endswith(" …")
    assert len(cut("語" * 500)) == LONGEST
    assert cut("as it is") == "as it is"


def test_every_measure_is_shown_and_defined(samples):
    found = tables("measures", samples[:3])
    result = read_result(samples[1])
    for caption, figures in (
        ("Cross-lingual", result.settings["cross"]),
        ("Language bias, in the multilingual collection", result.bias),
    ):
        names = [column.title for column in found[caption].columns]
        assert dict(zip(names, row(found[caption], "x-y").cells, strict=True)) == figures
    defined = ", ".join(one.title for one in found["Definitions"].rows).split(", ")
    assert sorted(defined) == sorted({*result.settings["mono"], *result.bias})


def test_a_measure_that_is_not_installed_here_is_shown_all_the_same(samples, edited):
    folder = edited(samples[0], bias={"their_own": 0.25})
    table = tables("measures", [folder])["Language bias, in the multilingual collection"]
    assert (table.columns[0].title, table.columns[0].better) == ("their_own", "none")


def test_the_benchmarks_card_and_sizes(samples):
    card, sizes = tables("benchmark", samples[:1]).values()
    result = read_result(samples[0])
    assert row(card, "Licence").cells == (result.benchmark.licence,)
    assert row(sizes, "Turkish (tr)").cells == (21, 21, 42)
    assert row(sizes, "Total").cells == (87, 87, 174)


def test_provenance_tells_results_apart(samples, edited):
    other = edited(samples[1], versions={"evenrank": "0.2.0"})
    found = tables("provenance", [samples[0], other, samples[3]])
    assert [one.title for one in found["Models"].rows] == ["x-x-mono", "x-y"]
    assert [one.cells[0] for one in found["Evaluations, with seconds by step"].rows] == [
        "territories",
        "territories",
        "half",
    ]
    versions = found["Versions"]
    assert [column.title for column in versions.columns] == ["x-x-mono", "x-y"]
    assert row(versions, "evenrank").cells == ("0.1.0", "0.2.0")
    assert row(versions, "numpy").cells == ("2.0", None)


def test_every_section_gives_blocks_for_one_result_and_for_many(samples):
    for folders in (samples[:1], samples[:3]):
        entries = read_entries(folders)
        for name in filter(lambda name: SECTIONS.get(name).applies(entries), SECTIONS):
            assert blocks(name, folders), name
            for block in blocks(name, folders):
                assert not isinstance(block, Figure) or block.panels

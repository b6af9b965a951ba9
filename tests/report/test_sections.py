"""What the sections say, against the result folders themselves."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from evenrank.comparison.compare import compare
from evenrank.report.content import Figure, QueryResults
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.report.sections.examples import LONGEST, cut
from evenrank.results.folder import read_result
from evenrank.tables import MARK, Row, Table


def blocks(name, folders):
    return list(SECTIONS.get(name).content(read_entries(folders)))


def tables(name, folders):
    return {block.caption: block for block in blocks(name, folders) if isinstance(block, Table)}


def row(table, title) -> Row:
    return next(row for row in table.rows if row.title == title)


def values(row):
    """The values of a row, without the small print."""
    return tuple(cell.value for cell in row.full_cells)


def matrix(table, attribute="value"):
    """A heat map's values, or its shades."""
    rows = [[getattr(cell, attribute) for cell in row.full_cells] for row in table.rows]
    return np.array(rows, dtype=float)


def test_headline_shows_the_figures_of_each_result(samples):
    table = tables("headline", samples[:3])["mAP in the three settings, and rank distance"]
    assert [column.better for column in table.columns] == ["higher"] * 3 + ["lower"] * 2
    for folder in samples[:3]:
        result = read_result(folder)
        assert values(row(table, result.model.label)) == (
            *(result.settings[setting]["AP"] for setting in ("mono", "cross", "multi")),
            result.bias["rank_distance"],
            result.bias["rank_distance_norm"],
        )


def test_headline_frames_rank_distance(samples):
    """21 of 22 blocks are in four languages, one is in three."""
    table = tables("headline", samples[:3])["mAP in the three settings, and rank distance"]
    passages = sum(read_result(samples[0]).benchmark.passages.values())
    full, part = (passages + 1) * 3 / 5, (passages + 1) * 2 / 4
    by_lang = [(21 * full + part) / 22] * 3 + [full]  # the last language misses one query
    assert values(row(table, "Random order"))[3] == pytest.approx(np.mean(by_lang))
    assert values(row(table, "Minimum possible"))[3] == pytest.approx(
        (3 * (21 * 3 + 2) / 22 + 3) / 4
    )
    assert row(table, "Random order").role == "frame"


def test_headline_shows_the_papers_recalls_and_the_change(samples):
    found = tables("headline", samples[:3])
    first, hybrid = read_result(samples[0]), read_result(samples[2])
    recalls = found["Recall: the part of the relevant passages within the first ranks"]
    assert values(row(recalls, "hybrid")) == (
        hybrid.settings["mono"]["R@1"],
        hybrid.settings["cross"]["R@1"],
        hybrid.settings["multi"]["R@10"],
    )
    change = values(row(found["Change against x-x-mono"], "hybrid"))
    assert change[0] == hybrid.settings["mono"]["AP"] - first.settings["mono"]["AP"]
    ratio = hybrid.bias["rank_distance"] / first.bias["rank_distance"]
    assert change[4] == pytest.approx(ratio - 1)
    assert "Change against x-x-mono" not in tables("headline", samples[:1])


def test_headline_leads_with_another_measure_where_ap_was_not_computed(samples, edited):
    result = read_result(samples[0])
    ndcg = {name: {"nDCG@10": by["nDCG@10"]} for name, by in result.settings.items()}
    folder = edited(samples[0], settings=ndcg, pairs={"nDCG@10": result.pairs["nDCG@10"]})
    table = tables("headline", [folder])["nDCG@10 in the three settings, and rank distance"]
    assert values(row(table, "x-x-mono"))[0] == result.settings["mono"]["nDCG@10"]


def test_languages_show_each_model_side_by_side(samples):
    (table,) = tables("languages", samples[:3]).values()
    results = [read_result(folder) for folder in samples[:3]]
    arabic = row(table, "Arabic (ar)").cells
    assert arabic[:3] == tuple(result.pool["AP"]["ar"] for result in results)
    assert arabic[3:6] == tuple(result.pool["rank_distance"]["ar"] for result in results)
    assert [column.group for column in table.columns[6::3]] == [
        "Language preference rate",
        "Kendall’s W",
    ]
    means = row(table, "Mean over languages").cells
    plain = [one.cells for one in table.rows if one.role == "plain"]
    assert means == pytest.approx(np.mean(plain, axis=0))


def test_pairs_share_one_scale_and_show_differences(samples):
    _, quality, changes = blocks("pairs", samples[:3])
    first, _, third = (read_result(folder).pairs["AP"] for folder in samples[:3])
    names = [column.title for column in quality.panels[0].columns]
    assert [one.title for one in quality.panels[0].rows] == names == ["ar", "de", "en", "tr"]
    assert matrix(quality.panels[0])[0, 3] == first["ar"]["tr"]
    assert changes.panels[1].caption == "hybrid − x-x-mono"
    assert matrix(changes.panels[1])[0, 3] == third["ar"]["tr"] - first["ar"]["tr"]
    shades = np.array([matrix(panel, "shade") for panel in quality.panels])
    assert (shades.min(), shades.max()) == (0, 1)
    assert np.abs([matrix(panel, "shade") for panel in changes.panels]).max() == 1
    assert len(blocks("pairs", samples[:1])) == 2


def test_boxes_are_the_quantiles_of_the_values_per_query(samples):
    _, figure = blocks("rank-distance", samples[:3])
    (boxes,) = figure.panels
    table = pq.read_table(samples[1] / "per_query.parquet").to_pandas()
    german = table[(table.pool == "multi") & (table.query_lang == "de")].rank_distance.dropna()
    expected = [*german.quantile([0.1, 0.25, 0.5, 0.75, 0.9]), german.mean()]
    assert values(row(boxes.table, "de"))[6:12] == pytest.approx(expected)
    assert [column.group for column in boxes.table.columns[::6]] == ["x-x-mono", "x-y", "hybrid"]
    numbers = [value for one in boxes.table.rows for value in values(one)]
    assert boxes.limits == (min(numbers), max(numbers))


def test_a_language_without_a_rank_distance_has_no_box(samples, edited):
    folder = edited(samples[0])
    table = pq.read_table(folder / "per_query.parquet")
    pq.write_table(table.filter(pc.field("query_lang") != "de"), folder / "per_query.parquet")
    _, figure = blocks("rank-distance", [folder])
    assert values(row(figure.panels[0].table, "de")) == (None,) * 6


def test_share_compares_with_the_pool(samples):
    _, table, figure = blocks("share", samples[:1])
    share = read_result(samples[0]).share
    own = np.mean([share.by_query_lang[lang][lang] for lang in share.by_query_lang])
    cutoff, found, expected, times = table.rows[0].cells
    assert (cutoff, found) == (10, pytest.approx(own))
    assert times == pytest.approx(found / expected)
    (panel,) = figure.panels
    names = [column.title for column in panel.columns]
    assert [one.title for one in panel.rows] == [*names, "pool"]
    assert matrix(panel)[-1] == pytest.approx([100 * share.passages[lang] for lang in names])
    shades = matrix(panel, "shade")
    assert set(shades[-1]) == {0.0}
    assert all(shades.diagonal() > 0.5)  # the query's own language


def test_pairs_are_marked_if_their_change_exceeds_chance(samples):
    _, _, changes = blocks("pairs", samples[:3])
    comparison = compare(samples[:3], measures=["AP"], resamples=9)
    counts = set()
    for panel, system in zip(changes.panels, comparison.systems, strict=True):
        marked = {
            (one.title, column.title)
            for one in panel.rows
            for cell, column in zip(one.cells, panel.columns, strict=True)
            if cell.aside == MARK
        }
        found = comparison.select("pair", system=system)
        assert marked == {(one.query_lang, one.pool) for one in found if one.significant}
        counts.add(len(marked))
    assert max(counts) > 0
    assert min(counts) < 16


def test_losses_draw_each_model_once(samples):
    _, figure = blocks("losses", samples)
    assert [series.label for series in figure.legend] == ["x-x-mono", "x-y", "hybrid"]
    loss, dev = figure.panels
    log = read_result(samples[0]).model.training["log"]
    assert loss.curves[0].x == tuple(line["step"] for line in log)
    assert dev.curves[0].y == tuple(line["dev"] for line in log)


def test_losses_may_be_logged_at_other_steps_than_the_dev_measure(samples, edited):
    log = [{"step": 20, "loss": 1.0}, {"step": 10, "loss": 2.0}, {"step": 20, "dev": None}]
    _, figure = blocks("losses", [edited(samples[0], model__training={"log": log})])
    assert [panel.title for panel in figure.panels] == ["Training loss"]
    assert figure.panels[0].curves[0].x == (10.0, 20.0)


def test_examples_of_a_run_that_misses_a_passage_have_no_rank_distance(samples, edited):
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
        _, found = blocks("examples", [folder])
        assert (found.ranks.rows[0].cells[-1] is not None) is known


def test_examples_put_the_passages_of_each_model_next_to_each_other(samples):
    found = [block for block in blocks("examples", samples[:3]) if isinstance(block, QueryResults)]
    examples = read_result(samples[2]).examples
    assert [one.query.lang for one in found] == [example.lang for example in examples]
    assert [title for title, _ in found[0].rankings] == ["x-x-mono", "x-y", "hybrid"]
    shown, kept = found[0].rankings[2][1][0], examples[0].answers[0]
    assert (shown.passage.text, shown.relevant) == (kept.text, kept.relevant)
    assert shown.facts.startswith("rank 1 · score ")
    assert [one.open for one in found] == [True] + [False] * (len(found) - 1)
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
        ("Language bias, in the multilingual pool", result.bias),
    ):
        names = [column.title for column in found[caption].columns]
        assert dict(zip(names, row(found[caption], "x-y").cells, strict=True)) == figures
    defined = tables("definitions", samples[:3])["Measures"].rows
    names = [name for one in defined for name in one.terms]
    assert sorted(names) == sorted({*result.settings["mono"], *result.bias})
    assert all(one.cells[0] for one in defined)
    used = {column.term for table in found.values() for column in table.columns}
    assert used <= set(names)


def test_a_measure_that_is_not_installed_here_is_shown_all_the_same(samples, edited):
    folder = edited(samples[0], bias={"their_own": 0.25})
    table = tables("measures", [folder])["Language bias, in the multilingual pool"]
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
    assert [one.title for one in found["Models"].columns] == ["x-x-mono", "x-y"]
    assert row(found["Models"], "batch strategy").cells == ("x-x-mono", "x-y")
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

"""The figures of an answer that exists in one language only."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import Passage, Query, build_benchmark
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluate import evaluate
from evenrank.evaluation.score import score
from evenrank.ranking.rank import rank

MEASURES = ["AP", "R@3", "RR@10", "share@10"]


def naive_values(order, relevant):
    """The measures of one ranking, from the places of the relevant passages."""
    ranks = [place for place, passage in enumerate(order, 1) if passage in relevant]
    return {
        "AP": sum(n / r for n, r in enumerate(ranks, 1)) / len(ranks),
        "R@3": sum(r <= 3 for r in ranks) / len(ranks),
        "RR@10": 1 / ranks[0] if ranks[0] <= 10 else 0,
    }


def naive_cells(benchmark, scores_QD):
    """Each query and language, with the other languages' answers removed from the ranking."""
    langs, indptr = benchmark.passages.langs, benchmark.relevance.indptr
    for query, scores in enumerate(scores_QD):
        relevant = benchmark.relevance.passages[indptr[query] : indptr[query + 1]]
        by_lang = {lang: set(relevant[langs[relevant] == lang]) for lang in set(langs[relevant])}
        order = sorted(range(len(langs)), key=lambda at: (-scores[at], at))
        for lang, wanted in by_lang.items() if len(by_lang) > 1 else ():
            rest = [at for at in order if at in wanted or at not in set(relevant)]
            yield query, lang, naive_values(rest, wanted)


def test_figures_are_those_of_a_plain_loop(benchmark, ranking, scores_QD):
    found, languages = score(benchmark, ranking, MEASURES), benchmark.languages
    ids, query_langs = benchmark.queries.ids.to_pylist(), benchmark.queries.langs
    values = list(naive_cells(benchmark, scores_QD))
    rows = found.per_query.to_pandas().set_index(["query_id", "pool"])
    for name in MEASURES[:3]:
        cells = {}
        for query, lang, measured in values:
            cells.setdefault((query_langs[query], lang), []).append(measured[name])
            at = rows.loc[(ids[query], languages[lang]), f"single {name}"]
            assert at == pytest.approx(measured[name])
        assert rows[f"single {name}"].notna().sum() == len(values)
        means = {pair: np.mean(some) for pair, some in cells.items()}
        own = np.mean([mean for (asked, lang), mean in means.items() if asked == lang])
        other = np.mean([mean for (asked, lang), mean in means.items() if asked != lang])
        expected = {"own": own, "other": other, "even": np.mean(list(means.values()))}
        expected["gap"] = own - other
        for setting, figure in expected.items():
            assert found.settings[setting][name] == pytest.approx(figure), (name, setting)
        matrix = found.single[name]
        assert set(matrix) == {"de", "en", "es", "th"}
        for (asked, lang), mean in means.items():
            assert matrix[languages[asked]][languages[lang]] == pytest.approx(mean)
        assert set(matrix["th"]) == {"de", "en", "es", "vi"}  # nothing is written in Thai
    assert list(found.settings) == ["mono", "cross", "multi", "own", "other", "even", "gap"]


def small(benchmark, passages, qrels):
    queries = [Query("q", "q", "de", "wer?"), Query("r", "r", "de", "was?")]
    made = build_benchmark("small", benchmark.card, queries, passages, qrels)
    vectors = np.ones((2, 2), dtype=np.float32)
    rows = np.ones((len(passages), 2), dtype=np.float32)
    return score(made, rank(vectors, rows, made.relevance, made.offsets), MEASURES)


def test_where_answers_are_in_one_language_there_is_no_figure(benchmark):
    found = small(benchmark, [Passage("d", "de", "Ich."), Passage("e", "en", "me.")], [("q", "d")])
    assert {name: found.settings[name]["AP"] for name in ("multi", "own", "other", "even")} == {
        "multi": 1.0,
        "own": None,
        "other": None,
        "even": None,
    }
    assert found.settings["gap"]["AP"] is None
    assert found.single["AP"] == {"de": {"de": None, "en": None}}


def test_no_gap_without_an_answer_in_the_querys_language(benchmark):
    passages = [Passage("e", "en", "me."), Passage("f", "fr", "moi.")]
    found = small(benchmark, passages, [("q", "e"), ("q", "f")])
    figures = [found.settings[name]["RR@10"] for name in ("own", "other", "even", "gap")]
    assert figures == [None, 1.0, 1.0, None]


@pytest.fixture(scope="module")
def folder(benchmark, model_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("single") / "result"
    evaluate(model_folder, benchmark, measures=MEASURES, output=output)
    return output


def test_a_result_folder_gives_the_matrix_back(folder):
    from evenrank.results.folder import read_evaluation

    again = read_evaluation(folder)
    frame = again.single("AP")
    assert (frame.index.name, frame.columns.name) == ("query_lang", "passage_lang")
    assert frame.to_dict("index")["th"] == pytest.approx(again.result.single["AP"]["th"])
    assert again.measures == ["AP", "R@3", "RR@10"]
    with pytest.raises(ConfigError, match=r"single: found measure 'R@5', expected one of AP, R@3"):
        again.single("R@5")


def test_a_result_of_an_earlier_version_says_that_it_has_no_such_figures(folder):
    from dataclasses import replace

    from evenrank.results.folder import read_evaluation
    from evenrank.results.schema import SINGLE
    from evenrank.results.tables import measures_table

    new = read_evaluation(folder)
    kept = {name: one for name, one in new.result.settings.items() if name not in SINGLE}
    earlier = replace(new, result=new.result.model_copy(update={"single": {}, "settings": kept}))
    with pytest.raises(ConfigError, match="Evaluate again with this version"):
        earlier.single("AP")
    assert "evaluate again" in measures_table(earlier.result).note

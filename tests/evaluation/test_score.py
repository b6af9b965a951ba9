import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Passage, Query, build_benchmark, load_benchmark
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.evaluation.score import score
from evenrank.measures.selection import DEFAULT_MEASURES, select_measures
from evenrank.ranking.rank import rank

PEERS = {
    "AP": ("map", "map"),
    "RR": ("recip_rank", "recip_rank"),
    "nDCG@3": ("ndcg_cut.3", "ndcg_cut_3"),
    "R@3": ("recall.3", "recall_3"),
    "P@5": ("P.5", "P_5"),
    "Success@2": ("success.2", "success_2"),
}


@pytest.fixture(scope="module")
def scores(benchmark, ranking):
    return score(benchmark, ranking, [*PEERS, *DEFAULT_MEASURES])


@pytest.fixture(scope="module")
def per_query(scores):
    return scores.per_query.to_pandas()


def trec_values(benchmark, scores_QD, lang):
    """What trec_eval says of each query in one pool, which is sorted here by score and position."""
    langs = np.array(benchmark.languages)[benchmark.passages.langs]
    pool = np.flatnonzero(np.isin(langs, [lang] if lang != "multi" else benchmark.languages))
    query_ids, ids = benchmark.queries.ids.to_pylist(), benchmark.passages.ids.to_pylist()
    indptr, relevant = benchmark.relevance.indptr, benchmark.relevance.passages
    qrels, run = {}, {}
    for query, query_id in enumerate(query_ids):
        order = sorted(pool, key=lambda at: (-scores_QD[query, at], at))
        run[query_id] = {ids[at]: float(-place) for place, at in enumerate(order)}
        own = set(relevant[indptr[query] : indptr[query + 1]].tolist()) & set(pool.tolist())
        if own:
            qrels[query_id] = {ids[at]: 1 for at in own}
    requests = {request for request, _ in PEERS.values()}
    return pytrec_eval.RelevanceEvaluator(qrels, requests).evaluate(run)


@pytest.mark.parametrize("pool", ["de", "en", "es", "vi", "multi"])
def test_every_query_agrees_with_trec_eval_in_every_pool(benchmark, scores_QD, per_query, pool):
    theirs = trec_values(benchmark, scores_QD, pool)
    ours = per_query[per_query["pool"] == pool].set_index("query_id")
    assert len(ours) == len(benchmark.queries)
    scored = ours[ours["relevant"] > 0]
    assert set(scored.index) == set(theirs)
    for name, (_, key) in PEERS.items():
        expected = [theirs[query][key] for query in scored.index]
        assert scored[name].to_numpy() == pytest.approx(expected, abs=1e-9)
        assert ours.loc[ours["relevant"] == 0, name].isna().all()


def test_settings_are_macro_means_over_pairs_of_languages(scores, per_query):
    for name in PEERS:
        means = per_query.groupby(["query_lang", "pool"])[name].mean().reset_index()
        own, multi = means["query_lang"] == means["pool"], means["pool"] == "multi"
        for setting, rows in {"mono": own, "cross": ~own & ~multi, "multi": multi}.items():
            expected = means.loc[rows, name].mean()
            assert scores.settings[setting][name] == pytest.approx(expected, abs=1e-12)
    assert list(scores.settings)[:3] == ["mono", "cross", "multi"]


def test_pairs_and_pool_are_means_over_the_scored_queries(scores, per_query):
    for name in PEERS:
        pairs = per_query.groupby(["query_lang", "pool"])[name].mean().unstack()
        ours = pd.DataFrame.from_dict(scores.pairs[name], orient="index")
        pd.testing.assert_frame_equal(ours, pairs[["de", "en", "es", "vi"]], check_names=False)
        assert scores.pool[name] == pytest.approx(pairs["multi"].to_dict())


def test_every_query_has_a_row_in_every_pool(per_query, benchmark):
    counts = per_query["pool"].value_counts().to_dict()  # th has no passages, so no pool
    assert counts == dict.fromkeys(["de", "en", "es", "vi", "multi"], len(benchmark.queries))


def test_translations_of_a_question_share_a_number(per_query):
    questions = per_query["query_id"].str.partition("-")[2]
    assert (per_query.groupby("parallel")["query_id"].nunique() == 4).all()  # four languages ask
    assert per_query.groupby(questions)["parallel"].nunique().eq(1).all()
    assert per_query["parallel"].nunique() == 10


def test_bias_measures_live_in_the_pool_of_all_languages(scores, per_query):
    multi = per_query["pool"] == "multi"
    for name in ("rank_distance", "rank_distance_norm", "LPR"):
        assert per_query.loc[~multi, name].isna().all()
        means = per_query[multi].groupby("query_lang")[name].mean()
        assert scores.pool[name] == pytest.approx(
            means.dropna().to_dict() | dict.fromkeys(means[means.isna()].index)
        )
        assert scores.bias[name] == pytest.approx(means.mean())
    assert scores.pool["LPR"]["th"] is None  # nothing is written in Thai
    assert set(scores.pool["W"]) == {"de", "en", "es", "th"}
    assert scores.bias["W"] == pytest.approx(np.mean(list(scores.pool["W"].values())))


def test_references_are_taken_over_the_same_queries(scores):
    # nine questions are answered in de, en, es and vi, one of them not in es
    least = (8 * 3 + 2) / 9
    assert scores.references["rank_distance"]["minimum"] == pytest.approx(least)
    assert scores.references["rank_distance"]["random"] > least
    assert scores.references["LPR"]["random"] == pytest.approx(0.25, abs=0.02)


def test_scored_queries_are_counted(scores):
    assert scores.scored == {"de": 9, "en": 9, "es": 9, "th": 9}


def test_share_is_beside_the_share_of_the_collection(scores, benchmark, scores_QD):
    assert scores.share.cutoff == 10
    assert scores.share.passages == pytest.approx(
        {"de": 10 / 40, "en": 10 / 40, "es": 10 / 40, "vi": 10 / 40}
    )
    best = np.argsort(-scores_QD, axis=1, kind="stable")[:, :10]
    for lang in ("de", "en", "es", "th"):
        asked = benchmark.queries.langs == benchmark.languages.index(lang)
        for code, share in scores.share.by_query_lang[lang].items():
            there = benchmark.passages.langs[best[asked]] == benchmark.languages.index(code)
            assert share == pytest.approx(there.mean())


def test_a_setting_that_nothing_can_be_scored_in_is_none(benchmark, ranking):
    alone = build_benchmark(
        "alone",
        benchmark.card,
        [Query("q", "q", "de", "wer?"), Query("r", "r", "de", "was?")],
        [Passage("d", "en", "me.")],
        [("q", "d")],
    )
    vectors = np.ones((2, 2), dtype=np.float32)
    figures = score(alone, rank(vectors, vectors[:1], alone.relevance, alone.offsets), ["AP", "W"])
    kept = {name: figures.settings[name] for name in ("mono", "cross", "multi")}
    assert kept == {"mono": {"AP": None}, "cross": {"AP": 1.0}, "multi": {"AP": 1.0}}
    assert figures.bias == {"W": None}
    assert figures.pairs == {"AP": {"de": {"en": 1.0}}}
    assert figures.scored == {"de": 1}


EVERY = ("AP", "nDCG@3", "RR", "R@2", "P@2", "Success@1", "rank_distance", "rank_distance_norm")
EVERY += ("LPR", "W", "MaxR_norm", "Complete@5", "TLR@5", "MRC@5", "AP_spread", "share@5")


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_names_of_ids_and_the_order_of_queries_change_nothing(benchmark, seed):
    rng = np.random.default_rng(seed)
    vectors = [
        rng.integers(-1, 2, size=(len(texts), 4)).astype(np.float32)
        for texts in (benchmark.queries, benchmark.passages)
    ]
    order = rng.permutation(len(benchmark.queries))
    texts = benchmark.passages  # its order is that of ties, and stays
    names = {"query": rng.permutation(len(order)), "passage": rng.permutation(len(texts))}
    numbers = rng.permutation(int(benchmark.parallel.max()) + 1)
    languages, indptr = benchmark.languages, benchmark.relevance.indptr
    renamed = build_benchmark(
        "renamed",
        benchmark.card,
        [
            Query(
                f"{names['query'][at]}",
                f"{numbers[benchmark.parallel[at]]}",
                languages[benchmark.queries.langs[at]],
                "",
            )
            for at in order
        ],
        [
            Passage(f"{name}", languages[lang], "")
            for name, lang in zip(names["passage"], texts.langs, strict=True)
        ],
        [
            (f"{names['query'][at]}", f"{names['passage'][passage]}")
            for at in order
            for passage in benchmark.relevance.passages[indptr[at] : indptr[at + 1]]
        ],
    )
    ours, theirs = (
        score(of, rank(queries, vectors[1], of.relevance, of.offsets, top_k=5), EVERY)
        for of, queries in ((benchmark, vectors[0]), (renamed, vectors[0][order]))
    )
    for part in ("settings", "pairs", "single"):
        for name, figures in getattr(ours, part).items():
            for key, value in figures.items():
                assert getattr(theirs, part)[name][key] == pytest.approx(value), (part, name)
    assert theirs.bias == pytest.approx(ours.bias)
    assert theirs.scored == ours.scored
    for lang, shares in ours.share.by_query_lang.items():
        assert theirs.share.by_query_lang[lang] == pytest.approx(shares)
    frame, again = (one.per_query.to_pandas() for one in (ours, theirs))
    ids = dict(zip(benchmark.queries.ids.to_pylist(), map(str, names["query"]), strict=True))
    frame["query_id"] = frame["query_id"].map(ids)
    frame, again = (one.set_index(["pool", "query_id"]).sort_index() for one in (frame, again))
    pd.testing.assert_frame_equal(
        frame.drop(columns="parallel"), again.drop(columns="parallel"), check_exact=False
    )


def test_measures_are_chosen_by_name():
    assert select_measures(["share@3", "W", "AP", "AP"]).names == ["AP", "W", "share@3"]
    with pytest.raises(UnknownNameError, match="nearest is 'rank_distance'"):
        select_measures(["rank_distances"])
    with pytest.raises(ConfigError, match="one language share"):
        select_measures(["share@3", "share@5"])


def test_random_embeddings_on_xquad_r_have_the_bias_of_a_random_order(real_data):
    xquad = load_benchmark("xquad-r")
    generator = np.random.default_rng(0)
    queries, passages = (
        generator.standard_normal((size, 8)).astype(np.float32)
        for size in (len(xquad.queries), len(xquad.passages))
    )
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    figures = score(xquad, rank(queries, passages, xquad.relevance, xquad.offsets))
    assert figures.references["rank_distance"] == pytest.approx(
        {"minimum": 10, "random": 10_845.83}
    )
    assert figures.bias["rank_distance"] == pytest.approx(10_846, rel=0.02)
    assert figures.bias["rank_distance_norm"] == pytest.approx(1, abs=0.02)
    assert figures.bias["W"] < 0.01
    assert figures.bias["LPR"] == pytest.approx(1 / 11, abs=0.02)
    assert figures.settings["mono"]["AP"] < 0.02
    assert figures.per_query.num_rows == 13_090 * 12

"""Evaluation with a correction: vectors are ranked as all others, scores with every tie decided."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.debias.saving import save_correction
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.errors import ConfigError, DataError
from evenrank.evaluation.debias import rank_corrected
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import evaluate, rank_embeddings

METHODS = [
    ("center", {}),
    ("center", {"unit": False}),
    ("shift", {}),
    ("project", {}),
    ("lir", {}),
    ("leace", {}),
    ("calibrate", {"by": "mean"}),
    ("calibrate", {"by": "z"}),
    ("calibrate", {"by": "top", "k": 2}),
    ("csls", {"k": 2}),
]
MEASURES = ["AP", "R@1", "rank_distance"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def encoder(model_folder):
    return load_encoder(str(model_folder))


@pytest.fixture(scope="module")
def fit(benchmark, encoder):
    words = {}
    texts = benchmark.passages.texts.to_pylist() + benchmark.queries.texts.to_pylist()
    codes = [*benchmark.passages.langs, *benchmark.queries.langs]
    for code, text in zip(codes, texts, strict=True):
        words.setdefault(benchmark.languages[code], []).append(f"{text[:-1]} {text}")

    def fitted(name, settings=None, **more):
        sides = [
            [(unit(encode(words[lang])), lang) for lang in benchmark.languages]
            for encode in (encoder.encode_document, encoder.encode_query)
        ]
        more = {"encoder": model_fingerprint(encoder), **more}
        return fit_correction(name, *sides, settings=settings, **more)

    return fitted


@pytest.fixture(scope="module")
def plain(benchmark, encoder):
    return rank_embeddings(embed(encoder, benchmark), benchmark)


@pytest.mark.parametrize(("name", "settings"), METHODS)
def test_strength_zero_is_no_correction(benchmark, encoder, fit, plain, name, settings):
    correction = fit(name, settings, strength=0)
    ranking = rank_embeddings(embed(encoder, benchmark), benchmark, correction=correction)
    assert np.array_equal(ranking.above_in_language, plain.above_in_language)
    assert np.array_equal(ranking.above, plain.above)
    assert np.array_equal(ranking.top_passages, plain.top_passages)


def test_vectors_are_corrected_before_they_are_ranked(benchmark, encoder, fit):
    correction = fit("center", strength=0.8)
    embeddings = embed(encoder, benchmark)
    names = np.array(benchmark.languages)
    queries = correction.apply(embeddings.queries, names[benchmark.queries.langs], "query")
    passages = correction.apply(embeddings.passages, names[benchmark.passages.langs], "passage")
    scores = queries @ passages.T
    evaluation = evaluate(encoder, benchmark, measures=MEASURES, debias=correction)
    top = evaluation.table("top").to_pandas()
    expected = -np.sort(-scores, axis=1)
    found = top["score"].to_numpy().reshape(len(queries), -1)
    np.testing.assert_allclose(found, expected[:, : found.shape[1]], atol=1e-6)
    facts = evaluation.result.config["debias"]
    assert (facts["method"], facts["strength"]) == ("center", 0.8)
    assert facts["counts"]["passage"].keys() == set(benchmark.languages)


@pytest.mark.parametrize("by", ["mean", "z", "top"])
def test_calibration_leaves_rankings_within_a_language(benchmark, encoder, fit, plain, by):
    correction = fit("calibrate", {"by": by, "k": 2})
    ranking = rank_embeddings(embed(encoder, benchmark), benchmark, correction=correction)
    assert np.array_equal(ranking.above_in_language, plain.above_in_language)
    assert not np.array_equal(ranking.above, plain.above)


@pytest.mark.parametrize(
    ("name", "settings"), [("calibrate", {"by": "mean"}), ("calibrate", {"by": "top", "k": 2})]
)
def test_ties_go_to_the_higher_raw_score_and_then_the_earlier_passage(
    benchmark, ranking, fit, name, settings
):
    """Whole numbers: many raw scores are equal, and many corrected ones as well."""
    generator = np.random.default_rng(5)
    sizes = (len(benchmark.queries), len(benchmark.passages))
    queries, passages = (
        generator.integers(-2, 3, size=(size, 4)).astype(np.float32) for size in sizes
    )
    names = np.array(benchmark.languages)
    random = np.random.default_rng(0)
    rows = random.integers(-1, 2, (200, 4)).astype(np.float32)
    correction = fit_correction(
        name, [(rows, np.resize(names, 200))], settings={**settings, "shrink": False}
    )
    found = rank_corrected(
        correction,
        (queries, names[benchmark.queries.langs]),
        (passages, benchmark.languages, benchmark.offsets),
        benchmark.relevance,
        top_k=7,
    )
    assert np.array_equal(found.above_in_language, ranking.above_in_language)
    raw = queries @ passages.T
    for query in range(len(queries)):
        langs = benchmark.passages.langs
        levels = {
            code: np.mean(sorted(raw[query, langs == code])[-2:])
            if "k" in settings
            else queries[query] @ correction.means[code].astype(np.float64)
            for code in set(langs.tolist())
        }
        key = sorted(
            range(len(passages)),
            key=lambda d, q=query, levels=levels: (
                -(float(raw[q, d]) - levels[langs[d]]),
                -raw[q, d],
                d,
            ),
        )
        assert found.top_passages[query].tolist() == key[:7]
        indptr = benchmark.relevance.indptr
        for pair in range(indptr[query], indptr[query + 1]):
            assert found.above[pair] == key.index(benchmark.relevance.passages[pair])


def test_a_file_and_a_correction_give_the_same_result(benchmark, encoder, fit, tmp_path):
    correction = fit("calibrate", {"k": 3}, strength=0.5)
    save_correction(correction, tmp_path / "top.safetensors")
    results = [
        evaluate(encoder, benchmark, measures=MEASURES, debias=debias).result
        for debias in (correction, str(tmp_path / "top.safetensors"))
    ]
    changing = {"created", "timings"}
    assert results[0].model_dump(exclude=changing) == results[1].model_dump(exclude=changing)


def test_corrections_that_cannot_be_measured(benchmark, encoder, fit):
    texts = benchmark.passages.texts.to_pylist()[:3]
    with pytest.raises(DataError, match=r"numbers.*found 3 of \d+ texts"):
        evaluate(encoder, benchmark, debias=fit("center", texts=[*texts, "another"]))
    with pytest.raises(DataError, match=r"encoder 0123.*Fit it again"):
        evaluate(encoder, benchmark, debias=fit("center", encoder="0123"))
    few = fit_correction("center", [(np.eye(16, dtype=np.float32), ["de", "en"] * 8)])
    with pytest.raises(DataError, match="no texts in es, th, vi"):
        evaluate(encoder, benchmark, debias=few)
    with pytest.raises(ConfigError, match="'cpu' with a correction of scores"):
        evaluate(encoder, benchmark, debias=fit("calibrate"), rank_device="cpu")


def test_passages_without_a_direction_stay_last(benchmark, encoder, fit):
    embeddings = embed(encoder, benchmark)
    embeddings.passages[5] = 0
    for name in ("center", "calibrate"):
        ranking = rank_embeddings(embeddings, benchmark, correction=fit(name))
        assert (ranking.top_passages[:, -1] == 5).all()

"""Comparing corrections: what is recommended is better on queries that the choice did not see."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import Relevance, TextSet
from evenrank.comparison.compare import compare, setting_intervals
from evenrank.debias.saving import load_correction
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import evaluate, rank_embeddings
from evenrank.tuning.choice import Goal
from evenrank.tuning.grid import Grid
from evenrank.tuning.page import SAVED, Names, commands, sentence, warnings, write_tradeoff
from evenrank.tuning.places import unlabelled
from evenrank.tuning.plan import Plan
from evenrank.tuning.planted import Measured
from evenrank.tuning.tradeoff import compare_corrections

GRID = Grid(("center", "project", "calibrate"), strengths=(0.2, 1), own_shares=(0.3, 0.9))
"""A plan that takes a second."""


@pytest.fixture(scope="module")
def plan(fit_on):
    return Plan(fit_on=fit_on, grid=GRID, resamples=200)


@pytest.fixture(scope="module")
def by_half(biased, measured_on, plan):
    return compare_corrections(biased, measured_on, plan)


@pytest.fixture(scope="module")
def by_canaries(biased, measured_on, plan, canaries):
    return compare_corrections(biased, measured_on, replace(plan, choose_on=canaries))


def test_a_correction_is_recommended_that_helps_on_other_queries(by_half):
    figures = by_half.recommended.figures
    assert figures["R@10", "even"].change.low > 0.05
    assert figures["rank_distance", "multi"].change.high < 0
    assert [gate.verdict for gate in by_half.gates] == ["passed"]
    assert by_half.chosen_on.startswith("half of")
    assert by_half.blocks == 40


def test_the_figures_are_those_of_evaluate_and_compare(biased, measured_on, by_canaries):
    """Of a correction of vectors, of scores, and without one."""
    measures = ["AP", "R@10", "rank_distance"]
    plain = evaluate(biased, measured_on, measures=measures, label="plain")
    rows = {row.candidate.name: row for row in by_canaries.rows}
    bonus = next(name for name in rows if "by top" in name and "own bonus" in name)
    for name in ("project, strength 0.2", bonus):
        row = rows[name]
        debiased = evaluate(
            biased, measured_on, measures=measures, debias=row.candidate.correction, label=name
        )
        settings = debiased.result.settings
        compared = compare([plain, debiased], measures=measures, resamples=200, permutations=1)
        changes = {
            (one.measure, one.setting): one
            for one in compared.select("setting", system=compared.systems[0])
        }
        intervals = setting_intervals(debiased, measures, resamples=200)
        for (measure, setting), figure in row.figures.items():
            value = (
                settings[setting][measure]
                if measure != "rank_distance"
                else (debiased.result.bias[measure])
            )
            assert figure.of.value == pytest.approx(value, abs=1e-12)
            assert (figure.of.low, figure.of.high) == pytest.approx(intervals[measure, setting])
            change = changes[measure, setting]
            assert figure.change.value == pytest.approx(change.difference, abs=1e-12)
            assert figure.change.low == pytest.approx(change.low, abs=1e-12)
            assert figure.change.at_most == pytest.approx(change.at_most, abs=1e-12)
    assert by_canaries.without["AP", "multi"].of.value == pytest.approx(
        plain.result.settings["multi"]["AP"], abs=1e-12
    )


def test_canaries_need_no_labels(biased, measured_on, plan, canaries, by_canaries):
    """The choice stays as it is where the labels of the benchmark are wrong."""
    relevance = measured_on.relevance
    shuffled = np.random.default_rng(0).permutation(len(measured_on.queries))
    wrong = replace(
        measured_on,
        relevance=replace(
            relevance, passages=relevance.passages.reshape(len(shuffled), -1)[shuffled].ravel()
        ),
    )
    other = compare_corrections(biased, wrong, replace(plan, choose_on=canaries))
    assert other.recommended.candidate.name == by_canaries.recommended.candidate.name
    assert [row.chosen_on for row in other.rows] == [row.chosen_on for row in by_canaries.rows]
    assert by_canaries.chosen_on == "40 canaries of items-5000"
    assert by_canaries.blocks == 80


def test_the_loss_in_the_own_language_is_limited(biased, measured_on, plan, by_half):
    own = by_half.recommended.chosen_on["R@10", "own"].change
    limit = -own.value / 2
    assert limit > 0
    limited = compare_corrections(
        biased, measured_on, replace(plan, goal=Goal("even", max_own_loss=limit))
    )
    change = limited.recommended.chosen_on["R@10", "own"].change
    assert change.at_least >= -limit > own.value
    assert limited.recommended.candidate.name != by_half.recommended.candidate.name


def test_nothing_is_recommended_to_a_model_without_bias(offsets, measured_on, plan, tmp_path):
    found = compare_corrections(offsets(0), measured_on, replace(plan, goal=Goal("gap")))
    assert found.recommended is None
    assert found.correction is None
    assert sentence(found).startswith("No correction is recommended")
    assert commands(found, Names()) == []
    write_tradeoff(found, tmp_path / "none")
    assert not (tmp_path / "none" / SAVED).exists()


def test_the_folder_has_a_page_figures_and_the_correction(by_half, measured_on, biased, tmp_path):
    write_tradeoff(by_half, tmp_path / "out", Names("MODEL", "xquad-r", "out"))
    page = (tmp_path / "out" / "index.html").read_text()
    assert by_half.recommended.candidate.name in page
    assert "<svg" in page
    assert "--debias out/correction.safetensors" in page
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert facts["recommended"] == by_half.recommended.candidate.name
    assert len(facts["rows"]) == len(by_half.rows) == 2 + 2 + 3 * (2 + 2)
    saved = load_correction(tmp_path / "out" / SAVED)
    assert saved.facts == by_half.correction.facts
    with pytest.raises(ConfigError, match="an earlier comparison"):
        write_tradeoff(by_half, tmp_path / "out")


def test_the_front_has_no_correction_that_another_beats(by_half):
    points = [
        (row.figures["R@10", "own"].of.value, row.figures["R@10", "other"].of.value)
        for row in by_half.rows
    ]
    for row, (own, other) in zip(by_half.rows, points, strict=True):
        beaten = any(a >= own and b >= other and (a, b) != (own, other) for a, b in points)
        assert row.on_front == (not beaten)


def test_other_offsets_than_those_of_the_fit_are_a_warning(offsets, measured_on, plan, by_half):
    assert min(by_half.cosines.values()) > 0.9
    assert not any("offset" in one for one in warnings(by_half))

    class Moved(offsets):
        def row(self, text, kind):
            row = super().row(text, kind)
            return np.roll(row, 1) if text.endswith(tuple("0123456789")) and len(text) < 11 else row

    moved = compare_corrections(Moved(0.8), measured_on, plan)
    assert max(moved.cosines.values()) < 0.9
    assert "3 of 3 languages the offset" in warnings(moved)[0]


@pytest.fixture(scope="module")
def easy(offsets, canaries):
    """A model that finds each canary in the query's own language, with any correction."""

    class Sure(offsets):
        def row(self, text, kind):
            lang, _, number = text.partition(" item ")
            noise = 0.1 if number.startswith("50") else 1.5
            row = self.noise(number) + noise * self.noise(text + kind) + self.offsets.get(lang, 0)
            return row / np.linalg.norm(row)

    return Sure(0.8)


def test_easy_canaries_do_not_hide_the_loss_in_the_own_language(easy, measured_on, plan, canaries):
    """It is expected from queries without labels, and a limit holds for what labels show."""
    plan = replace(plan, choose_on=canaries, goal=Goal("multi"))
    free = compare_corrections(easy, measured_on, plan)
    assert free.recommended.chosen_on["R@10", "own"].change.value > -0.01
    assert free.recommended.figures["R@10", "own"].change.value < -0.1
    limited = compare_corrections(
        easy, measured_on, replace(plan, goal=Goal("multi", max_own_loss=0.1))
    )
    assert limited.recommended.chosen_on["R@10", "own"].change.at_least >= -0.1
    assert limited.recommended.figures["R@10", "own"].change.value > -0.1
    assert limited.recommended.figures["AP", "multi"].change.low > 0
    assert "R@10 own of queries without labels falls by at most 0.1" in sentence(limited)


def test_the_expected_loss_is_that_of_the_best_passages(biased, measured_on):
    """Each of the ten best of the own language is an answer with a share that falls."""
    given = Measured(measured_on, embed(biased, measured_on))
    chosen, expected = unlabelled(given, seed=0)
    scores = np.asarray(given.embeddings.queries) @ np.asarray(given.embeddings.passages).T
    langs = measured_on.passages.langs
    shares = 1 / np.arange(1, 11) ** 2
    values = expected(chosen.benchmark, rank_embeddings(chosen.embeddings, chosen.benchmark, 1))
    assert len(chosen.benchmark.queries) == 240
    for query, lang in enumerate(measured_on.queries.langs):
        own = np.sort(scores[query, langs == lang])[::-1][:10]
        kept = [(scores[query] > one).sum() < 10 for one in own]
        found = values["R@10"][query]
        assert found[4 + lang] == pytest.approx(shares @ kept / shares.sum())
        assert np.isnan(np.delete(found, 4 + lang)).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"grid": lambda _: Grid(("centre",))}, UnknownNameError, "'center'"),
        ({"grid": lambda _: Grid(strengths=(2,))}, ConfigError, "0 to 1"),
        ({"grid": lambda _: Grid(strengths=(0,))}, ConfigError, "one above 0"),
        ({"grid": lambda _: Grid(own_shares=(-1,))}, ConfigError, "a share of 0 to 1"),
        ({"goal": lambda _: Goal("best")}, ConfigError, "one of even"),
        ({"goal": lambda _: Goal(max_own_loss=2)}, ConfigError, "0 to 1"),
        ({"items": lambda _: 1}, ConfigError, "2 or more"),
        ({"fit_on": lambda corpus: corpus(0, 60, ("de", "en"))}, DataError, "no texts in fi"),
        (
            {"fit_on": lambda corpus: corpus(1000, 60)},
            DataError,
            "texts that the correction was fitted",
        ),
        ({"choose_on": lambda corpus: corpus(1000, 60)}, DataError, "0 items in all of"),
        ({"choose_on": lambda corpus: corpus(0, 60)}, DataError, "with --fit-on"),
    ],
)
def test_bad_input(biased, corpus_of, measured_on, plan, change, error, message):
    with pytest.raises(error, match=message):
        compare_corrections(
            biased,
            measured_on,
            replace(plan, **{name: one(corpus_of) for name, one in change.items()}),
        )


def test_queries_in_a_language_without_passages(biased, measured_on, plan):
    """They are corrected too, so the texts of the fit need that language."""
    keep = measured_on.passages.langs != 2
    pairs = keep[measured_on.relevance.passages]
    relevance = Relevance.of_pairs(
        measured_on.relevance.query_of[pairs],
        measured_on.relevance.passages[pairs],
        len(measured_on.queries),
    )
    texts = measured_on.passages
    passages = TextSet(texts.ids.filter(keep), texts.texts.filter(keep), texts.langs[keep])
    two = replace(measured_on, passages=passages, relevance=relevance)
    found = compare_corrections(biased, two, plan)
    assert found.recommended.figures["R@10", "other"].change.low > 0
    assert set(found.cosines) == {"de", "en"}


def test_a_benchmark_without_parallel_answers(biased, plan):
    from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark

    card = Card("One", "tests", "CC0", "none")
    rows = [(f"{lang} item {n}", lang) for lang in ("de", "en", "fi") for n in range(900, 906)]
    single = build_benchmark(
        "one answer",
        card,
        [Query(f"q{at}", str(at), lang, text) for at, (text, lang) in enumerate(rows)],
        [Passage(f"p{at}", lang, text) for at, (text, lang) in enumerate(rows)],
        [(f"q{at}", f"p{at}") for at in range(len(rows))],
    )
    with pytest.raises(DataError, match="parallel answers"):
        compare_corrections(biased, single, plan)

"""Many calibrations in one pass rank as each of them alone, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.evaluation.calibrations import rank_calibrations
from evenrank.evaluation.debias import rank_corrected
from evenrank.evaluation.encode import Embeddings


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_one_calibration(benchmark, seed):
    """Whole numbers: many raw scores are equal, and many corrected ones as well."""
    random = np.random.default_rng(seed)
    names = np.array(benchmark.languages)
    queries, passages = (
        random.integers(-2, 3, (len(texts), 4)).astype(np.float32)
        for texts in (benchmark.queries, benchmark.passages)
    )
    fitted_on = [(random.integers(-1, 2, (300, 4)).astype(np.float32), np.resize(names, 300))]
    calibrations = [
        fit_correction("calibrate", fitted_on, settings=settings, strength=strength)
        for settings in (
            {"by": "top", "k": 2},
            {"by": "top", "k": 2, "own_bonus": 0.5},
            {"by": "top", "k": 99, "own_bonus": 1},
            {"by": "mean"},
            {"by": "z", "own_bonus": 0.25},
        )
        for strength in (0, 0.5, 1)
    ]
    found = rank_calibrations(calibrations, Embeddings(queries, passages), benchmark)
    asked = (queries, names[benchmark.queries.langs])
    pool = (passages, benchmark.languages, benchmark.offsets)
    for calibration, ranking in zip(calibrations, found, strict=True):
        alone = rank_corrected(calibration, asked, pool, benchmark.relevance, top_k=1)
        assert np.array_equal(ranking.above, alone.above)
        assert np.array_equal(ranking.above_in_language, alone.above_in_language)
        assert np.array_equal(ranking.scores, alone.scores)
    assert len({tuple(one.above) for one in found}) > 5

"""Embeddings with a language offset, as real encoders have: texts of different length and topic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from evenrank.debias.base import Correction, fit_correction
from evenrank.debias.rows import blocks_of

LANGUAGES = ("de", "en", "fi", "th")
WIDTH = 12
METHODS = {
    "center": [{}, {"to": "zero"}, {"unit": False}, {"sides": "passages"}, {"shrink": False}],
    "shift": [{}, {"source": "de", "sides": "both"}],
    "project": [{}, {"rank": 2}, {"sides": "queries"}],
    "lir": [{}, {"rank": 3}, {"sides": "passages"}],
    "leace": [{}],
    "calibrate": [
        {"by": "mean"},
        {"by": "z"},
        {"by": "top", "k": 3},
        {"by": "mean", "own_bonus": 0.1},
    ],
    "csls": [{}, {"k": 3}],
    "flatten": [{}, {"k": 3, "hubs": 1.0, "common": 0.0}],
}
CASES = [(name, settings) for name, many in METHODS.items() for settings in many]
VECTOR_CASES = [case for case in CASES if case[0] not in ("calibrate", "csls", "flatten")]


def pytest_generate_tests(metafunc):
    """``case``: every method with several settings; ``vector_case``: those that change vectors."""
    for fixture, cases in (("case", CASES), ("vector_case", VECTOR_CASES)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, cases, ids=lambda case: f"{case[0]}-{case[1]}")


class Side(NamedTuple):
    rows: np.ndarray
    langs: np.ndarray


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def parallel_texts(
    seed: int, count: int = 60, *, languages=LANGUAGES, width=WIDTH, shift=0.0
) -> Side:
    """Parallel texts: the meaning of a text, plus an offset of its language, plus noise."""
    space = np.random.default_rng(5)
    offsets = dict(zip(LANGUAGES, space.normal(0, 0.5, (len(LANGUAGES), width)), strict=True))
    common = space.normal(0, 1, width)
    random = np.random.default_rng(seed)
    meaning = random.normal(0, 0.6, (count, width))
    parts = [
        meaning + common + shift + offsets[lang] + random.normal(0, 0.1, (count, width))
        for lang in languages
    ]
    rows, langs = unit(np.concatenate(parts)), np.repeat(np.array(languages), count)
    order = random.permutation(len(rows))
    return Side(rows[order], langs[order])


@pytest.fixture(scope="session")
def passages() -> Side:
    return parallel_texts(1)


@pytest.fixture(scope="session")
def queries() -> Side:
    return parallel_texts(2, 40, shift=0.2)


@pytest.fixture(scope="session")
def fit(passages, queries):
    """Fit a method on passages and queries, read in small blocks."""

    def fitted(name: str, settings=None, *, both: bool = True, **more) -> Correction:
        asked = blocks_of(queries.rows, queries.langs, 33) if both else None
        return fit_correction(
            name, blocks_of(passages.rows, passages.langs, 50), asked, settings=settings, **more
        )

    return fitted


@pytest.fixture(scope="session")
def other_passages() -> Side:
    """Texts that nothing was fitted on."""
    return parallel_texts(9)

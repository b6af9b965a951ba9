"""The functions of studies/ whose figures the documentation shows."""

from __future__ import annotations

import doctest
import runpy
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parent.parent / "studies" / "answer_elsewhere.py"


@pytest.fixture
def answer_elsewhere():
    return runpy.run_path(str(SCRIPT))["answer_elsewhere"]


def test_its_example_holds():
    scope = runpy.run_path(str(SCRIPT))
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(scope["answer_elsewhere"], globs=scope)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_other_answers_are_taken_out_of_the_pool(answer_elsewhere):
    """Three answers at ranks 1, 2 and 3 are each first if the two others are taken out."""
    ranks = pd.DataFrame(
        {
            "query_id": ["q"] * 3,
            "query_lang": ["de"] * 3,
            "lang": ["de", "en", "es"],
            "rank": [1, 2, 3],
        }
    )
    assert answer_elsewhere(ranks, 1).to_dict() == {"own": 1.0, "other": 1.0}


def test_a_passage_that_a_run_misses_is_not_found(answer_elsewhere):
    ranks = pd.DataFrame(
        {"query_id": ["q"] * 2, "query_lang": ["de"] * 2, "lang": ["de", "en"], "rank": [1, None]}
    )
    assert answer_elsewhere(ranks, 10).to_dict() == {"own": 1.0, "other": 0.0}

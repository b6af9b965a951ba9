"""Damaged, incomplete and mistaken model folders: each is refused, or works as before."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.errors import DataError

TEXTS = ["where does the rhine end?", "the sea"]
HARMLESS = {"README.md", "sentence_bert_config.json", "special_tokens_map.json"}
"""Files that a model works without."""
OPTIONAL = {"config_sentence_transformers.json"}
"""Absent from models that have no prompts, which loads as such a model."""
DAMAGES = {
    "absent": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "without content": lambda path: path.write_text("{}"),
}


@pytest.fixture(scope="module")
def folders(xlm_roberta, labse, texts, tmp_path_factory):
    """BERT and XLM-R as finished models, XLM-R as a checkpoint, static, and a Router of two."""
    root = tmp_path_factory.mktemp("models")
    finished = load_encoder(xlm_roberta, device="cpu", max_length=32)
    finished.save_pretrained(str(root / "finished"))
    static = build_encoder("static", texts, {"width": 16, "vocabulary": 600})
    static.save_pretrained(str(root / "static"))
    routes = Router.for_query_document([*static], [*finished])
    SentenceTransformer(modules=[routes], device="cpu").save_pretrained(str(root / "router"))
    return {
        "labse": labse,
        "finished": root / "finished",
        "checkpoint": xlm_roberta,
        "static": root / "static",
        "router": root / "router",
    }


def changed(folders, kind, tmp_path):
    return shutil.copytree(folders[kind], tmp_path / kind, dirs_exist_ok=True)


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["labse", "finished", "checkpoint", "static", "router"])
def test_each_damaged_file_is_named_or_is_not_needed(kind, damage, folders, tmp_path):
    expected = load_encoder(folders[kind], device="cpu").encode_document(TEXTS)
    files = [path for path in sorted(folders[kind].rglob("*")) if path.is_file()]
    assert len(files) >= 4
    for number, file in enumerate(files):
        if damage == "absent" and file.name in OPTIONAL:
            continue
        folder = shutil.copytree(folders[kind], tmp_path / str(number))
        broken = folder / file.relative_to(folders[kind])
        DAMAGES[damage](broken)
        error = refusal(folder)
        if error:
            assert "\n" not in error
            named = [broken.name, broken.parent.name if broken.parent != folder else broken.stem]
            assert any(name in error for name in named), (broken, error)
            assert broken.name != "README.md"
        else:
            assert damage == "absent" or file.name in HARMLESS, file
            found = load_encoder(folder, device="cpu").encode_document(TEXTS)
            np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=str(file))


def refusal(folder):
    try:
        load_encoder(folder, device="cpu")
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f["structure"].update(image=f["structure"]["query"]),
            "the routes 'query', 'doc",
        ),
        (lambda f: f["structure"].pop("query"), "the routes 'document'"),
        (lambda f: f["structure"].update(query=["elsewhere"]), "the route 'query' with"),
        (lambda f: f["structure"].update(query=[]), "the route 'query' with"),
        (lambda f: f["types"].update({"../static": "a.StaticEmbedding"}), "the path '../static'"),
        (lambda f: f["types"].update(more="sentence_transformers.base.modules.Router"), "type"),
        (lambda f: f["types"].update(more="os.system"), "no readable model|no such file"),
        (lambda f: f["parameters"].update(route_mappings={"(None, 'text')": "query"}), "mappings"),
        (lambda f: f.update(types=[]), "no lists of modules"),
    ],
)
def test_a_router_with_other_routes_or_modules_is_refused(folders, tmp_path, change, message):
    path = changed(folders, "router", tmp_path) / "router_config.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))
    with pytest.raises(DataError, match=message):
        load_encoder(path.parent, device="cpu")


def test_a_folder_in_the_place_of_a_file(folders, tmp_path):
    for name in ("tokenizer.json", "modules.json", "config.json", "model.safetensors"):
        folder = shutil.copytree(folders["finished"], tmp_path / name)
        (folder / name).unlink()
        (folder / name).mkdir()
        assert refusal(folder).startswith(f"{folder / name}: found a folder")


def test_a_missing_tokenizer_is_not_replaced_by_a_blank_one(folders, tmp_path):
    for kind in ("labse", "finished", "checkpoint"):
        folder = changed(folders, kind, tmp_path)
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            (folder / name).unlink(missing_ok=True)
        with pytest.raises(DataError, match=r"tokenizer"):
            load_encoder(folder, device="cpu")


@pytest.mark.parametrize("taker", ["labse", "finished"])
def test_a_tokenizer_of_another_model(taker, folders, texts, tmp_path):
    folder = changed(folders, taker, tmp_path)
    large = build_encoder("static", texts * 2, {"width": 16, "vocabulary": 900})
    large.tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(DataError, match=r"found a tokenizer of|Can't instantiate a .* tokenizer"):
        load_encoder(folder, device="cpu")


def test_a_static_model_with_the_weights_of_another(folders, tmp_path):
    folder = changed(folders, "static", tmp_path)
    rows = load_file(folder / "model.safetensors")["embedding.weight"]
    for count in (len(rows) // 2, len(rows) - 1):
        save_file({"embedding.weight": rows[:count].copy()}, folder / "model.safetensors")
        with pytest.raises(DataError, match=f"embeddings of {count:,} tokens"):
            load_encoder(folder, device="cpu")


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("hidden_size", 32, "of shape"),
        ("intermediate_size", 16, "of shape"),
        ("max_position_embeddings", 300, "of shape"),
        ("vocab_size", 4000, "of shape"),
        ("num_hidden_layers", 3, "weights missing, such as"),
        ("num_hidden_layers", 1, "more layers than config.json says"),
    ],
)
@pytest.mark.parametrize("kind", ["finished", "checkpoint"])
def test_a_configuration_of_another_model(kind, key, value, found, folders, tmp_path, capfd):
    folder = changed(folders, kind, tmp_path)
    edit(folder / "config.json", **{key: value})
    with pytest.raises(DataError, match=found):
        load_encoder(folder, device="cpu")
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("kind", ["labse", "finished", "checkpoint"])
def test_a_weight_that_is_missing_is_not_drawn_at_random(kind, folders, tmp_path):
    folder = changed(folders, kind, tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.0.output.dense.weight"))
    save_file({key: w for key, w in weights.items() if key != name}, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"1 weights missing, such as .*output\.dense\.weight"):
        load_encoder(folder, device="cpu")


def test_weights_with_nan(folders, tmp_path):
    folder = changed(folders, "labse", tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.0.output.dense.weight"))
    weights[name][0, 0] = np.nan
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(DataError, match="NaN or infinite"):
        load_encoder(folder, device="cpu")


def test_a_shard_that_is_missing(folders, tmp_path):
    folder = changed(folders, "checkpoint", tmp_path)
    weights = load_file(folder / "model.safetensors")
    halves = [dict(list(weights.items())[part::2]) for part in range(2)]
    names = [f"model-0000{part + 1}-of-00002.safetensors" for part in range(2)]
    for name, half in zip(names, halves, strict=True):
        save_file(half, folder / name, metadata={"format": "pt"})
    index = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    (folder / "model.safetensors").unlink()
    load_encoder(folder, device="cpu")
    (folder / names[1]).unlink()
    with pytest.raises(DataError, match=f"{names[1]}: found no such file"):
        load_encoder(folder, device="cpu")


def test_a_module_of_another_width(folders, tmp_path):
    folder = changed(folders, "finished", tmp_path)
    edit(folder / "1_Pooling" / "config.json", embedding_dimension=32)
    with pytest.raises(DataError, match="vectors of width 16, expected width 32"):
        load_encoder(folder, device="cpu")


def test_a_dense_layer_of_another_width(folders, tmp_path):
    folder = changed(folders, "labse", tmp_path)
    edit(folder / "2_Dense" / "config.json", in_features=32)
    with pytest.raises(DataError, match=r"2_Dense|Dense|size mismatch"):
        load_encoder(folder, device="cpu")


def test_a_model_without_its_list_of_modules_is_not_a_checkpoint(folders, tmp_path):
    folder = changed(folders, "labse", tmp_path)
    (folder / "modules.json").unlink()
    (folder / "config_sentence_transformers.json").unlink()
    with pytest.raises(DataError, match=r"modules\.json: found no such file"):
        load_encoder(folder, device="cpu")


def test_a_sparse_encoder(folders, tmp_path):
    from sentence_transformers import SparseEncoder

    SparseEncoder(str(folders["checkpoint"]), device="cpu").save_pretrained(str(tmp_path))
    with pytest.raises(DataError, match="a SparseEncoder, which is not a dense encoder"):
        load_encoder(tmp_path, device="cpu")
    (tmp_path / "config_sentence_transformers.json").unlink()
    with pytest.raises(DataError, match=r"SpladePooling|MLMTransformer|fill-mask"):
        load_encoder(tmp_path, device="cpu")


def test_a_cross_encoder(folders, tmp_path):
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(folders["checkpoint"]), device="cpu").save_pretrained(str(tmp_path))
    with pytest.raises(DataError, match="a CrossEncoder, which is not a dense encoder"):
        load_encoder(tmp_path, device="cpu")
    for name in ("config_sentence_transformers.json", "modules.json"):
        (tmp_path / name).unlink(missing_ok=True)  # as earlier versions saved it
    with pytest.raises(DataError, match="XLMRobertaForSequenceClassification, which is not"):
        load_encoder(tmp_path, device="cpu")


def test_a_module_outside_of_the_model(folders, tmp_path):
    folder = changed(folders, "labse", tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "../1_Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(DataError, match=r"modules\.json: found the path '\.\./1_Pooling'"):
        load_encoder(folder, device="cpu")


def test_a_tokenizer_whose_class_would_be_guessed_wrong(folders, texts, tmp_path):
    """XLM-R's tokenizer with BERT's architecture, as multilingual E5 small has."""
    folder = changed(folders, "labse", tmp_path)
    model = SentenceTransformer(str(folder), device="cpu")
    small = build_encoder("scratch", texts, {"width": 16, "heads": 2, "vocabulary": 600})
    size = len(small.tokenizer)
    model[0].model.resize_token_embeddings(size)
    model[0].processor = small.tokenizer
    model.save_pretrained(str(tmp_path / "e5"))
    load_encoder(tmp_path / "e5", device="cpu")
    (tmp_path / "e5" / "tokenizer_config.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer"):
        load_encoder(tmp_path / "e5", device="cpu")


def test_a_token_that_was_added_after_training_does_no_harm(folders, tmp_path):
    """EmbeddingGemma has one for images, which has no embedding."""
    folder = changed(folders, "labse", tmp_path)
    model = load_encoder(folder, device="cpu")
    model.tokenizer.add_tokens(["[IMAGE]"])
    model.tokenizer.save_pretrained(folder)
    expected = load_encoder(folders["labse"], device="cpu").encode_document(TEXTS)
    np.testing.assert_array_equal(
        load_encoder(folder, device="cpu").encode_document(TEXTS), expected
    )

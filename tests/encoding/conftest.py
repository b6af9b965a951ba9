"""Texts in several scripts, and tiny checkpoints of the real architectures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

TEXTS = [
    "Der Rhein fließt durch Köln und mündet in die Nordsee.",
    "Wo mündet der Rhein?",
    "The Rhine flows through Cologne and ends in the North Sea.",
    "Where does the Rhine end?",
    "İstanbul ve İzmir Türkiye'dedir, IŞIK söndü.",
    "राइन नदी कोलोन से होकर बहती है।",
    "แม่น้ำไรน์ไหลผ่านเมืองโคโลญ",
    "莱茵河流经科隆，注入北海。",
    "يمر نهر الراين بمدينة كولونيا.",
    "Ο Ρήνος διασχίζει την Κολωνία.",
    "Рейн протекает через Кёльн.",
    "Sông Rhine chảy qua Köln.",
] * 3

PIECES = ["▁", "▁query", "▁passage", "▁the", "▁rhine", "▁where", "▁does", "▁end", "▁sea"]
LETTERS = "abcdefghijklmnopqrstuvwxyzQPTRW:.?"


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Sentences in eleven languages; each comes several times."""
    return TEXTS


@pytest.fixture(scope="session")
def xlm_roberta(tmp_path_factory) -> Path:
    """A tiny checkpoint as the published ones are: a masked language model, without a pooler.

    Like InfoXLM's, its tokenizer states no longest text.
    """
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaTokenizer

    folder = tmp_path_factory.mktemp("xlm-roberta")
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab = [(piece, 0.0) for piece in specials]
    vocab += [(piece, -2.0) for piece in PIECES] + [(letter, -5.0) for letter in LETTERS]
    XLMRobertaTokenizer(vocab=[*vocab, ("<mask>", 0.0)]).save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=len(vocab) + 1,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=514,
        initializer_range=0.3,
        type_vocab_size=1,
    )
    _save(XLMRobertaForMaskedLM, config, folder)
    return folder


@pytest.fixture(scope="session")
def labse(tmp_path_factory) -> Path:
    """A tiny model of LaBSE's make: BERT, its first token, a dense layer, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("labse")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "passage", "where", "the"]
    words += [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocab = {word: number for number, word in enumerate(words)}
    BertTokenizer(vocab=vocab, model_max_length=32).save_pretrained(folder / "bert")
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    _save(BertModel, config, folder / "bert")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        dense = Dense(16, 16, activation_function=torch.nn.Tanh())
    modules = [Transformer(str(folder / "bert")), Pooling(16, "cls"), dense, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder / "model"))
    return folder / "model"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A function that puts a model into the hub's cache under an id; the hub is out of reach."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))

    def publish(id_: str, folder: Path) -> None:
        place, commit = tmp_path / f"models--{id_.replace('/', '--')}", "0" * 40
        shutil.copytree(folder, place / "snapshots" / commit)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(commit)

    return publish


def _save(architecture, config, folder: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        architecture(config).save_pretrained(folder)

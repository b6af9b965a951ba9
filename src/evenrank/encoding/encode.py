"""Texts to unit vectors.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.errors import DataError
from evenrank.progress import bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCHES_AT_ONCE = 32
_SHOWN_CHARACTERS = 60


def encode_texts(
    model: SentenceTransformer,
    texts: Sequence[str] | pa.ChunkedArray,
    *,
    kind: Literal["query", "passage"],
    batch_size: int = 64,
    description: str,
) -> NDArray[np.float32]:
    """Return the unit vectors of texts, in their order.

    Texts are read piece by piece, so that a memory-mapped column stays on disk; texts of similar
    length share a batch, which saves padding. The encoder stays on its device.

    Args:
        model: The encoder, with its prompts.
        texts: ``N`` texts.
        kind: Which of the two prompts is put before each.
        batch_size: Texts encoded at once.
        description: What the progress bar says: ``"Encoding passages"``.

    Returns:
        ``(N, H)`` float32, each row of length 1.

    Raises:
        DataError: A text has an embedding that is all zeros, NaN or infinite: it has no direction,
            so it cannot be ranked.
    """
    encode = model.encode_query if kind == "query" else model.encode_document
    total = len(texts)
    vectors_NH = np.empty((total, model.get_embedding_dimension()), dtype=np.float32)
    piece = batch_size * _BATCHES_AT_ONCE
    with bar(description, total=total, unit="texts") as progress:
        for start in range(0, total, piece):
            batch = _as_list(texts[start : start + piece])
            encoded = encode(
                batch, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True
            )
            part_NH = encoded.float().cpu().numpy()
            lengths = np.linalg.norm(part_NH, axis=1)
            _refuse_directionless(model, batch, lengths, start, total)
            vectors_NH[start : start + piece] = part_NH / lengths[:, None]
            progress.advance(len(batch))
    return vectors_NH


def _as_list(texts: Sequence[str] | pa.ChunkedArray) -> list[str]:
    return texts.to_pylist() if isinstance(texts, pa.ChunkedArray) else list(texts)


def _refuse_directionless(
    model: SentenceTransformer,
    texts: list[str],
    lengths: NDArray[np.float32],
    start: int,
    total: int,
) -> None:
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if not len(wrong):
        return
    first = int(wrong[0])
    zero = lengths[first] == 0
    raise DataError(
        f"text {start + first + 1} of {total}, {texts[first][:_SHOWN_CHARACTERS]!r}, "
        f"encoder {model_fingerprint(model)}",
        "an embedding of zeros" if zero else "an embedding with NaN or infinite values",
        "an embedding that has a direction",
        "Remove the text, which has no word for this encoder"
        if zero
        else "Lower the learning rate or the precision's error that broke the encoder",
    )

"""Texts to unit vectors.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.errors import DataError
from evenrank.processes import ALONE, Team
from evenrank.progress import bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Kind = Literal["query", "passage"]
BATCHES_AT_ONCE = 8
PIECE = 16_384
"""Texts that are sorted by length together."""
_SHOWN_CHARACTERS = 60


def encode_texts(
    model: SentenceTransformer,
    texts: Sequence[str] | pa.ChunkedArray,
    *,
    kind: Kind,
    batch_size: int = 64,
    team: Team = ALONE,
    description: str,
) -> NDArray[np.float32]:
    """Return the unit vectors of texts, in their order.

    Texts are read piece by piece, so that a memory-mapped column stays on disk; texts of similar
    length share a batch, which saves padding. The encoder stays on its device. Batches are the
    same however many processes share them.

    Args:
        model: The encoder, with its prompts.
        texts: ``N`` texts.
        kind: Which of the two prompts is put before each.
        batch_size: Texts encoded at once.
        team: Processes that encode a share each; every one of them gets all vectors.
        description: What the progress bar says: ``"Encoding passages"``.

    Returns:
        ``(N, H)`` float32, each row of length 1.

    Raises:
        DataError: A text has an embedding that is all zeros, NaN or infinite: it has no direction,
            so it cannot be ranked.
    """
    total = len(texts)
    vectors_NH = np.empty((total, model.get_embedding_dimension()), dtype=np.float32)
    with bar(description, total=total, unit="texts") as progress:
        for start in range(0, total, PIECE):
            piece = as_list(texts[start : start + PIECE])
            parts = list(longest_first(piece, batch_size * BATCHES_AT_ONCE))
            for part in team.share(parts):
                vectors_NH[start + part] = unit_vectors(
                    model,
                    [piece[at] for at in part.tolist()],
                    kind=kind,
                    batch_size=batch_size,
                    places=(start + part).tolist(),
                    total=total,
                )
                progress.advance(len(part))
            for number, part in enumerate(parts if team.count > 1 else []):
                rows_NH = vectors_NH[start + part]
                team.spread(rows_NH, number % team.count)
                vectors_NH[start + part] = rows_NH
                progress.advance(len(part) * (number % team.count != team.index))
    return vectors_NH


def longest_first(texts: Sequence[str], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places of texts, ``size`` at once, from the longest text to the shortest.

    Too long a batch fails at once, not after hours.

    >>> [part.tolist() for part in longest_first(["a", "ccc", "bb"], 2)]
    [[1, 2], [0]]
    """
    order = np.argsort([-len(text) for text in texts], kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def unit_vectors(
    model: SentenceTransformer,
    texts: list[str],
    *,
    kind: Kind,
    batch_size: int,
    places: Sequence[int],
    total: int,
) -> NDArray[np.float32]:
    """Return the unit vectors of a few texts, all encoded at once.

    Args:
        model: The encoder, with its prompts.
        texts: ``N`` texts.
        kind: Which of the two prompts is put before each.
        batch_size: Texts encoded at once.
        places: Where each text stands among all of them, for the message.
        total: How many there are in all, for the message.

    Raises:
        DataError: A text has an embedding without a direction.
    """
    encode = model.encode_query if kind == "query" else model.encode_document
    encoded = encode(texts, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True)
    part_NH: NDArray[np.float32] = encoded.float().cpu().numpy()
    lengths = np.linalg.norm(part_NH, axis=1)
    _refuse_directionless(model, texts, lengths, places, total)
    part_NH /= lengths[:, None]
    return part_NH


def as_list(texts: Sequence[str] | pa.ChunkedArray) -> list[str]:
    """Return texts, or some rows of a column, as a list."""
    return texts.to_pylist() if isinstance(texts, pa.ChunkedArray) else list(texts)


def _refuse_directionless(
    model: SentenceTransformer,
    texts: list[str],
    lengths: NDArray[np.float32],
    places: Sequence[int],
    total: int,
) -> None:
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if not len(wrong):
        return
    first = int(wrong[0])
    zero = lengths[first] == 0
    raise DataError(
        f"text {places[first] + 1} of {total}, {texts[first][:_SHOWN_CHARACTERS]!r}, "
        f"encoder {model_fingerprint(model)}",
        "an embedding of zeros" if zero else "an embedding with NaN or infinite values",
        "an embedding that has a direction",
        "Remove the text, which has no word for this encoder"
        if zero
        else "Lower the learning rate or the precision's error that broke the encoder",
    )

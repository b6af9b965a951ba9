"""Whether two sets of texts have the same language offsets.

The offset of a language is the mean of its embeddings minus the mean of all languages' means. A
correction of one set removes the offsets of the other if these have the same direction.
"""

from __future__ import annotations

import numpy as np

from evenrank.debias.moments import gather
from evenrank.debias.rows import Blocks, Doubles

SMALLEST_COSINE = 0.9


def offset_cosines(one: Blocks, other: Blocks) -> dict[str, float]:
    """Return the cosine of two sets' offsets for each language that both have.

    Args:
        one: Embeddings of passages with their languages.
        other: Embeddings of other passages.

    Raises:
        DataError: A set has one language only, or a language with one text.
    """
    (names, first), (names_too, second) = (_means(blocks) for blocks in (one, other))
    shared = sorted(set(names) & set(names_too))
    pairs = []
    for means, known in ((first, names), (second, names_too)):
        chosen = means[[known.index(lang) for lang in shared]]
        offsets = chosen - chosen.mean(axis=0)
        pairs.append(offsets / np.maximum(np.linalg.norm(offsets, axis=1, keepdims=True), 1e-12))
    return dict(zip(shared, (pairs[0] * pairs[1]).sum(axis=1).tolist(), strict=True))


def _means(blocks: Blocks) -> tuple[tuple[str, ...], Doubles]:
    moments = gather(blocks, "passage", covariances=False, sample=0)
    return moments.languages, moments.means

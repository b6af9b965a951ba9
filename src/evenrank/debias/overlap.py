"""A correction is never measured on the texts that it was fitted on.

A fit keeps a sketch of its texts: the ``SIZE`` smallest of their 64-bit hashes (bottom-k sampling;
Broder 1997, Cohen and Kaplan 2007). Every text whose hash is at most the largest hash kept is
recognised. So up to 65,536 texts are all recognised, and of a million every fifteenth.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import DataError

SIZE = 65_536
_AT_ONCE = 65_536


def sketch(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return the sorted sketch of texts, at most ``SIZE`` numbers, in one pass.

    Spelling in upper or lower case, white space and Unicode compatibility forms do not count.

    >>> bool((sketch(["Guten  Tag"]) == sketch(["guten tag"])).all())
    True
    """
    kept = np.empty(0, dtype=np.uint64)
    for hashes in _hashes(texts):
        kept = np.unique(np.concatenate([kept, hashes]))[:SIZE]
    return kept


def refuse_overlap(fitted: NDArray[np.uint64], texts: Iterable[str], place: str) -> None:
    """Refuse to measure on texts of the fit.

    Args:
        fitted: Sketch of the texts of the fit; empty if they are not known.
        texts: Texts of the measurement.
        place: What they belong to, for the message.

    Raises:
        DataError: Some are texts of the fit.
    """
    if not len(fitted):
        return
    limit = fitted[-1] if len(fitted) == SIZE else np.uint64(2**64 - 1)
    shared = looked_up = 0
    for hashes in _hashes(texts):
        within = np.unique(hashes[hashes <= limit])
        shared += int(np.isin(within, fitted).sum())
        looked_up += len(within)
    if shared:
        raise DataError(
            place,
            f"{shared} of {looked_up} texts that the correction was fitted on",
            "other texts",
            "Fit it on other texts, or measure on other texts",
        )


def _hashes(texts: Iterable[str]) -> Iterator[NDArray[np.uint64]]:
    rest = iter(texts)
    while some := list(islice(rest, _AT_ONCE)):
        digests = b"".join(blake2b(_plain(text), digest_size=8).digest() for text in some)
        yield np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _plain(text: str) -> bytes:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).encode("utf-8", "surrogatepass")

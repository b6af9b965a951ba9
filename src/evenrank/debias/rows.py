"""Rows of embeddings with their languages: the forms that they come in, and their checks.

Shapes: ``N`` rows, ``H`` width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.encoding.model import Kind as Kind
from evenrank.errors import DataError
from evenrank.languages import normalise

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Langs: TypeAlias = str | Sequence[str] | NDArray[np.str_]
OptionalLangs: TypeAlias = Langs | None
Blocks: TypeAlias = Iterable[tuple[NDArray[Any], Langs]]
"""Embeddings ``(n, H)`` with one language for all rows or one for each row."""

LONGEST = 1e3
"""No number of an embedding is larger: unit vectors are expected, and some leeway allowed."""
BLOCK = 16_384
"""Rows that are read from a store at once."""


def blocks_of(rows: Any, langs: Langs, size: int = BLOCK) -> Iterator[tuple[NDArray[Any], Langs]]:  # noqa: ANN401 - anything that has a length and slices
    """Yield a store's rows with their languages, ``size`` rows at once.

    Args:
        rows: ``(N, H)``: an array, a memory map, or anything that has a length and slices.
        langs: The language of each row, or of all rows.
        size: Rows at once.
    """
    for start in range(0, len(rows), size):
        some = langs if isinstance(langs, str) else langs[start : start + size]
        yield rows[start : start + size], some


def by_language(
    rows_NH: NDArray[Any], langs: Langs, kind: Kind
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield each language of a block with its rows."""
    for lang, at in places_of(langs, len(rows_NH), kind):
        yield lang, rows_NH if isinstance(at, slice) else rows_NH[at]


def places_of(
    langs: OptionalLangs, count: int, kind: Kind
) -> Iterator[tuple[str, NDArray[np.int64] | slice]]:
    """Yield each language with the places of its rows: a slice where it is the only language.

    Without languages, all rows are of the language ``""``.

    Raises:
        DataError: There are not ``count`` languages, or one is no language code.
    """
    if langs is None or isinstance(langs, str):
        yield "" if langs is None else normalise(langs, f"{kind} languages"), slice(None)
        return
    if len(langs) != count:
        raise DataError(
            f"{kind} languages",
            f"{len(langs)} languages for {count} embeddings",
            "one language for each embedding",
            "Pass the languages of these rows",
        )
    encoded = pa.array(np.asarray(langs, dtype=np.str_)).dictionary_encode()
    codes = encoded.indices.to_numpy()
    names = [normalise(name, f"{kind} languages") for name in encoded.dictionary.to_pylist()]
    if len(names) == 1:
        yield names[0], slice(None)
        return
    order = np.argsort(codes.astype(np.int16, copy=False), kind="stable")  # int16: a radix sort
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    places: dict[str, list[NDArray[np.int64]]] = {}
    for name, start, end in zip(names, [0, *ends], ends, strict=False):
        places.setdefault(name, []).append(order[start:end])
    for name, parts in places.items():  # two spellings of one language are one language
        yield name, parts[0] if len(parts) == 1 else np.concatenate(parts)


def require_matrix(rows_NH: NDArray[Any], kind: Kind, width: int | None = None) -> None:
    """Refuse an array that is not ``(N, H)`` of floats, or of another width."""
    if rows_NH.ndim != 2 or rows_NH.dtype.kind != "f":
        raise DataError(
            f"{kind} embeddings",
            f"an array of {rows_NH.dtype} with shape {rows_NH.shape}",
            "rows of floats",
            "Pass one row for each text",
        )
    if width is not None and rows_NH.shape[1] != width:
        raise DataError(
            f"{kind} embeddings",
            f"width {rows_NH.shape[1]}",
            f"width {width}",
            "Use embeddings of one encoder",
        )


def not_finite(rows_NH: NDArray[Any], kind: Kind, start: int = 0) -> DataError:
    """Return the error that names the first row with a number that no unit vector has."""
    first = start + int((~(np.abs(rows_NH) <= LONGEST).all(axis=1)).argmax())
    found = f"NaN, infinity or a number above {LONGEST:g}"
    return DataError(f"embedding of {kind} {first}", found, "unit vectors", "Check the encoder")


def codes_of(
    langs: OptionalLangs, count: int, languages: Sequence[str], kind: Kind
) -> NDArray[np.int64]:
    """Return ``(N,)`` the position of each row's language in ``languages``; 0 if these are empty.

    Raises:
        DataError: A language is not one of them.
    """
    codes = np.zeros(count, dtype=np.int64)
    for lang, at in places_of(langs, count, kind):
        if languages and not lang:
            raise no_languages(kind)
        if languages and lang not in languages:
            raise unknown_language(lang, languages, kind)
        codes[at] = languages.index(lang) if languages else 0
    return codes


def no_languages(kind: Kind) -> DataError:
    """Return the error for embeddings without languages where these are needed."""
    found, expected = "no languages", "the language of each embedding"
    return DataError(f"{kind} languages", found, expected, "Pass the languages")


def unknown_language(lang: str, languages: Sequence[str], kind: Kind) -> DataError:
    """Return the error for a language that the fit does not have."""
    return DataError(
        f"{kind} languages",
        f"{lang!r}",
        f"a language of the correction: {', '.join(languages)}",
        "Fit it again with texts of that language",
    )

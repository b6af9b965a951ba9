"""Building an index: read the passages, encode the texts that are new, and switch to the result.

Shapes: ``D`` passages, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.data.corpus import ParallelCorpus
from evenrank.debias.base import Correction, check_method, fit_correction
from evenrank.debias.saving import save_correction
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import VECTORS, open_model
from evenrank.encoding.store import Precision, Rows
from evenrank.errors import ConfigError, DataError
from evenrank.files import (
    lock_folder,
    mark_folder,
    refuse_existing,
    refuse_overlap,
    require_writable,
)
from evenrank.progress import bar, quiet
from evenrank.search.correction import require_languages, stored_numbers
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.manifest import (
    CURRENT,
    FORMAT,
    INDEX,
    Manifest,
    ModelFacts,
    check_files,
    generation_folder,
    new_generation,
    read_manifest,
    read_pointer,
    write_manifest,
)
from evenrank.search.index.opening import CORRECTION, read_table
from evenrank.search.index.passages import PassageTable, indexed
from evenrank.search.index.source import PassageSource, open_passages
from evenrank.search.index.writing import PassageWriter, write_array, write_rows

SAMPLE = 10_000
"""Passages of each language that a correction is fitted on, at most, evenly spread."""
BLOCK = 16_384
"""Passages whose vectors are in memory at once."""


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        languages: Passages of each language.
        encoded: Texts that were encoded; all others were in the index before, or come again.
        correction: Name of the correction; empty without one.
    """

    languages: Mapping[str, int]
    encoded: int
    correction: str


def build_index(
    source: str | Path | ParallelCorpus | Benchmark,
    model: object,
    folder: str | Path,
    *,
    model_settings: Mapping[str, Any] | None = None,
    correction: Correction | None = None,
    fit: str | None = None,
    fit_settings: Mapping[str, Any] | None = None,
    strength: float = 1.0,
    precision: Precision = "float32",
    store: Path | None = None,
    batch_size: int = 64,
) -> Built:
    """Build an index, or bring one to a changed source; only new texts are encoded.

    The new state appears in one step. Whoever has the index open keeps the old state.

    Args:
        source: As for :func:`~evenrank.search.index.source.open_passages`.
        model: As for :func:`~evenrank.encoding.opening.open_model`.
        folder: The index.
        model_settings: Settings of the model.
        correction: A correction to keep in the index.
        fit: Method of a correction to fit on the passages.
        fit_settings: Settings of the method.
        strength: Of the fitted correction.
        precision: Of the vectors. float16 needs half the space and changes scores by up to 0.0005.
        store: Embedding store to read from and to add to. By default one in the index, until the
            build is complete, so that a build that was stopped continues.
        batch_size: Texts encoded at once.

    Raises:
        ConfigError: The folder has something else, or another build writes to it; or a setting is
            wrong.
        DataError: Source or model cannot be read, an id comes twice, or the correction does not
            fit.
        FileError: The disk is full, or cannot be written.
    """
    folder = Path(folder)
    if correction is not None and fit is not None:
        raise ConfigError("correction", "a file and a method", "one of them", "Leave one out")
    if fit is not None:
        check_method(fit, fit_settings, strength)
    refuse_overlap(folder, *(part for part in (source, model) if isinstance(part, str | Path)))
    with lock_folder(folder):
        refuse_existing(folder, overwrite=True, marker=INDEX)
        require_writable(folder, keep=True)
        mark_folder(folder, INDEX)
        found = open_passages(source)
        encoder = open_model(model, model_settings)
        with new_generation(folder) as part:
            passages = _write_passages(found, part)
            if correction is not None:
                correction.require(encoder=encoder.fingerprint, width=encoder.width)
                require_languages(correction, passages.languages, found.name)
            work = Work(encoder, "passage", batch_size, description="Encoding passages")
            encoding = _Encoding(work, passages, precision, store or folder / "store")
            encoded = encoding.write(part / "vectors.npy", _earlier(folder, encoder, precision))
            engine = ExactEngine(np.load(part / "vectors.npy", mmap_mode="r"), passages)
            if fit is not None:
                correction = _fitted(engine, encoder, fit, fit_settings, strength)
            _write_correction(engine, correction, part)
            facts = _model_facts(encoder, model_settings)
            chosen = None if correction is None else correction.facts
            manifest = Manifest(
                format=FORMAT,
                version=1,
                corpus=found.name,
                model=facts,
                precision=precision,
                languages=passages.counts,
                correction=chosen and {key: chosen[key] for key in _KEPT_FACTS},
                files={},
            )
            write_manifest(part, manifest)
    return Built(passages.counts, encoded, correction.name if correction else "")


_KEPT_FACTS = ("method", "strength", "settings")


def _write_passages(source: PassageSource, folder: Path) -> PassageTable:
    """Write the passages and their order."""
    writer = PassageWriter(folder, source.name)
    try:
        writer.add(source.passages)
    finally:
        writer.close()
    passages = indexed(source.name, read_table(folder), writer.hashes)
    write_array(folder / "rows.npy", passages.rows)
    write_array(folder / "id_hashes.npy", passages.hashes)
    write_array(folder / "id_places.npy", passages.places)
    write_array(folder / "texts.npy", writer.digests[passages.rows])
    return passages


@dataclass(frozen=True, eq=False)
class _Earlier:
    """Vectors of the index before."""

    digests: NDArray[np.uint64]
    vectors: NDArray[Any]


def _earlier(folder: Path, encoder: EmbeddingModel, precision: Precision) -> _Earlier | None:
    """Return what can be used again: vectors of the same model at the same precision."""
    if encoder.by_id or not (folder / CURRENT).exists():
        return None
    try:
        generation = generation_folder(folder, read_pointer(folder))
        manifest = read_manifest(generation)
        check_files(generation, manifest, all_bytes=True)
    except DataError:  # it is replaced by a whole one
        return None
    if (manifest.model.fingerprint, manifest.precision) != (encoder.fingerprint, precision):
        return None
    arrays = (np.load(generation / name, mmap_mode="r") for name in ("texts.npy", "vectors.npy"))
    return _Earlier(*arrays)


@dataclass(frozen=True, eq=False)
class _Encoding:
    """The vectors of an index while it is built."""

    work: Work
    passages: PassageTable
    precision: Precision
    store: Path

    def write(self, path: Path, earlier: _Earlier | None) -> int:
        """Write the vectors by position, and return how many texts were encoded."""
        total, encoder = len(self.passages), self.work.source
        shape = (total, encoder.width)
        if encoder.by_id:
            write_rows(path, self._by_id(), shape, self.precision)
            return total
        digests = np.load(path.with_name("texts.npy"), mmap_mode="r")
        old = _rows_of(digests, earlier.digests) if earlier else np.full(total, -1)
        distinct, places = _distinct(digests, np.flatnonzero(old < 0))
        new = np.full(total, -1)
        new[old < 0] = places
        rows: Rows = np.empty((0, encoder.width), dtype=np.float32)
        if len(distinct):
            texts = _Texts(self.passages, distinct)
            work = replace(self.work, name_of=texts.name)
            rows = encode_texts(work, texts, store=self.store, dtype=self.precision)
        write_rows(path, self._joined(rows, new, earlier, old), shape, self.precision)
        return len(distinct)

    def _by_id(self) -> Iterator[NDArray[Any]]:
        for start in range(0, len(self.passages), BLOCK):
            positions = np.arange(start, min(start + BLOCK, len(self.passages)))
            with quiet():
                yield encode_texts(self.work, self.passages.ids(positions))

    def _joined(
        self,
        rows: Rows,
        new: NDArray[np.int64],
        earlier: _Earlier | None,
        old: NDArray[np.int64],
    ) -> Iterator[NDArray[Any]]:
        """Yield the vectors from the index before and from the encoder, in order."""
        with bar("Writing vectors", len(new), "passages") as progress:
            for start in range(0, len(new), BLOCK):
                part = slice(start, start + BLOCK)
                block = np.empty((len(new[part]), self.work.source.width), dtype=self.precision)
                fresh = new[part] >= 0
                block[fresh] = rows[new[part][fresh]]
                if earlier is not None:
                    block[~fresh] = earlier.vectors[old[part][~fresh]]
                yield block
                progress.advance(len(block))


class _Texts(Sequence[str]):
    """The texts at some positions, of which a slice is read at once."""

    def __init__(self, passages: PassageTable, positions: NDArray[np.int64]) -> None:
        self._passages, self._positions = passages, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return self._passages.texts(self._positions[key])
        return self._passages.texts(self._positions[[key]])[0]

    def name(self, number: int) -> str:
        """Return what messages call a text."""
        return f"passage {self._passages.ids(self._positions[[number]])[0]!r}"


def _rows_of(wanted: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of ``known`` that equals each row of ``wanted``; -1 where there is none."""
    order = np.argsort(known[:, 0], kind="stable")
    at = np.searchsorted(known[:, 0], wanted[:, 0], sorter=order)
    rows = order[np.minimum(at, len(order) - 1)]
    same = (known[rows] == wanted).all(axis=1)
    return np.where(same, rows, -1)


def _distinct(
    digests: NDArray[np.uint64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position of each distinct text, sorted, and which of them each equals."""
    some = digests[positions]
    order = np.lexsort((some[:, 1], some[:, 0]))
    in_order = some[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    firsts = positions[order[begins]]  # lexsort is stable: the first of equal texts
    distinct = np.sort(firsts)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.searchsorted(distinct, firsts)[np.cumsum(begins) - 1]
    return distinct, places


def _fitted(
    engine: ExactEngine,
    encoder: EmbeddingModel,
    method: str,
    settings: Mapping[str, Any] | None,
    strength: float,
) -> Correction:
    """Fit a correction on a sample of the passages."""
    offsets = engine.passages.offsets.tolist()
    chosen = {
        lang: begin + np.arange(size) * (end - begin) // size
        for lang, (begin, end) in zip(engine.languages, pairwise(offsets), strict=True)
        for size in [min(SAMPLE, end - begin)]
    }
    return fit_correction(
        method,
        ((engine.vectors[at].astype(np.float32), lang) for lang, at in chosen.items()),
        settings=settings,
        strength=strength,
        encoder=encoder.fingerprint,
        texts=(text for at in chosen.values() for text in engine.passages.texts(at)),
    )


def _write_correction(engine: ExactEngine, correction: Correction | None, folder: Path) -> None:
    if correction is None:
        return
    require_languages(correction, engine.languages, engine.name)
    save_correction(correction, folder / CORRECTION)
    if (stored := stored_numbers(engine, correction)) is not None:
        write_array(folder / "scale.npy", stored.scale)
        write_array(folder / "minus.npy", stored.minus)


def _model_facts(encoder: EmbeddingModel, settings: Mapping[str, Any] | None) -> ModelFacts:
    """Return what is noted of the model; a folder with its whole path."""
    scheme = VECTORS if encoder.name.startswith(VECTORS) else ""
    path = Path(encoder.name.removeprefix(scheme)) if encoder.name else None
    name = f"{scheme}{path.resolve()}" if path and path.exists() else encoder.name
    return ModelFacts(
        name=name,
        label=encoder.label,
        fingerprint=encoder.fingerprint,
        width=encoder.width,
        prompts=encoder.prompts,
        settings=dict(settings or {}),
    )

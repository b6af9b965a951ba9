"""Building an index: read the passages, encode the texts that are new, and switch to the result.

Shapes: ``D`` passages, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.data.corpus import ParallelCorpus
from evenrank.debias.base import Correction, check_method, fit_correction
from evenrank.debias.saving import save_correction
from evenrank.encoding.encode import Work
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import VECTORS, open_model
from evenrank.encoding.store import Precision
from evenrank.errors import ConfigError
from evenrank.files import (
    lock_folder,
    mark_folder,
    refuse_existing,
    refuse_overlap,
    require_writable,
)
from evenrank.search.correction import require_languages, stored_numbers
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.encoding import open_vectors
from evenrank.search.index.manifest import (
    FORMAT,
    INDEX,
    Manifest,
    ModelFacts,
    new_generation,
    write_manifest,
)
from evenrank.search.index.opening import CORRECTION, read_table
from evenrank.search.index.passages import PassageTable, indexed
from evenrank.search.index.source import PassageSource, open_passages
from evenrank.search.index.writing import PassageWriter, write_array

SAMPLE = 10_000
"""Passages of each language that a correction is fitted on, at most, evenly spread."""


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

    The new state appears in one step. Readers keep the state that they opened. A build that was
    stopped continues where it was.

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
        store: Embedding store to use; by default one in the index until the build is complete.
        batch_size: Texts encoded at once.

    Raises:
        ConfigError: The folder has something else, another build writes to it; or a wrong setting.
        DataError: Source or model cannot be read, or the correction does not fit to them.
        FileError: The disk is full, or cannot be written.
    """
    given = _Correction(correction, fit, fit_settings, strength)
    folder = Path(folder)
    refuse_overlap(folder, *(part for part in (source, model) if isinstance(part, str | Path)))
    with lock_folder(folder):
        refuse_existing(folder, overwrite=True, marker=INDEX)
        require_writable(folder, keep=True)
        mark_folder(folder, INDEX)
        found = open_passages(source)
        encoder = open_model(model, model_settings)
        given.check(encoder)
        work = Work(encoder, "passage", batch_size, description="Encoding passages")
        vectors = open_vectors(folder, work, precision, store)
        with new_generation(folder) as part:
            passages = _write_passages(found, part)
            given.check_languages(passages)
            encoded = vectors.write(part / "vectors.npy", passages)
            engine = ExactEngine(np.load(part / "vectors.npy", mmap_mode="r"), passages)
            kept = given.fitted(engine, encoder)
            _write_correction(engine, kept, part)
            model_facts = _model_facts(encoder, model_settings)
            write_manifest(part, _manifest(passages, model_facts, precision, kept))
    return Built(passages.counts, encoded, kept.name if kept else "")


def _manifest(
    passages: PassageTable, model: ModelFacts, precision: Precision, correction: Correction | None
) -> Manifest:
    facts = correction.facts if correction else None
    return Manifest(
        format=FORMAT,
        version=1,
        corpus=passages.name,
        model=model,
        precision=precision,
        languages=passages.counts,
        correction=facts and {key: facts[key] for key in ("method", "strength", "settings")},
        files={},
    )


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


@dataclass(frozen=True)
class _Correction:
    """The correction that an index gets: one that is given, one that is fitted, or none.

    Raises:
        ConfigError: Both are asked for, or a setting is wrong.
    """

    given: Correction | None
    method: str | None
    settings: Mapping[str, Any] | None
    strength: float

    def __post_init__(self) -> None:
        if self.given is not None and self.method is not None:
            raise ConfigError("correction", "a file and a method", "one of them", "Leave one out")
        if self.method is not None:
            check_method(self.method, self.settings, self.strength)

    def check(self, encoder: EmbeddingModel) -> None:
        """Refuse a correction of another model."""
        if self.given is not None:
            self.given.require(encoder=encoder.fingerprint, width=encoder.width)

    def check_languages(self, passages: PassageTable) -> None:
        """Refuse a correction that misses a language."""
        if self.given is not None:
            require_languages(self.given, passages.languages, passages.name)

    def fitted(self, engine: ExactEngine, encoder: EmbeddingModel) -> Correction | None:
        """Return the correction; where a method is named, fit it on a sample of the passages."""
        if self.method is None:
            return self.given
        offsets = engine.passages.offsets.tolist()
        chosen = {
            lang: begin + np.arange(size) * (end - begin) // size
            for lang, (begin, end) in zip(engine.languages, pairwise(offsets), strict=True)
            for size in [min(SAMPLE, end - begin)]
        }
        return fit_correction(
            self.method,
            ((engine.vectors[at].astype(np.float32), lang) for lang, at in chosen.items()),
            settings=self.settings,
            strength=self.strength,
            encoder=encoder.fingerprint,
            texts=(text for at in chosen.values() for text in engine.passages.texts(at)),
        )


def _write_correction(engine: ExactEngine, correction: Correction | None, folder: Path) -> None:
    if correction is None:
        return
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

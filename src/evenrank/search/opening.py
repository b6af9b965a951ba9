"""Opening a searcher: an index by its folder, or an engine by its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evenrank.debias.base import Correction
from evenrank.encoding.endpoint import is_address
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, DataError
from evenrank.search.correction import stored_numbers
from evenrank.search.engines.opening import is_engine, open_engine
from evenrank.search.index.manifest import ModelFacts
from evenrank.search.index.opening import Index, open_index
from evenrank.search.searcher import Searcher


def open_searcher(
    source: str | Path,
    model: object | None = None,
    *,
    model_settings: Mapping[str, Any] | None = None,
    correction: Correction | None = None,
    strength: float | None = None,
    device: str | None = None,
    verify: bool = False,
    threads: int | None = None,
    **settings: Any,  # noqa: ANN401 - each engine checks its own
) -> Searcher:
    """Open an index, or a collection or table of another engine, for search.

    Args:
        source: The folder of an index, or the address of an engine
            (:mod:`~evenrank.search.engines.opening`).
        model: What encodes queries, as for :func:`~evenrank.encoding.opening.open_model`. An index
            knows its model, and opens it at the first query in words; a model behind an address is
            never opened unless it is named here.
        model_settings: Settings of the model; those of the index if ``None``.
        correction: Correction of language bias; that of the index if ``None``.
        strength: Strength of the correction, 0 to 1; its own if ``None``. A correction that needs
            a number for each passage reads all vectors once, unless the index was built with it.
        device: Device of the model.
        verify: Compare the checksums of all files of an index.
        threads: Threads of a search in an index.
        settings: Settings of an engine behind an address.

    Raises:
        DataError: The index is missing or damaged, or the model or correction is of another one.
        ConfigError: A setting is wrong.
        EngineError: The engine cannot be reached.
    """
    if is_engine(str(source)):
        return _over_engine(
            str(source), model, model_settings, correction, strength, settings, device
        )
    if settings:
        found, expected = f"settings {', '.join(settings)}", "none: it is a folder"
        raise ConfigError(str(source), found, expected, "Leave them out")
    index = open_index(source, verify=verify, threads=threads)
    if correction is not None:
        correction.require(encoder=index.manifest.model.fingerprint)
    chosen = _correction(index.correction if correction is None else correction, strength)
    stored = index.stored
    if chosen is not None and chosen is not index.correction:
        stored = stored_numbers(index.engine, chosen)
    return Searcher(index.engine, _model_of(index, model, model_settings, device), chosen, stored)


def _correction(chosen: Correction | None, strength: float | None) -> Correction | None:
    """Return the correction at a strength; the same object where the strength is its own."""
    if strength is None:
        return chosen
    if chosen is None:
        expected = "no strength: there is no correction"
        raise ConfigError("strength", f"{strength}", expected, "Leave it out, or name a correction")
    return chosen if strength == chosen.strength else chosen.with_strength(strength)


def _over_engine(
    url: str,
    model: object | None,
    model_settings: Mapping[str, Any] | None,
    correction: Correction | None,
    strength: float | None,
    settings: dict[str, Any],
    device: str | None,
) -> Searcher:
    correction = _correction(correction, strength)
    engine = open_engine(url, **settings)
    if model is None:
        return Searcher(engine, None, correction)
    opened = open_model(model, model_settings, device=device)
    if opened.width != engine.width:
        found, expected = f"width {opened.width}", f"width {engine.width} of {engine.name}"
        raise DataError(f"model {opened.label!r}", found, expected, "Name the model of the vectors")
    wanted = engine.about.get("fingerprint")
    if wanted not in (None, opened.fingerprint):
        found, expected = f"fingerprint {opened.fingerprint}", f"{wanted} of {engine.name}"
        raise DataError(f"model {opened.label!r}", found, expected, "Name the model of the vectors")
    if correction is not None:
        correction.require(encoder=opened.fingerprint)
    return Searcher(engine, opened, correction)


def _model_of(
    index: Index,
    model: object | None,
    settings: Mapping[str, Any] | None,
    device: str | None,
) -> Callable[[], EmbeddingModel]:
    """Return what opens the model of an index, and checks that it is that model."""
    facts = index.manifest.model
    if model is not None:  # named by the user: an error comes before the first query
        opened = _checked(open_model(model, settings, device=device), facts, index.folder)
        return lambda: opened
    return partial(
        _open_own, facts, facts.settings if settings is None else settings, index, device
    )


def _open_own(
    facts: ModelFacts, settings: Mapping[str, Any], index: Index, device: str | None
) -> EmbeddingModel:
    if not facts.name or is_address(facts.name):
        expected = "the model that encoded the passages"
        found = f"no model that can be opened ({facts.label})"
        raise ConfigError(str(index.folder), found, expected, "Name it with --model")
    return _checked(open_model(facts.name, settings, device=device), facts, index.folder)


def _checked(model: EmbeddingModel, facts: ModelFacts, folder: Path) -> EmbeddingModel:
    if model.fingerprint != facts.fingerprint:
        found = f"model {model.label!r} of width {model.width}, fingerprint {model.fingerprint}"
        expected = f"{facts.label!r} of width {facts.width}, fingerprint {facts.fingerprint}"
        remedy = "Name the model of the index, or build the index again"
        raise DataError(str(folder), found, expected, remedy)
    return model

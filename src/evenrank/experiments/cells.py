"""From the file of an experiment to its cells: one training run, start or soup each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from evenrank.encoding.base import ENCODERS
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.experiments.file import ExperimentFile, SoupSpec, Source
from evenrank.training.config import TrainConfig, check_config

Kind = Literal["train", "as-is", "soup"]

START_FIELDS = ("encoder", "encoder_settings", "max_length", "query_prompt", "passage_prompt")
"""Settings that a start depends on."""
NEW_START_FIELDS = (*START_FIELDS, "corpora", "where", "languages", "dev", "dev_fraction", "seed")
"""Settings that the start of an encoder from scratch depends on."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One model of an experiment.

    Attributes:
        system: Name without the seed: the variant, then the values of the grid.
        variant: Name of the variant.
        seed: ``None`` for a start that does not depend on it.
        kind: Trained, a start as it is, or a soup.
        config: Settings of training; of a soup, those of its first part.
        parts: The two cells that a soup averages.
        soup: How it averages them.
    """

    system: str
    variant: str
    seed: int | None
    kind: Kind
    config: TrainConfig = field(repr=False)
    parts: tuple[Cell, ...] = ()
    soup: SoupSpec | None = None

    @property
    def name(self) -> str:
        """The name in tables."""
        return self.system if self.seed is None else f"{self.system}, seed {self.seed}"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that its model depends on; defaults are left out."""
        if self.soup is not None:
            parts = [part.settings for part in self.parts]
            return {"soup": parts, **self.soup.model_dump(mode="json", exclude={"of"})}
        settings = self.config.model_dump(mode="json", exclude={"output"}, exclude_defaults=True)
        settings |= {"seed": self.config.seed}
        if self.kind == "train":
            return settings
        known = NEW_START_FIELDS if self.seed is not None else START_FIELDS
        return {"as_is": True} | {name: settings[name] for name in known if name in settings}


def expand(spec: ExperimentFile, source: Source) -> list[Cell]:
    """Return the cells of an experiment, soups after their parts.

    Raises:
        ConfigError: A setting is unknown or wrong, a soup has no parts, two cells are equal, or the
            baseline, or what a correction is for, is not a variant.
    """
    variants = spec.variants or {"run": {}}
    named = [("baseline", spec.baseline)] if spec.baseline else []
    for name, correction in spec.corrections.items():
        named += [(f"corrections.{name}.only", only) for only in correction.only or ()]
    for key, name in named:
        if name not in variants:
            place = source.place(*key.split("."))
            raise UnknownNameError("variant", name, variants, place)
    soups = [name for name, settings in variants.items() if "soup" in settings]
    cells: list[Cell] = []
    for name in variants:
        if name not in soups:
            cells += _Expansion(spec, source, name, variants[name]).cells()
    for name in soups:
        cells += _soups(name, variants, cells, source)
    _refuse_equal(cells, spec, source)
    return cells


class _Expansion:
    """The cells of one variant."""

    def __init__(
        self, spec: ExperimentFile, source: Source, name: str, settings: Mapping[str, Any]
    ) -> None:
        self._spec, self._source, self._name = spec, source, name
        self._settings = dict(settings)
        as_is = self._settings.pop("as_is", False)
        if as_is not in (True, False):
            place = source.place("variants", name, "as_is")
            raise ConfigError(place, f"as_is: {as_is!r}", "true", "Correct the value")
        self._kind: Kind = "as-is" if as_is else "train"

    def cells(self) -> Iterator[Cell]:
        axes = {
            axis: values
            for axis, values in self._spec.grid.items()
            if self._kind == "train" or axis in NEW_START_FIELDS
        }
        seen = set()
        for names in product(*axes.values()):
            chosen = dict(zip(axes, names, strict=True))
            for seed in self._spec.seeds:
                config = self._config(chosen, seed)
                seedless = self._kind == "as-is" and config.encoder not in ENCODERS
                shown = {k: v for k, v in chosen.items() if not seedless or k in START_FIELDS}
                system = " ".join([self._name, *_axis_texts(shown, axes)])
                if not seedless or system not in seen:
                    seen.add(system)
                    yield Cell(system, self._name, None if seedless else seed, self._kind, config)

    def _config(self, chosen: Mapping[str, str], seed: int) -> TrainConfig:
        values = {axis: self._spec.grid[axis][name] for axis, name in chosen.items()}
        for axis in values:
            if axis in self._settings:
                place = self._source.place("variants", self._name, axis)
                remedy = "Leave it out of one of them"
                raise ConfigError(place, f"{axis!r} in the grid too", "one place", remedy)
        given = {**self._spec.base, **self._settings, **values}
        for own in ("output", "seed"):
            if own in given:
                remedy = "Use 'output' or 'seeds' at the top of the file"
                place = self._place(own, chosen)
                raise ConfigError(place, f"setting {own!r}", "another setting", remedy)
        settings = {**given, "seed": seed, "output": Path("run")}
        return check_config(settings, lambda setting: self._place(setting, chosen))

    def _place(self, setting: str, chosen: Mapping[str, str]) -> str:
        """Return where a setting of a combination is in the file."""
        if setting in chosen:
            name = chosen[setting]
            named = ("grid", setting, name) in self._source.lines
            number = list(self._spec.grid[setting]).index(name)
            return self._source.place("grid", setting, name if named else number)
        if setting in self._settings:
            return self._source.place("variants", self._name, setting)
        return self._source.place("base", setting)


def _axis_texts(chosen: Mapping[str, str], axes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return how a combination is called: axes with one value are left out."""
    return [f"{axis}={name}" for axis, name in chosen.items() if len(axes[axis]) > 1]


def _soups(
    name: str, variants: Mapping[str, Mapping[str, Any]], cells: Sequence[Cell], source: Source
) -> Iterator[Cell]:
    """Return one soup for each pair of cells with the same place in the grid and seed."""
    settings = variants[name]
    try:
        spec = SoupSpec.model_validate(settings["soup"])
    except ValidationError as cause:
        first_error = cause.errors()[0]
        place = source.place("variants", name, "soup", *first_error["loc"])
        found_text = f"a wrong soup: {first_error['msg'].removeprefix('Value error, ')}"
        remedy = "Write 'soup: {of: [a, b], weight: 0.5}'"
        raise ConfigError(place, found_text, "two variants and a weight", remedy) from None
    if more := [key for key in settings if key != "soup"]:
        place = source.place("variants", name, more[0])
        raise ConfigError(place, f"setting {more[0]!r} of a soup", "'soup' alone", "Remove it")
    first, second = (
        {_at(cell): cell for cell in cells if cell.variant == part} for part in spec.of
    )
    for part, found in zip(spec.of, (first, second), strict=True):
        if not found:
            place, known = source.place("variants", name, "soup", "of"), {c.variant for c in cells}
            raise UnknownNameError("variant that a soup can have", part, known, place)
    seedless = all(one.seed is None for one in first.values())
    for cell in (second if seedless else first).values():
        one = _partner(cell, first) if seedless else cell
        other = cell if seedless else _partner(cell, second)
        if one is None or other is None:
            place = source.place("variants", name, "soup")
            found_text = f"no {' and '.join(spec.of)} with the same grid"
            raise ConfigError(place, found_text, "parts with the same grid", "Change one of them")
        seed = one.seed if one.seed is not None else other.seed
        longest = max(one, other, key=lambda cell: len(cell.system) - len(cell.variant))
        system = name + longest.system.removeprefix(longest.variant)
        yield Cell(system, name, seed, "soup", one.config, (one, other), spec)


def _at(cell: Cell) -> tuple[str, int | None]:
    return cell.system.removeprefix(cell.variant), cell.seed


def _partner(cell: Cell, others: Mapping[tuple[str, int | None], Cell]) -> Cell | None:
    """Return the cell with the same place in the grid and seed; a start fits any."""
    place, seed = _at(cell)
    for wanted in ((place, seed), (place, None), ("", seed), ("", None)):
        if wanted in others:
            return others[wanted]
    return None


def _refuse_equal(cells: Sequence[Cell], spec: ExperimentFile, source: Source) -> None:
    if not cells:
        raise ConfigError(str(source.path), "no cell", "at least one", "Add a variant and a seed")
    known: dict[str, Cell] = {}
    for cell in cells:
        first = known.setdefault(repr(sorted(cell.settings.items())), cell)
        if first is not cell:
            again = first.seed == cell.seed and first.system == cell.system
            place = source.place("seeds") if again else source.place("variants", cell.variant)
            found = f"equal cells: {first.name} and {cell.name}"
            raise ConfigError(place, found, "cells that differ", "Remove one")

"""The file of an experiment: a grid over the settings of training, and what is measured.

``docs/experiment.md`` describes it. Every error names the file and the line.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from evenrank.errors import ConfigError
from evenrank.evaluation.evaluator import parse_figure
from evenrank.measures.selection import DEFAULT_MEASURES
from evenrank.training.config import parse_yaml, read_text, yaml_lines

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]{0,59}$")]
"""A name that is also the name of a file or folder."""
Weight = Annotated[float, Field(ge=0, le=1)]
FIGURES = (
    "mono AP",
    "cross AP",
    "multi AP",
    "own R@10",
    "other R@10",
    "bias rank_distance",
)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSpec(_Form):
    """A corpus, or the parts of its split, that is written once and named in the file.

    ``NAME``, or ``NAME/PART`` of a split, is then a source for ``corpora`` and ``dev``, and
    ``corpus:NAME/PART`` is a benchmark.
    """

    source: str
    where: str | None = None
    languages: list[str] | None = None
    split: dict[Name, float] | None = None
    by: Literal["passage", "article"] = "passage"
    seed: int = Field(0, ge=0)


class SoupSpec(_Form):
    """The average of two other variants: ``weight`` times the first, the rest the second.

    Of several weights, the best on ``dev_benchmark`` is used, by ``select_by``.
    """

    of: Annotated[list[str], Field(min_length=2, max_length=2)]
    weight: Weight | Annotated[list[Weight], Field(min_length=1)] = 0.5
    dev_benchmark: str | None = None
    select_by: str = "multi AP"

    @model_validator(mode="after")
    def _can_choose(self) -> Self:
        if isinstance(self.weight, list) and self.dev_benchmark is None:
            raise ValueError("no dev_benchmark that chooses one of several weights")
        return self


class CorrectionSpec(_Form):
    """A correction of language bias that is fitted for each model, and measured with it."""

    corpus: str
    method: str = "center"
    settings: dict[str, Any] = Field(default_factory=dict)
    strength: float = Field(1.0, ge=0, le=1)
    items: int | None = Field(1000, ge=2)
    choose_rank: bool = False
    only: list[str] | None = Field(None, min_length=1)


class EvaluateSpec(_Form):
    """What every model is measured on, and by what."""

    benchmarks: list[str] = Field(min_length=1)
    measures: list[str] = Field(list(DEFAULT_MEASURES), min_length=1)
    figures: list[str] = Field(list(FIGURES), min_length=1)
    batch_size: int = Field(64, ge=1)
    rank_device: str | None = None
    empty_texts: Literal["error", "last"] = "error"
    model_settings: dict[str, Any] = Field(default_factory=dict)


class ExperimentFile(_Form):
    """All keys of the file.

    Attributes:
        title: What the experiment asks; the title of its report.
        output: Folder of all cells and of the report; by default ``runs/NAME`` of the file.
        data: Corpora to prepare, by name.
        base: Settings of training that all cells share.
        variants: Name to settings; ``as_is: true`` evaluates the start without training, and
            ``soup: {of: [a, b], weight: w}`` averages two other variants.
        grid: Setting to a list of values, or to named values; all combinations are cells.
        seeds: Each combination is trained once with each.
        evaluate: Benchmarks, measures, and the figures of the tables.
        corrections: Each cell is also evaluated under these, by name.
        baseline: The variant that the others are tested against; by default the first.
    """

    title: str = ""
    output: str | None = None
    data: dict[Name, DataSpec] = Field(default_factory=dict)
    base: dict[str, Any] = Field(default_factory=dict)
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    grid: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0], min_length=1)
    evaluate: EvaluateSpec
    corrections: dict[Name, CorrectionSpec] = Field(default_factory=dict)
    baseline: str | None = None


@dataclass(frozen=True)
class Source:
    """Where the values of a file are.

    Attributes:
        path: The file.
        lines: Line of each key, by its path.
    """

    path: Path
    lines: dict[tuple[str, ...], int] = field(repr=False)

    def place(self, *path: object) -> str:
        """Return ``FILE:LINE`` of a key, or of the nearest key above it that the file has."""
        keys = tuple(map(str, path))
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.path}:{self.lines[keys]}" if keys else str(self.path)


def read_experiment(path: str | Path) -> tuple[ExperimentFile, Source]:
    """Read the file of an experiment.

    Raises:
        ConfigError: It cannot be read, is not YAML, or has a wrong key or value.
    """
    path = Path(path)
    text = read_text(path)
    values = _text_keys(parse_yaml(text, str(path)))
    source = Source(path, yaml_lines(text))
    if not isinstance(values, dict):
        remedy = "Write 'variants:', 'evaluate:', ..."
        raise ConfigError(str(path), "no mapping", "the keys of an experiment", remedy)
    values["grid"] = _named_values(values.get("grid", {}), source)
    try:
        spec = ExperimentFile.model_validate(values)
    except ValidationError as cause:
        raise _located(cause, source) from None
    for at, name in enumerate(spec.evaluate.figures):
        parse_figure(name, source.place("evaluate", "figures", at))
    return spec, source


def _named_values(grid: Any, source: Source) -> Any:  # noqa: ANN401 - any YAML value
    """Return the axes of a grid with a name for each value: the value itself where it has none."""
    if not isinstance(grid, dict):
        return grid
    named = {}
    for axis, values in grid.items():
        if not isinstance(values, list | dict) or not values:
            found = f"grid.{axis}: " + (
                "an empty list" if values in ([], {}, None) else repr(values)
            )
            expected = "a list of values, or names with values"
            raise ConfigError(source.place("grid", axis), found, expected, "Name at least one")
        if isinstance(values, list):
            names = [_name_of(value) for value in values]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                at = len(names) - 1 - names[::-1].index(twice)
                place = source.place("grid", axis, at)
                raise ConfigError(place, f"{axis} {twice} again", "each value once", "Remove it")
            values = dict(zip(names, values, strict=True))
        named[axis] = values
    return named


def _name_of(value: Any) -> str:  # noqa: ANN401 - any YAML value
    """Return how a value of the grid is called in tables."""
    if isinstance(value, list):
        return ",".join(map(_name_of, value))
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _text_keys(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {str(key): _text_keys(inner) for key, inner in value.items()}
    return [_text_keys(inner) for inner in value] if isinstance(value, list) else value


def _located(cause: ValidationError, source: Source) -> ConfigError:
    """Return the first error of pydantic with its line."""
    first = cause.errors()[0]
    path = [part for part in first["loc"] if part != "[key]"]
    name = ".".join(map(str, path))
    place = source.place(*path)
    if first["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        remedy = f"The nearest is {near[0]!r}" if near else "Remove it"
        return ConfigError(place, f"unknown key {name!r}", f"one of {', '.join(known)}", remedy)
    if first["type"] == "missing":
        return ConfigError(place, f"no {name!r}", "it", "Add it")
    if first["type"] == "too_short" and not first["input"]:
        return ConfigError(place, f"{name}: an empty list", "at least one entry", "Add one")
    expected = first["msg"].removeprefix("Input should ").removeprefix("be ")
    return ConfigError(place, f"{name}: {first['input']!r}"[:200], expected, "Correct the value")


def _fields_at(path: Sequence[object]) -> list[str]:
    """Return the keys that a part of the file may have."""
    forms: dict[object, type[BaseModel]] = {
        "data": DataSpec,
        "corrections": CorrectionSpec,
        "evaluate": EvaluateSpec,
    }
    form = forms.get(path[0], ExperimentFile) if path else ExperimentFile
    return list(form.model_fields)

"""What a correction is, what a method is, and how one is fitted.

Shapes: ``N`` rows, ``H`` width of the embeddings, ``Q`` queries, ``D`` passages, ``L`` languages of
the passages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypedDict, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from evenrank.debias.index import QueryForm, Stored
from evenrank.debias.moments import Moments, gather
from evenrank.debias.overlap import sketch
from evenrank.debias.rows import Blocks, Doubles, Floats, Kind, OptionalLangs, require_matrix
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.registry import Registry


@dataclass(frozen=True, eq=False)
class Fit:
    """Where a correction comes from.

    Attributes:
        method: Name of the method.
        settings: All settings of the method.
        encoder: Fingerprint of the encoder; empty if it is not known.
        width: ``H``.
        counts: Texts of each language, for each kind of text.
        texts: Sketch of the texts (:func:`~evenrank.debias.overlap.sketch`); empty if unknown.
    """

    method: str
    settings: dict[str, Any]
    encoder: str
    width: int
    counts: dict[Kind, dict[str, int]]
    texts: NDArray[np.uint64]

    def with_settings(self, **settings: Any) -> Fit:  # noqa: ANN401 - values of settings
        """Return the same facts with other values of some settings."""
        return replace(self, settings=self.settings | settings)

    def languages(self, kind: Kind) -> tuple[str, ...]:
        """Return the languages of a kind of text, sorted."""
        return tuple(sorted(self.counts.get(kind, self.counts["passage"])))


@dataclass(frozen=True, eq=False)
class Correction(ABC):
    """A fitted correction.

    Attributes:
        fit: Where it comes from.
        strength: 0 changes nothing, to the last bit; 1 is the whole correction.
    """

    fit: Fit
    strength: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        require_strength(self.strength)

    @property
    def name(self) -> str:
        """Method and strength, for tables: ``center``, ``center-0.3``."""
        return self.fit.method + ("" if self.strength == 1 else f"-{self.strength:g}")

    @property
    def facts(self) -> dict[str, Any]:
        """What a result says of the correction that it was computed with."""
        return {
            "method": self.fit.method,
            "strength": self.strength,
            "settings": self.fit.settings,
            "counts": self.fit.counts,
        }

    def with_strength(self, strength: float) -> Self:
        """Return the same correction at another strength.

        Raises:
            ConfigError: ``strength`` is not in 0 to 1.
        """
        return replace(self, strength=strength)

    @property
    def best_needed(self) -> int:
        """How many of the best scores of each language :meth:`for_index` needs."""
        return 0

    @property
    def changes_vectors(self) -> bool:
        """Whether :meth:`apply` changes embeddings; a calibration changes scores only."""
        return True

    @property
    def removes_levels(self) -> bool:
        """Whether languages lose the levels of their scores, which tell the query language."""
        return True

    @property
    @abstractmethod
    def needs_language(self) -> bool:
        """Whether it depends on the language or on the kind of a text."""

    @abstractmethod
    def apply(self, embeddings: NDArray[Any], langs: OptionalLangs, kind: Kind) -> Floats:
        """Return corrected embeddings.

        Args:
            embeddings: ``(N, H)`` unit vectors.
            langs: The language of each row, or of all rows; ``None`` where it makes no difference.
            kind: ``query`` or ``passage``.

        Raises:
            ConfigError: The correction changes scores, not vectors.
            DataError: A language that the fit does not have, another width, or a number that is
                not finite.
        """

    @abstractmethod
    def for_index(
        self, queries: NDArray[Any], langs: OptionalLangs, best: Doubles | None = None
    ) -> QueryForm:
        """Return queries whose scores against unchanged passages are the corrected scores.

        Args:
            queries: ``(Q, H)`` unit vectors.
            langs: Their languages.
            best: ``(Q, L, K)`` raw scores of the best ``K`` passages of each language of the fit,
                which a search of each language returns. Only calibration by ``top`` uses them.

        Raises:
            ConfigError: ``best`` is needed and not given.
            DataError: As :meth:`apply`.
        """

    def stored(self, passages: NDArray[Any], langs: OptionalLangs) -> Stored | None:
        """Return what an index stores with each passage for :meth:`for_index`; often nothing."""
        return None

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays, for saving."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, fit: Fit, arrays: Mapping[str, NDArray[Any]], strength: float) -> Self:
        """Return the correction that :meth:`arrays` came from."""

    def require(self, *, encoder: str | None = None, width: int | None = None) -> None:
        """Refuse another encoder than that of the fit.

        Raises:
            DataError: Fingerprint or width differ.
        """
        if encoder is not None and self.fit.encoder and encoder != self.fit.encoder:
            raise DataError(
                f"correction {self.fit.method!r}",
                f"encoder {encoder}",
                f"encoder {self.fit.encoder}, which it was fitted for",
                "Fit it again for this encoder",
            )
        if width is not None and width != self.fit.width:
            raise DataError(
                f"correction {self.fit.method!r}",
                f"embeddings of width {width}",
                f"width {self.fit.width}",
                "Fit it again for this encoder",
            )


@dataclass(frozen=True, eq=False)
class FitData:
    """What a method gets.

    Attributes:
        fit: Facts for the correction.
        passages: Statistics of passages.
        queries: Statistics of queries; those of passages if there are no queries.
    """

    fit: Fit
    passages: Moments
    queries: Moments


class Needs(TypedDict):
    """Statistics beyond means: the covariance of each language, a sample of so many rows."""

    covariances: bool
    sample: int


class Settings(BaseModel):
    """Settings of a method; all have defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def needs(self) -> Needs:
        """What the fit needs beyond means."""
        return {"covariances": False, "sample": 0}


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Method(Generic[S]):
    """A way to correct.

    Attributes:
        name: Its name.
        settings: Its settings.
        correction: The class of its corrections.
        fit: ``(data, settings) -> correction``.
    """

    name: str
    settings: type[S]
    correction: type[Correction]
    fit: Callable[[FitData, S], Correction]

    @property
    def summary(self) -> str:
        """First line of the docstring of ``fit``."""
        return (self.fit.__doc__ or "").strip().splitlines()[0]


METHODS: Registry[Method[Any]] = Registry("correction", "evenrank.debias")


def method(
    name: str, settings: type[S], correction: type[Correction]
) -> Callable[[Callable[[FitData, S], Correction]], Callable[[FitData, S], Correction]]:
    """Return a decorator that registers a fit under ``name``; see :class:`Method`."""

    def register(
        fit: Callable[[FitData, S], Correction],
    ) -> Callable[[FitData, S], Correction]:
        METHODS.register(name, Method(name, settings, correction, fit))
        return fit

    return register


def fit_correction(
    name: str,
    passages: Blocks,
    queries: Blocks | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    strength: float = 1.0,
    encoder: str = "",
    texts: Iterable[str] = (),
) -> Correction:
    """Fit a correction; each iterator is read once, and memory does not grow with it.

    Args:
        name: ``center``, ``shift``, ``project``, ``lir``, ``leace``, ``calibrate``, ``csls`` or
            another registered method.
        passages: Unit vectors with their languages (:func:`~evenrank.debias.moments.blocks_of`
            yields them from a store). Translations of the same texts are best; texts on the same
            topics will do.
        queries: The same for queries, which have another prompt in many encoders. Without them the
            statistics of the passages serve for both.
        settings: Values for settings of the method; the others keep their defaults.
        strength: 0 to 1.
        encoder: Fingerprint of the encoder; the correction refuses another one.
        texts: The texts, so that it can be refused to measure on them.

    Raises:
        UnknownNameError: No method, or no setting of it, has that name.
        ConfigError: A setting has a value that it cannot have.
        DataError: See :func:`~evenrank.debias.moments.gather`; or widths differ.
    """
    chosen, checked = check_method(name, settings, strength)
    of_passages = gather(passages, "passage", **checked.needs)
    of_queries = of_passages if queries is None else gather(queries, "query", **checked.needs)
    if of_queries.width != of_passages.width:
        found, expected = f"width {of_queries.width}", f"width {of_passages.width}"
        raise DataError("query embeddings", found, expected, "Use embeddings of one encoder")
    sides: dict[Kind, Moments] = {"passage": of_passages}
    sides |= {} if queries is None else {"query": of_queries}
    facts = Fit(
        name,
        checked.model_dump(),
        encoder,
        of_passages.width,
        {
            kind: dict(zip(side.languages, side.counts.tolist(), strict=True))
            for kind, side in sides.items()
        },
        sketch(texts),
    )
    fitted = chosen.fit(FitData(facts, of_passages, of_queries), checked)
    return fitted.with_strength(strength)


def check_method(
    name: str, settings: Mapping[str, Any] | None = None, strength: float = 1.0
) -> tuple[Method[Any], Settings]:
    """Return a method with its settings.

    Raises:
        UnknownNameError, ConfigError: As :func:`fit_correction`.
    """
    require_strength(strength)
    chosen = METHODS.get(name)
    return chosen, _checked(chosen, settings or {})


def require_strength(strength: float) -> None:
    """Refuse a strength outside of 0 to 1."""
    if not 0 <= strength <= 1:
        raise ConfigError("strength", repr(strength), "0 to 1", "Correct it")


def _checked(chosen: Method[Any], values: Mapping[str, Any]) -> Settings:
    place = f"correction {chosen.name!r}"
    for key in values:
        if key not in chosen.settings.model_fields:
            raise UnknownNameError("setting", key, chosen.settings.model_fields, place)
    try:
        return cast(Settings, chosen.settings.model_validate(values))
    except ValidationError as cause:
        first = cause.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{place}, {name}", repr(first["input"]), first["msg"].lower(), "Correct the value"
        ) from None


def checked_rows(rows: NDArray[Any], width: int, kind: Kind) -> Floats:
    """Return rows as float32 ``(N, H)``."""
    rows_NH = np.asarray(rows)
    require_matrix(rows_NH, kind, width)
    return rows_NH.astype(np.float32, copy=False)


def require_array(array: NDArray[Any], *shape: int | None) -> NDArray[Any]:
    """Return a float32 array of a file, checked.

    Raises:
        ValueError: It has another type or shape (``None`` is any length), or a number that is not
            finite.
    """
    same = array.ndim == len(shape) and all(
        length in (None, own) for own, length in zip(array.shape, shape, strict=True)
    )
    if not same or array.dtype != np.float32 or not np.isfinite(array).all():
        raise ValueError(f"finite float32 of shape {shape}, not {array.dtype} of {array.shape}")
    return array


def scores_only(name: str) -> ConfigError:
    """Return the error for vectors given to a correction of scores."""
    found, expected = "vectors to change", "scores"
    return ConfigError(f"correction {name!r}", found, expected, "Use for_index")

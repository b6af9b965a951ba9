"""Encoders created from texts: how one is defined, named, configured and built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.registry import Registry

if TYPE_CHECKING:  # imports torch, which takes three seconds
    from sentence_transformers import SentenceTransformer

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Recipe(Generic[S]):
    """How an encoder is created from nothing but texts.

    Attributes:
        name: Its name in configurations.
        settings: Its settings, a frozen pydantic model whose fields all have defaults.
        learning_rate: Peak learning rate of AdamW that suits its initial weights.
        build: ``(texts, settings, seed) -> encoder``. The same texts, in any order and repeated any
            number of times, with the same settings and seed give the same bytes.
    """

    name: str
    settings: type[S]
    learning_rate: float
    build: Callable[[Iterable[str], S, int], SentenceTransformer]

    @property
    def summary(self) -> str:
        """The first line of the builder's docstring."""
        return (self.build.__doc__ or "").strip().splitlines()[0]


ENCODERS: Registry[Recipe[Any]] = Registry("encoder", "evenrank.encoding")

Builder = Callable[[Iterable[str], S, int], "SentenceTransformer"]


def encoder(
    name: str, settings: type[S], *, learning_rate: float
) -> Callable[[Builder[S]], Builder[S]]:
    """Return a decorator that registers a builder under ``name`` and returns it unchanged."""

    def register(build: Builder[S]) -> Builder[S]:
        ENCODERS.register(name, Recipe(name, settings, learning_rate, build))
        return build

    return register


def build_encoder(
    name: str,
    texts: Iterable[str],
    settings: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
) -> SentenceTransformer:
    """Create an encoder, with a tokenizer that is trained on ``texts``.

    Args:
        name: ``static``, ``scratch`` or another registered recipe.
        texts: Queries and passages, read once; repeated texts count once.
        settings: Values for fields of the recipe's settings; the others keep their defaults.
        seed: Source of all randomness.

    Returns:
        The encoder on the CPU, untrained, with prompts, and cosine as its similarity.

    Raises:
        UnknownNameError: No recipe, or no setting of it, has that name.
        ConfigError: A setting has a value that is not allowed.
        DataError: There is no text.
    """
    recipe = ENCODERS.get(name)
    checked = checked_settings(recipe.settings, settings, f"encoder {name!r}")
    return recipe.build(texts, checked, seed)


def checked_settings(form: type[S], settings: Mapping[str, Any] | None, place: str) -> S:
    """Return settings as the values of a form.

    Args:
        form: Names, types and defaults of the settings.
        settings: Values; the others keep their defaults.
        place: What messages call the owner of the settings.

    Raises:
        UnknownNameError: There is no such setting.
        ConfigError: A value is not allowed.
    """
    for key in settings or {}:
        if key not in form.model_fields:
            raise UnknownNameError("setting", key, form.model_fields, place)
    try:
        return form.model_validate(dict(settings or {}))
    except ValidationError as cause:
        first = cause.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{place}, {field}" if field else place,
            repr(first["input"]) if field else "settings that contradict each other",
            first["msg"].removeprefix("Value error, ").lower(),
            "Correct the value",
        ) from None

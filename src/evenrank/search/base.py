"""What an engine is: the best passages of each language for a query.

An engine never merges languages. It returns one list for each language, and a policy, which is a
pure function of such lists, decides the order of the result. So every policy works with every
engine, and an engine needs nothing but vector search with a filter.

Shapes: ``Q`` queries, ``L`` languages, ``H`` width of the embeddings, ``K`` hits of a list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.errors import DataError

Value = str | int | float | bool
"""A value of a metadata field."""

Filters = Mapping[str, Value | Sequence[Value]]
"""Metadata fields and the value, or the values, that a passage may have there."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The best passages of one language for one query.

    Ordered by score, descending; equal scores by position in the index. An engine that has no
    positions orders equal scores by id.

    Attributes:
        ids: Ids of the passages, ``K``.
        scores: ``(K,)`` float32, cosine similarities.

    Raises:
        DataError: Numbers of ids and scores differ, or the scores are not in order.

    >>> Hits(("a", "b"), np.array([0.9, 0.7], dtype=np.float32))[:1].ids
    ('a',)
    """

    ids: tuple[str, ...]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        expected = "as many ids as scores, best first"
        if len(self.ids) != len(self.scores) or np.any(np.diff(self.scores) > 0):
            found = f"{len(self.ids)} ids, {len(self.scores)} scores"
            raise DataError("hits", found, expected, "Sort them by score")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> Hits:
        return Hits(self.ids[part], self.scores[part])


Lists = Mapping[str, Hits]
"""For one query, the hits of each language. A language may have none."""


@dataclass(frozen=True)
class Passage:
    """A passage as an index keeps it.

    Attributes:
        id: Its id, unique in the index.
        language: Code of its language.
        text: Its text.
        group: Passages of one group are translations of each other; empty if not known.
        metadata: Further fields.
    """

    id: str
    language: str
    text: str
    group: str = ""
    metadata: Mapping[str, Value] = field(default_factory=dict)


class Engine(ABC):
    """Vector search within each language.

    Attributes:
        name: Its name in messages: a folder, or an address without a password.
        exact: Whether :meth:`search` returns the true best passages.
        about: What its writer noted, such as the ``label`` and ``fingerprint`` of the model.
    """

    name: str = ""
    exact: bool = False
    about: Mapping[str, JsonValue] = MappingProxyType({})

    @property
    @abstractmethod
    def width(self) -> int:
        """``H``."""

    @property
    @abstractmethod
    def counts(self) -> Mapping[str, int]:
        """Passages of each language; languages sorted, none without passages."""

    @abstractmethod
    def search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None = None,
    ) -> list[dict[str, Hits]]:
        """Return the best ``k`` passages of each language for each query.

        Args:
            vectors: ``(Q, 1, H)``, or ``(Q, L, H)`` with a vector for each language of
                ``languages``. Unit vectors give cosines.
            languages: ``L`` languages of :attr:`counts`.
            k: Passages of each language; fewer where a language, or the filter, has fewer.
            filters: All of these fields must match.

        Returns:
            For each query, the hits of each language of ``languages``, in that order.

        Raises:
            UnknownNameError: A language that the engine does not have.
            UnknownNameError, DataError: A field of the filter that the engine does not have, or,
                where it knows the type of the field, a value of another type.
            DataError: Vectors of another width.
            EvenrankError: The engine cannot be reached or refuses.
        """

    @abstractmethod
    def fetch(self, ids: Iterable[str]) -> list[Passage]:
        """Return passages by id, in the order of ``ids``.

        Raises:
            DataError: No passage has that id (it may have been removed since the search).
        """

    def close(self) -> None:  # noqa: B027 - many engines keep nothing open
        """Let go of files and connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

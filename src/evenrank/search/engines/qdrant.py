"""Search in Qdrant, a server or a cluster.

For each query, Qdrant gets one filtered request for each language; all of them travel in one
``query_batch_points``. Filters are ``must`` conditions only, and nothing is grouped or fused by the
server. A collection of somebody else is read with the names of its fields, and is never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evenrank.errors import DataError
from evenrank.search.base import Filters, Hits, Passage
from evenrank.search.engines.fields import (
    OWN_FIELDS,
    Fields,
    allowed_values,
    no_passage,
    ordered_hits,
    plain_metadata,
    unknown_field,
)
from evenrank.search.engines.qdrant_server import Server, json_path, mark_of, point_of, value_at
from evenrank.search.engines.served import ServedEngine

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_REQUEST_BYTES = 8 << 20
"""Of one batch of queries; a server takes 32 MB unless told otherwise."""
_NUMBER_BYTES = 12
"""Of a number of a vector as JSON, about."""
_MAXIMUM_TIES = 1024
"""Passages of equal score that are looked at beyond ``k``."""


class QdrantSettings(Fields):
    """How to search.

    Attributes:
        exact: Compare with every passage, without the graph.
        hnsw_ef: Width of the search in the graph; by default the server's.
        oversampling: With quantisation, how many times ``k`` are looked at with full vectors.
        timeout: Seconds until a request counts as not answered.
        grpc_port: Use gRPC at this port, which sends a third of the bytes; by default HTTP.
    """

    exact: bool = False
    hnsw_ef: int | None = Field(default=None, ge=1)
    oversampling: float | None = Field(default=None, ge=1)
    timeout: int = Field(default=60, ge=1)
    grpc_port: int | None = Field(default=None, ge=1, le=65535)


class QdrantEngine(ServedEngine):
    """A collection of Qdrant.

    Args:
        client: A client of the official package, which :meth:`close` closes; its local mode works
            too.
        collection: Name of the collection, or an alias.
        settings: Names of its fields, unless evenrank wrote it, and how to search.
        name: Its name in messages; by default that of the collection.

    Raises:
        DataError: There is no such collection or vector, or its distance is not cosine or dot.
        EngineError: The server cannot be reached or refuses.
    """

    def __init__(
        self, client: QdrantClient, collection: str, settings: QdrantSettings, name: str = ""
    ) -> None:
        self.name = name or f"qdrant collection {collection!r}"
        self.exact = settings.exact
        self._server = Server(client, collection, self.name)
        info = self._server.ask("get_collection")
        mark = mark_of(info)
        if mark is not None and not mark["complete"]:
            found = "a collection that is not complete"
            raise DataError(self.name, found, "", "Run the command that writes it again")
        self.about = mark["about"] if mark else {}
        self._owned = mark is not None
        self._settings = settings.model_copy(update=OWN_FIELDS) if mark else settings
        self._using, params = self._vector(info.config.params.vectors)
        self._cosine = params.distance == "Cosine"
        self._known: set[str] = set()
        self._opened(int(params.size))

    def _search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None,
    ) -> list[dict[str, Hits]]:
        conditions = self._conditions(filters)
        norms = np.linalg.norm(vectors, axis=2) if self._cosine else np.ones(vectors.shape[:2])
        wanted = [
            (query, place, min(place, vectors.shape[1] - 1))
            for query in range(len(vectors))
            for place in range(len(languages))
        ]
        found: list[dict[str, Hits]] = [{} for _ in vectors]
        limit = k + 1  # the one more shows whether the last place is tied
        while wanted:
            requests = [
                self._request(vectors[query, row], languages[place], limit, conditions)
                for query, place, row in wanted
            ]
            tied = []
            for cell, points in zip(wanted, self._query(requests), strict=True):
                query, place, row = cell
                if self._is_tied(points, k, limit):
                    tied.append(cell)
                    continue
                scores = np.array([point.score for point in points]) * norms[query, row]
                ids = [self._id(point) for point in points]
                found[query][languages[place]] = ordered_hits(ids, scores, k)
            wanted, limit = tied, 2 * limit
        return [{language: hits[language] for language in languages} for hits in found]

    def fetch(self, ids: Iterable[str]) -> list[Passage]:
        """Return passages by id, in the order of ``ids``."""
        wanted = list(ids)
        there = {self._id(point): point for point in self._retrieve(list(dict.fromkeys(wanted)))}
        for id in wanted:
            if id not in there:
                raise no_passage(self.name, id)
        return [self._passage(id, there[id].payload or {}) for id in wanted]

    def close(self) -> None:
        """Close the client."""
        self._server.client.close()

    def _vector(self, vectors: Any) -> tuple[str | None, Any]:  # noqa: ANN401 - a model of Qdrant
        """Return the name of the vector, none if it has none, and its parameters."""
        name = self._settings.vector_field
        if isinstance(vectors, Mapping):
            if not name and len(vectors) == 1:
                name = next(iter(vectors))
            params, expected = vectors.get(name), f"one of {', '.join(vectors) or 'none'}"
        else:
            params, expected = (None if name else vectors), "the vector, which has no name"
        if params is None:
            found = f"no vector {name!r}" if name else "no name of a vector"
            raise DataError(self.name, found, expected, "Correct vector_field")
        if params.multivector_config is not None:
            found, remedy = "several vectors a passage", "Name a vector with vector_field"
            raise DataError(self.name, found, "one vector a passage", remedy)
        if params.distance not in ("Cosine", "Dot"):
            found = f"distance {params.distance.value}"
            raise DataError(self.name, found, "Cosine or Dot", "Copy the vectors into one with it")
        return name or None, params

    def _counted(self) -> dict[str, int]:
        field = self._settings.language_field
        answer = self._server.ask("facet", key=field, limit=10_000, exact=True)
        counts = {str(hit.value): int(hit.count) for hit in answer.hits if hit.count}
        if not counts and not self._owned:
            expected, remedy = "the language of each passage", "Name the field with language_field"
            raise DataError(self.name, f"no values in field {field!r}", expected, remedy)
        return counts

    def _request(
        self, vector: NDArray[np.float32], language: str, limit: int, conditions: list[Any]
    ) -> Any:  # noqa: ANN401
        from qdrant_client import models

        settings, quantization = self._settings, None
        if settings.oversampling is not None:
            quantization = models.QuantizationSearchParams(
                rescore=True, oversampling=settings.oversampling
            )
        params = None
        if settings.exact or settings.hnsw_ef or quantization:
            params = models.SearchParams(
                exact=settings.exact, hnsw_ef=settings.hnsw_ef, quantization=quantization
            )
        own = models.FieldCondition(
            key=settings.language_field, match=models.MatchValue(value=language)
        )
        return models.QueryRequest(
            query=vector.tolist(),
            using=self._using,
            filter=models.Filter(must=[own, *conditions]),
            params=params,
            limit=limit,
            with_payload=[settings.id_field] if settings.id_field else False,
        )

    def _query(self, requests: list[Any]) -> list[list[Any]]:
        """Send requests in batches that a server takes; return the points of each."""
        size = max(1, _REQUEST_BYTES // (self._width * _NUMBER_BYTES))
        return [
            response.points
            for at in range(0, len(requests), size)
            for response in self._server.ask(
                "query_batch_points", requests=requests[at : at + size]
            )
        ]

    @staticmethod
    def _is_tied(points: list[Any], k: int, limit: int) -> bool:
        """Tell whether passages that were not sent may have the score of place ``k``."""
        full = len(points) == limit and limit < k + _MAXIMUM_TIES
        return full and bool(points[-1].score == points[k - 1].score)

    def _conditions(self, filters: Filters | None) -> list[Any]:
        from qdrant_client import models

        conditions = []
        for name, values in allowed_values(filters).items():
            key = self._key(name)
            if name not in self._known:
                self._require(name, key)
            each: list[Any] = [_equal(key, value) for value in values if not isinstance(value, str)]
            texts = [value for value in values if isinstance(value, str)]
            if texts or not values:
                each.append(models.FieldCondition(key=key, match=models.MatchAny(any=texts)))
            conditions.append(each[0] if len(each) == 1 else models.Filter(should=each))
        return conditions

    def _key(self, name: str) -> str:
        path = json_path(name, owned=self._owned)
        if path is None:
            raise unknown_field(self.name, name)
        prefix = self._settings.metadata_field
        return f"{prefix}.{path}" if prefix else path

    def _require(self, name: str, key: str) -> None:
        """Check that some passage has a field."""
        from qdrant_client import models

        there = models.Filter(
            must=[models.FieldCondition(key=key, values_count=models.ValuesCount(gte=1))]
        )
        points, _ = self._server.ask("scroll", scroll_filter=there, limit=1, with_payload=False)
        if not points:
            raise unknown_field(self.name, name)
        self._known.add(name)

    def _retrieve(self, ids: list[str]) -> list[Any]:
        from qdrant_client import models

        if self._owned or not self._settings.id_field:
            known = [point_of(id, owned=self._owned) for id in ids]
            points = [point for point in known if point is not None]
            return list(self._server.ask("retrieve", ids=points, with_payload=True))
        match = models.FieldCondition(key=self._settings.id_field, match=models.MatchAny(any=ids))
        there = models.Filter(must=[match])
        points, _ = self._server.ask("scroll", scroll_filter=there, limit=len(ids) + 1)
        return list(points)

    def _id(self, point: Any) -> str:  # noqa: ANN401
        field = self._settings.id_field
        return str(value_at(point.payload, field) if field else point.id)

    def _passage(self, id: str, payload: Mapping[str, Any]) -> Passage:
        fields = self._settings
        used = (fields.id_field, fields.language_field, fields.text_field, fields.group_field)
        if fields.metadata_field:
            metadata = value_at(payload, fields.metadata_field) or {}
        else:
            metadata = {name: value for name, value in payload.items() if name not in used}
        return Passage(
            id=id,
            language=str(value_at(payload, fields.language_field)),
            text=str(value_at(payload, fields.text_field) or ""),
            group=str(value_at(payload, fields.group_field) or "") if fields.group_field else "",
            metadata=plain_metadata(metadata),
        )


def _equal(key: str, value: float) -> Any:  # noqa: ANN401 - a model of Qdrant
    """Return the condition that a field is a truth value, or a number of either type."""
    from qdrant_client import models

    if isinstance(value, bool) or abs(value) >= 1 << 53:  # ranges are numbers of 53 bits
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))

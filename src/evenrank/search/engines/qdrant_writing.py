"""Write passages into a collection of Qdrant that is ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenrank.errors import ConfigError, DataError
from evenrank.search.engines.fields import OWN_FIELDS
from evenrank.search.engines.qdrant_server import Server, mark_of, point_of
from evenrank.search.engines.writing import MARK, About, Row, Writer

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_PAGE = 1000


class QdrantStorage(BaseModel):
    """How a collection is stored; Qdrant's documentation explains the values.

    Every search names a language, so by default there is one graph for each language (Qdrant's
    ``payload_m``) and none over all of them.

    Attributes:
        on_disk: Keep vectors on disk.
        hnsw: Settings of the graph, ``hnsw_config``.
        quantization: Compressed vectors, ``quantization_config``, such as
            ``{"scalar": {"type": "int8", "always_ram": True}}``.
        shard_number: Parts of the collection; by default one for each machine.
        replication_factor: Copies of each part.
        write_consistency_factor: Copies that must have a write before it counts as done.
        batch: Passages of one request.
        workers: Requests at the same time.
        timeout: Seconds until a request counts as not answered.
        grpc_port: Use gRPC at this port; by default HTTP.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_disk: bool = False
    hnsw: dict[str, Any] = Field(default={"m": 0, "payload_m": 16})
    quantization: dict[str, Any] | None = None
    shard_number: int | None = Field(default=None, ge=1)
    replication_factor: int | None = Field(default=None, ge=1)
    write_consistency_factor: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    workers: int = Field(default=4, ge=1, le=64)
    timeout: int = Field(default=120, ge=1)
    grpc_port: int | None = Field(default=None, ge=1, le=65535)


class QdrantWriter(Writer):
    """Writes into one collection.

    Args:
        client: A client of the official package.
        collection: Name of the collection, which is created if it does not exist.
        storage: How it is stored.
        name: Its name in messages.
    """

    def __init__(
        self, client: QdrantClient, collection: str, storage: QdrantStorage, name: str = ""
    ) -> None:
        self.name = name or f"qdrant collection {collection!r}"
        self.batch, self.workers = storage.batch, storage.workers
        self._server = Server(client, collection, self.name)
        self._storage = storage

    def start(self, width: int, about: About) -> None:
        """Create the collection with an index of languages, or check that it is ours."""
        if not self._server.ask("collection_exists"):
            self._create(width, about)
            return
        info = self._server.ask("get_collection")
        mark = mark_of(info)
        if mark is None:
            found = "a collection that evenrank did not write"
            raise ConfigError(self.name, found, "", "Use another name; it can be searched as it is")
        found_width = info.config.params.vectors.size
        if found_width != width:
            found, expected = f"width {found_width}", f"{width}, that of the vectors"
            raise DataError(self.name, found, expected, "Use another name for another model")
        if mark["about"] != dict(about):  # until the end, it has vectors of two models
            self._note(about, complete=False)

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of those passages that are there."""
        points = [point_of(id, owned=True) for id in ids]
        found = self._server.ask("retrieve", ids=points, with_payload=["id", "digest"])
        return {point.payload["id"]: point.payload["digest"] for point in found}

    def put(self, rows: Sequence[Row]) -> None:
        """Add passages, or replace those with the same ids; a broken request is sent again."""
        from qdrant_client import models

        points = [
            models.PointStruct(
                id=point_of(row.passage.id, owned=True),
                vector=row.vector.tolist(),
                payload={
                    "id": row.passage.id,
                    "language": row.passage.language,
                    "text": row.passage.text,
                    "group_id": row.passage.group,
                    "metadata": dict(row.passage.metadata),
                    "digest": row.digest,
                },
            )
            for row in rows
        ]
        size = len(points)
        self._server.ask("upload_points", points=points, batch_size=size, max_retries=3, wait=True)

    def count(self) -> int:
        """Return the number of passages."""
        return int(self._server.ask("count", exact=True).count)

    def ids(self) -> Iterator[list[str]]:
        """Return the ids of all passages, in pages."""
        offset = None
        while True:
            points, offset = self._server.ask(
                "scroll", limit=_PAGE, offset=offset, with_payload=["id"]
            )
            yield [point.payload["id"] for point in points]
            if offset is None:
                return

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        points = [point_of(id, owned=True) for id in ids]
        self._server.ask("delete", points_selector=points, wait=True)

    def finish(self, about: About) -> None:
        """Mark the collection as complete; Qdrant builds its graphs by itself."""
        self._note(about, complete=True)

    def close(self) -> None:
        """Close the client."""
        self._server.client.close()

    def _create(self, width: int, about: About) -> None:
        from qdrant_client import models

        storage, ask = self._storage, self._server.ask
        vectors = models.VectorParams(
            size=width, distance=models.Distance.COSINE, on_disk=storage.on_disk or None
        )
        try:
            form = models.CreateCollection(
                hnsw_config=storage.hnsw, quantization_config=storage.quantization
            )
        except ValidationError as cause:
            first = cause.errors()[0]
            place, expected = ".".join(map(str, first["loc"])), first["msg"].lower()
            remedy = "See Qdrant's documentation of this setting"
            raise ConfigError(place, repr(first["input"]), expected, remedy) from None
        ask(
            "create_collection",
            vectors_config=vectors,
            hnsw_config=form.hnsw_config,
            quantization_config=form.quantization_config,
            shard_number=storage.shard_number,
            replication_factor=storage.replication_factor,
            write_consistency_factor=storage.write_consistency_factor,
            metadata={MARK: {"complete": False, "about": dict(about)}},
        )
        keyword = models.KeywordIndexType.KEYWORD
        ask(
            "create_payload_index",
            field_name=OWN_FIELDS["language_field"],
            field_schema=models.KeywordIndexParams(type=keyword, is_tenant=True),
        )

    def _note(self, about: Mapping[str, Any], *, complete: bool) -> None:
        mark = {MARK: {"complete": complete, "about": dict(about)}}
        self._server.ask("update_collection", metadata=mark)

"""Write passages into a table of PostgreSQL that is ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from evenrank.errors import ConfigError, DataError
from evenrank.search.engines.postgres import (
    Address,
    Database,
    Table,
    describe_table,
    identifier,
    literal,
    mark_text,
)
from evenrank.search.engines.writing import About, Row, Writer

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composable

_PAGE = 10_000
_NAME_BYTES = 63
"""Of a name in PostgreSQL."""
_WIDEST = {"vector": 2000, "halfvec": 4000}
"""Numbers of a vector in a graph."""


class PgvectorStorage(BaseModel):
    """How a table is stored; pgvector's documentation explains the values.

    Every search names a language, so each language with many passages has a graph (HNSW) of its
    own. The passages of other languages are compared one by one.

    Attributes:
        half: Numbers of 16 bits instead of 32.
        hnsw: Build graphs; without them, every search compares all passages.
        hnsw_minimum: Passages of a language from which on it has a graph.
        m: Edges of a passage in the graph.
        ef_construction: Width of the search while the graph is built.
        batch: Passages of one statement.
        workers: Statements at the same time.
        timeout: Seconds until a statement counts as not answered; graphs have no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    half: bool = False
    hnsw: bool = True
    hnsw_minimum: int = Field(default=5000, ge=1)
    m: int = Field(default=16, ge=2, le=100)
    ef_construction: int = Field(default=64, ge=4, le=1000)
    batch: int = Field(default=1000, ge=1)
    workers: int = Field(default=2, ge=1, le=64)
    timeout: float = Field(default=120, ge=0.01)


class PgvectorWriter(Writer):
    """Writes into one table.

    Args:
        address: Where it is; the table is created if it does not exist.
        storage: How it is stored.
    """

    def __init__(self, address: Address, storage: PgvectorStorage) -> None:

        self.name = address.name
        self.batch, self.workers = storage.batch, storage.workers
        self._address, self._storage = address, storage
        self._database = Database(address, storage.timeout)
        self._table = identifier(*address.table)
        self._type = "halfvec" if storage.half else "vector"
        self._lock: Connection[Any] | None = None

    def start(self, width: int, about: About) -> None:
        """Create the table, or check that it is ours and of this width."""
        if self._storage.hnsw and width > _WIDEST[self._type]:
            remedy = "Set hnsw to false, or half to true for up to 4,000"
            found, expected = f"width {width}", f"{_WIDEST[self._type]} at most, for a graph"
            raise DataError(self.name, found, expected, remedy)
        self._be_the_only_one()
        table = self._database.run(
            lambda connection: describe_table(connection, self._address.table)
        )
        if table is None:
            self._create(width)
            self._note(about, complete=False)
            return
        self._check(table, width)
        if table.mark and table.mark["about"] != dict(about):  # until the end: two models
            self._note(about, complete=False)

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of those passages that are there."""
        rows = self._execute("select id, digest from {table} where id = any(%s)", [list(ids)])
        return dict(rows)

    def put(self, rows: Sequence[Row]) -> None:
        """Add passages, or replace those with the same ids."""
        from pgvector import Vector

        passages = [row.passage for row in rows]
        self._execute(
            _PUT.replace("{type}", self._type),
            [
                [passage.id for passage in passages],
                [passage.language for passage in passages],
                [passage.text for passage in passages],
                [passage.group for passage in passages],
                [orjson.dumps(dict(passage.metadata)).decode() for passage in passages],
                [row.digest for row in rows],
                [Vector(row.vector) for row in rows],
            ],
        )

    def count(self) -> int:
        """Return the number of passages."""
        [(count,)] = self._execute("select count(*) from {table}")
        return int(count)

    def ids(self) -> Iterator[list[str]]:
        """Return the ids of all passages, in pages."""
        after = ""
        while page := self._execute(
            "select id from {table} where id > %s order by id limit %s", [after, _PAGE]
        ):
            ids = [id for (id,) in page]
            yield ids
            after = ids[-1]

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        self._execute("delete from {table} where id = any(%s)", [list(ids)])

    def finish(self, about: About) -> None:
        """Build a graph for each language with many passages, and mark the table as complete."""
        if self._storage.hnsw:
            counted = "select language from {table} group by 1 having count(*) >= %s order by 1"
            for (language,) in self._execute(counted, [self._storage.hnsw_minimum]):
                self._build(language)
        self._execute("analyze {table}")
        self._note(about, complete=True)

    def close(self) -> None:
        """Close the connections, and let others write."""
        self._database.close()
        if self._lock is not None:
            from psycopg import Error

            with suppress(Error):  # the server ends a connection, and its lock, a moment later
                self._lock.execute("select pg_advisory_unlock_all()")
            self._lock.close()

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        from psycopg import sql

        composed = sql.SQL(statement).format(table=self._table)

        def work(connection: Connection[Any]) -> list[Any]:
            cursor = connection.execute(composed, values, binary=True)
            return list(cursor.fetchall()) if cursor.description else []

        return self._database.run(work)

    def _be_the_only_one(self) -> None:
        """Keep a lock until the connection closes.

        Raises:
            ConfigError: Another run writes this table.
        """
        self._lock = self._database.connect()
        key = f"evenrank {self._address.table}"
        asked = self._lock.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        if not asked.fetchone()[0]:
            found = "a table that another run writes now"
            raise ConfigError(self.name, found, "", "Wait for its end, or use another table")

    def _check(self, table: Table, width: int) -> None:
        if table.mark is None:
            found = "a table that evenrank did not write"
            raise ConfigError(self.name, found, "", "Use another name; it can be searched as it is")
        column = table.columns["embedding"]
        if column.type != self._type:
            found, remedy = f"numbers of type {column.type}", "Change half, or use another name"
            raise ConfigError(self.name, found, self._type, remedy)
        if column.width != width:
            found, expected = f"width {column.width}", f"{width}, that of the vectors"
            raise DataError(self.name, found, expected, "Use another name for another model")

    def _create(self, width: int) -> None:
        self._execute(_CREATE.replace("{type}", f"{self._type}({int(width)})"))
        self._execute("create index on {table} (language, id)")

    def _build(self, language: str) -> None:
        from psycopg import sql

        digest = hashlib.blake2b(language.encode(), digest_size=6).hexdigest()
        tail = f"_hnsw_{digest}"
        head = self._address.table[-1].encode()[: _NAME_BYTES - len(tail)].decode(errors="ignore")
        storage = self._storage
        statement: Composable = sql.SQL(
            "create index if not exists {name} on {table} using hnsw (embedding {operators}) "
            "with (m = {m}, ef_construction = {ef}) where language = {language}"
        ).format(
            name=identifier(head + tail),
            table=self._table,
            operators=sql.SQL(f"{self._type}_ip_ops"),
            m=literal(storage.m),
            ef=literal(storage.ef_construction),
            language=literal(language),
        )

        def work(connection: Connection[Any]) -> None:
            connection.execute("set local statement_timeout = 0")
            connection.execute(statement, [])

        self._database.run(work)

    def _note(self, about: About, *, complete: bool) -> None:
        from psycopg import sql

        comment = literal(mark_text(about, complete=complete))
        statement = sql.SQL("comment on table {} is {}").format(self._table, comment)
        self._database.run(lambda connection: connection.execute(statement, []))


_CREATE = """
create table {table} (
  id text collate "C" primary key,
  language text not null,
  text text not null,
  group_id text not null,
  metadata jsonb not null,
  digest text not null,
  embedding {type} not null
)
"""
_PUT = """
insert into {table} (id, language, text, group_id, metadata, digest, embedding)
select id, language, text, group_id, metadata::jsonb, digest, embedding::{type}
from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::vector[])
  as new(id, language, text, group_id, metadata, digest, embedding)
on conflict (id) do update set
  language = excluded.language, text = excluded.text, group_id = excluded.group_id,
  metadata = excluded.metadata, digest = excluded.digest, embedding = excluded.embedding
"""

"""Search in PostgreSQL with pgvector.

One statement has a part for each language, which takes the best passages of that language for each
query. Names of tables and columns are quoted as identifiers, and values are parameters. A table of
somebody else is read with the names of its columns, and is never written.
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
    no_passage,
    ordered_hits,
    plain_metadata,
    unknown_field,
)
from evenrank.search.engines.pgvector_columns import Columns
from evenrank.search.engines.postgres import (
    Address,
    Database,
    describe_table,
    identifier,
    literal,
)
from evenrank.search.engines.served import ServedEngine

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composable, Composed

_MAXIMUM_EF = 1000
"""Of pgvector."""


class PgvectorSettings(Fields):
    """How to search.

    Attributes:
        exact: Compare with every passage, also where the table has a graph (HNSW).
        ef_search: Width of the search in the graph; by default 100 or twice ``k``, at most 1,000.
        max_scan_tuples: Maximum number of passages that a search in the graph looks at to find
            enough that pass the filters.
        timeout: Seconds until a statement counts as not answered.
    """

    exact: bool = False
    ef_search: int | None = Field(default=None, ge=1, le=_MAXIMUM_EF)
    max_scan_tuples: int = Field(default=100_000, ge=1)
    timeout: float = Field(default=60, ge=0.01)


class PgvectorEngine(ServedEngine):
    """A table of PostgreSQL with a column of pgvector.

    Args:
        address: Where it is.
        settings: Names of its columns, unless evenrank wrote it, and how to search.

    Raises:
        DataError: There is no such table or column.
        EngineError: The server cannot be reached or refuses.
        MissingExtraError: The driver is not installed.
    """

    def __init__(self, address: Address, settings: PgvectorSettings) -> None:
        self.name = address.name
        self._database = Database(address, settings.timeout)
        self._table = identifier(*address.table)
        table = self._database.run(lambda connection: describe_table(connection, address.table))
        if table is None:
            raise DataError(self.name, "no such table", "", "Check the name, schema and database")
        mark = table.mark
        if mark is not None and not mark["complete"]:
            remedy = "Run the command that writes it again"
            raise DataError(self.name, "a table that is not complete", "", remedy)
        self.about = mark["about"] if mark else {}
        settings = settings.model_copy(update=OWN_FIELDS if mark else {})
        if not settings.id_field:
            settings = settings.model_copy(update={"id_field": "id"})
        self._settings, self._owned = settings, mark is not None
        self._columns = columns = Columns(self.name, table.columns, settings)
        graphs = {
            operators.split("_")[1] for operators in table.graphs.get(columns.vector_name, ())
        }
        self._operator = "<#>" if self._owned or "ip" in graphs else "<=>"
        self.exact = settings.exact or not graphs & {"ip", "cosine"}
        self._known: set[str] = set()
        self._opened(columns.width if columns.width > 0 else self._found_width())

    def _search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None,
    ) -> list[dict[str, Hits]]:
        for name in filters or {}:
            if self._settings.metadata_field and name not in self._known:
                self._require(name)
        conditions, values = self._columns.conditions(filters)
        values |= {"k": k, "columns": vectors.shape[1]}
        values["vectors"] = [_vector(row) for row in vectors.reshape(-1, self._width)]
        statement = self._statement(languages, vectors.shape[1], conditions)
        rows = self._database.run(
            lambda connection: self._searched(connection, statement, values, k)
        )
        norms = np.linalg.norm(vectors, axis=2)
        cells: dict[tuple[int, int], tuple[list[str], list[float]]] = {}
        for query, place, id, distance in rows:
            ids, scores = cells.setdefault((query, place), ([], []))
            norm = float(norms[query, min(place, norms.shape[1] - 1)])
            ids.append(id)
            scores.append(self._score(distance, norm))
        nothing: tuple[list[str], list[float]] = ([], [])
        return [
            {
                language: ordered_hits(*cells.get((query, place), nothing), k)
                for place, language in enumerate(languages)
            }
            for query in range(len(vectors))
        ]

    def fetch(self, ids: Iterable[str]) -> list[Passage]:
        """Return passages by id, in the order of ``ids``."""
        wanted = list(ids)
        there = {row[0]: row for row in self._database.run(lambda c: self._fetched(c, wanted))}
        for id in wanted:
            if id not in there:
                raise no_passage(self.name, id)
        return [
            Passage(id, language or "", text or "", group or "", plain_metadata(metadata or {}))
            for id, language, text, group, metadata in map(there.__getitem__, wanted)
        ]

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _found_width(self) -> int:
        from psycopg import sql

        statement = sql.SQL("select vector_dims({v}) from {t} where {v} is not null limit 1")
        found = self._run(statement.format(v=self._columns.vector, t=self._table))
        if not found:
            raise DataError(self.name, "no vectors", "a vector for each passage", "Add them")
        return int(found[0][0])

    def _counted(self) -> dict[str, int]:
        from psycopg import sql

        statement = sql.SQL(
            "select {language}, count(*) from {table} "
            "where {language} is not null and {vector} is not null group by 1"
        ).format(language=self._columns.language, table=self._table, vector=self._columns.vector)
        counts = {str(language): int(count) for language, count in self._run(statement)}
        if not counts and not self._owned:
            found, expected = "no passage with a language", "a language for each passage"
            raise DataError(self.name, found, expected, "Name the column with language_field")
        return counts

    def _run(self, statement: Composable, values: Mapping[str, Any] | None = None) -> list[Any]:
        return self._database.run(
            lambda connection: list(connection.execute(statement, values or {}).fetchall())
        )

    def _statement(
        self, languages: Sequence[str], rows: int, conditions: Sequence[Composable]
    ) -> Composed:
        """Return the statement: for each language and query, the best passages of the language.

        The language is a constant, so that the server can use an index of this language alone.

        Args:
            languages: The languages.
            rows: Vectors of a query: one, or one for each language.
            conditions: Those of the filters.
        """
        from psycopg import sql

        columns = self._columns
        distance = sql.SQL("t.{vector} {operator} q.vector").format(
            vector=columns.vector, operator=sql.SQL(self._operator)
        )
        order = distance
        if self.exact:  # the sum keeps the server from using the graph
            order = sql.SQL('({}) + 0, t.{}::text collate "C"').format(distance, columns.id)
        part = sql.SQL(
            "select q.query, {place} as place, h.id, h.distance from q cross join lateral ("
            "select t.{id}::text as id, {distance} as distance from {table} t "
            "where {conditions} order by {order} limit %(k)s) h where q.place = {row}"
        )
        parts = []
        for place, language in enumerate(languages):
            own = sql.SQL("{} = {}").format(columns.language, literal(language))
            there = sql.SQL("{} is not null").format(columns.vector)
            parts.append(
                part.format(
                    place=literal(place),
                    id=columns.id,
                    distance=distance,
                    table=self._table,
                    conditions=sql.SQL(" and ").join([own, there, *conditions]),
                    order=order,
                    row=literal(min(place, rows - 1)),
                )
            )
        head = sql.SQL(
            "with q as materialized (select vector, (n - 1) / %(columns)s as query, "
            "(n - 1) %% %(columns)s as place from unnest(%(vectors)s::vector[]::{type}[]) "
            "with ordinality as v(vector, n)) "
        ).format(type=columns.vector_type)
        return head + sql.SQL(" union all ").join(parts)

    def _searched(
        self, connection: Connection[Any], statement: Composed, values: dict[str, Any], k: int
    ) -> list[Any]:
        if not self.exact:
            settings = self._settings
            width = settings.ef_search or min(_MAXIMUM_EF, max(100, 2 * k))
            chosen = {
                "hnsw.iterative_scan": "relaxed_order",  # the strict one drops what comes late
                "hnsw.ef_search": str(width),
                "hnsw.max_scan_tuples": str(settings.max_scan_tuples),
            }
            pairs = [part for pair in chosen.items() for part in pair]
            several = ", ".join(["set_config(%s, %s, true)"] * len(chosen))
            connection.execute(f"select {several}", pairs)
        return list(connection.execute(statement, values, binary=True).fetchall())

    def _score(self, distance: float, norm: float) -> float:
        if self._operator == "<#>":
            return -distance
        return -norm if np.isnan(distance) else (1 - distance) * norm  # no direction: last

    def _require(self, name: str) -> None:
        """Check that some passage has a field."""
        from psycopg import sql

        statement = sql.SQL("select 1 from {} where {} -> %(name)s is not null limit 1")
        if not self._run(statement.format(self._table, self._columns.metadata), {"name": name}):
            raise unknown_field(self.name, name)
        self._known.add(name)

    def _fetched(self, connection: Connection[Any], ids: list[str]) -> list[Any]:
        from psycopg import DataError as Unfit
        from psycopg import sql

        columns = self._columns
        statement = sql.SQL(
            "select t.{id}::text, {language}, {text}, {group}::text, {metadata} from {table} t "
            "where t.{id}{cast} = any(%(ids)s::text[]{type})"
        )
        parts = {
            "id": columns.id,
            "language": columns.language,
            "text": columns.text,
            "group": columns.group,
            "metadata": columns.metadata,
            "table": self._table,
        }
        slow = fast = statement.format(**parts, cast=sql.SQL("::text"), type=sql.SQL(""))
        if columns.id_type:  # its index needs values of its type
            type = sql.SQL(f"::{columns.id_type}[]")
            fast = statement.format(**parts, cast=sql.SQL(""), type=type)
        try:
            with connection.transaction():
                return list(connection.execute(fast, {"ids": ids}).fetchall())
        except Unfit:  # an id that is not of the column's type; the others are found as texts
            return list(connection.execute(slow, {"ids": ids}).fetchall())


def _vector(row: NDArray[np.float32]) -> Any:  # noqa: ANN401 - the package has no types here
    from pgvector import Vector

    return Vector(row)

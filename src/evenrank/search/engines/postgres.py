"""Connections to PostgreSQL, and what it says about a table; a refusal becomes one clear line."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote

import orjson

from evenrank.errors import ConfigError, DataError, EngineError, EvenrankError, MissingExtraError
from evenrank.search.engines.writing import MARK

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import SQL

T = TypeVar("T")

POSTGRES = ("postgresql", "postgres")
_SHOWN = 200
"""Characters of a server's message."""
_CONNECT_SECONDS = 10
VECTORS = ("vector", "halfvec")
"""Types of pgvector that have ``H`` numbers."""


@dataclass(frozen=True)
class Address:
    """A table of a database.

    Attributes:
        parameters: What the driver connects with, among it perhaps a password.
        table: Name of the table, after that of its schema if one was given.
        name: The address without a password.
    """

    parameters: Mapping[str, str]
    table: tuple[str, ...]
    name: str


def parse_postgres(parts: SplitResult) -> Address:
    """Return the parts of ``postgresql://USER@HOST:PORT/DATABASE?table=TABLE&schema=SCHEMA``.

    Other parameters, such as ``sslmode`` or the folder of a socket as ``host``, go to the driver.

    Raises:
        ConfigError: No table.
    """
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    table, schema = given.pop("table", ""), given.pop("schema", "")
    parameters = {
        "host": parts.hostname or "",
        "port": str(parts.port or ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    } | given
    parameters = {key: value for key, value in parameters.items() if value}
    user = f"{parameters['user']}@" if "user" in parameters else ""
    host = parameters.get("host", "")
    place = f"postgresql://{user}{host}/{parameters.get('dbname', '')}"
    if not table:
        found, expected = "no table", "?table=TABLE at the end of the address"
        raise ConfigError(place, found, expected, "Name the table")
    name = f"{place}?table={table}" + (f"&schema={schema}" if schema else "")
    return Address(parameters, (schema, table) if schema else (table,), name)


class Database:
    """Connections to one database, opened when they are needed and used again.

    Args:
        address: Where it is.
        timeout: Seconds until a statement counts as not answered.

    Raises:
        MissingExtraError: The driver is not installed.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        try:
            import pgvector
            import psycopg
        except ImportError:
            remedy = "pip install 'evenrank[pgvector]'"
            found = "the packages psycopg and pgvector are not both installed"
            raise MissingExtraError("postgresql", found, "", remedy) from None
        del pgvector, psycopg
        self.address, self.name = address, address.name
        self._timeout = timeout
        self._idle: list[Connection[Any]] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def run(self, work: Callable[[Connection[Any]], T]) -> T:
        """Do some work in a transaction of its own.

        Work on a connection that was open, and that turns out to be broken, is done once more on
        a new one, so it must be such that doing it twice does no harm. Statements made of parts
        need parameters, if only an empty list, so that a double ``%`` becomes one.

        Raises:
            DataError: A value does not fit the table.
            EngineError: The server cannot be reached, refuses, or fails.
        """
        import psycopg

        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            fresh = connection is None
            if connection is None:
                connection = self.connect()
            try:
                with connection.transaction():
                    connection.execute(_LIMITS, {"timeout": f"{1000 * self._timeout:.0f}ms"})
                    result = work(connection)
            except psycopg.Error as cause:
                broken = connection.closed
                connection.close()
                if not broken or fresh:
                    raise self._refusal(cause) from None
                self.close()  # the others are broken too
            except BaseException:
                connection.close()
                raise
            else:
                with self._lock:
                    self._idle.append(connection)
                return result

    def connect(self) -> Connection[Any]:
        """Return a new connection, which is the caller's.

        Raises:
            EngineError: The server cannot be reached or refuses.
        """
        import psycopg
        from pgvector.psycopg import register_vector

        defaults = {
            "connect_timeout": str(_CONNECT_SECONDS),
            "tcp_user_timeout": f"{1000 * self._timeout:.0f}",
            "application_name": "evenrank",
        }
        try:
            connection = psycopg.connect(
                **defaults | dict(self.address.parameters), autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as cause:
            raise self._refusal(cause) from None
        try:
            register_vector(connection)
        except psycopg.Error as cause:
            connection.close()
            if isinstance(cause, psycopg.ProgrammingError) and "vector type" in str(cause):
                found = "a database without pgvector"
                remedy = "Let an administrator run: create extension vector"
                raise EngineError(self.name, found, "", remedy) from None
            raise self._refusal(cause) from None
        return connection

    def close(self) -> None:
        """Close all connections that nobody uses."""
        with self._lock:
            _close(self._idle)

    def _refusal(self, cause: Exception) -> EvenrankError:
        import psycopg

        words = " ".join(str(cause).split())
        if secret := self.address.parameters.get("password"):
            words = words.replace(secret, "***")
        for pattern, found, remedy in _REFUSALS:
            if re.search(pattern, words, re.IGNORECASE):
                return EngineError(self.name, found or words[:_SHOWN], "", remedy)
        if isinstance(cause, psycopg.DataError):
            return DataError(self.name, words[:_SHOWN], "", "Correct the value")
        if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
            found, remedy = f"no connection ({words[-_SHOWN:]})", "Check the address and the server"
            return EngineError(self.name, found, "", remedy)
        remedy = "Check the table, your rights and the server's log"
        return EngineError(self.name, words[:_SHOWN], "", remedy)


def _close(connections: list[Connection[Any]]) -> None:
    while connections:
        connections.pop().close()


_LIMITS = (
    "select set_config('statement_timeout', %(timeout)s, true), set_config('jit', 'off', true)"
)
"""Compiling a statement takes longer than running it."""
_PASSWORD = "Set PGPASSWORD, or use a password file"
_REFUSALS = (
    ("password authentication failed", "the password is refused", _PASSWORD),
    ("no password supplied", "no password", _PASSWORD),
    (
        "invalid connection option|invalid .* value",
        "the driver refuses a parameter of the address",  # its words may contain a secret
        "Correct the address",
    ),
    ("connection refused", "connection refused", "Check the address, and that the server runs"),
    ("No such file", "no server at this socket", "Check the address, and that the server runs"),
    ("translate host name|resolve host", "a host that is not known", "Check the address"),
    ("starting up|recovery mode|shutting down", "the server is not ready", "Try again later"),
    ("statement timeout", "no answer in time", "Try again, or set timeout higher"),
    (
        "server closed|connection .*lost|terminating connection|consuming input failed|broken pipe",
        "the connection broke during a request",
        "Try again; check the server's log",
    ),
    ("permission denied", "", "Ask for the right, or use another user"),
)
"""What the server or its driver says, what we say (its own words if nothing), and what to do."""


def identifier(*names: str) -> SQL:
    """Return a name, after that of its schema, as a part of a statement with parameters."""
    from psycopg import sql

    return sql.SQL(sql.Identifier(*names).as_string().replace("%", "%%"))


def literal(value: object) -> SQL:
    """Return a constant as a part of a statement with parameters."""
    from psycopg import sql

    return sql.SQL(sql.Literal(value).as_string().replace("%", "%%"))


@dataclass(frozen=True)
class Column:
    """A column: its type, that type with its schema and length, and the numbers of a vector."""

    type: str
    written: str
    category: str
    number: int
    width: int


@dataclass(frozen=True)
class Table:
    """What the server says about a table.

    Attributes:
        columns: By name.
        mark: What evenrank noted when it wrote the table; nothing for one of somebody else.
        graphs: For each column with a graph over vectors (HNSW), the operator classes.
    """

    columns: Mapping[str, Column]
    mark: Mapping[str, Any] | None
    graphs: Mapping[str, frozenset[str]]


def describe_table(connection: Connection[Any], names: Sequence[str]) -> Table | None:
    """Return what the server says about a table or view; nothing if there is none."""
    from psycopg import sql

    written = sql.Identifier(*names).as_string()
    [(oid,)] = connection.execute("select to_regclass(%s)::oid", [written]).fetchall()
    if oid is None:
        return None
    columns = {
        name: Column(type, written, category, number, width)
        for name, type, written, category, number, width in connection.execute(_COLUMNS, [oid])
    }
    graphs: dict[str, set[str]] = {}
    for number, operators in connection.execute(_GRAPHS, [oid]):
        [name] = [name for name, column in columns.items() if column.number == number]
        graphs.setdefault(name, set()).add(operators)
    [(comment,)] = connection.execute("select obj_description(%s, 'pg_class')", [oid]).fetchall()
    frozen = {name: frozenset(operators) for name, operators in graphs.items()}
    return Table(columns, _mark_in(comment or ""), frozen)


def mark_text(about: Mapping[str, Any], *, complete: bool) -> str:
    """Return the comment that marks a table as ours."""
    return f"{MARK} {orjson.dumps({'complete': complete, 'about': dict(about)}).decode()}"


def _mark_in(comment: str) -> dict[str, Any] | None:
    head, _, tail = comment.partition(" ")
    try:
        mark = orjson.loads(tail) if head == MARK else None
    except ValueError:
        return None
    if not isinstance(mark, dict) or not isinstance(mark.get("about"), dict):
        return None
    return {"complete": bool(mark.get("complete")), "about": mark["about"]}


_COLUMNS = """
select a.attname, t.typname, format_type(a.atttypid, null), t.typcategory, a.attnum, a.atttypmod
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
_GRAPHS = """
select i.indkey[0], o.opcname
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_am m on m.oid = c.relam
join pg_opclass o on o.oid = i.indclass[0]
where i.indrelid = %s and m.amname = 'hnsw' and i.indisvalid and i.indkey[0] > 0
"""

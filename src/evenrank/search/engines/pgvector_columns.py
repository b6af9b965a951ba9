"""Columns of a table as parts of a statement: names are quoted, values are parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evenrank.errors import DataError
from evenrank.search.base import Filters, Value
from evenrank.search.engines.fields import Fields, allowed_values, unknown_field
from evenrank.search.engines.postgres import VECTORS, Column, identifier, literal

if TYPE_CHECKING:
    from psycopg.sql import Composed

_JSON = ("json", "jsonb")
_INTEGERS = {"int2": 1 << 15, "int4": 1 << 31, "int8": 1 << 63}
"""Types of whole numbers, and the first number that is too large."""
_NUMBERS = {"float4": "float8", "float8": "float8", "numeric": "numeric"}


class Columns:
    """The columns that a search reads.

    Args:
        name: What messages call the table.
        there: All columns of the table, by name.
        fields: The names of those that have the parts of a passage.

    Attributes:
        vector_name: Name of the column of vectors.
        vector: This column in a statement.
        vector_type: Its type in a statement.
        width: Numbers of a vector; -1 if the column does not say it.
        id: The id in a statement; ``language``, ``text``, ``group``, ``metadata`` likewise.
        id_type: Type of the column of ids; empty if they are inside of an object.

    Raises:
        UnknownNameError, DataError: There is no such column.
    """

    def __init__(self, name: str, there: Mapping[str, Column], fields: Fields) -> None:
        from psycopg import sql

        self._name, self._there, self._settings = name, there, fields
        self.vector_name = self._vector_name()
        self.vector = identifier(self.vector_name)
        self.vector_type = sql.SQL(there[self.vector_name].written)
        self.width = there[self.vector_name].width
        self.id = self._field(fields.id_field)
        self.id_type = there[fields.id_field].written if fields.id_field in there else ""
        self.language = self._field(fields.language_field, text=True)
        self.text = self._field(fields.text_field, text=True)
        self.group = sql.Composed([sql.SQL("''")])
        if fields.group_field:
            self.group = self._field(fields.group_field, text=True)
        self.metadata = self._object() if fields.metadata_field else self._others()

    def conditions(self, filters: Filters | None) -> tuple[list[Composed], dict[str, Any]]:
        """Return the conditions of a filter, and the parameters in them.

        Raises:
            UnknownNameError: There is no such column.
        """
        from psycopg import sql

        conditions: list[Composed] = []
        parameters: dict[str, Any] = {}
        for at, (name, values) in enumerate(allowed_values(filters).items()):
            if self._settings.metadata_field:
                parameters[f"name{at}"] = name
                parameters[f"values{at}"] = [json.dumps(value) for value in values]
                statement = sql.SQL("{} -> {} = any({}::text[]::jsonb[])")
                value = self.metadata
                place = sql.Placeholder(f"name{at}")
                there = sql.Placeholder(f"values{at}")
                conditions.append(statement.format(value, place, there))
            elif name not in self._there or self._there[name].type in VECTORS:
                raise unknown_field(self._name, name, self._there)
            else:
                fitting, type = _fitting(values, self._there[name])
                parameters[f"values{at}"] = [str(value) for value in fitting]
                conditions.append(
                    sql.SQL("t.{} = any({}::text[]::{}[])").format(
                        identifier(name), sql.Placeholder(f"values{at}"), sql.SQL(type)
                    )
                )
        return conditions, parameters

    def _vector_name(self) -> str:
        name, expected = self._settings.vector_field, "a column of type vector or halfvec"
        vectors = [name for name, column in self._there.items() if column.type in VECTORS]
        if name in vectors:
            return name
        if name or len(vectors) != 1:
            found = (
                f"no vectors in column {name!r}" if name else f"{len(vectors)} columns with vectors"
            )
            expected = f"one of {', '.join(vectors)}" if vectors else expected
            raise DataError(self._name, found, expected, "Name the column with vector_field")
        return vectors[0]

    def _field(self, path: str, *, text: bool = False) -> Composed:
        """Return the expression of a column, or of a path into a column of JSON.

        Raises:
            DataError: There is no such column.
        """
        from psycopg import sql

        name, keys = path, []
        if path not in self._there:
            name, *keys = path.split(".")
        column = self._there.get(name)
        if column is None or (keys and column.type not in _JSON):
            raise unknown_field(self._name, path, self._there)
        if keys:
            return sql.SQL("{} #>> {}").format(identifier(name), literal(keys))
        written = sql.SQL("{}::text") if text and column.category != "S" else sql.SQL("{}")
        return written.format(identifier(name))

    def _object(self) -> Composed:
        from psycopg import sql

        name, *keys = self._settings.metadata_field.split(".")
        if name not in self._there or self._there[name].type not in _JSON:
            raise unknown_field(self._name, name, self._there)
        return sql.SQL("({}::jsonb #> {}::text[])").format(identifier(name), literal(keys))

    def _others(self) -> Composed:
        """Return all other columns as an object."""
        from psycopg import sql

        fields = self._settings
        used = [fields.id_field, fields.language_field, fields.text_field, fields.group_field]
        used += [name for name, column in self._there.items() if column.type in VECTORS]
        return sql.SQL("to_jsonb(t) - {}::text[]").format(literal(used))


def _fitting(values: Sequence[Value], column: Column) -> tuple[list[Value], str]:
    """Return the values that a column of this type can have, and the type to compare with.

    Texts equal texts only, numbers numbers and truth values truth values.

    >>> _fitting([1, 1.0, 1.5, True, "1"], Column("int4", "integer", "N", 1, -1))
    ([1, 1], 'int8')
    """
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if limit := _INTEGERS.get(column.type):
        return [int(v) for v in numbers if -limit <= v < limit and v == int(v)], "int8"
    if column.type in _NUMBERS:
        return list(numbers), _NUMBERS[column.type]
    if column.category == "B":
        return [v for v in values if isinstance(v, bool)], "boolean"
    texts: list[Value] = [v for v in values if isinstance(v, str)]
    return texts, "text" if column.category == "S" else column.written

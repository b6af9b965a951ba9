"""The fields of a row: their names, what they contain, and what is wrong with a bad one.

Every form of source comes through here, so a field has one meaning and one message. Ids and texts
are kept as they are written. A whole number as an id becomes its decimal text: ``7`` is ``"7"``.

:func:`columns_of` checks many good rows at once, by columns. Where it finds anything odd, each row
is checked alone by :func:`values_of`, which knows what to say about it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from evenrank.data.readers.base import REMEDY, Part, Row
from evenrank.errors import DataError
from evenrank.languages import normalise


@dataclass(frozen=True)
class Field:
    """A field of a row.

    Attributes:
        name: Its name in a corpus.
        alias: Another name that it may have in a source.
        kind: ``text`` is a string; ``key`` a string or a whole number; ``texts`` a list of strings.
            Each string has a visible character. ``label`` is a key that may be blank, which is
            read as null.
        required: Whether it must be there; otherwise it may be absent or null.
    """

    name: str
    alias: str
    kind: Literal["text", "key", "label", "texts"]
    required: bool

    @property
    def expected(self) -> str:
        """What the field contains, for messages."""
        return {
            "text": "a string with a visible character",
            "key": "a whole number, or a string with a visible and no control character",
            "label": "a string or a whole number",
            "texts": "a list of strings with a visible character each",
        }[self.kind]


FIELDS = (
    Field("id", "id", "key", required=True),
    Field("passage_id", "context_id", "key", required=False),
    Field("article", "title", "label", required=False),
    Field("lang", "language", "text", required=True),
    Field("query", "question", "text", required=True),
    Field("passage", "context", "text", required=True),
    Field("negatives", "negatives", "texts", required=False),
)
"""The fields in the order of ``evenrank.data.corpus.SCHEMA``."""

NAMES = frozenset(name for field in FIELDS for name in (field.name, field.alias))

_OTHER_LAYOUTS = {
    "training data of DPR": {"positive_ctxs"},
    "pairs of Sentence Transformers": {"anchor", "positive"},
    "a SQuAD file": {"data", "version"},
    "one file of a BEIR folder": {"_id", "text"},
}
_has_control = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]").search


class Values(NamedTuple):
    """The values of a good row, in the order of ``evenrank.data.corpus.SCHEMA``."""

    id: str
    passage_id: str
    article: str | None
    lang: str
    query: str
    passage: str
    negatives: list[str] | None


class _Wrong(Exception):
    """Found, expected and remedy, before the place is known."""


def values_of(row: Row, part: Part, number: int) -> Values:
    """Check a row and return its values.

    Args:
        row: Fields as the source has them; others than those of a corpus are ignored.
        part: Where the row was read.
        number: Its number there.

    Raises:
        DataError: A field is missing, empty, or of a wrong type; or the language is not one, or
            not the one that the part is in.

    >>> part = Part("de.jsonl", 0, iter, lang="de")
    >>> values_of({"id": 7, "lang": "deu", "question": "Wer?", "context": "Ada."}, part, 1)
    Values(id='7', passage_id='7', article=None, lang='de', query='Wer?', passage='Ada.',
        negatives=None)
    """
    found = checked(row, part, number, FIELDS)
    return Values(**found | {"passage_id": found["passage_id"] or found["id"]})


def checked(row: Row, part: Part, number: int, fields: Sequence[Field]) -> dict[str, Any]:
    """Return the values of some fields, one of which is ``lang``, by name.

    Raises:
        DataError: As :func:`values_of`.
    """
    try:
        values = {field.name: _value(row, field) for field in fields}
        values["lang"] = _language(values["lang"], part.lang)
    except _Wrong as wrong:
        found, expected, remedy = wrong.args
        raise DataError(part.place(number), found + _whose(row), expected, remedy) from None
    return values


def columns_of(rows: Sequence[Any], part: Part) -> list[list[Any]] | None:
    """Check many rows at once and return their values by column, in the order of the schema.

    Args:
        rows: As for :func:`values_of`.
        part: Where they were read.

    Returns:
        ``None`` if a row is bad, or not a row: :func:`values_of` says what is wrong.
    """
    if set(map(type, rows)) != {dict}:
        return None
    shapes = {tuple(row) for row in rows}  # a few, whatever the number of rows
    columns: list[list[Any]] = []
    for field in FIELDS:
        values = _checked(_column(rows, shapes, field), field)
        if values is None:
            return None
        columns.append(values)
    ids, passage_ids, _, langs, *_ = columns
    try:
        tags = {code: _language(code, part.lang) for code in set(langs)}
    except _Wrong:
        return None
    columns[1] = [one or id_ for one, id_ in zip(passage_ids, ids, strict=True)]
    columns[3] = [tags[code] for code in langs]
    return columns


def _column(rows: Sequence[Row], shapes: Collection[tuple[str, ...]], field: Field) -> list[Any]:
    """Return the values of a field; ``shapes`` are the names of fields that rows have."""
    names = {field.name if field.name in shape else field.alias for shape in shapes}
    if len(names) > 1:
        return [row.get(_name(row, field)) for row in rows]
    (name,) = names
    there = sum(name in shape for shape in shapes)
    if there == len(shapes):
        return list(map(itemgetter(name), rows))
    return [row.get(name) for row in rows] if there else [None] * len(rows)


def _checked(values: list[Any], field: Field) -> list[Any] | None:
    """Return the values of a column, or ``None`` if one of them is bad."""
    types = set(map(type, values))
    if not field.required:
        if types == {type(None)}:
            return values
        types.discard(type(None))
    if field.kind == "texts":
        good = types == {list} and all(v is None or _are_texts(v) for v in values)
        return values if good else None
    if not types <= ({str} if field.kind == "text" else {str, int}):
        return None
    if int in types:
        values = [str(value) if type(value) is int else value for value in values]
    texts = values if field.required else [value for value in values if value is not None]
    firsts = "".join([text[:1] for text in texts])
    if len(firsts) < len(texts) or not firsts.isalnum():
        if field.kind == "label":
            return [v if v is None or is_visible(v) else None for v in values]
        if not all(text[:1].isalnum() or is_visible(text) for text in texts):
            return None
    if field.kind == "key" and not (all_ := "".join(texts)).isprintable() and _has_control(all_):
        return None
    return values


def is_visible(text: str) -> bool:
    r"""Return whether a text has a letter, number, sign or symbol, and so a token to encode.

    >>> is_visible("?"), is_visible("\u200b"), is_visible(" \x00")
    (True, False, False)
    """
    return any(unicodedata.category(sign)[0] in "LNPS" for sign in text)


def _whose(row: Row) -> str:
    """Return id and language of a bad row, as far as it has them."""
    names = [f"{key} {row[key]!a}" for key in ("id", "lang") if isinstance(row.get(key), str | int)]
    return f" ({', '.join(names)})" if names else ""


def _value(row: Row, field: Field) -> Any:  # noqa: ANN401 - a string or a list of them
    name, kind = _name(row, field), field.kind
    value = row.get(name)
    if isinstance(value, str) and kind != "texts":
        visible = value[:1].isalnum() or is_visible(value)  # most texts begin with a letter
        if visible and (kind != "key" or value.isprintable() or not _has_control(value)):
            return value
        if kind == "label":
            return None
    elif value is None and not field.required:
        return None
    elif kind == "texts":
        if _are_texts(value):
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and kind != "text":
        return str(value)
    if value is None:
        either = " or ".join(dict.fromkeys(map(repr, (field.name, field.alias))))
        found = f"no field {either} among {', '.join(map(str, row)) or 'none'}"
        found = f"field {name!r} without a value" if name in row else found
        raise _Wrong(found, field.expected, _remedy(row, field))
    raise _Wrong(f"field {name!r} with {_describe(value)}", field.expected, REMEDY)


def _name(row: Row, field: Field) -> str:
    """Return the name of a field in a row."""
    return field.name if field.name in row else field.alias


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and is_visible(v) for v in value)


def _remedy(row: Row, field: Field) -> str:
    """Return what to do if a required field is missing; names the layouts that we know."""
    for layout, fields in _OTHER_LAYOUTS.items():
        if fields <= row.keys():
            return (
                f"This looks like {layout}: write a row with id, lang, query and passage for each "
                "query and language"
            )
    if field.name == "lang" and field.name not in row:
        return "Add it, or name the file after its language, such as de.jsonl, and open its folder"
    return REMEDY


def _describe(value: object) -> str:
    if value == "":
        return "an empty string"
    if isinstance(value, str) and not is_visible(value):
        return f"nothing visible: {value[:20]!a}"
    text = ascii(value) if isinstance(value, str) else repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:40] + '...'}"


def _language(code: str, of_part: str | None) -> str:
    try:
        lang = normalise(code)
    except DataError as error:
        raise _Wrong(error.found, error.expected, REMEDY) from None
    if of_part is not None and lang != of_part:
        remedy = "Rename the file, fix the field, or open the file itself instead of its folder"
        raise _Wrong(f"language {lang!r}", f"{of_part!r}, the name of the file", remedy)
    return lang

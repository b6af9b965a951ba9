"""A row's fields: the names they go by, what they must hold, and what is wrong where they do not.

Every form of source comes through here, so that a field has one meaning and one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from evenrank.data.readers.base import Part, Row
from evenrank.errors import DataError
from evenrank.languages import normalise

REMEDY = "Mend it, or pass --skip-bad FILE to leave out what is bad"


@dataclass(frozen=True)
class Field:
    """A field of a row.

    Attributes:
        name: Its name in a corpus.
        alias: Another name that it may have in a source.
        kind: ``text`` is a string; ``key`` a string or a whole number, which is read as a string;
            ``texts`` a list of strings. None of these strings may be empty or blank. ``label`` is
            a key that may be blank, which is read as null.
        required: Whether it must be there; otherwise it may be absent or null.
    """

    name: str
    alias: str
    kind: Literal["text", "key", "label", "texts"]
    required: bool

    @property
    def expected(self) -> str:
        """What the field holds, for messages."""
        return {
            "text": "a string that is not empty",
            "key": "a string that is not empty, or a whole number",
            "label": "a string or a whole number",
            "texts": "a list of strings that are not empty",
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
    """What was found and what was expected, before anybody knows the place."""


def values_of(row: Row, part: Part, number: int) -> Values:
    """Check a row and return its values.

    Args:
        row: Fields as the source has them; those that are no corpus fields are ignored.
        part: Where the row was read.
        number: Its number there.

    Raises:
        DataError: A field is missing, empty, or of a wrong type; or the language is none, or not
            the one that the part is in.

    >>> part = Part("de.jsonl", 0, iter, lang="de")
    >>> values_of({"id": 7, "lang": "deu", "question": "Wer?", "context": "Ada."}, part, 1)
    Values(id='7', passage_id='7', article=None, lang='de', query='Wer?', passage='Ada.',
        negatives=None)
    """
    try:
        id_, passage_id, article, lang, query, passage, negatives = [
            _value(row, field) for field in FIELDS
        ]
        lang = _language(lang, part.lang)
    except _Wrong as wrong:
        found, expected = wrong.args
        raise DataError(part.place(number), found, expected, REMEDY) from None
    return Values(id_, passage_id or id_, article, lang, query, passage, negatives)


def _value(row: Row, field: Field) -> Any:  # noqa: ANN401 - a string or a list of them
    name = field.name if field.name in row else field.alias
    value = row.get(name)
    if isinstance(value, str) and field.kind != "texts":
        if value and not value.isspace():
            return value
        if field.kind == "label":
            return None
    elif value is None and not field.required:
        return None
    elif field.kind == "texts":
        if isinstance(value, list) and all(map(_is_text, value)):
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and field.kind != "text":
        return str(value)
    raise _wrong(row, field, name, value)


def _wrong(row: Row, field: Field, name: str, value: object) -> _Wrong:
    if name in row:
        return _Wrong(f"field {name!r} with {_describe(value)}", field.expected)
    either = " or ".join(dict.fromkeys(map(repr, (field.name, field.alias))))
    return _Wrong(f"no field {either} among {', '.join(row) or 'none'}", field.expected)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and not value.isspace()


def _describe(value: object) -> str:
    if isinstance(value, str):
        return "an empty string" if value == "" else "a blank string"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:40] + '...'}"


def _language(code: str, of_part: str | None) -> str:
    try:
        lang = normalise(code)
    except DataError as error:
        raise _Wrong(error.found, error.expected) from None
    if of_part is not None and lang != of_part:
        raise _Wrong(f"language {lang!r}", f"{of_part!r}, as the name of the file says")
    return lang

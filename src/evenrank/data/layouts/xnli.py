"""Entailment pairs of XNLI (``facebook/xnli``): premise and hypothesis are query and passage.

A row has ``premise``, ``hypothesis`` and ``label``: 0 is entailment, which is kept; rows with other
labels are left out and counted. In the configuration ``all_languages`` a row has the texts of all
languages. The files of the other configurations have the same rows in the same order, so the number
of a row is its id.
"""

from __future__ import annotations

from evenrank.data.layouts.base import (
    LAYOUTS,
    Layout,
    Place,
    WrongRow,
    language_fields,
    text_key,
)
from evenrank.data.readers.base import Row

_ENTAILMENT = (0, "0", "entailment")
_LABELS = (*_ENTAILMENT, 1, "1", "neutral", 2, "2", "contradiction", -1, "-1", "-", None)


def _rows(row: Row, place: Place) -> list[Row]:
    label = row.get("label")
    if label not in _LABELS or isinstance(label, bool):
        raise WrongRow(f"label {label!r}", "0 (entailment), 1 (neutral) or 2 (contradiction)")
    if label not in _ENTAILMENT:
        return []
    premises, hypotheses = _texts(row.get("premise")), _texts(row.get("hypothesis"))
    if not isinstance(premises, dict) or not isinstance(hypotheses, dict):
        return [language_fields(row) | _pair(place, row.get("premise"), row.get("hypothesis"))]
    return [
        {"lang": lang} | _pair(place, premise, hypotheses.get(lang))
        for lang, premise in premises.items()
    ]


def _pair(place: Place, premise: object, hypothesis: object) -> Row:
    key = text_key(hypothesis)
    return {"id": place.parallel_key, "passage_id": key, "query": premise, "passage": hypothesis}


def _texts(value: object) -> object:
    """Return texts by language: a mapping, or lists of languages and translations."""
    if not isinstance(value, dict):
        return value
    langs, texts = value.get("language"), value.get("translation")
    if isinstance(langs, list) and isinstance(texts, list) and len(langs) == len(texts):
        return dict(zip(langs, texts, strict=True))
    return value


LAYOUTS.register(
    "xnli",
    Layout(
        "pairs of XNLI",
        frozenset(["premise", "hypothesis", "label"]),
        _rows,
        frozenset(["lang", "language"]),
    ),
)

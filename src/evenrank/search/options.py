"""What a search may be asked for, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from evenrank.data.rows import is_visible
from evenrank.debias.base import Correction
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.languages import normalise, parse_languages
from evenrank.search.balance import CORRECTED_POLICY, DEFAULT_POLICY
from evenrank.search.base import Engine, Filters
from evenrank.search.policies.base import Policy, open_policy

LARGEST = 10_000
"""Places of one search, those that are skipped included."""
LONGEST = 32_768
"""Characters of a query."""

Languages = str | Sequence[str]


class Options(TypedDict, total=False):
    """What a search may be asked for.

    Attributes:
        k: Places of the result (10).
        offset: Places to skip: ``offset=10`` is the second page of ten.
        policy: How the lists of the languages are merged: a policy or its name, also with settings,
            such as ``calibrated(strength=0.3)``.
        balance: A place of the dial of the policy, 0 to 1; 0 is the order of the raw scores.
        corrected: Use the correction of the searcher; by default unless ``balance`` is 0.
        query_languages: Language of all queries, or of each; ``None`` where it is not known.
        languages: Languages to search; all if ``None``.
        exclude: Languages to leave out.
        weights: Languages that the user prefers, and by how much.
        filters: Metadata fields and the values that a passage may have there.
        collapse: Show one passage of each group, in the language of the query if there is one
            among those that were found.
        explain: Give a reason for each place.
    """

    k: int
    offset: int
    policy: str | Policy | None
    balance: float | None
    corrected: bool
    query_languages: str | Sequence[str | None] | None
    languages: Languages | None
    exclude: Languages | None
    weights: Mapping[str, float] | None
    filters: Filters | None
    collapse: bool
    explain: bool


@dataclass(frozen=True)
class Plan:
    """Checked options."""

    k: int
    offset: int
    policy: Policy
    corrected: bool
    query_languages: list[str | None]
    languages: list[str]
    weights: Mapping[str, float] | None
    filters: Filters | None
    collapse: bool
    explain: bool

    @property
    def end(self) -> int:
        """Places of the result with those that are skipped."""
        return self.offset + self.k

    @classmethod
    def of(
        cls, queries: int, engine: Engine, options: Options, correction: Correction | None
    ) -> Plan:
        """Check options of a search with, or without, a correction."""
        for name in options:
            if name not in Options.__annotations__:
                raise UnknownNameError("option", name, Options.__annotations__, "search")
        k, offset = options.get("k", 10), options.get("offset", 0)
        _check_whole("k", k, 1)
        _check_whole("offset", offset, 0)
        if offset + k > LARGEST:
            expected = f"offset + k of at most {LARGEST:,}"
            raise ConfigError("search", f"{offset + k:,} places", expected, "Ask for fewer")
        corrected = correction is not None and options.get("corrected", options.get("balance") != 0)
        flat = corrected and correction is not None and correction.removes_levels
        policy = options.get("policy") or (CORRECTED_POLICY if flat else DEFAULT_POLICY)
        languages = _chosen_languages(options.get("languages"), options.get("exclude"), engine)
        return cls(
            k,
            offset,
            open_policy(policy, options.get("balance")),
            corrected,
            _query_languages(options.get("query_languages"), queries),
            languages,
            _weights(options.get("weights"), languages),
            options.get("filters") or None,
            bool(options.get("collapse", False)),
            bool(options.get("explain", False)),
        )


def _weights(
    given: Mapping[str, float] | None, languages: Sequence[str]
) -> dict[str, float] | None:
    """Return weights by the codes of the index."""
    if not given:
        return None
    weights = {normalise(lang, "weights"): value for lang, value in given.items()}
    for lang in weights:
        if lang not in languages:
            raise UnknownNameError("language", lang, languages, "weights")
    return weights


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        expected = f"a whole number, at least {least}"
        raise ConfigError(f"search, {name}", repr(value), expected, "Correct it")


def check_text(text: object, place: str) -> None:
    """Refuse a query that cannot be meant."""
    if not isinstance(text, str):
        raise DataError(place, type(text).__name__, "a text", "Pass a string for each query")
    if len(text) > LONGEST:
        found, expected = f"{len(text):,} characters", f"at most {LONGEST:,}"
        raise DataError(place, found, expected, "Shorten it")
    if not is_visible(text):
        found = "nothing visible" if text else "an empty text"
        raise DataError(place, found, "a letter, number or sign", "Write a query")


def _query_languages(given: str | Sequence[str | None] | None, queries: int) -> list[str | None]:
    if given is None or isinstance(given, str):
        return [given and normalise(given, "query language")] * queries
    if len(given) != queries:
        found, expected = f"{len(given)} languages", f"{queries}, one for each query"
        raise ConfigError("query languages", found, expected, "Correct the list")
    return [lang and normalise(lang, "query language") for lang in given]


def _chosen_languages(
    languages: Languages | None, exclude: Languages | None, engine: Engine
) -> list[str]:
    """Return the languages to search, sorted."""
    chosen = set(engine.counts) if languages is None else set(parse_languages(languages))
    dropped = set() if exclude is None else set(parse_languages(exclude))
    for lang in sorted(chosen | dropped):
        if lang not in engine.counts:
            raise UnknownNameError("language", lang, engine.counts, engine.name)
    if not chosen - dropped:
        expected = f"at least one of {', '.join(engine.counts)}"
        raise ConfigError("search", "no language left", expected, "Exclude fewer languages")
    return sorted(chosen - dropped)

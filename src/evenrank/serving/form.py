"""The values of the page's form, which are the query string of its address."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast
from urllib.parse import urlencode

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.search.balance import DEFAULT_POLICY
from evenrank.search.policies.base import open_policy

View = Literal["both", "one"]


@cache
def default_balance() -> float:
    """Return where the dial is before a reader moves it: the setting of the default policy."""
    policy = open_policy(DEFAULT_POLICY)
    return max((getattr(policy, name) / end for name, end in policy.dial.items()), default=0.0)


@dataclass(frozen=True)
class Form:
    """What a reader asked for.

    Attributes:
        query: The query; empty before the first search.
        balance: The dial.
        languages: Passage languages; empty: all.
        query_language: Language of the query, if the reader said it.
        view: Both lists, or the balanced one only.
        collapse: One result for all translations of a passage.
        k: Results on a page.
        offset: Results before this page.
    """

    query: str = ""
    balance: float = field(default_factory=default_balance)
    languages: tuple[str, ...] = ()
    query_language: str | None = None
    view: View = "both"
    collapse: bool = False
    k: int = 10
    offset: int = 0

    def address(self, **changes: Any) -> str:  # noqa: ANN401 - values of fields
        """Return the address of the page with these values, some of them changed.

        >>> Form("a b", languages=("de", "en")).address(offset=10)
        '/?q=a+b&l=de&l=en&from=10'
        """
        form, usual = replace(self, **changes), Form()
        values: list[tuple[str, object]] = [("q", form.query)]
        if form.balance != usual.balance:
            values.append(("balance", f"{form.balance:g}"))
        values += [("l", code) for code in form.languages]
        if form.query_language:
            values.append(("ql", form.query_language))
        if form.view != usual.view:
            values.append(("view", form.view))
        if form.collapse:
            values.append(("collapse", "on"))
        if form.k != usual.k:
            values.append(("k", form.k))
        if form.offset:
            values.append(("from", form.offset))
        return f"/?{urlencode(values)}"


def read_form(values: Mapping[str, Any], languages: Collection[str], most: int) -> Form:
    """Return the form of a query string.

    Args:
        values: The query string, with a method ``getlist`` for values given again.
        languages: Languages of the index.
        most: Results that a reader may ask for in all.

    Raises:
        ConfigError: A value is not allowed.
    """
    chosen = tuple(dict.fromkeys(values.getlist("l")))  # type: ignore[attr-defined]
    asked = values.get("ql") or None
    for code in chosen:
        if code not in languages:
            raise UnknownNameError("language", code[:40], languages)
    if asked is not None and asked not in languages:
        raise UnknownNameError("language", asked[:40], languages)
    k, offset = _whole(values, "k", min(10, most), most), _whole(values, "from", 0, most)
    if not k or offset + k > most:
        expected = f"at most {most} in all"
        raise ConfigError("results", f"{k} after {offset}", expected, "Ask for others")
    view = values.get("view", "both")
    if view not in ("both", "one"):
        raise UnknownNameError("view", view[:40], ("both", "one"))
    return Form(
        query=values.get("q", "").strip(),
        balance=_share(values.get("balance", "")),
        languages=chosen,
        query_language=asked,
        view=cast(View, view),
        collapse="collapse" in values,
        k=k,
        offset=offset,
    )


def _share(text: str) -> float:
    if not text:
        return default_balance()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError("balance", repr(text[:40]), "0 to 1", "Correct it")
    return value


def _whole(values: Mapping[str, Any], name: str, default: int, most: int) -> int:
    text = values.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigError(name, repr(text[:40]), f"0 to {most}", "Correct it")
    return int(text)

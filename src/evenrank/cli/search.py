"""``evenrank search``: the best passages for a query, in the languages of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.options import AsJson, Languages, ModelSetting, assignments, print_json, split
from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.search.options import Options
    from evenrank.search.searcher import Result, Searcher
    from evenrank.tables import Table

_SHOWN = 240
"""Characters of a passage in a table."""
_DEEPER = 10
"""How many times as many places the raw order is searched for."""

Source = Annotated[
    str,
    typer.Argument(
        help="An index, or the address of an engine such as `qdrant+http://localhost:6333/news`.",
        show_default=False,
    ),
]
Query = Annotated[str, typer.Argument(help="What to search for.", show_default=False)]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--model", help="What encodes the query. [default: the index's]", show_default=False
    ),
]
EngineSetting = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-setting",
        metavar="NAME=VALUE",
        help="Of an engine at an address, such as `language_field=metadata.lang`; may be given "
        "again.",
    ),
]
K = Annotated[int, typer.Option("--k", "-k", help="Places to show.")]
Offset = Annotated[int, typer.Option("--offset", help="Places to skip.")]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="How the languages are merged, such as `raw` or `calibrated(strength=0.3)`. "
        "[default: balanced]",
        show_default=False,
    ),
]
Balance = Annotated[
    float | None,
    typer.Option(
        "--balance", help="0 is the raw order, 1 the most balanced one.", show_default=False
    ),
]
QueryLanguage = Annotated[
    str | None,
    typer.Option("--query-language", help="Such as `de`, if it is known.", show_default=False),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        callback=split,
        metavar="CODES",
        help="Languages to leave out.",
        show_default=False,
    ),
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="FIELD=VALUE",
        help="Only passages with this value. Given again: another field, or another value.",
    ),
]
Weight = Annotated[
    list[str] | None,
    typer.Option(
        "--weight",
        metavar="LANG=NUMBER",
        help="Prefer a language, such as `de=2`; may be given again.",
    ),
]
Collapse = Annotated[
    bool, typer.Option("--collapse", help="Show one passage of each group of translations.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Show how each place comes about.")]
Both = Annotated[bool, typer.Option("--both", help="Show the raw order as well.")]


def search_command(
    source: Source,
    query: Query,
    model: Encoder = None,
    model_setting: ModelSetting = None,
    policy: PolicyName = None,
    balance: Balance = None,
    k: K = 10,
    offset: Offset = 0,
    query_language: QueryLanguage = None,
    languages: Languages = None,
    exclude: Exclude = None,
    filter_: Filter = None,
    weight: Weight = None,
    collapse: Collapse = False,
    debias: Debias = None,
    strength: Strength = None,
    engine_setting: EngineSetting = None,
    explain: Explain = False,
    both: Both = False,
    as_json: AsJson = False,
) -> None:
    """Search an index; the policy decides how the languages share the places.

    Example: `evenrank search news-index "Who discovered radium?" --both`
    """
    options: Options = {
        "k": k,
        "offset": offset,
        "query_languages": query_language,
        "languages": languages,
        "exclude": exclude,
        "weights": _weights(weight or []),
        "collapse": collapse,
        "explain": explain,
    }
    opening = {
        "model_settings": assignments("--model-setting", model_setting or []) or None,
        "correction": None if debias is None else opened(debias, None),
        "strength": strength,
        **assignments("--engine-setting", engine_setting or []),
    }
    from evenrank.search.opening import open_searcher

    with open_searcher(source, model, **opening) as searcher:
        options["filters"] = _filters(filter_ or [], searcher)
        raw = _raw_order(searcher, query, options) if both else None
        chosen: Options = {**options, "policy": policy, "balance": balance}
        found = {} if raw is None else {"raw": raw[offset : offset + k]}
        name = policy if policy and policy != "raw" else "balanced"
        found[name] = searcher.search(query, **chosen)[0]
    if as_json:
        lists = {name: [_facts(one) for one in results] for name, results in found.items()}
        print_json({"query": query} | (lists if both else {"results": lists.popitem()[1]}))
    else:
        _print(found, explain, raw)


def _raw_order(searcher: Searcher, query: str, options: Options) -> list[Result]:
    """Return the raw order, deep enough that most results of a policy have a place in it."""
    from evenrank.search.options import LARGEST

    deep = min(_DEEPER * (options["offset"] + options["k"]), LARGEST)
    asked: Options = {**options, "policy": "raw", "corrected": False, "k": deep, "offset": 0}
    return searcher.search(query, **asked)[0]


def _print(found: dict[str, list[Result]], explain: bool, raw: list[Result] | None) -> None:
    """Print a table of each list; places in the raw order next to those of the policy."""
    from rich.console import Console

    from evenrank.tables import to_rich

    places = {one.id: one.place for one in raw or ()}
    for name, results in found.items():
        next_to = None if raw is None or name == "raw" else places
        caption = "" if raw is None else name
        Console().print(to_rich(_table(caption, results, explain, next_to)))


def _facts(result: Result) -> dict[str, Any]:
    """Return a result as JSON."""
    from dataclasses import asdict

    return asdict(result) | {"metadata": dict(result.metadata)}


def _table(caption: str, results: list[Result], explain: bool, raw: dict[str, int] | None) -> Table:
    from evenrank.tables import Column, Row, Table, Value

    columns = [Column(title="language", text=True), Column(title="score", spec=".3f")]
    if raw is not None:
        columns.append(Column(title="raw place", spec=".0f"))
    if explain:
        columns += [
            Column(title="cosine", spec=".3f"),
            Column(title="correction", spec="+.3f"),
            Column(title="in language", spec=".0f"),
        ]
    columns += [Column(title="passage", text=True), Column(title="id", text=True)]
    rows = []
    for one in results:
        cells: list[Value] = [one.language, one.score]
        if raw is not None:
            cells.append(raw.get(one.id))
        if explain:
            cells += [one.raw_score, one.correction, one.place_in_language]
        text = one.text if len(one.text) <= _SHOWN else f"{one.text[:_SHOWN]} ..."
        rows.append(Row(title=str(one.place), cells=(*cells, text, one.id)))
    note = _reasons(results) if results else "No passage matches."
    return Table(caption=caption, head="place", columns=tuple(columns), rows=tuple(rows), note=note)


def _reasons(results: list[Result]) -> str:
    """Return each reason with the places that have it."""
    places: dict[str, list[str]] = {}
    for one in results:
        if one.reason:
            places.setdefault(one.reason, []).append(str(one.place))
    return "\n".join(f"{', '.join(some)}: {reason}" for reason, some in places.items())


def _weights(texts: list[str]) -> dict[str, float] | None:
    values = assignments("--weight", texts)
    for lang, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"--weight {lang}", repr(value), "a number", "Write it like: de=2")
    return values or None


def _filters(texts: list[str], searcher: Searcher) -> dict[str, Any] | None:
    """Return the values of each field; those of a field of texts are taken as they are written."""
    from evenrank.search.engines.exact import ExactEngine

    engine = searcher.engine
    kinds = engine.passages.fields if isinstance(engine, ExactEngine) else {}
    found: dict[str, list[Any]] = {}
    for text in texts:
        ((name, value),) = assignments("--filter", [text]).items()
        as_written = kinds.get(name) == "text"
        found.setdefault(name, []).append(text.partition("=")[2] if as_written else value)
    return found or None

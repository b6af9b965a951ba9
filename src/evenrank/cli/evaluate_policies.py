"""``evenrank policies``: what balanced search finds on a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    Label,
    Measures,
    ModelSetting,
    Overwrite,
    Precision,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.errors import ConfigError
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.debias.base import Correction
    from evenrank.results.folder import Evaluation
    from evenrank.results.schema import Setting
    from evenrank.tables import Table

Model = Annotated[
    str | None,
    typer.Argument(help="A model, as for `evaluate`; none with --index.", show_default=False),
]
Index = Annotated[
    Path | None,
    typer.Option("--index", help="Use the model and the correction of an index."),
]
Benchmark = Annotated[
    str, typer.Option("--benchmark", "-b", help="Such as `xquad-r`.", show_default=False)
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="Such as `round-robin` or `balanced(balance=0.5)`; may be given again. "
        "[default: raw, and balanced along its dial]",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder; each policy gets a result folder in it.")
]
UnknownLanguage = Annotated[
    bool, typer.Option("--unknown-language", help="Do not tell policies the language of a query.")
]
FRONT = ["raw", *(f"balanced(balance={dial:g})" for dial in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1))]
"""What is evaluated if no policy is named."""


def evaluate_policies_command(
    model: Model = None,
    benchmark: Benchmark = "",
    policy: Policies = None,
    output: Output = Path("results/policies"),
    index: Index = None,
    model_setting: ModelSetting = None,
    measures: Measures = None,
    label: Label = None,
    batch_size: BatchSize = 64,
    store: Store = None,
    precision: Precision = "float32",
    debias: Debias = None,
    strength: Strength = None,
    unknown_language: UnknownLanguage = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate policies of balanced search: every measure, and answers in one language only.

    The results are folders as of `evaluate`, for `compare` and `report`.

    Example: evenrank policies MODEL -b xquad-r --policy raw --policy balanced
    """
    if not benchmark:
        raise ConfigError("policies", "no --benchmark", "one", "Add -b xquad-r")
    if (model is None) == (index is None):
        found = "both a model and --index" if index else "neither a model nor --index"
        raise ConfigError("policies", found, "one of them", "Name one of them")
    common: dict[str, Any] = {"measures": measures, "batch_size": batch_size, "store": store}
    common |= {"precision": precision, "known_language": not unknown_language}
    common |= {"label": label, "overwrite": overwrite, "output": output}
    common["model_settings"] = assignments("--model-setting", model_setting or []) or None
    with quiet(as_json):
        correction = opened(debias, strength)
        if index is None:
            evaluations = _evaluated(model or "", benchmark, policy, correction, **common)
        else:
            from evenrank.search.opening import open_searcher

            with open_searcher(index, correction=correction, strength=strength) as searcher:
                evaluations = _evaluated(
                    searcher.model, benchmark, policy, searcher.correction, **common
                )
    if as_json:
        for one in evaluations:
            print_json(one.result.model_dump(mode="json"), indent=False)
        return
    _print(evaluations)


def _evaluated(
    model: object,
    benchmark: str,
    policies: list[str] | None,
    correction: Correction | None,
    **settings: Any,  # noqa: ANN401 - those of evaluate_policies
) -> list[Evaluation]:
    from evenrank.evaluation.policies import evaluate_policies
    from evenrank.measures.selection import DEFAULT_MEASURES

    settings["measures"] = settings["measures"] or DEFAULT_MEASURES
    return evaluate_policies(model, benchmark, policies or FRONT, debias=correction, **settings)


def _print(evaluations: list[Evaluation]) -> None:
    from rich.console import Console

    from evenrank.tables import to_rich

    Console().print(to_rich(policy_table(evaluations)))
    for one in evaluations:
        say(f"result  {one.folder}")
    say(f"next    evenrank report {' '.join(str(one.folder) for one in evaluations)}")


def policy_table(evaluations: list[Evaluation]) -> Table:
    """Return what each policy finds, by where the answer is."""
    from evenrank.tables import Column, Row, Table

    known = evaluations[0].result.settings["own"]
    names = [name for name in ("R@10", "RR@10") if name in known] or list(known)[:2]
    titles: dict[Setting, str] = {
        "own": "own language",
        "other": "another language",
        "even": "any language",
    }
    columns = [
        Column(title=name, group=title, spec=".3f", better="higher", term=name)
        for title in titles.values()
        for name in names
    ]
    rows = []
    for one in evaluations:
        found = one.result.settings
        cells = tuple(found[setting].get(name) for setting in titles for name in names)
        rows.append(Row(title=one.result.model.label, cells=cells))
    return Table(
        caption="An answer in one language only",
        head="Policy",
        columns=tuple(columns),
        rows=tuple(rows),
        best="down",
    )

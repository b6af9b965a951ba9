"""A comparison of corrections in words, as tables, and as a folder with a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evenrank.comparison.tables import gates_table
from evenrank.debias.saving import save_correction
from evenrank.debias.vectors import VectorCorrection
from evenrank.files import whole_folder, write_json
from evenrank.languages import language_name
from evenrank.report.build import RENDERERS
from evenrank.report.content import (
    Block,
    Figure,
    Fold,
    Part,
    Points,
    Report,
    SectionContent,
    Series,
    Text,
)
from evenrank.results.tables import measure_spec
from evenrank.tables import Cell, Column, Row, Table, show
from evenrank.tuning.choice import GOALS
from evenrank.tuning.figures import AP, DISTANCE, FOUND, NAMES, Figures, Name
from evenrank.tuning.tradeoff import Row as Found
from evenrank.tuning.tradeoff import Tradeoff

MARKER = "comparison of corrections"
SAVED = "correction.safetensors"


@dataclass(frozen=True)
class Names:
    """What commands call the model and the benchmark, and where the correction is."""

    model: str = "MODEL"
    benchmark: str = "BENCHMARK"
    folder: str = "FOLDER"


def sentence(found: Tradeoff) -> str:
    """Return what is recommended, with what it gains and costs on the queries of the report."""
    goal = found.plan.goal
    of = "" if found.loss_on == found.chosen_on else f" of {found.loss_on}"
    limit = ""
    if goal.max_own_loss is not None:
        limit = f", R@10 own{of} falls by at most {goal.max_own_loss}"
    rule = f"the best {' '.join(GOALS[goal.name])}{limit}, AP mono falls by at most "
    rule += f"{goal.max_mono_loss} (95 % sure)"
    if found.recommended is None:
        return f"No correction is recommended: on {found.chosen_on}, none fulfils: {rule}."
    figures = found.recommended.figures
    return (
        f"Recommended: {found.recommended.candidate.name}, chosen on {found.chosen_on} ({rule}). "
        f"On {found.reported_on}: {'; '.join(_changes(figures, found.without))}."
    )


def _changes(figures: Figures, without: Figures) -> Iterator[str]:
    for name in _SAID:
        spec = measure_spec(name[0])
        before, after, change = without[name].of, figures[name].of, figures[name].change
        yield (
            f"{' '.join(name)} {show(before.value, spec)} to {show(after.value, spec)} "
            f"[{show(change.low, f'+{spec}')}, {show(change.high, f'+{spec}')}]"
        )


_SAID: tuple[Name, ...] = (
    (AP, "mono"),
    (AP, "multi"),
    (DISTANCE, "multi"),
    (FOUND, "own"),
    (FOUND, "other"),
)


def warnings(found: Tradeoff) -> list[str]:
    """Return what makes the comparison less certain than it looks."""
    notes = []
    if found.strange:
        worst = sorted(found.strange, key=lambda lang: found.strange[lang])
        named = ", ".join(f"{language_name(lang)} {found.strange[lang]:.2f}" for lang in worst[:5])
        notes.append(
            f"In {len(found.strange)} of {len(found.cosines)} languages the offset of the passages "
            f"has another direction than that of {found.fitted_on} (cosine below .9: {named}). "
            "A correction that is fitted on texts like your own may do more."
        )
    if any(one.verdict == "failed" for one in found.gates):
        notes.append(f"On {found.reported_on} it costs more than was allowed: see the gates.")
    return notes


def commands(found: Tradeoff, names: Names) -> list[str]:
    """Return how the recommended correction is applied; nothing without one."""
    correction = found.correction
    if correction is None:
        return []
    model, benchmark, folder = (shlex.quote(vars(names)[one]) for one in vars(names))
    file = f"{folder}/{SAVED}"
    steps = [f"evenrank evaluate {model} --benchmark {benchmark} --debias {file}"]
    if isinstance(correction, VectorCorrection) and not correction.needs_language:
        steps.append(f"evenrank debias apply {model} {file} --output corrected-model")
    return steps


def figures_table(
    found: Tradeoff, rows: Sequence[Found], caption: str, names: Sequence[Name] = NAMES
) -> Table:
    """Return a table of corrections with their figures; with intervals if it has all figures."""
    whole = names is NAMES

    def cells(figures: Figures) -> tuple[Cell, ...]:
        return tuple(
            Cell(of.value, aside=f"{show(of.low, spec)}, {show(of.high, spec)}" if whole else "")
            for name in names
            for of, spec in [(figures[name].of, measure_spec(name[0]))]
        )

    note = (
        f"Figures on {found.reported_on}, {found.blocks:,} blocks of parallel queries. Fitted on "
        f"{found.fitted_on}."
    )
    if whole:
        note += f" Small print: 95 % bootstrap intervals, {found.plan.resamples:,} resamples."
    return Table(
        caption=caption,
        head="Correction",
        columns=(
            *(
                Column(title=setting, group=_TITLES[measure], spec=measure_spec(measure))
                for measure, setting in names
            ),
            Column(title="", text=True),
        ),
        rows=(
            Row(title="none", cells=(*cells(found.without), ""), role="frame"),
            *(
                Row(title=row.candidate.name, cells=(*cells(row.figures), _mark(found, row)))
                for row in rows
            ),
        ),
        note=note,
    )


_TITLES = {AP: AP, FOUND: FOUND, DISTANCE: "distance"}


def _mark(found: Tradeoff, row: Found) -> Cell:
    return Cell("chosen" if row is found.recommended else "", tone="good")


def front_table(found: Tradeoff, names: Sequence[Name] = NAMES) -> Table:
    """Return the corrections that no other beats in own and other, and the recommended one."""
    rows = [row for row in found.rows if row.on_front or row is found.recommended]
    rows.sort(key=lambda row: -row.figures[FOUND, "own"].of.value)
    caption = "No other correction finds more answers both in the query's language and in others"
    return figures_table(found, rows, caption, names)


def short_table(found: Tradeoff) -> Table:
    """Return the front for a terminal: the main figures without intervals."""
    return front_table(found, _SAID)


def front_plot(found: Tradeoff) -> Figure:
    """Return the plot of own against other, with a colour for each method."""
    grid = [(one.candidate.correction.fit.method, one.candidate.name) for one in found.rows]
    methods = ["none", *dict.fromkeys(method for method, _ in grid)]
    figures = [found.without, *(row.figures for row in found.rows)]
    return Figure(
        caption="Share of queries whose answer is in the top 10: if it exists only in one other "
        "language (to the right), and only in the query's own (up). On the line, no correction "
        "finds more of both.",
        panels=(
            Points(
                title="Own against other",
                x_axis="R@10 other",
                y_axis="R@10 own",
                points=tuple(
                    (Series(methods.index(method), name), *_point(one))
                    for (method, name), one in zip([("none", "none"), *grid], figures, strict=True)
                ),
                named=False,
            ),
        ),
        legend=tuple(Series(number, method) for number, method in enumerate(methods)),
    )


def _point(figures: Figures) -> tuple[float, float]:
    return figures[FOUND, "other"].of.value, figures[FOUND, "own"].of.value


def build_page(found: Tradeoff, names: Names) -> Report:
    """Return the page: the recommendation, the front, all corrections, and the command."""
    steps = commands(found, names)
    advice: list[Block] = [Text(text) for text in warnings(found)]
    advice += [_use(steps)] if steps else []
    advice += [gates_table(found.gates)] if found.gates else []
    every = figures_table(found, found.rows, "All corrections")
    sections: tuple[tuple[str, str, list[Block]], ...] = (
        ("choice", "What to use", advice),
        ("front", "Own against other", [front_plot(found), front_table(found)]),
        ("all", "All corrections", [Fold("Every method and strength", (every,))]),
    )
    part = Part(
        title=f"{found.model} on {found.benchmark}",
        lead="",
        sections=tuple(
            SectionContent(name=name, title=title, blocks=tuple(blocks))
            for name, title, blocks in sections
            if blocks
        ),
    )
    return Report(title="Corrections of language bias", lead=sentence(found), parts=(part,))


def _use(steps: Sequence[str]) -> Table:
    titles = ("Measure with it", "Put it into the model")
    return Table(
        caption="Commands",
        head="Step",
        columns=(Column(title="", text=True),),
        rows=tuple(Row(title=title, cells=(step,)) for title, step in zip(titles, steps)),  # noqa: B905 - one or two
    )


def write_tradeoff(
    found: Tradeoff, folder: str | Path, names: Names | None = None, *, overwrite: bool = False
) -> None:
    """Write a folder: ``index.html``, ``report.md``, ``comparison.json`` and the correction.

    Args:
        found: The comparison.
        folder: The folder.
        names: What commands on the page call the model and the benchmark.
        overwrite: Replace a folder that this function wrote.

    Raises:
        ConfigError: ``folder`` exists and may not be replaced.
        FileError: The operating system refuses it.
    """
    page = build_page(found, names or Names(folder=str(folder)))
    with whole_folder(folder, marker=MARKER, overwrite=overwrite) as part:
        for name, form in (("index.html", "html"), ("report.md", "md")):
            (part / name).write_text(RENDERERS[form](page), encoding="utf-8", newline="\n")
        write_json(part / "comparison.json", found.to_dict())
        if found.correction is not None:
            save_correction(found.correction, part / SAVED)

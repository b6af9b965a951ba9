"""A probe in words, as a table, and as one page through the report's renderer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evenrank.errors import ConfigError
from evenrank.files import refuse_existing_file, require_writable, whole_file
from evenrank.languages import language_name
from evenrank.probing.base import PROBE_MEASURES, ProbeFigure
from evenrank.probing.probe import Probe
from evenrank.report.build import RENDERERS
from evenrank.report.content import (
    Block,
    Figure,
    Part,
    Report,
    Scale,
    SectionContent,
    Text,
)
from evenrank.report.heatmap import Grid
from evenrank.tables import Cell, Column, Row, Table, show

PARALLEL = "PARALLEL_CORPUS"
"""In commands: texts in all languages of the passages, other texts than those of the probe."""
DOUBLINGS = 3
"""Colours are full at 2**3 = 8 times the share of the corpus, or an eighth of it."""


def sentence(probe: Probe) -> str:
    """Return what the probe found, for a reader who knows no measure."""
    main = _main(probe)
    if main.name == "access_gap":
        own, other = main.details["own"], main.details["other"]
        return (
            "An answer that exists only in another language is found in the top 10 for "
            f"{show(100 * other, '.0f')} % of the queries; one in the query's own language for "
            f"{show(100 * own, '.0f')} %."
        )
    return (
        f"Queries find passages in their own language {show(main.value, '.1f')} times as often as "
        "its share of the corpus."
    )


def _main(probe: Probe) -> ProbeFigure:
    """Return the measure that leads: the access gap, or the lift without enough canaries."""
    gap = probe.figures.get("access_gap")
    return probe.figures["lift"] if gap is None or _few_languages(probe) else gap


def _few_languages(probe: Probe) -> bool:
    """Return whether canaries are in less than half of the languages of the passages."""
    return 0 < 2 * len(probe.canaries.get("languages", [])) < len(probe.passages)


def verdict(probe: Probe) -> str:
    """Return whether there is a bias, and towards which language."""
    main = _main(probe)
    pull = probe.figures.get("pull")
    parts = []
    if not main.biased:
        parts.append("No preference for the query's own language was found.")
    elif main.no_bias is not None and main.value > main.no_bias:
        parts.append("The search favours the query's own language.")
    else:
        parts.append("The search favours other languages than the query's own.")
    if pull is not None and pull.biased:
        lang = max(pull.by_language, key=lambda lang: abs(pull.by_language[lang]))
        often = "more" if pull.value > 0 else "less"
        parts.append(f"It shows {language_name(lang)} {often} often than its share, in any query.")
    return " ".join(parts)


def commands(probe: Probe, model: str = "MODEL", corpus: str = "CORPUS") -> list[str]:
    """Return what to run next; nothing where there is nothing to correct."""
    main = _main(probe)
    if not main.biased or probe.correction is not None:
        return []
    known = probe.canaries.get("languages", []) if _are_world_facts(probe) else []
    texts = "world-facts:train" if set(probe.passages) <= set(known) else PARALLEL
    model, corpus = shlex.quote(model), shlex.quote(corpus)
    return [
        f"evenrank debias fit {model} {texts} --items 100 --output center.safetensors",
        f"evenrank probe {model} {corpus} --debias center.safetensors --strength 0.5",
    ]


def _are_world_facts(probe: Probe) -> bool:
    return str(probe.canaries.get("corpus")).partition(":")[0] == "world-facts"


def measures_table(probe: Probe) -> Table:
    """Return all measures with their intervals."""
    rows = []
    for name, one in probe.figures.items():
        said = {True: "bias", False: "no bias", None: ""}[one.biased]
        interval = f"{show(one.low, '.3f')} to {show(one.high, '.3f')}"
        cells = (
            one.value,
            interval,
            Cell(one.no_bias, spec=".0f"),
            Cell(said, tone="bad" if one.biased else ""),
        )
        rows.append(Row(title=PROBE_MEASURES.get(name).title, cells=cells))
    return Table(
        caption=f"{probe.model} on {probe.corpus}",
        head="Measure",
        columns=(
            Column(title="value", spec=".3f"),
            Column(title="99 % interval"),
            Column(title="no bias"),
            Column(title="", text=True),
        ),
        rows=tuple(rows),
        note=note(probe),
    )


def note(probe: Probe) -> str:
    """Return what was measured on."""
    passages, queries = sum(probe.passages.values()), sum(probe.queries.values())
    kind = "passages as queries" if probe.queries_are_passages else "queries"
    parts = [f"{passages:,} passages in {len(probe.passages)} languages, {queries:,} {kind}"]
    if probe.canaries:
        count = len(probe.canaries["languages"])
        parts.append(f"{probe.canaries['items']} canaries in {count} languages")
        if _few_languages(probe):
            parts.append("too few of the languages for the access gap: use other --canaries")
        if known := probe.canaries["in the corpus already"]:
            parts.append(f"{known} canaries left out, which the corpus contains")
        if probe.canaries["queries are answers"]:
            parts.append("canaries ask with the answer itself, which favours the own language")
    else:
        parts.append("no canaries")
    if probe.correction is not None:
        parts.append("with {method} at strength {strength:g}".format(**probe.correction))
    return "; ".join(parts) + "." + _weak(probe)


def _weak(probe: Probe) -> str:
    """Return which measures do not predict what labels show."""
    measures = (PROBE_MEASURES.get(name) for name in probe.figures)
    weak = [one.title for one in measures if not one.predicts]
    return f" Do not compare models by these, which labels do not confirm: {', '.join(weak)}." * (
        len(weak) > 0
    )


def build_page(probe: Probe, model: str = "MODEL", corpus: str = "CORPUS") -> Report:
    """Return the page: the sentence, the measures, heat maps, what to do, and definitions."""
    steps = commands(probe, model, corpus)
    sections: dict[str, tuple[str, list[Block]]] = {
        "measures": ("Measures", [measures_table(probe)]),
        "languages": ("Pairs of languages", list(_heat_maps(probe))),
        "next": ("What to do", _advice(steps)),
        "definitions": ("Definitions", [_definitions(probe)]),
    }
    part = Part(
        title=f"{probe.model} on {probe.corpus}",
        lead=verdict(probe),
        sections=tuple(
            SectionContent(name=name, title=title, blocks=tuple(blocks))
            for name, (title, blocks) in sections.items()
            if blocks
        ),
    )
    return Report(title="Language bias of a search", lead=sentence(probe), parts=(part,))


def check_page(output: str | Path, *, overwrite: bool = False) -> None:
    """Refuse a file that cannot be written, before the work.

    Raises:
        ConfigError: The file exists, or has an ending that no format has.
        FileError: The folder cannot be written.
    """
    path = Path(output)
    if path.suffix.removeprefix(".") not in RENDERERS:
        expected = f"a file that ends in {', '.join(f'.{form}' for form in RENDERERS)}"
        raise ConfigError("--output", repr(str(path)), expected, "Correct it")
    refuse_existing_file(path, overwrite=overwrite)
    require_writable(path.parent)


def write_probe(
    probe: Probe,
    output: str | Path,
    *,
    model: str = "MODEL",
    corpus: str = "CORPUS",
    overwrite: bool = False,
) -> None:
    """Write a probe as a page (``.html``), as Markdown (``.md``) or as the page's JSON.

    Args:
        probe: The probe.
        output: The file.
        model: How commands on the page name the model.
        corpus: How they name the corpus.
        overwrite: Replace a file that exists.

    Raises:
        ConfigError, FileError: See :func:`check_page`.
    """
    check_page(output, overwrite=overwrite)
    text = RENDERERS[Path(output).suffix[1:]](build_page(probe, model, corpus))
    with whole_file(output, overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _advice(steps: list[str]) -> list[Block]:
    if not steps:
        return [Text("There is nothing to correct, or a correction is in use already.")]
    named = f" {PARALLEL} is a parallel corpus in all of these languages." * (PARALLEL in steps[0])
    return [
        Text(
            "A correction needs no training and no labels. It trades places of answers in the "
            "query's own language for answers in others, so choose its strength: 0 changes "
            "nothing, 1 corrects all. Fit one, and probe again." + named
        ),
        Table(
            caption="Commands",
            head="Step",
            columns=(Column(title="", text=True),),
            rows=tuple(
                Row(title=title, cells=(step,))
                for title, step in zip(("Fit", "Probe again"), steps, strict=True)
            ),
        ),
    ]


def _heat_maps(probe: Probe) -> Iterator[Block]:
    if gap := probe.figures.get("access_gap"):
        grid = _grid(gap)
        yield Figure(
            caption="Share of queries in the language of the row whose answer is in the top 10 if "
            "it exists only in the language of the column. The diagonal is the own language.",
            panels=(grid.table("Found in the top 10", grid.values),),
            scale=Scale(low="never found", high="always found"),
        )
    grid = _grid(probe.figures["lift"])
    with np.errstate(divide="ignore"):
        shades = np.clip(np.log2(grid.values) / DOUBLINGS, -1, 1)
    yield Figure(
        caption=f"How many times its share of the corpus the language of the column has among the "
        f"{probe.k} best passages of queries in the language of the row.",
        panels=(grid.table("Lift", shades, spec=".1f"),),
        scale=Scale(
            low=f"{2**DOUBLINGS} times less",
            middle="as in the corpus",
            high=f"{2**DOUBLINGS} times more",
            diverging=True,
        ),
    )
    if shift := probe.figures.get("swap_shift"):
        grid = _grid(shift)
        yield Figure(
            caption=f"Share of the {probe.k} best passages whose language changes if the same "
            "queries are asked in the language of the column instead of that of the row.",
            panels=(grid.table("Swap shift", grid.values),),
            scale=Scale(low="0", high="1"),
        )


def _grid(figure: ProbeFigure) -> Grid:
    rows = list(figure.matrix)
    grid = Grid.of(rows, list(figure.matrix[rows[0]]), figure.matrix)
    return grid.by_script() if grid.large else grid


def _definitions(probe: Probe) -> Table:
    measures = [PROBE_MEASURES.get(name) for name in probe.figures]
    return Table(
        caption="What the measures say",
        head="Measure",
        columns=(Column(title="Definition", text=True),),
        rows=tuple(Row(title=one.title, cells=(one.summary,)) for one in measures),
    )

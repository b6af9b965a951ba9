"""Build a report from result folders, and write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.files import refuse_existing_file, refuse_overlap, require_writable, whole_file
from evenrank.report.content import Part, Report, SectionContent
from evenrank.report.entry import read_entries
from evenrank.report.markdown import render_markdown
from evenrank.report.page import render_html
from evenrank.report.section import Entries, Scope, sections_in_order
from evenrank.results.folder import Evaluation
from evenrank.results.labels import by_benchmark
from evenrank.results.schema import BenchmarkFacts
from evenrank.text import split_names


def render_json(report: Report) -> str:
    """Return the report as indented JSON; each block names its ``kind``."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(asdict(report), option=options).decode()


Results = Sequence[str | Path | Evaluation]
RENDERERS: dict[str, Callable[[Report], str]] = {
    "html": render_html,
    "md": render_markdown,
    "json": render_json,
}


def build_report(results: Results) -> Report:
    """Build a report from result folders; results on one benchmark are in one part.

    Args:
        results: At least one result folder or evaluation, in the order of the report. The first on
            each benchmark is the one that others are compared with.

    Raises:
        ConfigError: No folder is given, or the same one twice.
        DataError: A folder is not a result folder.
    """
    return _report(read_entries(results))


def _report(entries: Entries) -> Report:
    groups = by_benchmark(entries, lambda entry: entry.result.benchmark)
    names = [_facts(group).name for group in groups]
    parts = [_benchmark_part(group, names) for group in groups]
    about_all = Part(title="All results", lead="", sections=_fill("report", entries))
    return Report(
        title="Multilingual retrieval: quality and language bias",
        lead=_lead(entries, len(groups)),
        parts=(*parts, about_all),
    )


def write_report(
    results: Results,
    output: str | Path = "report",
    formats: str | Sequence[str] | None = None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Build a report from result folders and write it; the same folders give the same bytes.

    Args:
        results: Result folders or evaluations, in the order in which the report shows them.
        output: The file to write; with several formats, each takes its own ending.
        formats: ``html``, ``md``, ``json``; by default the ending of ``output``, or ``html``.
        overwrite: Replace files that exist.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        ConfigError: A file exists and ``overwrite`` is false, or is in an input; a folder is given
            twice; a format is not known, or is not the one that ``output`` ends in.
        DataError: A folder is not a result folder.
    """
    output = Path(output)
    paths = {form: report_path(output, form) for form in _formats(output, formats)}
    for path in paths.values():
        refuse_existing_file(path, overwrite=overwrite)
    entries = read_entries(results)
    inputs = [one.evaluation.folder for one in entries if one.evaluation.folder]
    for path in paths.values():
        refuse_overlap(path, *inputs)
    require_writable(output.parent)
    report = _report(entries)
    for form, path in paths.items():
        text = RENDERERS[form](report)
        with whole_file(path, overwrite=overwrite) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    return list(paths.values())


def _formats(output: Path, formats: str | Sequence[str] | None) -> list[str]:
    named = [form for form in RENDERERS if output.suffix == f".{form}"]
    wanted = split_names(formats or named or ["html"])
    for name in wanted:
        if name not in RENDERERS:
            raise UnknownNameError("format", name, RENDERERS)
    if named and named[0] not in wanted:
        remedy = "Change --output or --format"
        raise ConfigError(f"--output {output}", f"the ending of {named[0]}", "", remedy)
    return wanted


def report_path(output: Path, form: str) -> Path:
    """Return the file for one format: ``output`` with that format's ending.

    >>> report_path(Path("a/report.html"), "md").name, report_path(Path("v1.2"), "html").name
    ('report.md', 'v1.2.html')
    """
    known = output.suffix.removeprefix(".") in RENDERERS
    return output.with_name((output.stem if known else output.name) + f".{form}")


def _facts(group: Entries) -> BenchmarkFacts:
    """Return what is known about a group's benchmark; qrels know neither texts nor sources."""
    found = [entry.result.benchmark for entry in group]
    return next((facts for facts in found if "-" in facts.fingerprint), found[0])


def _benchmark_part(group: Entries, names: Sequence[str]) -> Part:
    facts = _facts(group)
    queries, passages = sum(facts.queries.values()), sum(facts.passages.values())
    return Part(
        # content decides what is comparable: benchmarks of one name may differ
        title=facts.name if names.count(facts.name) == 1 else f"{facts.name} [{facts.fingerprint}]",
        lead=f"{facts.title.rstrip('.')}. {len(facts.languages)} languages, {queries:,} queries, "
        f"{passages:,} passages.",
        sections=_fill("benchmark", group),
    )


def _fill(scope: Scope, entries: Entries) -> tuple[SectionContent, ...]:
    return tuple(
        SectionContent(
            name=section.name, title=section.title, blocks=tuple(section.content(entries))
        )
        for section in sections_in_order(scope)
        if section.applies(entries)
    )


def _lead(entries: Entries, benchmarks: int) -> str:
    labels = list(dict.fromkeys(entry.label for entry in entries))
    named = " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))
    plural = "" if benchmarks == 1 else "s"
    return f"{named} on {benchmarks} benchmark{plural}."

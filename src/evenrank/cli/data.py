"""``evenrank data``: validate, describe and convert parallel corpora; export benchmarks."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer

from evenrank.cli.options import AsJson, Languages, Overwrite, print_json, say, split
from evenrank.errors import ConfigError, DataError
from evenrank.files import refuse_existing, refuse_overlap, whole_file, whole_folder
from evenrank.languages import language_name, parse_languages
from evenrank.progress import quiet
from evenrank.tables import Column, Row, Table, to_rich

if TYPE_CHECKING:  # Arrow and SciPy take half a second to import
    from evenrank.data.description import CorpusDescription, Repeats

_SHOWN_PROBLEMS = 10
_SHOWN_OVERLAP = 20

app = typer.Typer(
    help="Validate, describe and convert parallel corpora; export benchmarks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

SOURCE_HELP = (
    "A `.jsonl`, `.csv`, `.tsv` or `.parquet` file with a `lang` column; a folder of such files, "
    "named after languages; a BEIR folder, or one for each language; a folder of mMARCO; "
    "`hf:ID[@REVISION][:CONFIG][:SPLIT]`; or "
    "`world-facts[:SPLIT]`."
)
Source = Annotated[str, typer.Argument(metavar="PATH", help=SOURCE_HELP)]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")]
Where = Annotated[
    str | None,
    typer.Option(help='Rows to keep, such as `is_impossible != true and lang != "it"`.'),
]
SkipBad = Annotated[
    Path | None, typer.Option(help="Leave out bad rows and write them, with reasons, to this file.")
]


@app.command()
def validate(
    sources: Annotated[list[str], typer.Argument(metavar="PATH...", help=SOURCE_HELP)],
    where: Where = None,
    languages: Languages = None,
    skip_bad: SkipBad = None,
    as_json: AsJson = False,
) -> None:
    """Check every row, and name the line, the field and the remedy of each bad one.

    Exits with 2 if a row is bad, unless `--skip-bad` is given.

    Example: `evenrank data validate corpus/ --where "in_xquad_paragraph = false"`
    """
    from evenrank.data.opening import check_skip_bad

    if skip_bad is not None:
        for source in sources:
            check_skip_bad(skip_bad, source)
    reports: list[dict[str, Any]] = []
    errors: list[DataError] = []
    with TemporaryDirectory() as folder, quiet(as_json):
        files = [Path(folder) / f"{number}.jsonl" for number in range(len(sources))]
        for source, file in zip(sources, files, strict=True):
            try:
                reports.append(_validate(source, where, languages, file))
            except DataError as error:
                reports.append({"source": source, "error": str(error)})
                errors.append(error)
                continue
            if (skipped := reports[-1]["skipped"]) and skip_bad is None:
                remedy = "Fix them, or leave them out: --skip-bad FILE"
                errors.append(DataError(source, f"{skipped:,} bad rows", "none", remedy))
        if skip_bad is not None:
            with whole_file(skip_bad, overwrite=True) as part:
                part.write_bytes(b"".join(file.read_bytes() for file in files if file.exists()))
    _print_validations(reports, as_json)
    for problem in errors[:-1]:
        say(f"error: {problem}", error=True)
    if errors:
        raise errors[-1]


def _validate(
    source: str, where: str | None, languages: list[str] | None, bad_rows: Path
) -> dict[str, Any]:
    """Read a source to its end, and return what `--json` prints."""
    from evenrank.data.opening import open_corpus

    corpus = open_corpus(source, where=where, languages=languages, skip_bad=bad_rows)
    with bad_rows.open("rb") as lines:
        problems = [orjson.loads(line) for line in islice(lines, _SHOWN_PROBLEMS)]
    sizes = {"items": len(corpus), "languages": corpus.sizes}
    return {"source": source, **asdict(corpus.counts), **sizes, "problems": problems}


def _print_validations(reports: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(reports)
        return
    for report in reports:
        if "error" not in report:  # which is shown as an error
            size = _size(report["items"], report["languages"])
            say(f"{report['source']}: {size}, {report['skipped']:,} bad rows")
            for problem in report["problems"]:
                say(f"  {problem['place']}: {problem['reason']}")
            if (more := report["skipped"] - len(report["problems"])) > 0:
                say(f"  and {more:,} more")


@app.command()
def describe(
    source: Source, where: Where = None, languages: Languages = None, as_json: AsJson = False
) -> None:
    """Show languages, their overlap, lengths of texts, and repeated texts.

    Example: `evenrank data describe corpus/`
    """
    from rich.console import Console

    from evenrank.data.description import describe_corpus
    from evenrank.data.opening import open_corpus

    with quiet(as_json):
        about = describe_corpus(open_corpus(source, where=where, languages=languages))
    if as_json:
        print_json(asdict(about))
        return
    articles = f"{about.articles:,} articles" if about.articles else "no articles named"
    if about.articles and about.items_without_article:
        articles += f" ({about.items_without_article:,} items without)"
    say(
        f"{about.name}: {about.items:,} items, {about.rows:,} rows, "
        f"{len(about.languages)} languages, {about.passages:,} passages, {articles}"
    )
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(to_rich(_language_table(about)))
    if len(about.languages) <= _SHOWN_OVERLAP:
        say("", "Items that have both languages")
        console.print(to_rich(_overlap_table(about)))
    else:
        say(f"More than {_SHOWN_OVERLAP} languages: the overlap is in --json")
    texts = about.texts
    queries = {lang: of_lang.repeated_queries for lang, of_lang in texts.items()}
    passages = {lang: of_lang.repeated_passages for lang, of_lang in texts.items()}
    _print_repeats("query", queries, "Is each answered by its own passage?")
    _print_repeats(
        "passage",
        passages,
        "They have different passage ids, so nothing says that they are one passage, and in one "
        "batch they are false negatives of one another. Give them one passage id.",
    )
    if several := sum(of_lang.several_passages for of_lang in texts.values()):
        maximum = max(of_lang.maximum_passages for of_lang in texts.values())
        say(
            f"{several:,} passage groups have several passages in one language, up to {maximum:,}. "
            "corpus:PATH counts every passage of its group as relevant for a query."
        )


def _language_table(about: CorpusDescription) -> Table:
    columns = (
        Column(title="", text=True),
        Column(title="rows", spec=","),
        Column(title="of items", spec=".0%"),
        Column(title="query", text=True),
        Column(title="passage", text=True),
        Column(title="same query", spec=","),
        Column(title="same passage", spec=","),
        Column(title="several passages", spec=","),
    )
    rows = tuple(
        Row(
            title=lang,
            cells=(
                language_name(lang),
                rows,
                rows / about.items,
                _middle(texts.query_characters),
                _middle(texts.passage_characters),
                texts.repeated_queries.items,
                texts.repeated_passages.items,
                texts.several_passages,
            ),
        )
        for lang, rows in about.languages.items()
        for texts in (about.texts[lang],)
    )
    caption = "Languages (query, passage: characters at 5 %, median, 95 %)"
    return Table(caption=caption, head="language", columns=columns, rows=rows)


def _middle(percentiles: tuple[float, ...]) -> str:
    return " ".join(f"{value:.0f}" for value in percentiles[1:4])


def _overlap_table(about: CorpusDescription) -> Table:
    return Table(
        caption="",
        head="",
        columns=tuple(Column(title=lang, spec=",") for lang in about.languages),
        rows=tuple(Row(title=lang, cells=tuple(n.values())) for lang, n in about.overlap.items()),
    )


def _print_repeats(what: str, repeats: dict[str, Repeats], advice: str) -> None:
    """Say how many items repeat a text, with the most frequent one as an example."""
    items = sum(repeat.items for repeat in repeats.values())
    if not items:
        return
    lang = max(repeats, key=lambda lang: repeats[lang].items)
    text, ids = next(iter(repeats[lang].examples.items()))
    shown = text if len(text) <= 100 else f"{text[:100]}..."
    say(f"{items:,} rows have the same {what} as another. {advice}")
    example = f"For example, in {language_name(lang)} ({', '.join(ids)}): {shown!r}"
    say(example)


@app.command()
def convert(
    source: Source,
    out: Out,
    where: Where = None,
    languages: Languages = None,
    parts: Annotated[
        str | None,
        typer.Option(
            "--split", help="Parts and their shares: `train=0.8,dev=0.1,test=0.1`, a folder each."
        ),
    ] = None,
    by: Annotated[
        Literal["passage", "article"], typer.Option(help="What a split keeps together.")
    ] = "passage",
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    skip_bad: SkipBad = None,
    negatives: Annotated[
        str | None,
        typer.Option(metavar="MINED", help="Corpus of `data mine`, whose negatives to copy."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a corpus, or the parts of its split, as folders of `<lang>.jsonl.gz`.

    Example: `evenrank data convert corpus/ out/ --split train=0.9,test=0.1 --by article`
    """
    from evenrank.data.negatives import copy_negatives, facts_of_negatives
    from evenrank.data.opening import open_corpus, path_of
    from evenrank.data.splits import split_corpus
    from evenrank.data.writing import MARKER, write_corpus

    fractions = None if parts is None else _fractions(parts)
    refuse_existing(out, overwrite=overwrite, marker=MARKER)  # before minutes of reading
    refuse_overlap(out, path_of(source))
    if skip_bad is not None and skip_bad.resolve().is_relative_to(out.resolve()):
        remedy = "Write the bad rows to a file elsewhere"
        raise ConfigError("--skip-bad", f"{skip_bad}, inside of {out}", "another place", remedy)
    whole = open_corpus(source, where=where, languages=languages, skip_bad=skip_bad)
    if negatives is not None:
        whole = copy_negatives(whole, open_corpus(negatives))
    facts = facts_of_negatives(whole, negatives or source)
    if fractions is None:
        corpora = {"": whole}
        write_corpus(whole, out, overwrite=overwrite, facts=facts)
    else:
        corpora = split_corpus(whole, fractions, by=by, seed=seed)
        with whole_folder(out, marker=MARKER, overwrite=overwrite) as folder:
            for name, corpus in corpora.items():
                write_corpus(corpus, folder / name, facts=facts)
    for name, corpus in corpora.items():
        say(f"{out / name}: {_size(len(corpus), corpus.sizes)}")
    counts = whole.counts
    for amount, what in (
        (counts.filtered, f"left out by {'the filter' if where else 'their label'}"),
        (counts.other_languages, "in other languages"),
        (counts.skipped, f"bad and written to {skip_bad}"),
    ):
        if amount:
            say(f"{amount:,} rows of {counts.read:,} {what}")


def _size(items: int, languages: dict[str, int]) -> str:
    rows = sum(languages.values())
    return f"{items:,} items, {rows:,} rows, languages {', '.join(languages)}"


def _fractions(text: str) -> dict[str, float]:
    """Parse ``train=0.9,test=0.1``; names become folders, so they are letters and digits only."""
    parts = [part.strip() for part in text.split(",")]
    matches = [re.fullmatch(r"([\w-]+)=(\d*\.?\d+)", part) for part in parts]
    fractions = {match[1]: float(match[2]) for match in matches if match}
    if len(fractions) < len(parts):
        remedy = "Write it like: train=0.8,dev=0.1,test=0.1"
        raise ConfigError("--split", repr(text), "different names, each with its share", remedy)
    return fractions


@app.command()
def export(
    benchmark: Annotated[str, typer.Argument(help="Such as `xquad-r` or `corpus:PATH`.")],
    out: Out,
    form: Annotated[
        Literal["beir", "trec"], typer.Option("--format", help="What the files are for.")
    ] = "beir",
    query_languages: Annotated[
        list[str] | None,
        typer.Option(callback=split, metavar="CODES", help="Such as `de,en`; all by default."),
    ] = None,
    passage_languages: Annotated[
        list[str] | None,
        typer.Option(callback=split, metavar="CODES", help="One pool of all by default."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a benchmark as a BEIR folder, or as TREC files.

    Example: `evenrank data export xquad-r out/ --query-languages de --passage-languages en`
    """
    from evenrank.benchmarks.benchmark import load_benchmark
    from evenrank.benchmarks.export import MARKERS, export_benchmark, restrict
    from evenrank.data.opening import path_of

    refuse_existing(out, overwrite=overwrite, marker=MARKERS[form])  # before it is loaded
    refuse_overlap(out, path_of(benchmark.removeprefix("corpus:")))
    part = restrict(
        load_benchmark(benchmark),
        query_langs=query_languages and parse_languages(query_languages, "--query-languages"),
        pool=passage_languages and parse_languages(passage_languages, "--passage-languages"),
    )
    export_benchmark(part, out, form, overwrite=overwrite)
    say(
        f"{out}: {len(part.queries):,} queries, {len(part.passages):,} passages, "
        f"{len(part.relevance.passages):,} relevant pairs"
    )

"""``evenrank data``: validate, describe and convert parallel corpora; export benchmarks."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evenrank.errors import ConfigError, DataError
from evenrank.files import refuse_existing, refuse_overlap, whole_file, whole_folder
from evenrank.languages import language_name, normalise
from evenrank.progress import quiet

if TYPE_CHECKING:  # Arrow and SciPy take half a second to import
    from evenrank.data.corpus import ParallelCorpus
    from evenrank.data.description import CorpusDescription, Repeats
    from evenrank.data.opening import Opened

_SHOWN_PROBLEMS = 10
_SHOWN_OVERLAP = 20

app = typer.Typer(
    help="Validate, describe and convert parallel corpora; export benchmarks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

SOURCE_HELP = (
    "A folder of `<lang>.jsonl[.gz]`, a `.jsonl[.gz]` or `.parquet` file with a `lang` column, "
    "`hf:ID[:CONFIG][:SPLIT]`, or `world-facts[:SPLIT]`."
)
Source = Annotated[str, typer.Argument(metavar="PATH", help=SOURCE_HELP)]
Where = Annotated[
    str | None,
    typer.Option(help='Rows to keep, such as `is_impossible != true and lang != "it"`.'),
]
Languages = Annotated[str | None, typer.Option(help="Languages to keep, such as `de,en`.")]
SkipBad = Annotated[
    Path | None, typer.Option(help="Leave out bad rows and write them, with reasons, to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def validate(
    sources: Annotated[list[str], typer.Argument(metavar="PATH...", help=SOURCE_HELP)],
    where: Where = None,
    skip_bad: SkipBad = None,
    as_json: AsJson = False,
) -> None:
    """Check every row, and name the line, the field and the remedy of each that is bad.

    Exits with 2 if a row is bad, unless `--skip-bad` is given.

    Example: `evenrank data validate corpus/ --where "in_xquad_paragraph = false"`
    """
    from evenrank.data.opening import refuse_inside

    if skip_bad is not None:
        for source in sources:
            refuse_inside(source, skip_bad)
    with TemporaryDirectory() as folder, quiet(as_json):
        bad_rows = [Path(folder) / f"{number}.jsonl" for number in range(len(sources))]
        reports = [
            _validated(source, where, path) for source, path in zip(sources, bad_rows, strict=True)
        ]
        if skip_bad is not None:
            with whole_file(skip_bad, overwrite=True) as part:
                part.write_bytes(b"".join(path.read_bytes() for path in bad_rows if path.exists()))
    if as_json:
        _print_json([report.as_json() for report in reports])
    else:
        for report in reports:
            report.print()
    errors = [error for report in reports if (error := report.error(skip_bad is not None))]
    for error in errors[:-1]:
        typer.echo(f"error: {error}", err=True)
    if errors:
        raise errors[-1]


@app.command()
def describe(
    source: Source, where: Where = None, languages: Languages = None, as_json: AsJson = False
) -> None:
    """Show languages, their overlap, lengths of texts, and texts that come twice.

    Example: `evenrank data describe corpus/`
    """
    from evenrank.data.description import describe_corpus
    from evenrank.data.opening import open_corpus

    with quiet(as_json):
        corpus = open_corpus(source, where=where, languages=_list(languages))
        description = describe_corpus(corpus)
    if as_json:
        _print_json(asdict(description))
    else:
        _print_description(description)


@app.command()
def convert(
    source: Source,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    where: Where = None,
    languages: Languages = None,
    split: Annotated[
        str | None,
        typer.Option(help="Parts and their shares: `train=0.8,dev=0.1,test=0.1`, a folder each."),
    ] = None,
    by: Annotated[
        Literal["passage", "article"], typer.Option(help="What a split leaves whole.")
    ] = "passage",
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    skip_bad: SkipBad = None,
    overwrite: Annotated[bool, typer.Option(help="Replace OUT where it exists.")] = False,
) -> None:
    """Write a corpus, or the parts of its split, as folders of `<lang>.jsonl.gz`.

    Example: `evenrank data convert corpus/ out/ --split train=0.9,test=0.1 --by article`
    """
    from evenrank.data.opening import open_counted
    from evenrank.data.splits import split_corpus
    from evenrank.data.writing import MARKER, write_corpus

    fractions = None if split is None else _fractions(split)
    refuse_existing(out, overwrite=overwrite, marker=MARKER)  # before minutes of reading
    refuse_overlap(out, source)
    opened = open_counted(source, where=where, languages=_list(languages), skip_bad=skip_bad)
    if fractions is None:
        parts = {"": opened.corpus}
        write_corpus(opened.corpus, out, overwrite=overwrite)
    else:
        parts = split_corpus(opened.corpus, fractions, by=by, seed=seed)
        with whole_folder(out, marker=MARKER, overwrite=overwrite) as folder:
            for name, part in parts.items():
                write_corpus(part, folder / name)
    for name, part in parts.items():
        typer.echo(f"{out / name}: {_size(part)}")
    _print_left_out(opened, skip_bad)


@dataclass(frozen=True)
class _Validation:
    """What reading a source to its end has shown."""

    source: str
    opened: Opened | None = None
    problems: tuple[dict[str, str], ...] = ()
    failure: DataError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        if self.opened is None:
            return {"source": self.source, "error": str(self.failure)}
        corpus, counts = self.opened.corpus, asdict(self.opened.counts)
        sizes = {"items": len(corpus), "languages": _rows_by_language(corpus)}
        return {"source": self.source, **counts, **sizes, "problems": self.problems}

    def print(self) -> None:
        """Print the outcome, unless it is an error that will be shown as such."""
        if self.opened is None:
            return
        counts = self.opened.counts
        typer.echo(f"{self.source}: {_size(self.opened.corpus)}, {counts.skipped:,} bad rows")
        for problem in self.problems:
            typer.echo(f"  {problem['place']}: {problem['reason']}")
        if (more := counts.skipped - len(self.problems)) > 0:
            typer.echo(f"  and {more:,} more")

    def error(self, skipped: bool) -> DataError | None:
        """Return what is wrong; bad rows are not, where they were skipped."""
        if self.opened is None or skipped or not self.opened.counts.skipped:
            return self.failure
        found = f"{self.opened.counts.skipped:,} bad rows"
        return DataError(
            self.source, found, "none", "Mend them, or leave them out: --skip-bad FILE"
        )


def _validated(source: str, where: str | None, bad_rows: Path) -> _Validation:
    from evenrank.data.opening import open_counted

    try:
        opened = open_counted(source, where=where, skip_bad=bad_rows)
    except DataError as error:
        return _Validation(source, failure=error)
    with bad_rows.open("rb") as lines:
        problems = tuple(orjson.loads(line) for line in islice(lines, _SHOWN_PROBLEMS))
    return _Validation(source, opened, problems)


def _print_description(about: CorpusDescription) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    without = about.items_without_article
    articles = f"{about.articles:,} articles" if about.articles else "no articles named"
    if about.articles and without:
        articles += f" ({without:,} items without)"
    console.print(
        f"[bold]{escape(about.name)}[/bold]: {about.items:,} items, {about.rows:,} rows, "
        f"{len(about.languages)} languages, {about.passages:,} passages, {articles}"
    )
    console.print(_language_table(about))
    if len(about.languages) <= _SHOWN_OVERLAP:
        console.print(_overlap_table(about))
    else:
        console.print(f"More than {_SHOWN_OVERLAP} languages: the overlap is in --json")
    _print_repeats(
        console,
        "query",
        {lang: texts.repeated_queries for lang, texts in about.texts.items()},
        "Is each answered by its own passage?",
    )
    _print_repeats(
        console,
        "passage",
        {lang: texts.repeated_passages for lang, texts in about.texts.items()},
        "They stand under different passage ids, so ids cannot tell that they are one passage, and "
        "in one batch they are false negatives of one another. Give them one passage id.",
    )


def _language_table(about: CorpusDescription) -> Table:
    table = Table(title="Languages (characters: 5 %, median, 95 %)", title_justify="left")
    for name in (
        "language",
        "",
        "rows",
        "of items",
        "query",
        "passage",
        "same query",
        "same passage",
    ):
        table.add_column(name, justify="left" if name in ("language", "") else "right")
    for lang, rows in about.languages.items():
        texts = about.texts[lang]
        table.add_row(
            lang,
            language_name(lang),
            f"{rows:,}",
            f"{rows / about.items:.0%}",
            _middle(texts.query_characters),
            _middle(texts.passage_characters),
            f"{texts.repeated_queries.items:,}",
            f"{texts.repeated_passages.items:,}",
        )
    return table


def _middle(percentiles: tuple[float, ...]) -> str:
    return " ".join(f"{value:.0f}" for value in percentiles[1:4])


def _overlap_table(about: CorpusDescription) -> Table:
    table = Table("", title="Items that have both languages", title_justify="left")
    for lang in about.languages:
        table.add_column(lang, justify="right")
    for lang, counts in about.overlap.items():
        table.add_row(lang, *(f"{count:,}" for count in counts.values()))
    return table


def _print_repeats(console: Console, what: str, repeats: dict[str, Repeats], advice: str) -> None:
    """Say how many items repeat a text, with the most frequent one as an example."""
    items = sum(repeat.items for repeat in repeats.values())
    if not items:
        return
    lang = max(repeats, key=lambda lang: repeats[lang].items)
    text, ids = next(iter(repeats[lang].examples.items()))
    shown = text if len(text) <= 100 else f"{text[:100]}..."
    example = f"For example, in {language_name(lang)} ({', '.join(ids)}): {shown!r}"
    console.print(f"{items:,} rows have the same {what} as another. {advice}", markup=False)
    console.print(example, markup=False)


@app.command()
def export(
    benchmark: Annotated[str, typer.Argument(help="Such as `xquad-r` or `corpus:PATH`.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    form: Annotated[
        Literal["beir", "trec"], typer.Option("--format", help="What the files are for.")
    ] = "beir",
    queries: Annotated[
        str | None, typer.Option(help="Languages of the queries, such as `de,en`; all by default.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Languages of the passages; one pool of all by default.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an export that is there.")] = False,
) -> None:
    """Write a benchmark as a BEIR folder, or as TREC files.

    Example: `evenrank data export xquad-r out/ --queries de --pool en`
    """
    from evenrank.benchmarks.benchmark import load_benchmark
    from evenrank.benchmarks.export import MARKERS, export_benchmark, restrict

    refuse_existing(out, overwrite=overwrite, marker=MARKERS[form])  # before it is loaded
    whole = load_benchmark(benchmark)
    part = restrict(whole, query_langs=_codes(queries), pool=_codes(pool))
    export_benchmark(part, out, form, overwrite=overwrite)
    typer.echo(
        f"{out}: {len(part.queries):,} queries, {len(part.passages):,} passages, "
        f"{len(part.relevance.passages):,} relevant pairs"
    )


def _print_left_out(opened: Opened, skip_bad: Path | None) -> None:
    counts = opened.counts
    for amount, what in (
        (counts.filtered, "left out by the filter"),
        (counts.other_languages, "in languages not asked for"),
        (counts.skipped, f"bad and written to {skip_bad}"),
    ):
        if amount:
            typer.echo(f"{amount:,} rows of {counts.read:,} {what}")


def _rows_by_language(corpus: ParallelCorpus) -> dict[str, int]:
    counts = (corpus.rows >= 0).sum(axis=0).tolist()
    return dict(zip(corpus.languages, counts, strict=True))


def _size(corpus: ParallelCorpus) -> str:
    rows = _rows_by_language(corpus)
    return f"{len(corpus):,} items, {sum(rows.values()):,} rows, languages {', '.join(rows)}"


def _list(languages: str | None) -> list[str] | None:
    return None if languages is None else [code.strip() for code in languages.split(",")]


def _codes(languages: str | None) -> list[str] | None:
    codes = _list(languages)
    return None if codes is None else [normalise(code, "language code") for code in codes]


def _fractions(split: str) -> dict[str, float]:
    """Parse ``train=0.9,test=0.1``; names become folders, so they hold letters and digits only."""
    parts = [part.strip() for part in split.split(",")]
    matches = [re.fullmatch(r"([\w-]+)=(\d*\.?\d+)", part) for part in parts]
    fractions = {match[1]: float(match[2]) for match in matches if match}
    if len(fractions) < len(parts):
        raise ConfigError(
            "--split",
            repr(split),
            "different names, each with its share",
            "Write it like: train=0.8,dev=0.1,test=0.1",
        )
    return fractions


def _print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())

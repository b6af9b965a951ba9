"""MLQA-R: for each query of MLQA dev, find the sentence with its answer in seven languages.

A query exists in two to four of the languages. LAReQA withdrew its sentence boundaries for MLQA, so
evenrank finds its own, and the counts differ a little from the published ones: see
``docs/benchmarks.md``.

Two kinds of files are read. MLQA's archive is known by its SHA-256. A folder ``mlqa/dev`` below
``EVENRANK_DATA`` may contain its development files in any order and spacing of JSON; they are
identified by their content. Paragraphs and questions are sorted by question id, so that both kinds
give the same benchmark to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from evenrank.benchmarks.benchmark import BENCHMARKS, Benchmark, BenchmarkLoader, Card
from evenrank.benchmarks.sentences import sentence_spans
from evenrank.benchmarks.sources import SourceFile, data_folder, fetch
from evenrank.benchmarks.squad import (
    Paragraph,
    Question,
    Sentence,
    answer_benchmark,
    read_squad,
)
from evenrank.errors import ChecksumError, DataError
from evenrank.files import fingerprint_of

CARD = Card(
    title="MLQA-R: the sentence that answers the query, in 7 languages",
    source="https://github.com/facebookresearch/MLQA",
    licence="CC BY-SA 3.0",
    citation="Roy et al. (2020). LAReQA: Language-agnostic answer retrieval from a multilingual "
    "pool. EMNLP 2020. arXiv:2004.05484. Text: Lewis et al. (2020). MLQA: Evaluating cross-lingual "
    "extractive question answering. ACL 2020. arXiv:1910.07475.",
    note="MLQA dev; 500 to 1,148 queries per language, each in 2 to 4 languages; 21,078 sentences.",
)
ARCHIVE = SourceFile(
    "mlqa/MLQA_V1.zip",
    "https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip",
    "246e8089933d13007fe80684d5c5c0713d6834cf8b3b4a0ec7c66f0a0d2baac8",
    75_719_050,
)
"""MLQA version 1, as released."""

CONTENT = {
    "ar": "11cb07bc396095af",
    "de": "3020bcdb42ba8265",
    "en": "823bbaffb451c9f1",
    "es": "82a39e5842fe85c1",
    "hi": "f13e69c3c1fcf534",
    "vi": "fdde1b6e95a0b706",
    "zh": "a41bc85ee9257e36",
}
"""What ``content_of`` gives for the development file of each language."""

_EDGES = re.compile("^[\\s\u200b\ufeff]+|[\\s\u200b\ufeff]+$")  # zero-width space, byte order mark


def load_mlqa_r() -> Benchmark:
    """Load MLQA-R, splitting the contexts of MLQA dev into sentences.

    Raises:
        ChecksumError: A file is not the released one.
        DataError: A file is missing and cannot be downloaded.
    """
    folder = data_folder()
    if folder and (folder / "mlqa" / "dev").is_dir():
        read = _read_folder(folder / "mlqa" / "dev")
    else:
        read = _read_archive(fetch([ARCHIVE])[ARCHIVE.path])
    return answer_benchmark(
        "mlqa-r", CARD, {lang: _split(paragraphs, lang) for lang, paragraphs in read.items()}
    )


def content_of(paragraphs: Sequence[Paragraph]) -> str:
    """Return a fingerprint of the questions and contexts that does not depend on their order.

    White space around a question does not count: copies of MLQA differ in it.

    >>> paragraph = Paragraph("en.json", "It rains.", (Question("q1", "Rain? ", 0),))
    >>> stripped = Paragraph("en.json", "It rains.", (Question("q1", "Rain?", 0),))
    >>> content_of([paragraph]) == content_of([stripped])
    True
    """
    contexts = {paragraph.context for paragraph in paragraphs}
    rows = [
        (question.id, question.text.strip(), paragraph.context, str(question.answer_start))
        for paragraph in paragraphs
        for question in paragraph.questions
    ]
    return fingerprint_of(*sorted(contexts), *(field for row in sorted(rows) for field in row))


def _file_name(lang: str) -> str:
    return f"dev-context-{lang}-question-{lang}.json"


def _read_folder(folder: Path) -> dict[str, list[Paragraph]]:
    read = {}
    for lang, content in CONTENT.items():
        path = folder / _file_name(lang)
        remedy = f"Replace it with the file of that name in {ARCHIVE.url}, or unset EVENRANK_DATA"
        if not path.is_file():
            raise DataError(str(path), "no such file", "all seven languages of MLQA dev", remedy)
        read[lang] = read_squad(path.read_bytes(), str(path))
        if (found := content_of(read[lang])) != content:
            raise ChecksumError(
                str(path), f"content {found}", f"content {content}, that of MLQA v1", remedy
            )
    return read


def _read_archive(path: Path) -> dict[str, list[Paragraph]]:
    """Read the seven members by name; nothing is unpacked, so no member can choose its place."""
    try:
        with ZipFile(path) as archive:
            return {
                lang: read_squad(archive.read(f"MLQA_V1/dev/{name}"), f"{path}, {name}")
                for lang in CONTENT
                for name in [_file_name(lang)]
            }
    except (BadZipFile, KeyError) as cause:
        raise DataError(
            str(path), str(cause), "the archive of MLQA v1", "Delete it, and it is downloaded again"
        ) from cause


def _split(paragraphs: Sequence[Paragraph], lang: str) -> list[Paragraph]:
    """Join paragraphs of the same context, order them by question id, and find their sentences."""
    questions: dict[str, list[Question]] = {}
    for paragraph in paragraphs:
        questions.setdefault(paragraph.context, []).extend(
            question._replace(text=question.text.strip()) for question in paragraph.questions
        )
    place = {paragraph.context: paragraph.place for paragraph in paragraphs}
    joined = [
        Paragraph(place[context], context, tuple(sorted(found)), _sentences(context, lang))
        for context, found in questions.items()
    ]
    return sorted(joined, key=lambda paragraph: (paragraph.questions, paragraph.context))


def _sentences(context: str, lang: str) -> tuple[Sentence, ...]:
    return tuple(
        Sentence(start, end, _EDGES.sub("", context[start:end]))
        for start, end in sentence_spans(context, lang)
    )


BENCHMARKS.register("mlqa-r", BenchmarkLoader(CARD, load_mlqa_r))

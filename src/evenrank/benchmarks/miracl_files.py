"""MIRACL's files as published on the Hugging Face hub: where they are, and what they contain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evenrank.benchmarks.passage_table import lines_of
from evenrank.benchmarks.sources import data_folder
from evenrank.errors import ChecksumError, DataError
from evenrank.files import fingerprint_of

TOPICS_REPOSITORY = "miracl/miracl"
CORPUS_REPOSITORY = "miracl/miracl-corpus"
CORPUS_COMMIT = "d921ec7e349ce0d28daf30b2da9da5ee698bef0d"
"""The corpus files have no published checksums; this commit of their repository fixes them."""
_PASSAGES_IN_A_FILE = 500_000


@dataclass(frozen=True)
class Published:
    """What MIRACL published for one language.

    Attributes:
        queries: Queries of the development set.
        judgments: Judged pairs of a query and a passage.
        passages: Number of passages.
        topics: Fingerprint of the queries, see :func:`content_of`.
        qrels: Fingerprint of the judgments.
    """

    queries: int
    judgments: int
    passages: int
    topics: str
    qrels: str


PUBLISHED = {
    "ar": Published(2_896, 29_197, 2_061_414, "588d3ab74382ba25", "eeae417d90d9013e"),
    "bn": Published(411, 4_206, 297_265, "2294cf23f1c93b57", "ffedf3de3d531939"),
    "de": Published(305, 3_144, 15_866_222, "aec6635e7d848606", "fdbfe443e4fee579"),
    "en": Published(799, 8_350, 32_893_221, "2f8b0b76d8046dcb", "7a86adc6141c981e"),
    "es": Published(648, 6_443, 10_373_953, "5495c8f9a7227c18", "dee49f9821de16b0"),
    "fa": Published(632, 6_571, 2_207_172, "b853c560bc76da7b", "7b377e6c2147d717"),
    "fi": Published(1_271, 12_008, 1_883_509, "97eb29e4cb9b9fb6", "5d398158c86e6b7d"),
    "fr": Published(343, 3_429, 14_636_953, "996d2e67f2adfe5b", "5e52b6e0048f3954"),
    "hi": Published(350, 3_494, 506_264, "617a5cabec7edc09", "f522740c74db6a79"),
    "id": Published(960, 9_668, 1_446_315, "e1ccbc1c72f8f7f4", "efe711c4728c630f"),
    "ja": Published(860, 8_354, 6_953_614, "3db9a0350681d875", "b12645aa2851f39b"),
    "ko": Published(213, 3_057, 1_486_752, "a1c88f9b49329975", "288e8fdc4d686ba3"),
    "ru": Published(1_252, 13_100, 9_543_918, "e26430af711134ba", "27507206a3f19acf"),
    "sw": Published(482, 5_092, 131_924, "efa2bea3e80cd9e9", "237d35760108c9eb"),
    "te": Published(828, 1_606, 518_079, "8e690c328c1e9912", "7a3dd96d153d4004"),
    "th": Published(733, 7_573, 542_166, "bc57580fb152d580", "954458545a69f9d1"),
    "yo": Published(119, 1_188, 49_043, "14b4b39d21ac5375", "83a1ef38bae9caf1"),
    "zh": Published(393, 3_928, 4_934_368, "0472cca7d2acc2bb", "6a8a2f10694d9cfb"),
}
"""Counts as published; fingerprints of the copies that anserini-tools keeps, commit 5b819c1."""


def corpus_files(lang: str) -> list[Path]:
    """Return the files of a language's passages, in order; download them if they are missing.

    Raises:
        DataError: They are not on this machine and cannot be downloaded.
    """
    folder = f"miracl-corpus-v1.0-{lang}"
    if own := data_folder():
        for place in (own / "miracl" / folder, own / "miracl-corpus" / folder):
            if found := sorted(place.glob("docs-*.jsonl.gz"), key=_number):
                return found
    count = -(-PUBLISHED[lang].passages // _PASSAGES_IN_A_FILE)
    return [
        _from_hub(CORPUS_REPOSITORY, f"{folder}/docs-{number}.jsonl.gz", CORPUS_COMMIT)
        for number in range(count)
    ]


def read_topics(lang: str) -> list[tuple[str, str]]:
    """Return the id and text of each query of a language.

    Raises:
        ChecksumError: The content is not what MIRACL published.
        DataError: The file is missing, or a line is not in MIRACL's format.
    """
    path = judgment_file("topics", lang)
    topics = [
        (id_, text) for id_, text in (_fields(path, *line, "\t", 2) for line in lines_of(path))
    ]
    _check_content(path, topics, PUBLISHED[lang].topics, PUBLISHED[lang].queries, "queries")
    return topics


def read_qrels(lang: str) -> list[tuple[str, str]]:
    """Return the pairs of a query and a passage that is relevant for it.

    Raises:
        ChecksumError: The content is not what MIRACL published.
        DataError: The file is missing, or a line is not in MIRACL's format.
    """
    path = judgment_file("qrels", lang)
    judged = [_fields(path, *line, None, 4) for line in lines_of(path)]
    _check_content(path, judged, PUBLISHED[lang].qrels, PUBLISHED[lang].judgments, "judgments")
    return [(query, passage) for query, _, passage, grade in judged if grade != "0"]


def content_of(rows: Sequence[tuple[str, ...]]) -> str:
    """Return a fingerprint of rows that does not depend on their order."""
    return fingerprint_of(*sorted("\t".join(row) for row in rows))


def _fields(
    path: Path, number: int, line: bytes, separator: str | None, count: int
) -> tuple[str, ...]:
    try:
        fields = line.decode().split(separator)
    except UnicodeDecodeError as cause:
        place, remedy = f"{path}:{number}", "Get the file again"
        raise DataError(place, f"bytes that are not UTF-8 ({cause})", "UTF-8", remedy) from cause
    if len(fields) != count:
        raise DataError(
            f"{path}:{number}", f"{len(fields)} fields", f"{count} fields", "Get the file again"
        )
    return tuple(fields)


def _check_content(
    path: Path, rows: Sequence[tuple[str, ...]], expected: str, count: int, noun: str
) -> None:
    found = content_of(rows)
    if found != expected:
        raise ChecksumError(
            str(path),
            f"{len(rows):,} {noun} with fingerprint {found}",
            f"MIRACL's {count:,} with fingerprint {expected}",
            f"Replace it with the file of https://huggingface.co/datasets/{TOPICS_REPOSITORY}",
        )


def judgment_file(kind: Literal["topics", "qrels"], lang: str) -> Path:
    """Return the file of a language's development queries or judgments; download it if missing."""
    name = f"{kind}.miracl-v1.0-{lang}-dev.tsv"
    published = f"miracl-v1.0-{lang}/{kind}/{name}"
    if own := data_folder():
        for path in (f"miracl/{published}", f"miracl/{name}", f"miracl/{name}.gz"):
            if (own / path).is_file():
                return own / path
    return _from_hub(TOPICS_REPOSITORY, published, None)


def _from_hub(repository: str, name: str, revision: str | None) -> Path:
    """Return a file from the hub's cache on this machine, or download it to the cache."""
    import httpx
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def get(*, local: bool) -> Path:
        return Path(
            hf_hub_download(
                repository, name, repo_type="dataset", revision=revision, local_files_only=local
            )
        )

    try:
        return get(local=True)
    except LocalEntryNotFoundError:
        pass
    try:
        return get(local=False)
    except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError) as cause:
        reason = " ".join(str(cause).split())[:200] or type(cause).__name__
    raise DataError(
        f"https://huggingface.co/datasets/{repository}/{name}",
        f"no download ({reason})",
        "a file that is on this machine or can be downloaded",
        "Accept the data set's terms on its page and log in with 'hf auth login', or save the "
        f"file as FOLDER/miracl/{name} and set EVENRANK_DATA=FOLDER",
    )


def _number(path: Path) -> tuple[int, str]:
    digits = re.search(r"docs-(\d+)", path.name)
    return int(digits[1]) if digits else -1, path.name

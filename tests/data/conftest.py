"""Small corpora, written and in memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]


def row(item: int, lang: str, passage: int | str | None = None, **others: Any) -> dict[str, Any]:
    """One row; items 2n and 2n + 1 ask about passage n unless told otherwise."""
    about = item // 2 if passage is None else passage
    return {
        "id": f"q{item}",
        "passage_id": f"p{about}",
        "lang": lang,
        "query": f"question {item} in {lang}?",
        "passage": f"passage {about} in {lang}.",
    } | others


@pytest.fixture
def rows() -> Rows:
    """Six items in de, en and fi; the last two have no Finnish row."""
    return [
        row(item, lang, article=f"a{item // 4}")
        for item in range(6)
        for lang in ("de", "en", "fi")
        if lang != "fi" or item < 4
    ]


@pytest.fixture
def write_lines(tmp_path) -> Callable[..., Path]:
    """Write rows, or lines as they are, to a ``.jsonl`` or ``.jsonl.gz`` file."""

    def write(name: str, lines: Iterable[Mapping[str, Any] | str | bytes]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(_line(line) + b"\n" for line in lines)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of the Hub without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def snapshot(dataset, commit, revision):
        repository = tmp_path / "hub" / f"datasets--{dataset.replace('/', '--')}"
        reference = repository / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit)
        folder = repository / "snapshots" / commit
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    return snapshot


def _line(line: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()

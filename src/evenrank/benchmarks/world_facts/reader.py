"""World Facts as a corpus: ``world-facts``, ``world-facts:train``, ``:dev``, ``:test``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from evenrank.benchmarks.world_facts.build import cldr_version, world_facts
from evenrank.data.corpus import SCHEMA
from evenrank.data.readers.base import READERS, Chunk, Part, Reader, Source
from evenrank.files import fingerprint_of

_NAME = "world-facts"
_BATCH_ROWS = 4096


def _open(source: str) -> Source:
    sources = sorted(path for path in Path(__file__).parent.rglob("*") if path.is_file())
    stamp = fingerprint_of(
        cldr_version(),
        *(path.read_bytes() for path in sources if path.suffix in (".py", ".toml")),
    )
    part = Part(source, 0, partial(_read, source), columns=tuple(SCHEMA.names), counts="row")
    return Source(source, source, stamp, (part,), unit="rows")


def _read(source: str, columns: frozenset[str]) -> Iterator[Chunk]:
    split = cast(Any, source.partition(":")[2] or "all")  # world_facts refuses unknown names
    corpus = world_facts(split)
    rows = np.sort(corpus.rows[corpus.rows >= 0])
    wanted = [name for name in SCHEMA.names if name in columns]
    for start in range(0, len(rows), _BATCH_ROWS):
        block = rows[start : start + _BATCH_ROWS]
        values = zip(*(corpus.column(name, block) for name in wanted), strict=True)
        dicts = (dict(zip(wanted, row, strict=True)) for row in values)
        yield Chunk(list(enumerate(dicts, start + 1)), len(block))


READERS.register(
    _NAME,
    Reader("world-facts[:train|dev|test]", lambda source: source.partition(":")[0] == _NAME, _open),
)

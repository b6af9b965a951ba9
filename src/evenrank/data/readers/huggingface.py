"""A Hugging Face data set with a ``lang`` column: ``hf:ID``, ``hf:ID:CONFIG``, ``hf:ID::SPLIT``.

The id is a data set on the Hub or a local folder of data files. Code that comes with a data set is
never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from evenrank.data.readers.base import READERS, Chunk, Part, Reader, Source
from evenrank.data.readers.columns import check_columns, chunks_of
from evenrank.errors import DataError

_PREFIX = "hf:"
_BATCH_ROWS = 4096


def _open(source: str) -> Source:
    dataset_id, _, rest = source.removeprefix(_PREFIX).partition(":")
    config, _, split = rest.partition(":")
    dataset = _one_split(_load(source, dataset_id, config), split, source)
    schema = dataset.features.arrow_schema
    check_columns(schema, source)
    part = Part(
        source, dataset.num_rows, partial(_read, dataset, source), None, tuple(schema.names), "row"
    )
    name = dataset_id.rstrip("/").rpartition("/")[2]
    where = str(Path(dataset_id).resolve()) if Path(dataset_id).exists() else dataset_id
    origin = f"{_PREFIX}{where}:{config}:{split}"
    return Source(name, origin, dataset._fingerprint, (part,), unit="rows")


def _load(source: str, dataset_id: str, config: str) -> Any:  # noqa: ANN401 - no types there
    import datasets

    try:
        return datasets.load_dataset(dataset_id, config or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as cause:
        raise DataError(
            source,
            f"{type(cause).__name__}: {cause}",
            "a data set that can be loaded as hf:ID[:CONFIG][:SPLIT]",
            "Correct the id, or download the data set while there is a network",
        ) from cause


def _one_split(splits: Any, split: str, source: str) -> Any:  # noqa: ANN401
    if not split and len(splits) == 1:
        return next(iter(splits.values()))
    if split not in splits:
        raise DataError(
            source,
            f"no split {split!r}" if split else "several splits",
            f"one of {', '.join(splits)}",
            "Name it after a second colon, as in hf:ID:CONFIG:SPLIT or hf:ID::SPLIT",
        )
    return splits[split]


def _read(dataset: Any, source: str, columns: frozenset[str]) -> Iterator[Chunk]:  # noqa: ANN401
    wanted = [name for name in dataset.column_names if name in columns]
    tables = dataset.select_columns(wanted).with_format("arrow").iter(_BATCH_ROWS)
    return chunks_of(tables, source, 1)


READERS.register(
    "hf",
    Reader(
        "hf:ID[:CONFIG][:SPLIT] (a Hugging Face data set with a lang column)",
        lambda source: source.startswith(_PREFIX),
        _open,
    ),
)

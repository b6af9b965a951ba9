"""A Hugging Face data set with a ``lang`` column: ``hf:ID``, ``hf:ID:CONFIG``, ``hf:ID::SPLIT``.

The id is a data set on the Hub or a local folder of data files. ``datasets`` finds the files of the
split; they are read by ``evenrank.data.readers.files``, because ``datasets`` would turn the text
``007`` into a number and ``NA`` into nothing. Code that comes with a data set is never run.
"""

from __future__ import annotations

from pathlib import Path

from evenrank.data.readers.base import READERS, Reader, Source, stamp_of_files
from evenrank.data.readers.files import SUFFIXES, part_of
from evenrank.errors import DataError

_PREFIX = "hf:"


def _open(source: str) -> Source:
    dataset_id, _, rest = source.removeprefix(_PREFIX).partition(":")
    config, _, split = rest.partition(":")
    local = Path(dataset_id).is_dir()
    files = _files_of_split(_splits(source, dataset_id, config, local), split, source)
    if others := [path.name for path in files if not path.name.endswith(SUFFIXES)]:
        expected = f"files that end in {', '.join(SUFFIXES)}"
        raise DataError(source, others[0], expected, "Convert the files")
    name = dataset_id.rstrip("/").rpartition("/")[2]
    where = str(Path(dataset_id).resolve()) if local else dataset_id
    parts = tuple(map(part_of, files))
    return Source(name, f"{_PREFIX}{where}:{config}:{split}", stamp_of_files(*files), parts)


def _splits(source: str, dataset_id: str, config: str, local: bool) -> dict[str, list[str]]:
    """Return the files of each split; those of the Hub are downloaded, or found in its cache."""
    import datasets
    import huggingface_hub

    try:
        if not local:
            patterns = [*(f"*{suffix}" for suffix in SUFFIXES), "README.md"]
            dataset_id = huggingface_hub.snapshot_download(
                dataset_id, repo_type="dataset", allow_patterns=patterns
            )
        builder = datasets.load_dataset_builder(dataset_id, config or None)
        files = builder.config.data_files or {}
        return {str(split): list(paths) for split, paths in files.items()}
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as cause:
        raise DataError(
            source,
            f"{type(cause).__name__}: {cause}",
            "a data set that can be loaded as hf:ID[:CONFIG][:SPLIT]",
            "Correct the id, or download the data set while there is a network",
        ) from None


def _files_of_split(splits: dict[str, list[str]], split: str, source: str) -> list[Path]:
    chosen = split or (next(iter(splits)) if len(splits) == 1 else "")
    if chosen not in splits:
        raise DataError(
            source,
            f"no split {split!r}" if split else "several splits",
            f"one of {', '.join(splits)}",
            "Name it after a second colon, as in hf:ID:CONFIG:SPLIT or hf:ID::SPLIT",
        )
    return [Path(path) for path in splits[chosen]]


READERS.register(
    "hf",
    Reader(
        "hf:ID[:CONFIG][:SPLIT] (a Hugging Face data set with a lang column)",
        lambda source: source.startswith(_PREFIX),
        _open,
    ),
)

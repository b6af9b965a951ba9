"""A Hugging Face data set: ``hf:ID``, ``hf:ID@REVISION``, ``hf:ID:CONFIG``, ``hf:ID::SPLIT``.

The id is a data set on the Hub or a local folder of data files. ``datasets`` finds the files of the
split; they are read by ``evenrank.data.readers.files``, because ``datasets`` would turn the text
``007`` into a number and ``NA`` into nothing. Code that comes with a data set is never run: the Hub
has the tables of such a data set in the revision ``refs/convert/parquet``, with a folder for each
configuration.

The language is that of a column, or of the name of the configuration. ``*`` in that name stands for
anything: ``hf:facebook/mlqa@refs/convert/parquet:mlqa-translate-train.*:train``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from evenrank.data.readers.base import READERS, Reader, Source, stamp_of_files
from evenrank.data.readers.files import SUFFIXES, key_of, part_of
from evenrank.errors import DataError
from evenrank.languages import language_in

_PREFIX = "hf:"
_TABLES = "refs/convert/parquet"


class _Name(NamedTuple):
    """What a source names."""

    dataset: str
    revision: str
    config: str
    split: str

    @classmethod
    def of(cls, source: str) -> _Name:
        place, _, rest = source.removeprefix(_PREFIX).partition(":")
        config, _, split = rest.partition(":")
        dataset, _, revision = (place, "", "") if Path(place).is_dir() else place.partition("@")
        return cls(dataset, revision, config, split)


def _open(source: str) -> Source:
    name = _Name.of(source)
    local = Path(name.dataset).is_dir()
    folder = Path(name.dataset) if local else _downloaded(source, name)
    where = str(folder.resolve()) if local else f"{name.dataset}@{name.revision}"
    title = name.dataset.rstrip("/").rpartition("/")[2]
    revision = folder.name if name.revision else ""  # a snapshot is named after its commit
    mmarco = READERS.get("mmarco")
    if not (name.config or name.split) and mmarco.recognises(str(folder)):
        found = mmarco.open(str(folder))
        return replace(found, name=title, origin=f"{_PREFIX}{where}", revision=revision)
    parts, files = [], []
    for config in _configs(source, folder, name.config):
        of_config = _files_of_split(_splits(source, folder, config), name.split, source)
        for path in of_config:
            _check_file(source, folder, path)
            part = part_of(path, key=key_of(path, folder))
            if lang := language_in(config):
                rows_name_it = {"lang", "language"} & set(part.columns)
                part = part if rows_name_it else part_of(path, lang, part.key)
            parts.append(part)
            files.append(path)
    return Source(
        title,
        f"{_PREFIX}{where}:{name.config}:{name.split}",
        stamp_of_files(*files),
        tuple(parts),
        revision=revision,
    )


def _downloaded(source: str, name: _Name) -> Path:
    """Return the folder of a data set of the Hub, which is downloaded or found in its cache."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    inside = f"{name.config}/" if name.revision == _TABLES and name.config else ""
    patterns = [*(f"{inside}*{suffix}" for suffix in SUFFIXES), "README.md"]
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name.dataset,
                repo_type="dataset",
                revision=name.revision or None,
                allow_patterns=patterns,
            )
        )
    except GatedRepoError:
        page = f"https://huggingface.co/datasets/{name.dataset}"
        remedy = f"Accept its conditions at {page}, then log in: hf auth login"
        raise DataError(source, "a gated data set", "one that you may read", remedy) from None
    except Exception as cause:  # of several libraries, and of the network
        remedy = "Correct the id or the revision, or download it while there is a network"
        raise _unloadable(source, cause, remedy) from None


def _configs(source: str, folder: Path, config: str) -> list[str]:
    """Return the configurations that a name stands for."""
    if "*" not in config:
        return [config]
    import datasets

    names: set[str] = set()
    with suppress(OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError):
        names = set(datasets.get_dataset_config_names(str(folder))) - {"default"}
    if not names:
        names = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    if found := sorted(name for name in names if fnmatchcase(name, config)):
        return found
    expected = f"one of {', '.join(sorted(names)) or 'none'}"
    raise DataError(source, f"no configuration {config!r}", expected, "Correct its name")


def _splits(source: str, folder: Path, config: str) -> dict[str, list[str]]:
    """Return the files of each split of a configuration."""
    import datasets

    try:
        try:
            builder = datasets.load_dataset_builder(str(folder), config or None)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError):
            if not config or config not in (path.name for path in folder.iterdir()):
                raise
            builder = datasets.load_dataset_builder(str(folder / config))
        files = builder.config.data_files or {}
        return {str(split): list(paths) for split, paths in files.items()}
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as cause:
        remedy = "Correct the id or the configuration"
        if any(folder.glob("*.py")):
            remedy = f"It is a script, which is never run: add @{_TABLES} to the id, for its tables"
        raise _unloadable(source, cause, remedy) from None


def _unloadable(source: str, cause: Exception, remedy: str) -> DataError:
    expected = "a data set that can be loaded as hf:ID[@REVISION][:CONFIG][:SPLIT]"
    found = (str(cause).strip() or "nothing").splitlines()[0]
    return DataError(source, f"{type(cause).__name__}: {found}", expected, remedy)


def _check_file(source: str, folder: Path, path: Path) -> None:
    """Refuse files of other kinds, and files that the data set names outside of its folder."""
    if not path.name.endswith(SUFFIXES):
        expected = f"files that end in {', '.join(SUFFIXES)}"
        raise DataError(source, path.name, expected, "Convert the files")
    if ".." in path.parts or not path.absolute().is_relative_to(folder.absolute()):
        raise DataError(source, str(path), f"files in {folder}", "Do not use this data set")


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
        "hf:ID[@REVISION][:CONFIG][:SPLIT] (a Hugging Face data set)",
        lambda source: source.startswith(_PREFIX),
        _open,
    ),
)

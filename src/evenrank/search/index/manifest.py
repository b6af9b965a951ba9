"""The folder of an index: its generations, the pointer to the current one, and their manifests.

    DIR/.evenrank           says that this is an index
    DIR/current.json        names the current generation
    DIR/generations/7/      the files of a generation, which never change
        manifest.json       model, languages, and size and SHA-256 of every file
        passages-0.arrow    id, language, text, group and metadata, in the order of the source
        vectors.npy         unit vectors, by language, then in the order of the source
        rows.npy            the row of each vector's passage
        id_hashes.npy, id_places.npy    to find a passage by its id
        texts.npy           hash of each vector's text, so that it is not encoded again
        correction.safetensors, scale.npy, minus.npy    the correction, if there is one
    DIR/store/              embeddings of a build that is not complete

A build writes a new generation, and then replaces ``current.json`` in one step. Whatever stops it
leaves the old index. Files that a reader has opened stay readable after they are removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from evenrank.encoding.store import Precision
from evenrank.errors import DataError
from evenrank.files import MARKER, sha256_of, whole_folder, write_json

FORMAT = "evenrank-index"
INDEX = "index"
"""Marker of the folder."""
CURRENT = "current.json"
_CHECKED_BYTES = 1 << 26
"""Files whose contents are compared when an index is opened: the smallest ones, up to this size."""

FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(-[0-9]+)?\.[a-z]+$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFacts(_Frozen):
    """The model of an index.

    Attributes:
        name: Folder, id or address; empty if it is not known.
        label: Its name in tables.
        fingerprint: Of all that its vectors depend on.
        width: ``H``.
        prompts: Prefixes of queries and passages.
        settings: Settings that it was opened with.
    """

    name: str
    label: str
    fingerprint: str
    width: int = Field(ge=1)
    prompts: tuple[str, str]
    settings: dict[str, JsonValue]


class FileFacts(_Frozen):
    """Size and checksum of a file."""

    bytes: int = Field(ge=0)
    sha256: str


class Manifest(_Frozen):
    """What a generation is.

    Attributes:
        format: Says that this is an index.
        version: Of the format.
        corpus: Name of the corpus.
        model: The model.
        precision: Type of the vectors.
        languages: Passages of each language.
        correction: The method of the correction, its strength and settings.
        files: All files but this one.
    """

    format: Literal["evenrank-index"]
    version: Literal[1]
    corpus: str
    model: ModelFacts
    precision: Precision
    languages: dict[str, int]
    correction: dict[str, JsonValue] | None
    files: dict[FileName, FileFacts]


class Pointer(_Frozen):
    """The current generation, and the checksum of its manifest."""

    generation: str = Field(pattern=r"^[0-9]{1,18}$")
    sha256: str


def read_pointer(folder: Path) -> Pointer:
    """Return which generation of an index is the current one.

    Raises:
        DataError: There is no index, or the pointer is damaged.
    """
    try:
        return Pointer.model_validate(orjson.loads((folder / CURRENT).read_bytes()))
    except FileNotFoundError:
        found = "no index" if folder.exists() else "no such folder"
        remedy = "Build one with 'evenrank index'"
        raise DataError(str(folder), found, "a folder that it wrote", remedy) from None
    except (ValidationError, ValueError, OSError) as cause:
        raise damaged(folder / CURRENT, _words(cause)) from None


def generation_folder(folder: Path, pointer: Pointer) -> Path:
    """Return the folder of a generation, after a check of its manifest.

    Raises:
        DataError: The manifest is missing or damaged.
    """
    generation = folder / "generations" / pointer.generation
    manifest = generation / "manifest.json"
    try:
        changed = sha256_of(manifest) != pointer.sha256
    except OSError as cause:
        raise damaged(manifest, _words(cause)) from None
    if changed:
        raise damaged(manifest, "another file than the one that was written")
    return generation


def read_manifest(generation: Path) -> Manifest:
    """Read the manifest of a generation.

    Raises:
        DataError: It is not one of this version.
    """
    path = generation / "manifest.json"
    try:
        return Manifest.model_validate(orjson.loads(path.read_bytes()))
    except (ValidationError, ValueError, OSError) as cause:
        raise damaged(path, _words(cause)) from None


def check_files(generation: Path, manifest: Manifest, *, all_bytes: bool) -> None:
    """Compare the files of a generation with its manifest.

    Sizes are compared always, checksums of the smallest files up to 64 MiB in all, or of all files.

    Raises:
        DataError: A file is missing, cut short or changed.
    """
    budget = _CHECKED_BYTES
    for name, facts in sorted(manifest.files.items(), key=lambda item: item[1].bytes):
        path = generation / name
        try:
            size = path.stat().st_size
            if size != facts.bytes:
                raise damaged(path, f"{size:,} of {facts.bytes:,} bytes")
            budget -= size
            if (all_bytes or budget >= 0) and sha256_of(path) != facts.sha256:
                raise damaged(path, "another content than the one that was written")
        except OSError as cause:
            raise damaged(path, _words(cause)) from None


def write_manifest(generation: Path, manifest: Manifest) -> None:
    """Write the manifest of a generation, with the facts of its files."""
    files = {
        path.name: FileFacts(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(generation.iterdir())
        if path.name != MARKER
    }
    whole = manifest.model_copy(update={"files": files})
    write_json(generation / "manifest.json", whole.model_dump(mode="json"))


@contextmanager
def new_generation(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill; it becomes the current generation when the block succeeds."""
    generations = folder / "generations"
    for left in [*folder.glob(".*.part"), *generations.glob(".*.part")]:  # of a killed build
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    numbers = [int(path.name) for path in generations.glob("*") if path.name.isdecimal()]
    name = str(max(numbers, default=0) + 1)
    with whole_folder(generations / name, marker="index generation") as part:
        yield part
    checksum = sha256_of(generations / name / "manifest.json")
    write_json(folder / CURRENT, {"generation": name, "sha256": checksum})
    for path in generations.iterdir():
        if path.name not in (name, MARKER):
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        shutil.rmtree(folder / "store", ignore_errors=True)


def damaged(path: Path, found: str) -> DataError:
    """Return the error for an index that cannot be read."""
    remedy = "Copy the whole index again, or build it again"
    return DataError(str(path), f"a damaged index ({found})", "the files that were written", remedy)


def _words(cause: Exception) -> str:
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    return getattr(cause, "strerror", None) or str(cause).partition("\n")[0]

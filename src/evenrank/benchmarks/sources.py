"""A benchmark's files: the user's copy, the cached one, or a download; always verified.

``EVENRANK_DATA`` may name a folder of files that the user already has. It is read first, then the
cache, which has the same layout. A file that is in neither is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evenrank.errors import ChecksumError, ConfigError, DataError
from evenrank.files import cache_folder, cache_lock, sha256_of, whole_file
from evenrank.progress import bar


@dataclass(frozen=True)
class SourceFile:
    """A file as its publisher released it.

    Attributes:
        path: Its path below ``EVENRANK_DATA`` and below the cache, with forward slashes.
        url: Where the publisher offers it.
        sha256: SHA-256 of its bytes, in hexadecimal.
        size: Number of bytes.
    """

    path: str
    url: str
    sha256: str
    size: int


def data_folder() -> Path | None:
    """Return the folder that ``EVENRANK_DATA`` names, or ``None`` where it is not set.

    Raises:
        ConfigError: It is not the path of a folder.
    """
    given = os.environ.get("EVENRANK_DATA")
    if not given:
        return None
    if not Path(given).is_dir():
        raise ConfigError("EVENRANK_DATA", repr(given), "a folder", "Correct it or unset it")
    return Path(given)


def fetch(files: Iterable[SourceFile]) -> dict[str, Path]:
    """Return the place of each file on this machine by its ``path``; download missing files.

    Raises:
        ChecksumError: A file's bytes are not the publisher's.
        DataError: A file is missing and cannot be downloaded.
    """
    return {file.path: _fetch(file) for file in files}


def _fetch(file: SourceFile) -> Path:
    own = data_folder()
    if own and (own / file.path).is_file():
        remedy = f"Replace it with {file.url}, or unset EVENRANK_DATA"
        _verify(own / file.path, file, str(own / file.path), remedy)
        return own / file.path
    cached = cache_folder() / "benchmarks" / file.path
    if cached.is_file():
        _verify(cached, file, str(cached), "Delete it, and it will be downloaded again")
    else:
        with cache_lock(cached):
            if not cached.is_file():  # another process may have written it meanwhile
                _download(file, cached)
    return cached


def _verify(path: Path, file: SourceFile, place: str, remedy: str) -> None:
    found = sha256_of(path)
    if found != file.sha256:
        raise ChecksumError(
            place,
            f"SHA-256 {found} of {path.stat().st_size:,} bytes",
            f"SHA-256 {file.sha256} of {file.size:,} bytes",
            remedy,
        )


def _download(file: SourceFile, target: Path) -> None:
    import httpx  # a tenth of a second to import

    with whole_file(target, overwrite=True) as part:
        reason = ""
        try:
            _stream(file, part)
        except httpx.HTTPStatusError as cause:
            reason = f"status {cause.response.status_code}"
        except httpx.HTTPError as cause:
            reason = str(cause) or type(cause).__name__
        if reason:  # not raised above: the traceback would show those of the network library
            raise DataError(
                file.url,
                f"no complete download ({reason})",
                f"{file.size:,} bytes, as {file.path} is not on this machine yet",
                f"Try again with a connection, or save the file as FOLDER/{file.path} and set "
                "EVENRANK_DATA=FOLDER",
            )
        _verify(part, file, file.url, "Try again; if it happens again, report it: the file changed")


def _stream(file: SourceFile, part: Path) -> None:
    """Write what the URL returns; stop if it is longer than the published file."""
    import httpx

    with (
        httpx.stream("GET", file.url, follow_redirects=True, timeout=60) as response,
        part.open("wb") as out,
        bar(f"Downloading {file.path}", total=file.size, unit="bytes") as progress,
    ):
        response.raise_for_status()
        for chunk in response.iter_bytes(1 << 16):
            out.write(chunk)
            progress.advance(len(chunk))
            if out.tell() > file.size:
                return

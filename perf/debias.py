"""Fitting a correction against reading the same bytes once.

    python perf/debias.py [--rows 1000000] [--width 384] [--languages 11] [--mixed] [--half]

Random unit vectors in a file, as a memory map. ``read`` copies the file into one buffer, piece by
piece. Each method is fitted from the memory map right after it is read; the ratio is of the
smallest times of some repeats. ``cold`` drops the file from the memory of the operating system
before both.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import fit_correction
from evenrank.debias.rows import BLOCK, blocks_of

METHODS = {
    "center": {},
    "project": {},
    "calibrate by top": {"by": "top"},
    "csls": {},
    "lir": {},
    "leace": {},
    "calibrate by z": {"by": "z"},
}


def write(path: Path, rows: int, width: int, dtype: str) -> None:
    random = np.random.default_rng(0)
    target = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))
    block = random.normal(size=(min(rows, BLOCK), width)).astype(np.float32)
    block /= np.linalg.norm(block, axis=1, keepdims=True)
    for start in range(0, rows, len(block)):
        part = target[start : start + len(block)]
        part[:] = np.roll(block, start // len(block), axis=0)[: len(part)]
    target.flush()


def read(path: Path) -> None:
    buffer = bytearray(1 << 24)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def seconds(work: Callable[[], object], path: Path, *, cold: bool) -> float:
    if cold:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def blocks(rows: NDArray[np.float32], langs: NDArray[np.str_] | int) -> Iterator[tuple]:
    """Yield blocks of mixed languages, or the rows of one language after another."""
    if not isinstance(langs, int):
        yield from blocks_of(rows, langs)
        return
    for number, part in enumerate(np.array_split(np.arange(len(rows)), langs)):
        yield from blocks_of(rows[part[0] : part[-1] + 1], TAGS[number])


TAGS = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh", "fi", "sw", "bn", "te"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--languages", type=int, default=11, choices=range(2, len(TAGS) + 1))
    parser.add_argument("--mixed", action="store_true", help="languages in random order")
    parser.add_argument("--half", action="store_true", help="float16")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the file goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "rows.npy"
        write(path, given.rows, given.width, "float16" if given.half else "float32")
        langs: NDArray[np.str_] | int = given.languages
        if given.mixed:
            random = np.random.default_rng(1)
            langs = np.array(TAGS)[random.integers(0, given.languages, given.rows)]
        read(path)
        fit_correction("center", [(np.eye(4, dtype=np.float32), ["de", "en"] * 2)])  # imports
        for name, settings in METHODS.items():

            def fit(name: str = name, settings: dict = settings) -> None:
                rows = np.load(path, mmap_mode="r")
                fit_correction(name.split()[0], blocks(rows, langs), settings=settings)

            pairs = [
                [seconds(work, path, cold=given.cold) for work in (lambda: read(path), fit)]
                for _ in range(given.repeats)
            ]
            once, taken = map(min, zip(*pairs, strict=True))
            print(f"{name:18} read {once:6.2f} s  fit {taken:6.2f} s  ratio {taken / once:5.2f}")


if __name__ == "__main__":
    main()

"""How long a corpus takes to open the first and the second time, and how much memory.

    python perf/open_corpus.py --rows 1000000

Writes a synthetic corpus of nine languages to a temporary folder, and prints seconds, CPU seconds
and memory of opening it twice, each in a process of its own, next to those of reading the same file
with orjson and writing it with Arrow, of orjson alone, and of Arrow's JSON reader. None of these
checks anything. Each of the compared steps runs several times in turn, and ratios are of CPU
seconds: other processes of the machine do not change them. "Peak" counts pages of mapped files,
which the system takes back when it needs them; "own" is what the process has in the end without
these. Linux only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = """
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["RssAnon"].split()[0]) / 1024)
"""
CLOCK = (
    "import sys, time; start, cpu = time.perf_counter(), time.process_time()\n{work}\n"
    "print(time.perf_counter() - start, time.process_time() - cpu)\n"
)

OPEN = (
    "from evenrank.data.opening import open_corpus\n"
    + CLOCK.format(work="corpus = open_corpus(sys.argv[1])")
    + MEMORY
)
STEPS = {
    "open, first time": OPEN,
    "open, second time": OPEN,
    "open and read 1,000 random rows": (
        "import numpy as np\nfrom evenrank.data.opening import open_corpus\n"
        + CLOCK.format(
            work="corpus = open_corpus(sys.argv[1])\n"
            "rows = np.random.default_rng(0).integers(0, corpus.table.num_rows, 1000)\n"
            "texts = corpus.column('passage', rows)"
        )
        + MEMORY
    ),
    "orjson and Arrow": (
        "import itertools, os, orjson, pyarrow as pa\n"
        + CLOCK.format(
            work="names = ['id', 'passage_id', 'title', 'lang', 'query', 'passage']\n"
            "schema = pa.schema([(name, pa.string()) for name in names])\n"
            "with open(sys.argv[1] + '.arrow', 'wb') as out, open(sys.argv[1], 'rb') as file:\n"
            "    writer = pa.ipc.new_file(out, schema)\n"
            "    while rows := [orjson.loads(line) for line in itertools.islice(file, 16384)]:\n"
            "        columns = [[row[name] for row in rows] for name in names]\n"
            "        arrays = [pa.array(column, pa.string()) for column in columns]\n"
            "        writer.write_batch(pa.record_batch(arrays, names=names))\n"
            "    writer.close()\n"
            "    os.fsync(out.fileno())"
        )
        + MEMORY
    ),
    "orjson, line by line": (
        "import orjson\n"
        + CLOCK.format(work="for line in open(sys.argv[1], 'rb'): orjson.loads(line)")
        + MEMORY
    ),
    "pyarrow.json.read_json": (
        "import pyarrow.json\n"
        + CLOCK.format(work="table = pyarrow.json.read_json(sys.argv[1])")
        + MEMORY
    ),
}
LANGS = ("ar", "de", "en", "es", "fr", "hi", "ru", "vi", "zh")
LINE = (
    '{{"id": "item-{item:09d}", "passage_id": "passage-{passage:09d}", "lang": "{lang}", '
    '"title": "article {article}", "query": "What does passage {passage} say about item {item}?", '
    '"passage": "{passage} {text}"}}\n'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each compared step")
    parser.add_argument("--characters", type=int, default=700, help="of each passage")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        path = Path(name) / "corpus.jsonl"
        write(path, arguments.rows, arguments.characters)
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
        for step in STEPS:
            seconds, cpu, peak, own = run(step, path)
            print(
                f"{step:32} {seconds:9.3f} s {cpu:9.3f} s of CPU "
                f"{peak:7,.0f} MB peak {own:7,.0f} MB own"
            )
        for other in ("orjson and Arrow", "orjson, line by line", "pyarrow.json.read_json"):
            ratios = sorted(
                run("open, first time", path)[1] / run(other, path)[1]
                for _ in range(arguments.repeat)
            )
            middle = ratios[len(ratios) // 2]
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"first opening / {other}: {middle:.2f} ({spread}, {len(ratios)} runs)")


def run(step: str, path: Path) -> tuple[float, ...]:
    """Return seconds, CPU seconds, peak and own memory of a step, in a process of its own."""
    cache = path.parent / "cache"
    if step == "open, first time":
        shutil.rmtree(cache, ignore_errors=True)
    environment = {**os.environ, "EVENRANK_CACHE": str(cache), "EVENRANK_QUIET": "1"}
    command = [sys.executable, "-c", STEPS[step], str(path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return tuple(map(float, done.stdout.split()))


def write(path: Path, rows: int, characters: int) -> None:
    text = ("lorem ipsum dolor sit amet " * (characters // 27 + 1))[:characters]
    start = time.perf_counter()
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            item, passage = row // len(LANGS), row // (5 * len(LANGS))
            lang = LANGS[row % len(LANGS)]
            file.write(
                LINE.format(item=item, passage=passage, article=passage // 20, lang=lang, text=text)
            )
    print(f"written in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

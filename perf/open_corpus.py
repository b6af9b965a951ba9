"""How long a corpus takes to open the first and the second time, and how much memory.

    python perf/open_corpus.py --rows 1000000

Writes a synthetic corpus of two languages to a temporary folder, and prints seconds and memory of
opening it twice, each in a process of its own, next to those of parsing the same file with orjson
and with Arrow's JSON reader, neither of which checks anything. "Peak" counts pages of mapped files,
which the system takes back when it needs them; "own" is what the process has in the end without
these. Linux only.
"""

from __future__ import annotations

import argparse
import os
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
    "import sys, time; start = time.perf_counter()\n{work}\nprint(time.perf_counter() - start)\n"
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
LINE = (
    '{{"id": "item-{item:09d}", "passage_id": "passage-{passage:09d}", "lang": "{lang}", '
    '"title": "article {article}", "query": "What does passage {passage} say about item {item}?", '
    '"passage": "{passage} {text}"}}\n'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--characters", type=int, default=700, help="of each passage")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        path = Path(name) / "corpus.jsonl"
        write(path, arguments.rows, arguments.characters)
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
        environment = {**os.environ, "EVENRANK_CACHE": f"{name}/cache", "EVENRANK_QUIET": "1"}
        seconds = {}
        for step, code in STEPS.items():
            command = [sys.executable, "-c", code, str(path)]
            shown = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            ).stdout.split()
            seconds[step] = float(shown[0])
            peak, own = float(shown[1]), float(shown[2])
            print(f"{step:32} {seconds[step]:9.3f} s {peak:9,.0f} MB peak {own:9,.0f} MB own")
        for other in ("orjson, line by line", "pyarrow.json.read_json"):
            ratio = seconds["open, first time"] / seconds[other]
            print(f"first opening takes {ratio:.1f} times as long as {other}")


def write(path: Path, rows: int, characters: int) -> None:
    text = ("lorem ipsum dolor sit amet " * (characters // 27 + 1))[:characters]
    start = time.perf_counter()
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            item, passage = row // 2, row // 10
            lang = ("de", "en")[row % 2]
            file.write(
                LINE.format(item=item, passage=passage, article=row // 200, lang=lang, text=text)
            )
    print(f"written in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

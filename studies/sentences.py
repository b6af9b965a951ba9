"""Write sentences that are aligned by line (FLORES-200, NTREX-128) as a parallel corpus.

    python studies/sentences.py DATA/flores200-devtest flores --languages de,en --count 150

Each sentence is the query and the passage of its item, as corrections are fitted on. ``--start``
skips sentences, so that two corpora with no common text can be written.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from evenrank.languages import normalise, parse_languages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a folder of CODE.txt.gz")
    parser.add_argument("output", type=Path, help="the folder to write")
    parser.add_argument("--languages", required=True, help="such as de,en")
    parser.add_argument("--start", type=int, default=0, help="sentences to skip")
    parser.add_argument("--count", type=int, default=150, help="sentences to write")
    given = parser.parse_args()
    files = {
        normalise(path.name.removesuffix(".txt.gz"), str(path)): path
        for path in sorted(given.source.glob("*.txt.gz"))
    }
    given.output.mkdir(parents=True)
    for lang in parse_languages(given.languages):
        with gzip.open(files[lang], "rt", encoding="utf-8") as lines:
            texts = [line.rstrip("\n") for line in lines][given.start :][: given.count]
        rows = [
            {"id": str(at), "passage_id": str(at), "query": text, "passage": text}
            for at, text in enumerate(texts, given.start)
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (given.output / f"{lang}.jsonl").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()

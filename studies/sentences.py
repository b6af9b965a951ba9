"""Write sentences that are aligned by line (FLORES-200, NTREX-128) as a parallel corpus.

    python studies/sentences.py DATA/flores200-devtest flores --languages de,en --count 150

    python studies/sentences.py DATA/ntrex128 sentences/ntrex --count 200 --halves

Each sentence is the query and the passage of its item, as corrections are fitted on. ``--start``
skips sentences, so that two corpora with no common text can be written. With ``--halves``, the
query is the first half of the sentence, by characters, as ``experiments/languages.yaml`` trains on.
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
    parser.add_argument("--languages", help="such as de,en; all by default")
    parser.add_argument("--start", type=int, default=0, help="sentences to skip")
    parser.add_argument("--count", type=int, default=150, help="sentences to write")
    parser.add_argument("--halves", action="store_true", help="half a sentence as the query")
    given = parser.parse_args()
    files = {
        normalise(path.name.removesuffix(".txt.gz"), str(path)): path
        for path in sorted(given.source.glob("*.txt.gz"), key=lambda path: -len(path.name))
    }  # of several files of one language (eng, eng-GB), the one with the shortest name
    given.output.mkdir(parents=True)
    for lang in parse_languages(given.languages) if given.languages else files:
        with gzip.open(files[lang], "rt", encoding="utf-8") as lines:
            texts = [line.rstrip("\n") for line in lines][given.start :][: given.count]
        rows = [
            {
                "id": str(at),
                "passage_id": str(at),
                "query": text[: (len(text) + 1) // 2] if given.halves else text,
                "passage": text,
            }
            for at, text in enumerate(texts, given.start)
            if text.strip()  # an empty line is a missing translation
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (given.output / f"{lang}.jsonl").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Texts per second of our encoding next to plain Sentence Transformers, with a real encoder.

    EVENRANK_E5=FOLDER python perf/real_encoder.py $EVENRANK_DATA/squad-dev-parallel

Both encode the same paragraphs, in turns, with the same batch size. Ours reads them as an
evaluation does, with batches of texts of similar length. Rates count the processor time of this
process, which other work on the machine disturbs less than the time on the clock. The last line is
the ratio of the medians; 1.0 or more means that evenrank costs nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from evenrank.data.opening import open_corpus
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.opening import as_model
from evenrank.encoding.sanity import check_encoder
from evenrank.progress import quiet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="a parallel corpus, whose passages are encoded")
    parser.add_argument("--model", default=os.environ.get("EVENRANK_E5"))
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--characters", type=int, default=200, help="maximum length of a text")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not options.model:
        parser.error("name a model, or set EVENRANK_E5 to a folder with multilingual-e5-small")
    corpus = open_corpus(options.corpus)
    passages = sorted(set(corpus.column("passage", corpus.rows[corpus.rows >= 0][::7])))
    chosen = np.random.default_rng(0).permutation(len(passages))[: options.texts]
    texts = [passages[at][: options.characters] for at in chosen.tolist()]
    model = load_encoder(options.model)
    print(f"{len(texts):,} texts, {options.model}, {model.device}")
    check = seconds(lambda: check_encoder(as_model(model)))
    print(f"{check:8.2f} s of processor time to check the encoder")
    work = Work(model, "passage", batch_size=options.batch_size)
    ways: dict[str, Callable[[], object]] = {
        "evenrank": lambda: encode_texts(work, texts),
        "sentence-transformers": lambda: model.encode_document(
            texts, batch_size=options.batch_size, show_progress_bar=False
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with quiet():
        for _ in range(options.rounds):
            for name, way in ways.items():
                rates[name].append(len(texts) / seconds(way))
    for name, found in rates.items():
        print(f"{median(found):8.1f} texts/s ({min(found):.1f} to {max(found):.1f})  {name}")
    ours, theirs = (median(found) for found in rates.values())
    print(f"{ours / theirs:8.2f} evenrank / sentence-transformers")


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()

"""What each setting of the static encoder changes, before and after a short training.

    python perf/static_encoder.py $EVENRANK_DATA/squad-dev-parallel

Trains on 80 % of the articles with hybrid batches, tests on the others, and prints one line for
each change of one setting from the defaults: AP in the three settings, rank distance, and the
seconds of training. Paragraphs of XQuAD are in neither part. ``--only width`` runs the lines whose
name contains that word.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.opening import open_corpus
from evenrank.data.splits import split_corpus
from evenrank.data.writing import write_corpus
from evenrank.encoding.base import build_encoder
from evenrank.evaluation.evaluate import evaluate
from evenrank.results.folder import Evaluation
from evenrank.results.schema import SETTINGS
from evenrank.training.config import TrainConfig
from evenrank.training.run import texts_of, train

PROMPTS = {"query_prompt": "Query: ", "passage_prompt": "Passage: "}
LINES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "defaults": ({}, {}),
    "width 256": ({"width": 256}, {}),
    "width 512": ({"width": 512}, {}),
    "rarity none": ({"rarity": None}, {}),
    "vocabulary 8,000": ({"vocabulary": 8_000}, {}),
    "vocabulary 32,000": ({"vocabulary": 32_000}, {}),
    "prompts": (PROMPTS, {}),
    "learning rate 1e-2": ({}, {"learning_rate": 1e-2}),
    "learning rate 1e-1": ({}, {"learning_rate": 1e-1}),
    "seed 1": ({}, {"seed": 1}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="a parallel corpus with articles")
    parser.add_argument("--where", default="in_xquad_paragraph = false")
    parser.add_argument("--languages", nargs="+", default=["da", "en", "es", "fi", "sv"])
    parser.add_argument("--test-languages", nargs="+", default=["en", "es", "fi", "sv"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus, where=options.where, languages=options.languages)
    parts = split_corpus(corpus, {"train": 0.8, "test": 0.2}, by="article", seed=0)
    test = parts["test"].restrict(options.test_languages)
    complete = (test.rows >= 0).all(axis=1)
    benchmark = benchmark_from_corpus(test.select(complete, "test articles"))
    print(f"{'':20} {'before':31}   after training")
    print(f"{'':20}" + 2 * f"{'mono':>7} {'cross':>7} {'multi':>7} {'dist.':>7}  " + "seconds")
    with TemporaryDirectory() as folder:
        write_corpus(parts["train"], Path(folder) / "train")
        for name, (settings, training) in LINES.items():
            if options.only in name:
                start = build_encoder(
                    "static", texts_of([parts["train"]]), settings, seed=training.get("seed", 0)
                )
                config = TrainConfig(
                    output=Path(folder) / "run",
                    encoder="static",
                    encoder_settings=settings,
                    corpora=[str(Path(folder) / "train")],
                    dev_fraction=0,
                    steps=options.steps,
                    batch_size=options.batch_size,
                    **training,
                )
                run = train(config, overwrite=True)
                figures = [row(evaluate(model, benchmark)) for model in (start, run.model)]
                print(f"{name:20}{figures[0]}{figures[1]}{run.seconds:7.0f}", flush=True)


def row(evaluation: Evaluation) -> str:
    result = evaluation.result
    cells = [f"{result.settings[setting]['AP']:7.3f}" for setting in SETTINGS]
    return " ".join(cells) + f" {result.bias['rank_distance']:7.1f}  "


if __name__ == "__main__":
    main()

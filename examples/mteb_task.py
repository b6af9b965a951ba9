"""Evaluate a saved model with mteb, on a benchmark that evenrank exported as a BEIR folder.

    evenrank data export xquad-r xquad-r-en-de --query-languages en --passage-languages de
    pip install mteb
    python examples/mteb_task.py runs/hybrid/model xquad-r-en-de

The model is a plain Sentence Transformers folder, so mteb needs no adapter for it.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import mteb
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from sentence_transformers import SentenceTransformer


def beir_task(folder: Path) -> AbsTaskRetrieval:
    """Return an mteb retrieval task over a BEIR folder."""

    class LocalRetrieval(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=f"{folder.name}Retrieval",
            description=f"The BEIR folder {folder.name}, exported by evenrank.",
            dataset={"path": str(folder), "revision": "local"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["mul-Latn"],
            main_score="ndcg_at_10",
        )

        def load_data(self, *_: object, **__: object) -> None:
            relevant: dict[str, dict[str, int]] = {}
            with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as file:
                for row in csv.DictReader(file, delimiter="\t"):
                    relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
            queries = [row for row in _rows(folder / "queries.jsonl") if row["id"] in relevant]
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_list(_rows(folder / "corpus.jsonl")),
                        "queries": Dataset.from_list(queries),
                        "relevant_docs": relevant,
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    return LocalRetrieval()


def evaluate_with_mteb(model: SentenceTransformer, folder: Path) -> dict[str, float]:
    """Return mteb's figures for a model on a BEIR folder."""
    result = mteb.evaluate(model, beir_task(folder), cache=None, show_progress_bar=False)
    (scores,) = result.task_results[0].scores["test"]
    return {name: value for name, value in scores.items() if isinstance(value, float)}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"id": row["_id"], "text": row["text"], "title": row.get("title", "")} for row in rows]


if __name__ == "__main__":
    figures = evaluate_with_mteb(SentenceTransformer(sys.argv[1]), Path(sys.argv[2]))
    for name in ("ndcg_at_10", "map_at_1000", "recall_at_10"):
        sys.stdout.write(f"{name}  {figures[name]:.4f}\n")

"""A saved model of ours in mteb, through the example that the documentation shows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from evenrank.benchmarks.export import export_benchmark, restrict
from evenrank.evaluation.evaluate import evaluate

EXAMPLE = Path(__file__).parents[2] / "examples" / "mteb_task.py"
NAMES = {
    "nDCG@10": "ndcg_at_10",
    "AP": "map_at_1000",
    "R@10": "recall_at_10",
    "P@5": "precision_at_5",
}


@pytest.fixture
def example(monkeypatch):
    pytest.importorskip("mteb", reason="mteb is not among the development dependencies")
    spec = importlib.util.spec_from_file_location("mteb_task", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mteb_task", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::FutureWarning:mteb", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("query_langs", "pool"), [(None, None), (["en"], ["de"])])
def test_mteb_gives_our_numbers_for_our_model(
    benchmark, model_folder, example, tmp_path, query_langs, pool
):
    model = SentenceTransformer(str(model_folder), local_files_only=True)
    assert model.prompts["query"] == "Query: "
    part = restrict(benchmark, query_langs=query_langs, pool=pool)
    export_benchmark(part, tmp_path / "numbers", "beir")
    theirs = example.evaluate_with_mteb(model, tmp_path / "numbers")
    frame = evaluate(model, part, measures=list(NAMES)).per_query
    ours = frame[(frame["pool"] == "multi") & (frame["relevant"] > 0)]
    for name, key in NAMES.items():
        assert theirs[key] == pytest.approx(ours[name].mean(), abs=1e-5), name  # mteb rounds

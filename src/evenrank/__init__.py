"""Retrievers that rank the same answer equally well in whichever language it is written.

What stands in ``__all__`` is the public interface. It is loaded at first use, so that importing
the package costs nothing.

>>> import evenrank
>>> corpus = evenrank.open_corpus("world-facts:train")
>>> corpus.languages[:3]
('ar', 'de', 'el')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenrank.batching.plan import BatchPlan
    from evenrank.batching.strategies import make_strategy
    from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
    from evenrank.comparison.compare import compare
    from evenrank.comparison.comparison import Comparison
    from evenrank.data.corpus import ParallelCorpus
    from evenrank.data.opening import open_corpus
    from evenrank.data.splits import split_corpus
    from evenrank.encoding.base import build_encoder
    from evenrank.encoding.loading import load_encoder
    from evenrank.errors import EvenrankError
    from evenrank.evaluation.evaluate import evaluate
    from evenrank.evaluation.evaluate_run import evaluate_run
    from evenrank.evaluation.evaluator import BenchmarkEvaluator
    from evenrank.ranking.rank import rank
    from evenrank.report.build import write_report
    from evenrank.results.evaluation import Evaluation, read_evaluation
    from evenrank.training.config import TrainConfig
    from evenrank.training.run import train

_HOME = {
    "BatchPlan": "batching.plan",
    "Benchmark": "benchmarks.benchmark",
    "BenchmarkEvaluator": "evaluation.evaluator",
    "Comparison": "comparison.comparison",
    "EvenrankError": "errors",
    "Evaluation": "results.evaluation",
    "ParallelCorpus": "data.corpus",
    "TrainConfig": "training.config",
    "build_encoder": "encoding.base",
    "compare": "comparison.compare",
    "evaluate": "evaluation.evaluate",
    "evaluate_run": "evaluation.evaluate_run",
    "load_benchmark": "benchmarks.benchmark",
    "load_encoder": "encoding.loading",
    "make_strategy": "batching.strategies",
    "open_corpus": "data.opening",
    "rank": "ranking.rank",
    "read_evaluation": "results.evaluation",
    "split_corpus": "data.splits",
    "train": "training.run",
    "write_report": "report.build",
}

__all__ = [
    "BatchPlan",
    "Benchmark",
    "BenchmarkEvaluator",
    "Comparison",
    "Evaluation",
    "EvenrankError",
    "ParallelCorpus",
    "TrainConfig",
    "build_encoder",
    "compare",
    "evaluate",
    "evaluate_run",
    "load_benchmark",
    "load_encoder",
    "make_strategy",
    "open_corpus",
    "rank",
    "read_evaluation",
    "split_corpus",
    "train",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import what is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'evenrank' has no attribute {name!r}")
    return getattr(import_module(f"evenrank.{_HOME[name]}"), name)

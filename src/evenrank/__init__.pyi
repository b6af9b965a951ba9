# The public interface, for type checkers and for __init__.py, which reads its names from here.
from evenrank.batching.plan import BatchPlan as BatchPlan
from evenrank.batching.strategies import make_strategy as make_strategy
from evenrank.benchmarks.benchmark import Benchmark as Benchmark
from evenrank.benchmarks.benchmark import load_benchmark as load_benchmark
from evenrank.benchmarks.export import export_benchmark as export_benchmark
from evenrank.cli.doctor import doctor as doctor
from evenrank.comparison.compare import compare as compare
from evenrank.comparison.comparison import Comparison as Comparison
from evenrank.data.corpus import ParallelCorpus as ParallelCorpus
from evenrank.data.description import describe_corpus as describe_corpus
from evenrank.data.opening import open_corpus as open_corpus
from evenrank.data.splits import split_corpus as split_corpus
from evenrank.data.writing import write_corpus as write_corpus
from evenrank.debias.base import Correction as Correction
from evenrank.debias.base import fit_correction as fit_correction
from evenrank.debias.corpus import fit_on_corpus as fit_on_corpus
from evenrank.debias.saving import load_correction as load_correction
from evenrank.debias.saving import save_correction as save_correction
from evenrank.debias.saving import save_model as save_model
from evenrank.demo import run_demo as run_demo
from evenrank.encoding.base import build_encoder as build_encoder
from evenrank.encoding.loading import load_encoder as load_encoder
from evenrank.encoding.opening import open_model as open_model
from evenrank.errors import EvenrankError as EvenrankError
from evenrank.evaluation.encode import encode_benchmark as encode_benchmark
from evenrank.evaluation.evaluate import evaluate as evaluate
from evenrank.evaluation.evaluate_run import evaluate_run as evaluate_run
from evenrank.evaluation.evaluator import BenchmarkEvaluator as BenchmarkEvaluator
from evenrank.experiments.experiment import run_experiment as run_experiment
from evenrank.probing.page import write_probe as write_probe
from evenrank.probing.probe import Probe as Probe
from evenrank.probing.probe import probe as probe
from evenrank.ranking.rank import rank as rank
from evenrank.report.build import write_report as write_report
from evenrank.results.folder import Evaluation as Evaluation
from evenrank.results.folder import read_evaluation as read_evaluation
from evenrank.search.balance import Placed as Placed
from evenrank.search.balance import balance as balance
from evenrank.search.policies.base import Policy as Policy
from evenrank.training.config import TrainConfig as TrainConfig
from evenrank.training.run import train as train

__all__: list[str]
__version__: str

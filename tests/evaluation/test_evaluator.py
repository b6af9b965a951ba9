"""The evaluator in the trainer that users already have."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.evaluation.evaluate import evaluate
from evenrank.evaluation.evaluator import BenchmarkEvaluator


@pytest.fixture
def model(model_folder):
    return SentenceTransformer(str(model_folder), local_files_only=True)


def test_figures_are_those_of_the_evaluation(benchmark, model):
    evaluator = BenchmarkEvaluator(benchmark, measures=["nDCG@10", "W", "rank_distance"])
    figures = evaluator(model)
    result = evaluate(model, benchmark, measures=["AP", "nDCG@10", "W", "rank_distance"]).result
    assert figures["numbers_multi_AP"] == result.settings["multi"]["AP"]
    assert figures["numbers_cross_nDCG@10"] == result.settings["cross"]["nDCG@10"]
    assert figures["numbers_bias_rank_distance"] == result.bias["rank_distance"]
    assert len(figures) == 7 * 2 + 2
    assert (evaluator.primary_metric, evaluator.greater_is_better) == ("numbers_multi_AP", True)


def test_a_plain_trainer_logs_them_and_keeps_the_best_model(benchmark, model, tmp_path):
    evaluator = BenchmarkEvaluator(benchmark, measures=["AP"], primary="bias rank_distance")
    assert not evaluator.greater_is_better
    words = [f"{word}." for word in ("eins", "zwei", "drei", "vier", "fünf", "sechs")]
    pairs = Dataset.from_dict({"anchor": words, "positive": words[::-1]})
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        max_steps=6,
        learning_rate=0.5,
        per_device_train_batch_size=2,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.primary_metric}",
        greater_is_better=evaluator.greater_is_better,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=pairs,
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    key = "eval_numbers_bias_rank_distance"
    logged = [entry for entry in trainer.state.log_history if key in entry]
    assert [entry["step"] for entry in logged] == [2, 4, 6]
    assert len({entry[key] for entry in logged}) > 1
    assert all(0 < entry["eval_numbers_multi_AP"] < 1 for entry in logged)
    best = min(entry[key] for entry in logged)
    assert trainer.state.best_metric == best
    assert evaluator(model)[evaluator.primary_metric] == pytest.approx(best)
    model.save_pretrained(str(tmp_path / "saved"))
    card = (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")
    assert "Multilingual Retrieval" in card


DOCS = Path(__file__).parents[2] / "docs" / "interoperability.md"


@pytest.mark.slow
def test_the_documented_script_runs_with_two_processes(model, tmp_path, monkeypatch):
    """The trainer calls the evaluator in one of them: it may not wait for the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    model.save_pretrained("runs/hybrid/model")
    Path("dev-corpus").mkdir()
    for lang in ("de", "en"):
        row = {"id": "1", "passage_id": "p1", "query": f"{lang}?", "passage": f"eins {lang}."}
        Path("dev-corpus", f"{lang}.jsonl").write_text(json.dumps(row))
    pairs = [{"anchor": f"eins {number}?", "positive": f"zwei {number}."} for number in range(16)]
    Path("pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    block = DOCS.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    block = block.replace("steps=500", "steps=2")
    block = block.replace('"out",', '"out", use_cpu=True,')  # or processes without GPUs do not meet
    Path("script.py").write_text(block)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'eval_dev-corpus_multi_AP': ") == 2  # at step 2 and at the end
    assert Path("out", "checkpoint-2", "model.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"primary": "multy AP"}, ConfigError, "primary: found 'multy AP'"),
        ({"primary": "bias LPR"}, ConfigError, "has no better direction"),
        ({"primary": "mono rank_distance"}, ConfigError, "Use 'bias rank_distance'"),
        ({"primary": "multi APP"}, UnknownNameError, "nearest is 'AP'"),
        ({"measures": ["nDGC@10"]}, UnknownNameError, "nearest is 'nDCG'"),
    ],
)
def test_wrong_names_are_refused_before_training(benchmark, settings, error, message):
    with pytest.raises(error, match=message):
        BenchmarkEvaluator(benchmark, **settings)


def test_a_benchmark_has_a_name_or_gets_one(benchmark):
    assert BenchmarkEvaluator(benchmark, name="dev").primary_metric == "dev_multi_AP"
    with pytest.raises(UnknownNameError, match="nearest is 'xquad-r'"):
        BenchmarkEvaluator("xquad")

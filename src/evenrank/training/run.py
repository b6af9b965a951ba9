"""Training from a configuration to a run folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from transformers import PrinterCallback, set_seed
from transformers.utils import logging as transformers_logging

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import make_strategy
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.files import write_json
from evenrank.processes import is_first_process, processes
from evenrank.progress import bar
from evenrank.training.arguments import early_stopping, make_arguments, make_loss
from evenrank.training.callbacks import ShowProgress, StopOnSignal, WriteLog
from evenrank.training.config import TrainConfig
from evenrank.training.dev import Selection, make_selection, split_dev
from evenrank.training.folder import RunFolder, begin_run, check_output, read_log, write_facts
from evenrank.training.model import make_model
from evenrank.training.pairs import PairDataset


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run.

    Attributes:
        folder: The run folder.
        model: The model's folder inside of it.
        log: Entries of ``step``, ``loss`` and ``dev``.
        seconds: Wall time of the training steps, evaluations included.
    """

    folder: Path
    model: Path
    log: list[dict[str, Any]]
    seconds: float


def train(config: TrainConfig, *, overwrite: bool = False, resume: bool = False) -> TrainedRun:
    """Fine-tune an encoder, or make a small one, with the batches of a strategy.

    Ctrl-C ends the step at hand, saves a checkpoint and raises ``KeyboardInterrupt``; ``resume``
    then goes on with the very batches that an unbroken run would have had.

    Args:
        config: All settings.
        overwrite: Replace a run that is there.
        resume: Go on with an unfinished run.

    Raises:
        ConfigError: Settings do not fit each other or the data, or the run folder exists.
        DataError: A corpus or model cannot be read.
        KeyboardInterrupt: The run was interrupted; it can be resumed.
    """
    folder = RunFolder(config.output)
    if is_first_process():
        check_output(folder, config, overwrite=overwrite, resume=resume)
    strategy = make_strategy(config.strategy, config.alpha)
    opened = [
        open_corpus(source, where=config.where, languages=config.languages)
        for source in config.corpora
    ]
    corpora, dev = split_dev(config, opened)
    plan = BatchPlan(
        corpora,
        strategy,
        batch_size=config.batch_size,
        seed=config.seed,
        total_steps=config.steps,
        epochs=config.epochs,
        corpus_exponent=config.corpus_exponent,
        language_exponent=config.language_exponent,
    )
    dataset = PairDataset(plan, config.negatives)
    selection = make_selection(config, dev, strategy)
    set_seed(config.seed)
    model, learning_rate = make_model(config, corpora)
    trainer = _make_trainer(config, folder, model, dataset, selection, learning_rate)
    if is_first_process():  # all that can be refused has been
        begin_run(folder, resume=resume)
        write_facts(
            folder,
            config,
            "running",
            strategy=strategy.name,
            steps=plan.total_steps,
            processes=processes(),
            data={corpus.name: corpus.fingerprint for corpus in corpora},
            dev={corpus.name: corpus.fingerprint for corpus in dev},
        )
    seconds = _run(trainer, folder, plan.total_steps, resume=resume)
    return _finish(config, folder, model, corpora, strategy.name, seconds)


def _make_trainer(
    config: TrainConfig,
    folder: RunFolder,
    model: SentenceTransformer,
    dataset: PairDataset,
    selection: Selection | None,
    learning_rate: float,
) -> SentenceTransformerTrainer:
    transformers_logging.set_verbosity_error()  # our own bar, log and table say it once
    transformers_logging.disable_progress_bar()
    model.model_card_data.local_files_only = True
    model.model_card_data.widget = [{"text": dataset[0]["anchor"]}]  # else it reads 1,000 rows
    steps = dataset.plan.total_steps
    arguments = make_arguments(
        config, folder, model, steps=steps, learning_rate=learning_rate, selection=selection
    )
    dev_plan = selection.dataset_plan if selection else None
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=PairDataset(dev_plan, config.negatives) if dev_plan else None,
        evaluator=selection.evaluator if selection else None,
        loss=make_loss(model, config),
        callbacks=early_stopping(config, selection),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _run(
    trainer: SentenceTransformerTrainer, folder: RunFolder, steps: int, *, resume: bool
) -> float:
    """Run the steps and return their seconds; raise ``KeyboardInterrupt`` if stopped."""
    checkpoint = folder.last_checkpoint() if resume else None
    start = time.monotonic()
    with StopOnSignal() as stop, bar("Training", total=steps, unit="steps") as progress:
        trainer.add_callback(stop)
        trainer.add_callback(ShowProgress(progress))
        if is_first_process():
            trainer.add_callback(WriteLog(folder.log))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.caught is not None:
        raise KeyboardInterrupt(f"stopped at step {trainer.state.global_step}: use --resume")
    return time.monotonic() - start


def _finish(
    config: TrainConfig,
    folder: RunFolder,
    model: SentenceTransformer,
    corpora: Sequence[ParallelCorpus],
    strategy: str,
    seconds: float,
) -> TrainedRun:
    """Save the model with what made it, and drop the checkpoints."""
    log = read_log(folder) if is_first_process() else []
    if is_first_process():
        model.save_pretrained(str(folder.model))
        training = {
            "strategy": strategy,
            "seed": config.seed,
            "languages": sorted({lang for corpus in corpora for lang in corpus.languages}),
            "config": config.model_dump(mode="json"),
            "log": log,
        }
        write_json(folder.model / "evenrank.json", training)
        write_facts(folder, config, "finished", seconds=round(seconds, 1))
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    return TrainedRun(folder.path, folder.model, log, seconds)

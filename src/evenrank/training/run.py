"""Training from a configuration to a run folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from transformers import set_seed

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import make_strategy
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import ENCODERS, build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.prompts import set_lengths, set_max_length, set_prompts
from evenrank.errors import ConfigError, FileError, errno_in
from evenrank.files import lock_folder, refuse_overlap, write_json
from evenrank.processes import Team, joined
from evenrank.progress import bar, quiet
from evenrank.training.card import write_card
from evenrank.training.config import TrainConfig, read_config
from evenrank.training.folder import RunFolder, begin_run, check_output, read_log, write_facts
from evenrank.training.hub import claim_repository, upload
from evenrank.training.in_batch import in_batch_modes
from evenrank.training.lora import LEARNING_RATE as LORA_LEARNING_RATE
from evenrank.training.lora import add_adapter, lora_settings, merge_adapter, name_base
from evenrank.training.losses.contrastive import needs_parallel
from evenrank.training.losses.teacher import open_teacher
from evenrank.training.pairs import PairDataset
from evenrank.training.selection import check_selection, make_selection, split_dev
from evenrank.training.tokens import CountTokens
from evenrank.training.trainer import (
    KeepLog,
    StopEarly,
    StopOnSignal,
    make_arguments,
    make_trainer,
    quiet_transformers,
    trainer_arguments,
)

PRETRAINED_LEARNING_RATE = 3e-5
"""The paper's learning rate, for encoders that are trained already."""

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run.

    Attributes:
        folder: The run folder.
        model: The model's folder, inside of the run folder.
        log: Entries of ``step``, ``loss`` and ``dev``.
        seconds: Wall time of the training steps, evaluations included.
    """

    folder: Path
    model: Path
    log: list[dict[str, Any]]
    seconds: float


def train(
    config: TrainConfig | str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    **settings: Any,  # noqa: ANN401 - any field of TrainConfig
) -> TrainedRun:
    """Fine-tune an encoder, or train a small new one, with the batches of a strategy.

    Ctrl-C ends the running step, saves a checkpoint and raises ``KeyboardInterrupt``. A resumed run
    gets the batches, losses and weights that an unbroken run gets.

    Under ``torchrun``, all processes share every batch; the first one writes and shows progress.

    Args:
        config: All settings, or a YAML file of them.
        overwrite: Replace an earlier run. Files that evenrank did not write stay.
        resume: Continue an unfinished run; without one, begin it.
        **settings: Fields of :class:`TrainConfig`, which replace those of ``config``.

    Raises:
        ConfigError: Settings do not fit each other or the data; the run folder exists, overlaps an
            input, or is used by another run; or a resumed run began with other settings or data.
        DataError: A corpus or model cannot be read.
        FileError: The run folder cannot be written. The run can be resumed.
        KeyboardInterrupt: The run was interrupted. It can be resumed.
    """
    config = read_config(config, **settings)
    folder = RunFolder(config.output)
    benchmark = (config.dev_benchmark or "").removeprefix("corpus:")
    refuse_overlap(
        folder.path,
        config.encoder,
        *config.corpora,
        config.dev or "",
        benchmark,
        config.teacher or "",
    )
    with (
        joined() as team,
        quiet(not team.first),
        quiet_transformers(),
        lock_folder(config.output) if team.first else nullcontext(),
    ):
        if team.first:
            check_output(folder, config, overwrite=overwrite, resume=resume)
        team.wait()
        return _Run(config, folder, team).train(resume=resume)


class _Run:
    """A training run whose output was checked; creating it reads the data and the model.

    All that can be refused is refused here, before anything is written.
    """

    def __init__(self, config: TrainConfig, folder: RunFolder, team: Team) -> None:
        self.config, self.folder, self.team = config, folder, team
        check_selection(config)
        trainer_arguments(config.trainer)
        self.lora = lora_settings(config)
        teacher = open_teacher(config)
        if config.batch_size % team.count:
            remedy = f"Use a multiple of {team.count}"
            found, expected = str(config.batch_size), f"equal parts for {team.count} processes"
            raise ConfigError("batch_size", found, expected, remedy)
        self.strategy = make_strategy(
            config.strategy,
            config.alpha,
            schedule=config.alpha_schedule,
            pool_languages=config.pool_languages,
            queries_per_passage=config.queries_per_passage,
        )
        in_batch_modes(config, self.strategy)
        opened = [
            open_corpus(source, where=config.where, languages=config.languages)
            for source in config.corpora
        ]
        self.corpora, dev = split_dev(config, opened)
        self.plan = BatchPlan(
            self.corpora,
            self.strategy,
            batch_size=config.batch_size,
            seed=config.seed,
            total_steps=config.steps,
            epochs=config.epochs,
            corpus_exponent=config.corpus_exponent,
            language_exponent=config.language_exponent,
            parallel=needs_parallel(config),
            distinct_passages=config.distinct_passages,
        )
        dataset = PairDataset(self.plan, config.negatives)
        self.selection = make_selection(config, dev, team.count)
        arguments = make_arguments(
            config, folder, self.plan.total_steps, self.selection, team.count
        )
        set_seed(config.seed)
        self.model, learning_rate = make_model(config, self.corpora, team)
        set_lengths(self.model, config.query_max_length, config.passage_max_length)
        self.inputs = {
            "encoder": model_fingerprint(self.model),
            "data": [f"{corpus.name} {corpus.fingerprint}" for corpus in self.corpora],
            "dev": self.selection.fingerprint if self.selection else None,
            "teacher": teacher.fingerprint if teacher else None,
        }
        if self.lora is not None:
            add_adapter(self.model, self.lora, config.seed)
        self.trainer = make_trainer(
            config, arguments, self.model, learning_rate, dataset, self.selection, teacher
        )

    def train(self, *, resume: bool) -> TrainedRun:
        """Run the steps and save the model."""
        team, folder = self.team, self.folder
        if team.first:
            if self.config.push_to_hub is not None:
                claim_repository(self.config.push_to_hub)
            begin_run(folder, self.config, self.inputs, resume=resume)
            facts = {"strategy": self.strategy.name, "steps": self.plan.total_steps}
            write_facts(folder, **facts, processes=team.count)
        checkpoint = team.from_first(folder.last_checkpoint)
        start = time.monotonic()
        with _disk_errors(folder.path), _memory_errors(self.config, team.count):
            self._run_steps(checkpoint)
            seconds = time.monotonic() - start
            log = team.from_first(lambda: self._save(seconds))  # the others wait for the model
        if team.first and self.config.push_to_hub is not None:
            upload(folder.model, self.config.push_to_hub)
        return TrainedRun(folder.path, folder.model, log, seconds)

    def _run_steps(self, checkpoint: Path | None) -> None:
        """Run the steps after a checkpoint; raise ``KeyboardInterrupt`` if stopped."""
        steps, trainer = self.plan.total_steps, self.trainer
        with (
            StopOnSignal(self.team) as stop,
            bar("Training", total=steps, unit="steps") as progress,
        ):
            trainer.add_callback(stop)
            trainer.add_callback(CountTokens(self.model))
            if self.selection is not None and self.config.patience is not None:
                trainer.add_callback(StopEarly(self.selection, self.config.patience))
            pace = (self.config.batch_size, self.plan.steps_per_epoch)
            trainer.add_callback(KeepLog(self.folder, progress, *pace, writes=self.team.first))
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if stop.caught and trainer.state.global_step < steps:
            raise KeyboardInterrupt(f"stopped at step {trainer.state.global_step}: use --resume")

    def _save(self, seconds: float) -> list[dict[str, Any]]:
        """Save the model with how it was trained, remove the checkpoints, and return the log."""
        folder, state = self.folder, self.trainer.state
        log = read_log(folder, self.selection.metric if self.selection else None)
        training = {
            "strategy": self.strategy.name,
            "start": self.inputs["encoder"],
            "seed": self.config.seed,
            "languages": sorted({lang for corpus in self.corpora for lang in corpus.languages}),
            "config": self.config.model_dump(mode="json"),
            "log": log,
        }
        part = folder.path / "model.part"
        shutil.rmtree(part, ignore_errors=True)
        if self.lora is not None:
            (merge_adapter if self.lora.merge else name_base)(self.model)
        self.model.save_pretrained(str(part), create_model_card=False)
        write_json(part / "evenrank.json", training)
        steps = {"last_step": state.global_step, "selected_step": state.best_global_step}
        corpora = [corpus.name for corpus in self.corpora]
        write_card(part, self.model, self.config, training | steps | {"corpora": corpora}, log)
        shutil.rmtree(folder.model, ignore_errors=True)
        part.rename(folder.model)
        shares = self.plan.shares(state.global_step)
        write_facts(folder, **steps, shares=shares, status="finished", seconds=round(seconds, 1))
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
        return log


def make_model(
    config: TrainConfig, corpora: Sequence[ParallelCorpus], team: Team
) -> tuple[SentenceTransformer, float]:
    """Return the model to train and its learning rate.

    Args:
        config: All settings.
        corpora: The tokenizer of a new encoder is trained on their texts.
        team: The processes; the first one builds a new encoder, since transformers saves no
            checkpoint in the others.

    Raises:
        ConfigError: Sizes are given for an encoder that has its own.
        DataError: The checkpoint cannot be read.
    """
    if config.encoder in ENCODERS:
        texts, sizes = texts_of(corpora), config.encoder_settings
        model = team.from_first(
            lambda: build_encoder(config.encoder, texts, sizes, seed=config.seed)
        )
        set_prompts(model, config.query_prompt, config.passage_prompt)
        set_max_length(model, config.max_length)
        return model, config.learning_rate or ENCODERS.get(config.encoder).learning_rate
    if config.encoder_settings:
        raise ConfigError(
            "encoder_settings",
            ", ".join(config.encoder_settings),
            f"no settings, since {config.encoder!r} is a trained encoder and has its sizes already",
            f"Remove them, or use one of {', '.join(ENCODERS)}",
        )
    model = load_encoder(
        config.encoder,
        query_prompt=config.query_prompt,
        passage_prompt=config.passage_prompt,
        max_length=config.max_length,
    )
    merge_adapter(model)  # that of an earlier run
    usual = LORA_LEARNING_RATE if config.lora else PRETRAINED_LEARNING_RATE
    return model, config.learning_rate or usual


def texts_of(corpora: Sequence[ParallelCorpus]) -> Iterator[str]:
    """Yield the queries and passages of every item in every language, read in parts."""
    for corpus in corpora:
        row_numbers = corpus.rows[corpus.rows >= 0]
        for begin in range(0, len(row_numbers), _ROWS_AT_ONCE):
            some = row_numbers[begin : begin + _ROWS_AT_ONCE]
            yield from corpus.column("query", some)
            yield from corpus.column("passage", some)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Raise a library's error about a full disk as ``FileError``."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as cause:
        if errno_in(cause) is None:
            raise
        raise FileError.of(cause, folder) from cause


@contextmanager
def _memory_errors(config: TrainConfig, processes: int) -> Iterator[None]:
    """Raise an error of a device without enough memory as ``FileError``, with smaller settings."""
    try:
        yield
    except (RuntimeError, MemoryError) as cause:
        is_memory = isinstance(cause, torch.OutOfMemoryError | MemoryError)
        if not (is_memory or "allocate memory" in str(cause)):  # the second on a CPU
            raise
        part = config.mini_batch_size
        size = max(1, config.batch_size // processes // 4 if part is None else part // 2)
        remedy = f"Use mini_batch_size={size} (same batches, less memory) and --overwrite"
        if config.encoder == "static":
            remedy = f"Use batch_size={max(2, config.batch_size // 2)} and --overwrite"
        elif part == 1:
            remedy = "Use a lower max_length, or lora, and --overwrite"
        used = "" if part is None else f" in parts of {part}"
        found = f"out of memory with batches of {config.batch_size} pairs{used}"
        raise FileError("training", found, "", remedy) from cause

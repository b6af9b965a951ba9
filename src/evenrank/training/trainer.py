"""SentenceTransformerTrainer set up from our settings: loss, arguments and callbacks."""

from __future__ import annotations

import signal
import threading
import time
import typing
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import orjson
import torch
from pydantic import TypeAdapter, ValidationError
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import (
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from evenrank.encoding.loading import without_transformers_bars
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.prompts import prompts_of
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.files import whole_file
from evenrank.processes import Team
from evenrank.progress import Bar
from evenrank.training.bags import RememberedBags
from evenrank.training.config import TrainConfig
from evenrank.training.folder import RunFolder
from evenrank.training.in_batch import in_batch_modes
from evenrank.training.lora import AdapterTrainer, has_adapter
from evenrank.training.losses.contrastive import make_loss
from evenrank.training.losses.teacher import Teacher
from evenrank.training.pairs import PairDataset, sampler_of
from evenrank.training.selection import Selection

_OURS = {
    "output": "output_dir",
    "steps": "max_steps",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size per_device_eval_batch_size accelerator_config",
    "mini_batch_size": "auto_find_batch_size gradient_accumulation_steps",
    "strategy": "batch_sampler multi_dataset_batch_sampler",
    "query_prompt and passage_prompt": "prompts",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "warmup": "warmup_steps warmup_ratio",
    "seed": "seed",
    "eval_every": "eval_strategy eval_steps save_strategy save_steps save_only_model",
    "select_by": "load_best_model_at_end metric_for_best_model greater_is_better",
    "push_to_hub": "push_to_hub hub_model_id hub_strategy hub_token hub_private_repo "
    "hub_always_push hub_revision",
    "--resume": "ignore_data_skip resume_from_checkpoint",
}
"""Our settings, and the arguments of the trainer that follow from each."""


_TASKS = {"query": "query", "passage": "document"}
"""What Sentence Transformers calls our kinds of texts."""


def trainer_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return further arguments of the trainer, each with its type.

    Raises:
        UnknownNameError: The trainer has no argument of that name.
        ConfigError: A value has the wrong type, or a setting of ours decides the argument.
    """
    types = typing.get_type_hints(SentenceTransformerTrainingArguments)
    arguments = {}
    for name, value in given.items():
        if name not in types:
            raise UnknownNameError("trainer argument", name, types, place="trainer")
        for ours, theirs in _OURS.items():
            if name in theirs.split():
                expected, remedy = "an argument that evenrank does not set", f"Use {ours} instead"
                raise ConfigError("trainer", repr(name), expected, remedy)
        try:
            arguments[name] = TypeAdapter(types[name]).validate_python(value)
        except ValidationError as cause:
            expected = cause.errors()[0]["msg"].removeprefix("Input should be ")
            place, remedy = f"trainer, {name}", "Correct the value"
            raise ConfigError(place, repr(value), expected, remedy) from None
    return arguments


def make_arguments(
    config: TrainConfig,
    folder: RunFolder,
    steps: int,
    selection: Selection | None,
    processes: int,
) -> SentenceTransformerTrainingArguments:
    """Return the trainer's arguments, without what depends on the model.

    Batches are planned for all processes together and split among them
    (``accelerator_config.split_batches``), so each process computes its part of every step.

    Raises:
        ConfigError: Arguments in ``config.trainer`` are unknown or do not go together.
    """
    eval_every = min(steps, config.eval_every or max(1, steps // 10))
    settings: dict[str, Any] = {
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "dataloader_drop_last": True,  # no batch of a plan is smaller than the others
        "dataloader_pin_memory": torch.cuda.is_available(),
        "logging_steps": max(1, steps // 100),
        "logging_nan_inf_filter": False,  # a loss that is not a number is logged as it is
        "save_total_limit": 2,
        "disable_tqdm": True,
        "report_to": "none",
        "log_level": "error",
        "use_cpu": processes > 1 and not torch.cuda.is_available(),  # else each trains alone
    }
    given = trainer_arguments(config.trainer)
    if given.get("bf16") and not torch.accelerator.is_available():
        settings["use_cpu"] = True  # transformers wants to be told so
    settings |= given
    settings |= {
        "output_dir": str(folder.checkpoints),
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "accelerator_config": {"split_batches": True},
        "batch_sampler": sampler_of,
        "weight_decay": config.weight_decay,
        "warmup_steps": round(config.warmup * steps),
        "seed": config.seed,
        "save_steps": eval_every if selection else max(1, min(steps // 4, 1000)),
    }
    if selection is not None:
        settings |= {
            "eval_strategy": "steps",
            "eval_steps": eval_every,
            "load_best_model_at_end": True,
            "metric_for_best_model": selection.metric,
            "greater_is_better": selection.greater_is_better,
        }
    try:
        return SentenceTransformerTrainingArguments(**settings)
    except (ValueError, TypeError, ImportError) as cause:
        found = " ".join(str(cause).split())[:300]
        expected = "arguments that go together"
        raise ConfigError("trainer", found, expected, "Correct them") from cause


def make_trainer(
    config: TrainConfig,
    arguments: SentenceTransformerTrainingArguments,
    model: SentenceTransformer,
    learning_rate: float,
    dataset: PairDataset,
    selection: Selection | None,
    teacher: EmbeddingModel | None = None,
) -> SentenceTransformerTrainer:
    """Return the trainer of a model, without our callbacks."""
    query_prompt, passage_prompt = prompts_of(model)
    tasks = {name: _TASKS[kind] for name, kind in dataset.kinds.items()}
    prompts = {"query": query_prompt, "document": passage_prompt}
    arguments.prompts = {column: prompts[task] for column, task in tasks.items() if prompts[task]}
    arguments.router_mapping = arguments.router_mapping or tasks  # it decides on the length too
    arguments.learning_rate = learning_rate
    model.model_card_data.local_files_only = True
    model.model_card_data.widget = [{"text": dataset[0]["anchor"]}]  # else it reads 1,000 rows
    kind = AdapterTrainer if has_adapter(model) else SentenceTransformerTrainer
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=selection.dataset if selection else None,
        evaluator=selection.evaluator if selection else None,
        loss=make_loss(
            model,
            config,
            arguments.world_size,
            in_batch=in_batch_modes(config, dataset.plan.strategy),
            teacher=None
            if teacher is None
            else Teacher(teacher, dataset, config.teacher_temperature or config.temperature),
        ),
    )
    trainer.remove_callback(PrinterCallback)
    if isinstance(model[0], StaticEmbedding):
        trainer.data_collator.preprocess_fn = RememberedBags(model[0])
    return trainer


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers inside of the block: our progress bar and log show the same.

    The libraries' warnings about their next versions are silenced too.
    """
    verbosity = transformers_logging.get_verbosity()
    try:
        with without_transformers_bars(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            transformers_logging.set_verbosity_error()
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)


class KeepLog(TrainerCallback):  # type: ignore[misc]
    """Shows progress, writes ``log.jsonl`` a line at a time, and stops a run that diverged.

    Args:
        folder: The run folder.
        bar: The progress bar.
        batch_size: Pairs of a step.
        steps_per_epoch: Steps of a pass over the rows.
        writes: Whether this process writes the log.
    """

    def __init__(
        self, folder: RunFolder, bar: Bar, batch_size: int, steps_per_epoch: int, *, writes: bool
    ) -> None:
        self._folder, self._bar, self._writes = folder, bar, writes
        self._batch_size, self._steps_per_epoch = batch_size, steps_per_epoch
        self._begun = (0, 0.0)
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start from a resumed state: its log, its best checkpoint, its step."""
        self._begun = (state.global_step, time.monotonic())
        self._bar.advance(state.global_step)
        if self._writes:
            with whole_file(self._folder.log, overwrite=True) as part:
                part.write_bytes(b"".join(map(_line, state.log_history)))
        if state.best_global_step:  # the state's own path is wrong if the folder was moved
            best = self._folder.checkpoints / f"checkpoint-{state.best_global_step}"
            if not best.is_dir():
                remedy = "Use --overwrite to start again"
                raise DataError(str(best), "no folder", "the best checkpoint so far", remedy)
            state.best_model_checkpoint = str(best)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Advance, and log the loss before each checkpoint, which does not contain its sum."""
        self._bar.advance(1)
        state.epoch = (
            state.global_step / self._steps_per_epoch
        )  # for the trainer, all epochs are one
        control.should_log |= control.should_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Show and write what the trainer logged.

        Raises:
            ConfigError: The loss is not a number any more.
        """
        logged = {**(logs or {}), "step": state.global_step}
        if self._writes:
            with self._folder.log.open("ab") as file:
                file.write(_line(logged))
        if "loss" not in logged:
            return
        loss = float(logged["loss"])
        if not np.isfinite(loss):
            raise ConfigError(
                f"training, step {state.global_step}",
                f"a loss of {loss}",
                "a finite loss",
                "Use a lower learning_rate, a longer warmup or a higher temperature",
            )
        first, start = self._begun
        rate = (state.global_step - first) * self._batch_size / (time.monotonic() - start)
        self._bar.note(f"loss {loss:.3f}  {rate:,.0f} pairs/s")


class StopEarly(TrainerCallback):  # type: ignore[misc]
    """Stops after some evaluations without improvement.

    It counts in the trainer's log, which a checkpoint contains, so a resumed run stops where an
    unbroken one stops. The last step is not saved, so a run that is killed after it stops there
    again.
    """

    def __init__(self, selection: Selection, patience: int) -> None:
        self._metric, self._sign = selection.metric, 1 if selection.greater_is_better else -1
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop if none of the last values is better than the best before them."""
        best, without_gain = -np.inf, 0
        for entry in state.log_history:
            if self._metric in entry:
                value = self._sign * entry[self._metric]
                without_gain = 0 if value > best else without_gain + 1
                best = max(best, value)
        if without_gain >= self._patience:
            control.should_training_stop = True
            control.should_save = False


class StopOnSignal(TrainerCallback):  # type: ignore[misc]
    """Ctrl-C or SIGTERM: finish the step, save a checkpoint, stop; a second one stops at once.

    Use as a context manager around the training; ``caught`` says whether it was stopped. Processes
    that train together exchange this after every step, so all stop at the same step.
    """

    def __init__(self, team: Team) -> None:
        self.caught = False
        self._team = team
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():  # only this one receives signals
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job
                    self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught = True
        signal.signal(number, self._before[number])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Ask the trainer to save and stop, if a signal came to any process during the step."""
        self.caught = bool(self._team.add_up(np.array([int(self.caught)]))[0])
        if self.caught:
            control.should_log = control.should_save = control.should_training_stop = True


def _line(entry: dict[str, Any]) -> bytes:
    return orjson.dumps(entry) + b"\n"

"""What happens beside the training steps: the progress bar, the log, Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from evenrank.progress import Bar


class ShowProgress(TrainerCallback):  # type: ignore[misc]
    """Moves a progress bar and shows the latest loss beside it."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._shown = 0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Advance to the step that has just ended."""
        self._bar.advance(state.global_step - self._shown)
        self._shown = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Show the loss."""
        if logs and "loss" in logs:
            self._bar.note(f"loss {float(logs['loss']):.3f}")


class WriteLog(TrainerCallback):  # type: ignore[misc]
    """Appends what the trainer logs to ``log.jsonl``, a line at once, readable while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start from what the resumed state knows, so that no step is logged twice."""
        lines = b"".join(orjson.dumps(entry) + b"\n" for entry in state.log_history)
        self._path.write_bytes(lines)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Append one line."""
        with self._path.open("ab") as file:
            file.write(orjson.dumps({**(logs or {}), "step": state.global_step}) + b"\n")


class StopOnSignal(TrainerCallback):  # type: ignore[misc]
    """Ctrl-C or SIGTERM: finish the step, save a checkpoint, stop; a second one stops at once.

    Use as a context manager around the training; ``caught`` tells whether it was stopped.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._catch)
            except ValueError:  # not the main thread: signals are somebody else's
                return self
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught = number
        signal.signal(number, self._before[number])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Ask the trainer to save and stop, if a signal came during the step."""
        if self.caught is not None:
            control.should_save = True
            control.should_training_stop = True

"""Which of several processes this is, as ``torchrun`` and ``accelerate launch`` tell it."""

from __future__ import annotations

import os


def processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Tell whether this process is the one that writes files."""
    return int(os.environ.get("RANK", "0")) == 0

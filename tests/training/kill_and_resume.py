"""Train in processes that are killed at random moments until one of them finishes.

    python kill_and_resume.py CONFIG SEED

The processes are forked after the imports, which take longer than the training. Prints the last
logged step at each kill.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import evenrank.encoding.scratch
import evenrank.encoding.static  # noqa: F401
from evenrank.training.config import TrainConfig, read_config
from evenrank.training.run import train

KILLS = 4


def last_step(log: Path) -> int:
    lines = log.read_bytes().splitlines() if log.exists() else []
    return len([line for line in lines if b'"loss"' in line])


def run_until_killed(config: TrainConfig, steps: int, delay: float) -> int | None:
    """Resume the run and kill it after some more steps; return its exit code if it ended first."""
    log = config.output / "log.jsonl"
    child = os.fork()
    if child == 0:
        train(config, resume=True)
        os._exit(0)
    wanted = last_step(log) + steps
    while last_step(log) < wanted:
        time.sleep(0.002)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    sys.stdout.write(f"{last_step(log)}\n")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if code == -signal.SIGKILL else code


def main(config: TrainConfig, chance: random.Random) -> int:
    for _ in range(KILLS):
        code = run_until_killed(config, chance.randint(1, 9), chance.random() * 0.03)
        if code is not None:
            return code
    train(config, resume=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(read_config(sys.argv[1]), random.Random(int(sys.argv[2]))))

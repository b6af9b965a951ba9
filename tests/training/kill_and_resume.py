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

import evenrank.encoding.scratch
import evenrank.encoding.static  # noqa: F401
from evenrank.training.config import read_config
from evenrank.training.run import train

config = read_config(sys.argv[1])
chance = random.Random(int(sys.argv[2]))
log = config.output / "log.jsonl"


def last_step() -> int:
    lines = log.read_bytes().splitlines() if log.exists() else []
    return len([line for line in lines if b'"loss"' in line])


KILLS = 4
kills = 0
while True:
    child = os.fork()
    if child == 0:
        train(config, resume=True)
        os._exit(0)
    before = last_step()
    wanted = before + chance.randint(1, 9)
    status = 0
    while kills < KILLS and last_step() < wanted and not status:
        time.sleep(0.002)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            sys.exit(os.waitstatus_to_exitcode(status))
    if kills < KILLS:
        time.sleep(chance.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        kills += 1
        sys.stdout.write(f"{last_step()}\n")
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit(os.waitstatus_to_exitcode(status))

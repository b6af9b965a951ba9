"""Run ``evenrank train`` in two processes, as torchrun does, once for each list of arguments.

    python two_processes.py FOLDER < '[["NAME", STEP, ["--steps", "4", ...]], ...]'

The processes are forked after the imports, which take longer than the training. If STEP is not
null, the second process alone gets SIGTERM once that many losses are logged. Writes what each
process printed to FOLDER/NAME-RANK.txt, and prints the exit codes as JSON; 77 says that a process
ended well before the model was there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import evenrank.encoding.scratch
import evenrank.encoding.static
import evenrank.training.run  # noqa: F401
from evenrank.cli.app import main


def process(folder: Path, rank: int, port: int, name: str, arguments: list[str]) -> None:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": "2"}
    os.environ.update(address, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    printed = os.open(folder / f"{name}-{rank}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    output = folder / "runs" / name.partition("-")[0]
    sys.argv = ["evenrank", "train", *arguments, "--output", str(output)]
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    if not code and not (output / "model").is_dir():
        code = 77
    sys.stdout.flush()
    os._exit(int(str(code)))


def together(folder: Path, name: str, step: int | None, arguments: list[str]) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            process(folder, rank, port, name, arguments)
    log = folder / "runs" / name / "log.jsonl"
    if step is not None:
        end = time.monotonic() + 60
        while not (log.exists() and log.read_bytes().count(b'"loss"') >= step):
            assert time.monotonic() < end, "nothing is logged"
            time.sleep(0.002)
        os.kill(children[1], signal.SIGTERM)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    codes = {run[0]: together(Path(sys.argv[1]), *run) for run in json.load(sys.stdin)}
    json.dump(codes, sys.stdout)

"""Two real processes that meet, work together, fail and end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from evenrank.errors import ConfigError
from evenrank.processes import ALONE, Team, is_first_process, joined, neighbours, processes

pytestmark = pytest.mark.timeout(700)  # two processes that import torch on a loaded machine

SCRIPT = """
import json, os, sys, time
import numpy as np
import torch.distributed as dist
from evenrank.errors import DataError, UnknownNameError
from evenrank.processes import is_first_process, joined, processes

def together(work):
    try:
        with joined() as team:
            return work(team)
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "elsewhere", None)]
    finally:
        assert not dist.is_initialized()

def calm(team):
    values = np.full((2, 3), team.index, dtype=np.float32)
    team.spread(values, 1)
    with joined() as inner:
        made = inner.from_first(lambda: {"from": team.index})
    assert (team.count, team.first) == (processes(), is_first_process())
    sums = team.add_up(np.array([team.index + 1, 5])).tolist()
    parts = [part.tolist() for part in team.gather(np.array([team.index]))]
    return [values.tolist(), sums, parts, made, team.share([7, 8, 9])]

def in_turn(team):
    def make():
        with open(sys.argv[1], "a") as file:
            file.write(f"{team.index} begins\\n")
            file.flush()
            time.sleep(0.3 * team.first)
            file.write(f"{team.index} ends\\n")
        return team.index
    return team.first_then_others(make)

def fails(number, error):
    def work(team):
        if number in (team.index, "both"):
            raise error
        team.from_first(list)
    return work

def dies(team):
    if team.index == 1:
        os._exit(3)
    team.from_first(list)

steps = {
    "calm": calm,
    "turn": in_turn,
    "data": fails(1, DataError("de.jsonl", "nothing", "rows", "Add some")),
    "bug": fails(0, ZeroDivisionError("by zero")),
    "name": fails(0, UnknownNameError("benchmark", "xquad", ["xquad-r"])),
    "both": fails("both", DataError("here", "one", "two", "Count")),
    "end": calm,
    "dies": dies,
}
dist.init_process_group("cuda:gloo")  # as a group that moves GPU memory only
with joined() as team:
    found = [team.group is not None, team.add_up(np.ones(1)).tolist()]
assert dist.is_initialized()
dist.destroy_process_group()
print(json.dumps(["gpus", found]))
for name, step in steps.items():
    print(json.dumps([name, together(step)]), flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("processes") / "turns.txt"


@pytest.fixture(scope="module")
def met(place):
    """What each of two processes had of each step."""
    free = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1])"
    port = subprocess.check_output([sys.executable, "-c", free], text=True).strip()
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(place)],
            env=os.environ | meeting | {"RANK": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 3], outputs
    return [dict(json.loads(line) for line in out.splitlines()) for out, _ in outputs]


def test_two_processes_exchange_arrays_sums_and_objects(met):
    for number, share in enumerate(([7, 9], [8])):
        for step in ("calm", "end"):  # also after a failure
            assert met[number][step] == [[[1.0] * 3] * 2, [3, 10], [[0], [1]], {"from": 0}, share]


def test_a_group_for_gpus_is_joined_by_one_for_memory(met):
    assert [one["gpus"] for one in met] == [[True, [2]]] * 2


def test_the_first_process_makes_what_the_others_find(met, place):
    assert [one["turn"] for one in met] == [0, 1]
    assert place.read_text().splitlines() == ["0 begins", "0 ends", "1 begins", "1 ends"]


def test_an_error_in_one_is_the_error_of_all_and_told_once(met):
    line = "de.jsonl: found nothing, expected rows. Add some."
    assert met[1]["data"] == ["DataError", line, False]
    assert met[0]["data"] == ["DataError", line, True]
    assert [one["name"][0] for one in met] == ["UnknownNameError"] * 2
    assert [one["name"][2] for one in met] == [False, True]


def test_a_bug_in_one_ends_the_other_without_a_second_traceback(met):
    assert met[0]["bug"] == ["ZeroDivisionError", "by zero", None]
    kind, line, elsewhere = met[1]["bug"]
    assert (kind, elsewhere) == ("ProcessError", True)
    assert line.startswith("process 0 of 2: ZeroDivisionError: by zero. What it printed says more")


def test_an_error_in_both_is_told_by_one(met):
    assert [one["both"][1] for one in met] == ["here: found one, expected two. Count."] * 2
    assert sorted(one["both"][2] for one in met) == [False, True]


def test_a_process_that_is_gone_is_noticed(met):
    assert "dies" not in met[1]
    kind, line, elsewhere = met[0]["dies"]
    assert (kind, elsewhere) == ("ProcessError", False)
    assert line.startswith("process 0 of 2: another process has ended. What it printed")


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (processes(), is_first_process(), neighbours()) == (1, True, 1)
    with joined() as team:
        assert team is ALONE
    assert team.from_first(lambda: "made") == "made"
    assert team.add_up(np.array([3])).tolist() == [3]
    assert [part.tolist() for part in team.gather(np.array([3]))] == [[3]]


def test_shares_cover_the_work_once():
    parts = [Team(number, 3).share(range(10)) for number in range(3)]
    assert sorted(work for part in parts for work in part) == list(range(10))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_stretches_cover_the_work_once_and_in_order(count):
    parts = [Team(number, count).stretch(range(0, 50, 5)) for number in range(count)]
    assert [start for part in parts for start in part] == list(range(0, 50, 5))


@pytest.mark.parametrize(
    ("rank", "world", "message"),
    [("2", "2", "found 2 of 2"), ("x", "2", "found x of 2"), ("0", "2", "MASTER_ADDR.* torchrun")],
)
def test_processes_that_cannot_meet(monkeypatch, rank, world, message):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(ConfigError, match=message), joined():
        pass

"""``evenrank encode``: fill an embedding store before evaluations, on one or several GPUs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.benchmarks.benchmark import BENCHMARKS
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    EmptyTexts,
    Model,
    ModelSetting,
    Precision,
    assignments,
    print_json,
    say,
)
from evenrank.processes import joined
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.evaluation.encode import Encoded

Benchmarks = Annotated[
    list[str],
    typer.Option("--benchmark", "-b", help="Such as miracl:sw,yo; may be given again."),
]
Store = Annotated[Path, typer.Option(help="The embedding store; created if it is not there.")]


def encode_command(
    model: Model,
    benchmark: Benchmarks,
    store: Store,
    model_setting: ModelSetting = None,
    precision: Precision = "float32",
    empty_texts: EmptyTexts = "error",
    batch_size: BatchSize = 64,
    as_json: AsJson = False,
) -> None:
    """Encode a benchmark's texts into a store, from which evaluate reads them.

    Texts that the store has are not encoded again, so a run that was stopped continues where it
    was. With torchrun, each process encodes its share on its own GPU:

    Example: torchrun --nproc-per-node 8 --no-python evenrank encode MODEL -b miracl --store DIR
    """
    with joined() as team, quiet(as_json or not team.first):
        for name in benchmark:  # before the first one takes its time
            BENCHMARKS.get(name.partition(":")[0])
        settings = assignments("--model-setting", model_setting or [])
        from evenrank.evaluation.encode import encode_benchmark  # torch takes seconds to import

        for name in dict.fromkeys(benchmark):
            done = encode_benchmark(
                model,
                name,
                store,
                model_settings=settings,
                precision=precision,
                batch_size=batch_size,
                empty_texts=empty_texts,
            )
            if team.first:
                _print(name, done, store, as_json=as_json)
    if team.first and not as_json:
        flags = "".join(f" --model-setting {shlex.quote(one)}" for one in model_setting or [])
        flags += "" if precision == "float32" else f" --precision {precision}"
        flags += "" if empty_texts == "error" else f" --empty-texts {empty_texts}"
        names = " ".join(f"-b {name}" for name in benchmark)
        say(f"next     evenrank evaluate {model} {names} --store {store}{flags}")


def _print(name: str, done: Encoded, store: Path, *, as_json: bool) -> None:
    if as_json:
        counts = {"query": done.queries, "passage": done.passages}
        facts = {"benchmark": name, "encoded": counts, "tokens": done.tokens, "store": str(store)}
        print_json(facts, indent=False)
    else:
        tokens = "" if done.tokens is None else f" ({done.tokens:,} tokens)"
        words = f"{done.queries:,} queries and {done.passages:,} passages"
        say(f"encoded  {words} of {name}{tokens}")

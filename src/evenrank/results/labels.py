"""Labels that tell results apart: one rule for comparisons and reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import count
from typing import TypeVar

from evenrank.results.folder import Evaluation
from evenrank.results.schema import BenchmarkFacts

SHORTEST_FINGERPRINT = 4

T = TypeVar("T")


def distinct_labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return a label for each result; no two results on one benchmark have the same label.

    Different models with the same label get the start of their fingerprints: ``e5 [3fa1]``. Results
    of one model on one benchmark get the names of their folders: ``e5 (second)``. What is still
    equal, such as results without a folder, gets a number.
    """
    labels = [one.result.model.label for one in evaluations]
    models = [one.result.model.fingerprint for one in evaluations]
    # without the texts, which qrels do not have: see benchmarks.benchmark.same_content
    benchmarks = [one.result.benchmark.fingerprint.partition("-")[0] for one in evaluations]
    for label, places in _equal(labels).items():
        names = {models[at] for at in places}
        length = _shortest(SHORTEST_FINGERPRINT, names, lambda name, length: name[:length])
        for at in places if len(names) > 1 else ():
            labels[at] = f"{label} [{models[at][:length]}]"
    for (label, _), places in _equal(zip(labels, benchmarks, strict=True)).items():
        folders = {at: f.resolve().parts for at in places if (f := evaluations[at].folder)}
        depth = _shortest(1, {*folders.values()}, lambda parts, depth: parts[-depth:])
        for at, parts in folders.items() if len(places) > 1 else ():
            labels[at] = f"{label} ({'/'.join(parts[-depth:])})"
    used: set[tuple[str, str]] = set()
    for at, (label, benchmark) in enumerate(zip(labels, benchmarks, strict=True)):
        numbered = (f"{label} ({number})" for number in count(2))
        while (labels[at], benchmark) in used:
            labels[at] = next(numbered)
        used.add((labels[at], benchmark))
    return labels


def by_benchmark(items: Iterable[T], facts: Callable[[T], BenchmarkFacts]) -> list[list[T]]:
    """Return items in groups of one benchmark each, all in their order.

    The content decides, not the name. What was read with qrels, so without texts, joins the first
    result on the same benchmark with its texts (``benchmarks.benchmark.same_content``).
    """
    groups: dict[str, list[T]] = {}
    known = [(item, facts(item).fingerprint) for item in items]
    with_texts = {name.partition("-")[0]: name for _, name in reversed(known) if "-" in name}
    for item, name in known:
        groups.setdefault(with_texts.get(name, name), []).append(item)
    return list(groups.values())


def _equal(keys: Iterable[T]) -> dict[T, list[int]]:
    """Return the places of each key."""
    places: dict[T, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        places[key].append(at)
    return places


def _shortest(start: int, items: set[T], cut: Callable[[T, int], Hashable]) -> int:
    """Return the minimum length, from ``start``, at which all items still differ when cut to it."""
    return next(n for n in count(start) if len({cut(item, n) for item in items}) == len(items))

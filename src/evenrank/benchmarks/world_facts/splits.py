"""Which facts are trained on and which are held out.

A held-out fact is never seen in training, in any language or phrasing, but each of its names is:
what is tested is whether the encoder finds the fact's answer, not whether it guesses a new word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from evenrank.benchmarks.world_facts.facts import Fact
from evenrank.files import fingerprint_of

Split = Literal["train", "dev", "test"]

TEST_SHARE, DEV_SHARE = 0.20, 0.065
"""Shares of facts that are tried; those that hold a name no other fact has go to train instead."""


def split_facts(facts: Iterable[Fact]) -> dict[str, Split]:
    """Return the split of each fact by its id.

    A hash of its id proposes a fact for ``test`` or ``dev``. Proposals are heard in the order of
    the hash, and granted while every name of the fact still occurs in a fact of ``train``, be it as
    subject of another relation or as object of another fact.
    """
    facts = list(facts)
    place = {fact.id: stable_number("split", fact.id) / 2**64 for fact in facts}
    in_train = Counter(name for fact in facts for name in fact.names)
    splits: dict[str, Split] = {}
    for fact in sorted(facts, key=lambda fact: place[fact.id]):
        proposed = place[fact.id] < TEST_SHARE + DEV_SHARE
        if proposed and all(in_train[name] > 1 for name in fact.names):
            in_train.subtract(fact.names)
            splits[fact.id] = "test" if place[fact.id] < TEST_SHARE else "dev"
        else:
            splits[fact.id] = "train"
    return splits


def stable_number(*parts: str) -> int:
    """Return a number below 2**64 that depends on the parts only, in every process the same."""
    return int(fingerprint_of(*parts), 16)

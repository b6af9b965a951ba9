"""Evaluation of policies: what a balanced search finds, by every measure of an evaluation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.debias.base import Correction
from evenrank.encoding.encode import EmptyTexts
from evenrank.encoding.opening import VECTORS, open_model
from evenrank.encoding.store import Precision
from evenrank.errors import ConfigError
from evenrank.evaluation.assemble import assemble, model_facts
from evenrank.evaluation.debias import open_correction
from evenrank.evaluation.encode import Embeddings, embed
from evenrank.evaluation.policy_ranks import PolicyRanks, rank_by_policies
from evenrank.files import require_writable
from evenrank.measures.selection import DEFAULT_MEASURES, select_measures
from evenrank.results.folder import Evaluation, reserved, write_evaluation
from evenrank.results.schema import ModelFacts
from evenrank.search.policies.base import Policy, open_policy


class EncodingOptions(TypedDict, total=False):
    """How texts are encoded.

    Attributes:
        batch_size: Texts encoded at once.
        store: Embedding store to read from and to add to.
        precision: Precision in the store.
        empty_texts: ``last`` ranks passages without a direction (no token) last.
    """

    batch_size: int
    store: str | Path | None
    precision: Precision
    empty_texts: EmptyTexts


def evaluate_policies(
    model: object,
    benchmark: str | Benchmark,
    policies: Sequence[str | Policy],
    *,
    model_settings: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    label: str | None = None,
    debias: str | Path | Correction | None = None,
    known_language: bool = True,
    top_k: int = 100,
    overwrite: bool = False,
    **encoding: Unpack[EncodingOptions],
) -> list[Evaluation]:
    """Evaluate policies on a benchmark: each gives a result like any other evaluation.

    Scores are computed once for all policies. Figures of an answer in one language only come from
    lists without its translations.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`.
        benchmark: A name such as ``xquad-r``, or the benchmark itself.
        policies: Policies, or names, also with settings: ``balanced(balance=0.5)``.
        model_settings: Settings of the model.
        output: Folder in which each policy gets a result folder; nothing is written if ``None``.
        measures: Names of measures: a list, or a text such as ``"AP,R@10"``.
        label: Name of the model in tables; the policy follows it.
        debias: A correction of language bias, or its file: the lists are those of corrected search.
        known_language: Tell policies the language of a query; else they infer it if they need it.
        top_k: Places that a policy fills; all other passages follow by score.
        overwrite: Replace result folders that exist; nothing else is ever replaced.
        encoding: See :class:`EncodingOptions`.

    Raises:
        EvenrankError: A name is unknown, ``output`` exists, or an input is damaged.
    """
    chosen = _distinct([open_policy(one) for one in policies])
    by = select_measures(measures)
    folders = [None if output is None else Path(output) / _folder_name(one.label) for one in chosen]
    with ExitStack() as stack:
        _reserve(stack, folders, (encoding.get("store"), model, benchmark, debias), overwrite)
        data = load_benchmark(benchmark)
        source = open_model(model, model_settings)
        facts = model_facts(source, label)
        correction = open_correction(debias, data, facts.fingerprint)
        encode = partial(embed, source, data, **encoding)
        ranked = partial(
            rank_by_policies,
            policies=chosen,
            correction=correction,
            top_k=max(top_k, by.share.cutoff or 0),
            known_language=known_language,
        )
        return [
            write_evaluation(evaluation, folder, overwrite=overwrite)
            for evaluation, folder in zip(
                _evaluations(data, facts, by.names, encode, ranked), folders, strict=True
            )
        ]


def _evaluations(
    data: Benchmark,
    facts: ModelFacts,
    measures: Sequence[str],
    encode: Callable[[], Embeddings],
    ranked: partial[list[PolicyRanks]],
) -> Iterator[Evaluation]:
    """Encode and rank once, and assemble the evaluation of each policy."""
    start = time.perf_counter()
    embeddings = encode()
    encoded = time.perf_counter()
    found = ranked(embeddings, data)
    timings = {"encode": encoded - start, "rank": time.perf_counter() - encoded}
    used = ranked.keywords
    correction: Correction | None = used["correction"]
    config = {"debias": correction and correction.facts}
    config |= {name: used[name] for name in ("top_k", "known_language")}
    for policy, ranks in zip(used["policies"], found, strict=True):
        seconds = timings | {"policy": ranks.seconds}
        yield assemble(
            data,
            facts.model_copy(update={"label": f"{facts.label} {policy.label}"}),
            ranks.ranking,
            measures,
            {name: round(value, 4) for name, value in seconds.items()},
            config | {"policy": policy.facts},
            ranks.single,
        )


def _reserve(
    stack: ExitStack, folders: list[Path | None], reads: tuple[object, ...], overwrite: bool
) -> None:
    """Refuse first what would fail last, and keep the result folders reserved."""
    paths = [
        str(one).removeprefix("corpus:").removeprefix(VECTORS)
        for one in reads
        if isinstance(one, str | Path)
    ]
    for folder in folders:
        stack.enter_context(reserved(folder, *paths, overwrite=overwrite))
    if isinstance(reads[0], str | Path):
        require_writable(reads[0])


def _distinct(policies: list[Policy]) -> list[Policy]:
    """Refuse no policy, and one that comes twice."""
    labels = [policy.label for policy in policies]
    if not labels:
        raise ConfigError("policies", "none", "at least one", "Name a policy")
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ConfigError("policies", f"{twice[0]!r} twice", "each one once", "Leave one out")
    return policies


def _folder_name(label: str) -> str:
    """Return a policy's label as the name of a folder: ``balanced-balance=0.5``."""
    return re.sub(r"[^\w.=-]+", "-", label).strip("-")

"""The figures of docs/search-policies.md: what policies find on ready vectors of a benchmark.

    python studies/policy_front.py xquad-r QUERIES.npy PASSAGES.npy
    python studies/policy_front.py xquad-r QUERIES.npy PASSAGES.npy --half 1
    python studies/policy_front.py xquad-r QUERIES.npy PASSAGES.npy --skewed en
    python studies/policy_front.py xquad-r QUERIES.npy PASSAGES.npy --correction flatten

The vectors are unit vectors in the order of the benchmark: ``evenrank.encoding``'s store, or any
encoder, gives them. ``--half`` keeps every second query with its translations, ``--skewed`` gives
one language 70 % of the pool, and ``--correction`` searches with a correction such as ``flatten``,
fitted on the passages of the pool.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from evenrank.benchmarks.benchmark import Benchmark, Passage, Query, benchmark_of, load_benchmark
from evenrank.comparison.compare import setting_intervals
from evenrank.debias.base import Correction, fit_correction
from evenrank.debias.rows import blocks_of
from evenrank.evaluation.assemble import assemble
from evenrank.evaluation.encode import Embeddings
from evenrank.evaluation.policy_ranks import PolicyRanks, rank_by_policies
from evenrank.results.schema import ModelFacts
from evenrank.search.policies.base import open_policy

MEASURES = ["R@10", "R@20", "RR"]
POLICIES = [
    "raw",
    *(f"calibrated(strength={one})" for one in (0.3, 1)),
    "calibrated(strength=1,bonus=2.5)",
    "round-robin",
    "guaranteed",
    "own-first",
    *(f"balanced(balance={one})" for one in (0.2, 0.3, 0.4, 0.5, 0.7, 1)),
    *(f"balanced(lead={one})" for one in (5, 5.5)),
]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("benchmark")
    parser.add_argument("queries")
    parser.add_argument("passages")
    parser.add_argument("--policy", action="append")
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--skewed", metavar="LANGUAGE")
    parser.add_argument("--correction", metavar="METHOD")
    parser.add_argument("--unknown-language", action="store_true")
    given = parser.parse_args()
    benchmark = load_benchmark(given.benchmark)
    queries, passages = (np.load(path) for path in (given.queries, given.passages))
    keep_queries = np.ones(len(queries), dtype=bool)
    if given.half is not None:
        keep_queries = benchmark.parallel % 2 == given.half
    keep = np.ones(len(passages), dtype=bool)
    if given.skewed:
        keep = skewed(benchmark, given.skewed)
    benchmark = part_of(benchmark, keep_queries, keep)
    embeddings = Embeddings(queries[keep_queries], passages[keep])
    correction = fitted(given.correction, benchmark, embeddings) if given.correction else None
    policies = [open_policy(name) for name in given.policy or POLICIES]
    found = rank_by_policies(
        embeddings,
        benchmark,
        policies,
        correction=correction,
        known_language=not given.unknown_language,
    )
    print("| policy | own hit@10 | @20 | RR | other hit@10 | @20 | RR | us per query |")
    print("|---|---|---|---|---|---|---|---|")
    for policy, ranks in zip(policies, found, strict=True):
        cells = row_of(benchmark, policy.label, ranks, given.skewed)
        time = 1e6 * ranks.seconds / len(benchmark.queries)
        print(f"| {policy.label} | {' | '.join(cells)} | {time:.0f} |", flush=True)


def row_of(
    benchmark: Benchmark, label: str, ranks: PolicyRanks, skewed_to: str | None
) -> Iterator[str]:
    """Yield the figures of a policy; in a skewed pool, those of answers in the small languages."""
    facts = ModelFacts(
        label=label,
        path="",
        fingerprint="",
        dimension=1,  # not shown
        query_prompt="",
        passage_prompt="",
    )
    one = assemble(benchmark, facts, ranks.ranking, MEASURES, {}, {}, ranks.single)
    intervals = setting_intervals(one, MEASURES, resamples=1000)
    small = [lang for lang in benchmark.languages if lang != skewed_to]
    for setting in ("own", "other"):
        for name in MEASURES:
            if skewed_to:
                table = one.result.single[name]
                cells = [
                    table[asked][lang]
                    for asked in table
                    for lang in small
                    if (asked == lang) == (setting == "own")
                ]
                yield f"{np.nanmean(cells):.3f}"
                continue
            low, high = intervals[name, setting]
            wide = f" ±{(high - low) / 2:.3f}" if name != "R@20" else ""
            yield f"{one.result.settings[setting][name]:.3f}{wide}"


def skewed(benchmark: Benchmark, language: str, share: float = 0.7) -> np.ndarray:
    """Keep one language whole, and as many of each other language that it has ``share``."""
    rng = np.random.default_rng(0)
    sizes = np.diff(benchmark.offsets)
    number = benchmark.languages.index(language)
    each = int(sizes[number] * (1 - share) / share / (len(sizes) - 1))
    relevant = np.unique(benchmark.relevance.passages)
    keep = benchmark.passages.langs == number
    for lang in range(len(sizes)):
        if lang != number:
            own = relevant[benchmark.passages.langs[relevant] == lang]
            keep[rng.choice(own, min(each, len(own)), replace=False)] = True
    return np.asarray(keep)


def part_of(benchmark: Benchmark, queries: np.ndarray, passages: np.ndarray) -> Benchmark:
    """Return some queries and passages of a benchmark."""
    names = benchmark.languages
    texts = zip(
        benchmark.queries.ids.to_pylist(),
        benchmark.parallel.tolist(),
        benchmark.queries.langs.tolist(),
        benchmark.queries.texts.to_pylist(),
        queries,
        strict=True,
    )
    some = [Query(id_, str(group), names[lang], text) for id_, group, lang, text, on in texts if on]
    rows = zip(
        benchmark.passages.ids.to_pylist(),
        benchmark.passages.langs.tolist(),
        benchmark.passages.texts.to_pylist(),
        passages,
        strict=True,
    )
    pool = [Passage(id_, names[lang], text) for id_, lang, text, on in rows if on]
    pairs = np.stack([benchmark.relevance.query_of, benchmark.relevance.passages], axis=1)
    pairs = pairs[queries[pairs[:, 0]] & passages[pairs[:, 1]]]
    new = np.stack([np.cumsum(queries)[pairs[:, 0]], np.cumsum(passages)[pairs[:, 1]]], axis=1) - 1
    return benchmark_of(benchmark.name, benchmark.card, some, pool, new)


def fitted(method: str, benchmark: Benchmark, embeddings: Embeddings) -> Correction:
    """Fit the correction on the passages that are searched, as an index does."""
    langs = np.array(benchmark.languages)[benchmark.passages.langs]
    return fit_correction(method, blocks_of(embeddings.passages, langs))


if __name__ == "__main__":
    main()

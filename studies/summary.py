"""Mean and spread over seeds of results in folders STRATEGY-SEED, as a Markdown table.

    python studies/summary.py RESULTS [--seen da,en,es]

With ``--seen`` the pairs of languages that were seen in training are shown apart from the others.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from evenrank.results.folder import read_result
from evenrank.results.schema import Result


def rows_of(result: Result, seen: set[str]) -> dict[str, float]:
    """Return the headline figures of a result, and those of seen and unseen languages."""
    figures = {
        f"AP {setting}": result.settings[setting]["AP"] for setting in ("mono", "cross", "multi")
    }
    figures |= {name: result.bias[name] for name in ("rank_distance", "rank_distance_norm", "LPR")}
    if seen:
        pairs, pool = result.pairs["AP"], result.pool
        for name, chosen in (("seen", seen), ("unseen", set(pairs) - seen)):
            mono = [pairs[lang][lang] for lang in pairs if lang in chosen]
            cross = [
                pairs[query][other]
                for query in pairs
                for other in pairs[query]
                if query != other and {query, other} <= chosen
            ]
            multi = [value for lang, value in pool["AP"].items() if lang in chosen]
            distance = [value for lang, value in pool["rank_distance"].items() if lang in chosen]
            figures |= {
                f"{name}: AP mono": np.mean(mono),
                f"{name}: AP cross": np.mean(cross),
                f"{name}: AP multi": np.mean(multi),
                f"{name}: rank_distance": np.mean(distance),
            }
    return {name: float("nan") if value is None else value for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seen", default="")
    options = parser.parse_args()
    seen = set(filter(None, options.seen.split(",")))
    by_strategy: dict[str, list[dict[str, float]]] = defaultdict(list)
    for folder in sorted(options.results.iterdir()):
        if (folder / "result.json").exists():
            strategy = folder.name.rsplit("-", 1)[0]
            by_strategy[strategy].append(rows_of(read_result(folder), seen))
    names = next(iter(by_strategy.values()))[0]
    print(f"\n{options.results.name}: mean ± standard deviation over seeds\n")
    print("| |", " | ".join(f"{name} (n = {len(runs)})" for name, runs in by_strategy.items()), "|")
    print("|---|" + "---|" * len(by_strategy))
    for name in names:
        cells = []
        for runs in by_strategy.values():
            values = np.array([run[name] for run in runs])
            places = 1 if values.mean() > 2 else 4
            spread = values.std(ddof=1) if len(values) > 1 else float("nan")
            cells.append(f"{values.mean():,.{places}f} ± {spread:,.{places}f}")
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

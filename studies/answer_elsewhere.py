"""How often is an answer found that exists in one language only?

    python studies/answer_elsewhere.py RESULT [--cutoff 10]

Reads ``ranks.parquet`` of a result folder on a benchmark whose passages are parallel. For each
query and each of its relevant passages, the other relevant passages are taken out of the
multilingual pool: the rank of this passage falls by the number of relevant passages above it. The
output is the share of ranks up to the cutoff where the passage is in the query's language
(``own``) and where it is in another language (``other``), each the mean over the pairs of
languages.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq


def answer_elsewhere(ranks: pd.DataFrame, cutoff: int) -> pd.Series[float]:
    """Return the shares ``own`` and ``other``.

    Args:
        ranks: Columns ``query_id``, ``query_lang``, ``lang`` and ``rank``.
        cutoff: Last rank that counts as found.

    >>> ranks = pd.DataFrame(
    ...     {
    ...         "query_id": ["q", "q"],
    ...         "query_lang": ["de", "de"],
    ...         "lang": ["de", "en"],
    ...         "rank": [1, 11],
    ...     }
    ... )
    >>> answer_elsewhere(ranks, 10).to_dict()  # without the German answer, the English one is 10th
    {'other': 1.0, 'own': 1.0}
    """
    above = ranks.groupby("query_id")["rank"].rank(method="first") - 1
    found = (ranks["rank"] - above <= cutoff).astype(float)
    pairs = found.groupby([ranks["query_lang"], ranks["lang"]]).mean()
    langs = pairs.index.to_frame()
    where = (langs["query_lang"] == langs["lang"]).map({True: "own", False: "other"})
    return pairs.groupby(where).mean()


def main() -> None:
    """Print the two shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--cutoff", type=int, default=10)
    options = parser.parse_args()
    columns = ["query_id", "query_lang", "lang", "rank"]
    ranks = pq.read_table(options.result / "ranks.parquet", columns=columns).to_pandas()
    shares = answer_elsewhere(ranks, options.cutoff)
    print(f"found in the top {options.cutoff} if the answer is only in")
    print(f"  the query's language   {shares['own']:.3f}")
    print(f"  one other language     {shares['other']:.3f}")


if __name__ == "__main__":
    main()

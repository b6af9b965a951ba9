"""The page ``docs/measures.md``, written from the docstrings of the measures.

python -m evenrank.measures.page docs/measures.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from evenrank.files import whole_file
from evenrank.measures.base import MEASURES, Measure

INTRODUCTION = """\
# Measures

<!-- Written by `python -m evenrank.measures.page docs/measures.md`: change the docstrings. -->

A measure is a function of the ranks of a query's relevant passages in a *pool*: the passages of one
language, or those of all languages (the *multilingual pool*). Ranks are exact and cover the whole
pool, so a measure needs no cutoff unless its name has one. `k` is that cutoff; write `nDCG@10`.

**Ties.** Passages are ordered by score. Of equal scores, the passage with the earlier position
ranks above. Positions are ordered by language code, then as in the source. So all ranks are
different, and no measure has to break a tie again.

**Grades.** Judgments may say how relevant a passage is. `nDCG` uses the grade as its gain; for all
other measures a passage is relevant or not.

**Unscored queries.** A query without a relevant passage in a pool is not scored there. Its value is
missing, no mean counts it, and the result says how many queries were scored.

**Runs.** A run contains only the best passages of each query, and is scored as far as it goes. A
relevant passage that it misses adds nothing to `AP`, `nDCG` and the other ranking measures, as in
trec_eval. Bias measures give missing passages the rank after the longest ranking of the run, at
most the size of the pool. So for a query whose ranking has that length, the true rank distance is
at least the one shown. Runs of different depths cannot be compared by rank distance. Its references
and the normalised distance are those of rankings that end at the same rank. A query for which the
run contains no relevant passage has no rank distance and no preferred language.

**Means.** Each figure is a macro mean: first over the scored queries of each pair of query language
and passage language, then over the pairs. `mono` uses the pairs of a language with itself, `cross`
all ordered pairs of two languages, `multi` the multilingual pool for each query language. Bias
measures are computed in the multilingual pool, where languages compete.

## An answer that exists in one language only

Most documents are never translated. The setting `single` asks what happens then: is an answer found
if it exists in one language only? Every ranking measure has these figures.

- **Definition:** for a query in language `a` and a passage language `b`, the measure in the
  multilingual pool without the query's relevant passages in all languages except `b`.
- **Formula:** the rank of a relevant passage in `b` is `r - o`: its rank `r` in the multilingual
  pool, less the number `o` of relevant passages in other languages above it. The figure of the pair
  `(a, b)` is the mean over queries: the matrix `single`. Its means are settings:

  | setting | |
  |---|---|
  | `own` | the mean over `a = b`: the answer exists in the query's language |
  | `other` | the mean over `a != b`: it exists in one other language |
  | `even` | the mean over all pairs, each with the same weight |
  | `gap` | the **access gap**, `own - other` |

- **Ties:** as everywhere. Removing passages does not change the order of the others.
- **Empty:** a query with relevant passages in fewer than two languages does not count, as for
  `rank_distance`: `own` and `other` are of the same queries. On a benchmark that has no other
  queries (MIRACL) all four are missing. There every answer exists in one language, and `multi` is
  the figure. Without a query that has an answer in its own language, `own` and `gap` are missing.
- **Range:** that of the measure. `gap` is 0 if the language of an answer makes no difference, above
  0 if queries find answers in their own language more easily; for `R@10` it is from -1 to 1. A
  model can have a small gap because it finds nothing, so look at `own` as well.
- **Runs that end:** a passage that the run misses adds nothing, as if the other passages were
  removed from the run. For `R@10` to be exact, a run has to be as deep as 10 plus the number of
  relevant passages in other languages.

**Why next to rank distance.** In a benchmark of parallel passages every answer exists in every
language, and such a pool flatters whatever spreads the languages. A ranking that takes one passage
of each language in turn needs no better embeddings for a small rank distance and a high `multi`
figure, but each place for another language is one less for the query's own. If the answer exists in
the own language only, these places are lost. `own` shows this price and `other` the gain, on the
same queries.
"""
FAMILIES = {"ranking": "Ranking quality", "bias": "Language bias"}
CUTOFFS = {"none": "`{0}`", "optional": "`{0}`, `{0}@k`", "required": "`{0}@k`"}
LEVELS = {
    "query": "one value per query",
    "group": "one value per query language",
    "share": "one value per query and passage language",
}
BETTER = {"higher": "higher is better", "lower": "lower is better", "none": "neither is better"}
LABELS = ("Formula", "Ties", "Empty", "Range", "Source")
"""What every measure's docstring states, each on its own line."""


def measures_page() -> str:
    """Return the page in Markdown."""
    measures = [MEASURES.get(name) for name in MEASURES]
    parts = [INTRODUCTION]
    for family, title in FAMILIES.items():
        chosen = [one for one in measures if one.family == family]
        parts += [f"## {title}\n", _overview(chosen), *map(_section, chosen)]
    return "\n".join(parts)


def _overview(measures: Iterable[Measure]) -> str:
    rows = [f"| {_names(one)} | {_markdown(one.summary)} |" for one in measures]
    return "\n".join(["| measure | what it is |", "|---|---|", *rows, ""])


def _section(one: Measure) -> str:
    """Return a docstring with its labelled paragraphs as a list and its example as code."""
    text, _, example = inspect.cleandoc(one.compute.__doc__ or "").partition("\n>>> ")
    body, _, _ = text.partition("\n")[2].partition("\nRaises:")
    marked = re.sub(rf"^({'|'.join(LABELS)}):", r"- **\1:**", body.strip(), flags=re.MULTILINE)
    parts = [
        f"### {_names(one)}",
        _markdown(one.summary),
        f"*{LEVELS[one.level]}; {BETTER[one.better]}.*",
        _markdown(_indent_items(marked)),
    ]
    if example:
        origin = f"from {one.compute.__module__} import {one.compute.__name__}"
        parts.append(f"```python\n>>> {origin}\n>>> {example.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _indent_items(text: str) -> str:
    """Indent the further lines of list items, so that Markdown does not split an item."""
    inside, lines = False, []
    for line in text.splitlines():
        inside = line.startswith("- ") or (inside and bool(line))
        lines.append(line if line.startswith("- ") or not inside else f"  {line}")
    return "\n".join(lines)


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def _names(one: Measure) -> str:
    return CUTOFFS[one.cutoff].format(one.name)


if __name__ == "__main__":
    with whole_file(Path(sys.argv[1]), overwrite=True) as part:
        part.write_text(measures_page(), encoding="utf-8")

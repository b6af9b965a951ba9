"""The page ``docs/measures.md``, made from the docstrings of the measures.

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

<!-- Made by `python -m evenrank.measures.page docs/measures.md`: change the docstrings instead. -->

A measure is a function of the ranks of a query's relevant passages in a *pool*: the passages of one
language, or of all languages together. Ranks are exact and go to the end of the pool, so a measure
needs no cutoff unless its name has one. `k` is that cutoff; write `nDCG@10`.

**Ties.** Scores are sorted downwards; of equal scores the passage that stands first in the
collection ranks above. The collection is ordered by language code, then as its source is. So ranks
are distinct, and no measure has to break a tie again.

**Grades.** Judgments may say how relevant a passage is. `nDCG` takes the grade as its gain; to
every other measure a passage is relevant or not.

**Unscored queries.** A query without a relevant passage in a pool is not scored there: its value is
missing, no mean counts it, and the result says how many queries were scored.

**Runs that end.** A system's run holds the best passages of each query only, and is scored cut off
where it ends. A relevant passage that it does not hold adds nothing to `AP`, `nDCG` and the other
ranking measures, as in trec_eval. For language bias it stands behind the run: the missing passages
share the rank that follows the longest ranking of the run (or the last one of the pool, where that
ranking holds all of it). So the true rank distance of a query whose own ranking is that long is at
least the one shown, and runs of different depths cannot be compared by it; the references that it
stands against, and the normalised distance, are those of rankings that end at the same rank. A
query of which the run holds no relevant passage has no rank distance and no preferred language.

**Means.** Every figure is a macro mean: over the scored queries of each pair of query language and
passage language first, then over pairs. `mono` takes the pairs of a language with itself,
`cross` all ordered pairs of two languages, `multi` the pool of all languages for each query
language. Bias measures are taken in the pool of all languages, where languages compete.
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
"""What every measure's docstring states, each on a line of its own."""


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
    """Return what the docstring says, its labelled paragraphs as a list, its example as code."""
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
    """Indent the further lines of list items, so that Markdown keeps each item whole."""
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

"""Heat maps as tables with shaded cells, and languages grouped by script if there are many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from babel import Locale
from numpy.typing import NDArray

from evenrank.languages import script_of
from evenrank.tables import MARK, Cell, Column, Row, Table

Matrix = NDArray[np.float64]
"""Query languages x passage languages; NaN where there is no value."""

MANY = 30
"""More languages than this are grouped by script."""

SAME = "same language"


def heat_table(
    caption: str,
    names: tuple[str, Sequence[str], Sequence[str]],
    values: Matrix,
    shades: Matrix,
    *,
    spec: str = ".2f",
    marked: NDArray[np.bool_] | None = None,
) -> Table:
    """Return a matrix as a table whose cells have a colour.

    Args:
        caption: What it shows.
        names: Heading of the rows' names, names of the R rows, names of the C columns.
        values: R x C numbers, NaN for none.
        shades: R x C strengths of colour, -1..1.
        spec: How the numbers are printed.
        marked: R x C, which cells carry a mark.
    """
    head, rows, columns = names
    cells = [
        [
            Cell(None if v != v else v, shade=None if s != s else round(s, 3))
            for v, s in zip(row, strengths, strict=True)
        ]
        for row, strengths in zip(values.tolist(), shades.tolist(), strict=True)
    ]
    if marked is not None:
        for row, column in np.argwhere(marked).tolist():
            cell = cells[row][column]
            cells[row][column] = Cell(cell.value, aside=MARK, shade=cell.shade)
    return Table(
        caption=caption,
        head=head,
        columns=tuple(Column(title=name, spec=spec) for name in columns),
        rows=tuple(
            Row(title=name, cells=tuple(row)) for name, row in zip(rows, cells, strict=True)
        ),
    )


@cache
def script_title(lang: str) -> str:
    """Return the English name of a language's script.

    >>> script_title("ru"), script_title("zh-TW")
    ('Cyrillic', 'Traditional Han')
    """
    script = script_of(lang)
    name = str(Locale("en").scripts.get(script, script))
    return f"{name} Han" if script in ("Hans", "Hant") else name  # CLDR says "Simplified"


def scripts(langs: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the languages of each script, the largest scripts first."""
    found: dict[str, list[int]] = {}
    for place, lang in enumerate(langs):
        found.setdefault(script_title(lang), []).append(place)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def group_title(script: str, places: list[int]) -> str:
    """Return the name of a group of languages with its size."""
    return f"{script} ({len(places)})"


def mean_by_script(
    matrix: Matrix, queries: Sequence[str], passages: Sequence[str], *, rows: bool = True
) -> tuple[list[str], list[str], Matrix]:
    """Return means over scripts: names of the rows and of the columns, and the values.

    The first column is the mean where query and passage are in the same language; the other
    columns leave these pairs out.

    Args:
        matrix: Query languages x passage languages.
        queries: The query languages.
        passages: The passage languages.
        rows: Group the query languages too; else each one keeps its row.
    """
    same = np.array(queries)[:, None] == np.array(passages)[None, :]
    others = np.where(same, np.nan, matrix)
    columns = scripts(passages)
    groups = scripts(queries) if rows else {lang: [place] for place, lang in enumerate(queries)}
    blocks = [others[:, places] for places in columns.values()]
    blocks.insert(0, np.where(same, matrix, np.nan))
    return (
        [group_title(*group) for group in groups.items()] if rows else list(groups),
        [SAME, *(group_title(*column) for column in columns.items())],
        np.array([[_mean(block[places]) for block in blocks] for places in groups.values()]),
    )


def _mean(values: Matrix) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")

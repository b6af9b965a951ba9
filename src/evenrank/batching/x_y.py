"""X-Y: query and passage in different languages, the batch mixes pairs of languages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.base import (
    STRATEGIES,
    Alpha,
    Columns,
    Mode,
    Strategy,
    draw_languages,
    single,
)


def _draw(
    present: NDArray[np.bool_], weights: NDArray[np.float64], generator: np.random.Generator
) -> Columns:
    columns = draw_languages(present, weights, generator, 2)
    return columns[:, 0], columns[:, 1]


X_Y = Mode("x-y", one_language=False, fewest=2, draw=_draw)


@STRATEGIES.decorator("x-y")
def x_y(alpha: Alpha) -> Strategy:
    """Query and passage are in different languages: the paper's cross-lingual batching."""
    return single(X_Y)

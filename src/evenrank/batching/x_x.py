"""X-X: query and passage in one language, the batch mixes languages."""

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
    language = draw_languages(present, weights, generator, 1)[:, 0]
    return language, language


X_X = Mode("x-x", one_language=False, fewest=1, draw=_draw)


@STRATEGIES.decorator("x-x")
def x_x(alpha: Alpha) -> Strategy:
    """Each pair is in one language and the batch mixes languages (LAReQA's weak baseline)."""
    return single(X_X)

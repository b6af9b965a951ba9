"""Add a batch strategy: monolingual batches first, cross-lingual batches afterwards.

The strategy is available by its name once this module is imported:

>>> from evenrank.batching.strategies import make_strategy
>>> strategy = make_strategy("mono-then-cross", alpha=0.25)
>>> strategy.mixture(np.array([0.0, 0.2, 0.3, 1.0])).tolist()
[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.strategies import (
    STRATEGIES,
    X_X_MONO,
    X_Y,
    Strategy,
    StrategySettings,
)


@STRATEGIES.decorator("mono-then-cross")
def mono_then_cross(settings: StrategySettings) -> Strategy:
    """The first share ``alpha`` of the steps is monolingual, the rest is cross-lingual."""
    share = settings.alpha.values[0]

    def mixture(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        mono = (progress < share).astype(float)
        return np.column_stack([mono, 1 - mono])

    return Strategy(f"mono-then-cross({share:g})", (X_X_MONO, X_Y), mixture)
